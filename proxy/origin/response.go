package origin

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"time"

	"github.com/valyala/fasthttp"
)

// watchTick is how long a silence may last before the client is looked at again: it bounds how long a transfer
// outlives a client that left.
const watchTick = 50 * time.Millisecond

// Response is an answer of the origin. It belongs to one goroutine at a time and must be closed.
type Response struct {
	Header fasthttp.ResponseHeader
	// Size is the length of the body: what Read will yield before io.EOF. It is -1 for a chunked body, and the
	// length that a GET would have for HEAD and 304, where nothing is to be read.
	Size int64

	client   *Client
	lease    lease
	br       *bufio.Reader // holds what arrived with the header; given back once it is drained
	chunked  io.Reader     // decodes a chunked body
	left     int64         // bytes still to read; -1 while a chunked body lasts
	read     int64         // bytes of the body that were read
	answered bool          // a byte of the answer has come
	gone     func() bool
	until    time.Time // when the header must be complete; zero in the body, where each silence has its own bound
	armed    time.Time // when the connection's read deadline expires
	broken   error     // what ended the connection
	scratch  []byte    // the request's head, then error documents
}

// Status is the response's status code.
func (r *Response) Status() int { return r.Header.StatusCode() }

func (r *Response) take(l lease) {
	r.lease = l
	r.br = r.client.pool.hc.AcquireReader(l.conn)
	r.br.Reset((*wire)(r))
	r.answered, r.broken = false, nil
	r.left = 0
}

// exchange sends the request in scratch and reads the answer's header.
func (r *Response) exchange(head bool, deadline time.Time) error {
	if err := r.lease.conn.SetWriteDeadline(deadline); err != nil {
		return fail(ReasonClosed, err)
	}
	if _, err := r.lease.conn.Write(r.scratch); err != nil {
		if isTimeout(err) {
			return fail(ReasonFirstByteTimeout, err)
		}
		return fail(ReasonReset, err)
	}
	r.until, r.armed = deadline, time.Time{}
	for range 16 { // informational answers may come first (RFC 9110, section 15.2), but not without end
		if err := r.readHeader(); err != nil {
			return err
		}
		if r.Status() >= 200 {
			r.until = time.Time{}
			return r.frame(head)
		}
	}
	return fail(ReasonMalformed, errors.New("too many informational responses"))
}

// readHeader waits for the answer's first byte and parses the header.
func (r *Response) readHeader() error {
	if _, err := r.br.Peek(1); err != nil {
		if r.broken == io.EOF {
			return fail(ReasonClosed, errors.New("connection ended without an answer"))
		}
		return r.broken
	}
	r.answered = true
	err := r.Header.Read(r.br)
	var tooSmall *fasthttp.ErrSmallBuffer
	switch {
	case err == nil:
		return nil
	case r.broken == io.EOF:
		return fail(ReasonTruncated, errors.New("connection ended within the response header"))
	case r.broken != nil:
		return r.broken
	case errors.As(err, &tooSmall):
		return fail(ReasonMalformed, fmt.Errorf("response header is larger than %d bytes", headerBuffer))
	default:
		return fail(ReasonMalformed, errors.New("not a valid HTTP response header"))
	}
}

// frame decides where the body ends (RFC 9112, section 6.3). A body that only the end of the connection delimits is
// refused: its truncation could not be told.
func (r *Response) frame(head bool) error {
	length := r.Header.ContentLength()
	status := r.Status()
	if head || status == 304 || status == 204 {
		r.Size, r.left = int64(max(length, -1)), 0
		return nil
	}
	switch {
	case length >= 0:
		r.Size, r.left = int64(length), int64(length)
	case length == -1:
		r.Size, r.left = -1, -1
		r.chunked = httputil.NewChunkedReader(r.br)
	default:
		return fail(ReasonMalformed, errors.New("response has neither Content-Length nor chunked encoding"))
	}
	return nil
}

// Buffered returns the whole body when it already arrived with the header, else nil. It stays valid until Close.
func (r *Response) Buffered() []byte {
	if r.br == nil || r.left < 0 || int64(r.br.Buffered()) < r.left {
		return nil
	}
	b, _ := r.br.Peek(int(r.left))
	return b
}

