package s3test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// sendRaw closes the connection after bytes that are no answer of ours.
func (x *exchange) sendRaw() {
	conn, gone := x.hijack()
	defer x.hangUp(conn, gone)
	switch {
	case x.fault.Garbage:
		conn.Write([]byte("\x16\x03\x01\x00garbage that no HTTP parser should accept\r\n\r\n"))
	case x.fault.RawResponse != nil:
		conn.Write(x.fault.RawResponse)
	}
}

// sendOnWire writes the answer by hand, so that its framing may be wrong, and
// closes the connection.
func (x *exchange) sendOnWire(rep reply) {
	conn, gone := x.hijack()
	defer x.hangUp(conn, gone)
	f := x.fault
	var head bytes.Buffer
	for range f.Continue100 {
		head.WriteString(statusLine(http.StatusContinue) + "\r\n")
	}
	head.WriteString(statusLine(rep.status))
	switch {
	case f.ContentLength != "":
		rep.header["Content-Length"] = []string{f.ContentLength}
	case !rep.hasBody():
	case rep.framing == byLength:
		rep.header["Content-Length"] = []string{strconv.FormatInt(rep.body.n, 10)}
	case rep.framing == byChunks:
		rep.header["Transfer-Encoding"] = []string{"chunked"}
	case rep.framing == byClose:
		rep.header["Connection"] = []string{"close"}
	}
	rep.header.Write(&head)
	head.WriteString("\r\n")
	x.sent(rep.status)
	if _, err := conn.Write(head.Bytes()); err != nil || x.r.Method == http.MethodHead || !rep.hasBody() {
		return
	}
	if f.cutsBody() {
		rep.body.n = min(rep.body.n, f.TruncateAt)
	}
	var w io.Writer = conn
	if rep.framing == byChunks {
		w = chunkWriter{conn}
	}
	whole := x.pump(w, func() error { return nil }, rep.body, gone)
	switch {
	case !whole:
	case f.BreakChunk:
		conn.Write([]byte("no hex digits\r\n"))
	case rep.framing == byChunks && !f.cutsBody():
		conn.Write([]byte("0\r\n\r\n"))
	}
}

// chunkWriter makes each Write one chunk (RFC 9112 section 7.1).
type chunkWriter struct{ conn net.Conn }

func (w chunkWriter) Write(p []byte) (int, error) {
	chunk := net.Buffers{fmt.Appendf(nil, "%x\r\n", len(p)), p, []byte("\r\n")}
	if _, err := chunk.WriteTo(w.conn); err != nil {
		return 0, err
	}
	return len(p), nil
}

// hijack takes the connection from net/http. gone is closed when the client
// hangs up, which net/http no longer watches for.
func (x *exchange) hijack() (conn net.Conn, gone chan struct{}) {
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the connection broke first
	}
	gone = make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, conn)
	}()
	return conn, gone
}

// hangUp ends a hijacked connection with FIN, or RST for Fault.Reset.
func (x *exchange) hangUp(conn net.Conn, gone chan struct{}) {
	if x.fault.Reset {
		bare(conn).(*net.TCPConn).SetLinger(0)
		bare(conn).Close()
	}
	conn.Close()
	<-gone
	x.run.forget(conn)
}

// bare is the TCP connection under TLS.
func bare(conn net.Conn) net.Conn {
	if c, ok := conn.(*tls.Conn); ok {
		return c.NetConn()
	}
	return conn
}
