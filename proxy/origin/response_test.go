package origin

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"yatagarasu/proxy/s3test"
	"yatagarasu/proxy/socket"
)

// script is a connection whose other end says what it was given and hangs up.
type script struct {
	net.Conn // nil: what is not overridden must not be called
	text     string
	piece    int // bytes a Read gives at most
}

func (s *script) Read(p []byte) (int, error) {
	if s.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.piece)], s.text)
	s.text = s.text[n:]
	return n, nil
}

func (*script) Write(p []byte) (int, error)      { return len(p), nil }
func (*script) Close() error                     { return nil }
func (*script) SetReadDeadline(time.Time) error  { return nil }
func (*script) SetWriteDeadline(time.Time) error { return nil }

// answering returns a client whose connections answer with text; the function changes the text.
func answering(t testing.TB) (*Client, func(text string, piece int)) {
	t.Helper()
	c, err := New(Options{Bucket: "b", Region: "r", Endpoint: "http://h", Connect: time.Second, FirstByte: time.Minute, Stall: time.Minute, MaxConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	var next script
	c.pool.hc.DialTimeout = func(string, time.Duration) (net.Conn, error) {
		s := next
		return &conn{Conn: &s, probe: socket.NewProbe(&s)}, nil
	}
	return c, func(text string, piece int) { next = script{text: text, piece: piece} }
}

// consume reads a response to its end, through a buffer of n bytes.
func consume(r *Response, n int) (body string, err error) {
	var b strings.Builder
	buf := make([]byte, n)
	for {
		n, err := r.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String(), err
		}
	}
}

func TestResponses(t *testing.T) {
	c, say := answering(t)
	f := func(method, text string, status int, size int64, body string, end Reason) {
		t.Helper()
		for _, piece := range []int{1, 7, 1 << 20} {
			say(text, piece)
			r, err := c.Do(&Request{Method: method, Key: []byte("k")})
			if err != nil {
				t.Errorf("%q: %v", text, err)
				return
			}
			got, err := consume(r, 5)
			if r.Status() != status || r.Size != size || got != body {
				t.Errorf("%q in pieces of %d: %d, size %d, %q", text, piece, r.Status(), r.Size, got)
			}
			if end == reasonCount && err != io.EOF {
				t.Errorf("%q in pieces of %d: %v", text, piece, err)
			} else if end != reasonCount {
				wantReason(t, err, end)
			}
			r.Close()
			c.pool.close()
		}
	}
	const complete = reasonCount
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	f("GET", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789", 200, 10, "0123456789", complete)
	f("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n0123456789", 200, 3, "012", complete)
	f("GET", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n0123456789", 200, 11, "0123456789", ReasonTruncated)
	f("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, 0, "", complete)
	f("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 200, 10, "", complete)
	f("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, -1, "", complete)
	f("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", 304, 10, "", complete)
	f("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, 1, "x", complete)
	f("GET", chunked+"3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\n\r\n", 200, -1, "abcdefg", complete)
	f("GET", chunked+"3\r\nabc\r\n0\r\nX-Trailer: y\r\n\r\n", 200, -1, "abc", complete)
	f("GET", chunked+"3\r\nabc\r\n0\r\n", 200, -1, "abc", ReasonTruncated)
	f("GET", chunked+"3\r\nabc\r\n0\r\nX-Trailer", 200, -1, "abc", ReasonTruncated)
	f("GET", chunked+"3\r\nabc\r\n", 200, -1, "abc", ReasonTruncated)
	f("GET", chunked+"3\r\nab", 200, -1, "ab", ReasonTruncated)
	f("GET", chunked+"zz\r\nab", 200, -1, "", ReasonMalformed)
	f("GET", chunked+"3\r\nabcd\r\n0\r\n\r\n", 200, -1, "abc", ReasonMalformed)
	f("GET", chunked+"0\r\n"+strings.Repeat("X: y\r\n", 100)+"\r\n", 200, -1, "", ReasonMalformed)
	f("GET", chunked+"0\r\nX: "+strings.Repeat("y", headerBuffer)+"\r\n\r\n", 200, -1, "", ReasonMalformed)
}

func TestReadsOfNothing(t *testing.T) {
	c, say := answering(t)
	say("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 100)
	r, err := c.Do(get("k"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n, err := r.Read(nil); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if got := string(r.Buffered()); got != "abc" {
		t.Errorf("buffered: %q", got)
	}
}

func TestLargeDocumentsDoNotStay(t *testing.T) {
	_, c := start(t, nil)
	r := mustDo(t, c, get("large"), 200)
	if b, err := r.ReadDocument(5 << 20); err != nil || len(b) != 4<<20 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	r.Close()
	if n := cap(r.scratch); n > 64<<10 {
		t.Errorf("a response in the pool holds %d bytes", n)
	}
}

// A connection whose end comes while it is idle costs a new connection and no error, over TLS as well.
func TestIdleTLSConnectionThatTheOriginClosed(t *testing.T) {
	cert, pool := certify(t, time.Now().Add(time.Hour))
	s := startTLS(t, cert)
	c := newClient(t, s.URL(), func(o *Options) { o.RootCAs = pool })
	s.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{CloseIdle: true} })
	for range 20 {
		r := mustDo(t, c, get("small"), 200)
		if got := readAll(t, r); string(got) != "small body" {
			t.Fatalf("got %q", got)
		}
		r.Close()
	}
}

// Whatever comes as an answer: no panic, never more bytes than were promised, and io.EOF only after all of them.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
		"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123",
		"HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\nContent-Range: bytes 0-1/2\r\nConnection: close\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 304 x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "\x16\x03\x01", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
	} {
		f.Add(seed, uint8(3), false)
		f.Add(seed, uint8(255), true)
	}
	c, say := answering(f)
	f.Fuzz(func(t *testing.T, text string, piece uint8, head bool) {
		say(text, int(piece)+1)
		method := map[bool]string{false: "GET", true: "HEAD"}[head]
		defer c.pool.close()
		r, err := c.Do(&Request{Method: method, Key: []byte("k")})
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Reason == ReasonFirstByteTimeout || e.Reason == ReasonPool {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		defer r.Close()
		size := r.Size
		buffered := string(r.Buffered())
		body, err := consume(r, int(piece)+1)
		none := head || r.Status() == 304 || r.Status() == 204
		switch {
		case err != io.EOF && !errors.As(err, &e):
			t.Errorf("%q: ends with %v", text, err)
		case size >= 0 && int64(len(body)) > size, none && body != "":
			t.Errorf("%q: %d bytes of %d", text, len(body), size)
		case err == io.EOF && !none && size >= 0 && int64(len(body)) != size:
			t.Errorf("%q: complete after %d bytes of %d", text, len(body), size)
		case buffered != "" && buffered != body:
			t.Errorf("%q: buffered %q, read %q", text, buffered, body)
		case len(body) > len(text):
			t.Errorf("%q: %d bytes came from nowhere", text, len(body))
		}
	})
}