// Read returns body bytes as they arrive. Its error is io.EOF after exactly Size bytes, else an *Error: a body that
// ends early, stalls, or whose client left.
func (r *Response) Read(p []byte) (int, error) {
	switch {
	case r.left == 0:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	case r.chunked != nil:
		return r.readChunked(p)
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	var n int
	var err error
	if r.br != nil && r.br.Buffered() > 0 {
		n, err = r.br.Read(p[:min(len(p), r.br.Buffered())])
	} else {
		r.dropReader() // a slow stream must not hold the header's buffer
		n, err = (*wire)(r).Read(p)
	}
	r.left -= int64(n)
	r.read += int64(n)
	if err == io.EOF {
		err = fail(ReasonTruncated, io.ErrUnexpectedEOF)
	}
	return n, err
}

// wire is the response's connection, read under the deadline of the phase.
type wire Response

// Read returns what has arrived. It wakes at each tick to look at the client; the connection's deadline moves on once
// per tick, not per read. Its error is io.EOF or an *Error.
func (w *wire) Read(p []byte) (int, error) {
	r := (*Response)(w)
	now := time.Now()
	until, reason := r.until, ReasonFirstByteTimeout
	if until.IsZero() {
		until, reason = now.Add(r.client.stall), ReasonStall
	}
	for ; ; now = time.Now() {
		if r.armed.Sub(now) < watchTick/2 || r.armed.After(until) {
			r.arm(earlier(now.Add(watchTick), until))
		}
		n, err := r.lease.conn.Read(p)
		switch {
		case n > 0:
			return n, nil
		case err == nil:
			continue
		case err == io.EOF:
			r.broken = err
		case !isTimeout(err):
			r.broken = fail(ReasonReset, err)
		case !time.Now().Before(until):
			r.broken = fail(reason, errors.New("nothing came in the time that the configuration allows"))
		case r.gone != nil && r.gone():
			r.broken = fail(ReasonClientGone, ErrClientGone)
		default:
			continue
		}
		return 0, r.broken
	}
}

func (r *Response) arm(deadline time.Time) {
	r.armed = deadline
	// The error says that the connection is closed, which the read that follows says too.
	_ = r.lease.conn.SetReadDeadline(deadline)
}

// Close ends the response. The connection serves another request only if this one's body was read, or had arrived,
// to its last byte and not a byte more is there; otherwise it is closed, which stops the origin's transfer.
func (r *Response) Close() {
	clean := r.left == 0
	defer r.recycle()
	if r.br != nil {
		if r.left > 0 && int64(r.br.Buffered()) >= r.left {
			_, _ = r.br.Discard(int(r.left))
			r.read += r.left
			clean = true
		}
		clean = clean && r.br.Buffered() == 0
	}
	clean = clean && !r.Header.ConnectionClose() && !r.client.closed.Load() && time.Now().Before(r.lease.expire)
	if !clean {
		r.abandon()
	} else {
		r.dropReader()
		r.client.pool.release(r.lease)
		if r.client.closed.Load() {
			r.client.pool.close() // Close came in between
		}
	}
	r.client.received(r.read)
}

// abandon closes the connection.
func (r *Response) abandon() {
	r.dropReader()
	r.client.pool.discard(r.lease)
}

func (r *Response) dropReader() {
	if r.br != nil {
		r.client.pool.hc.ReleaseReader(r.br)
		r.br = nil
	}
}

// recycle makes the response ready for another use. A scratch buffer that a large document has grown is let go.
func (r *Response) recycle() {
	r.Header.Reset()
	r.Size, r.left, r.read = 0, 0, 0
	r.chunked, r.gone, r.lease = nil, nil, lease{}
	r.armed, r.until, r.broken = time.Time{}, time.Time{}, nil
	if cap(r.scratch) > 64<<10 {
		r.scratch = nil
	}
	r.client.responses.Put(r)
}

// staleConnection tells whether the error is what a connection gives that the origin has closed as idle.
func staleConnection(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Reason == ReasonClosed || e.Reason == ReasonReset)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
