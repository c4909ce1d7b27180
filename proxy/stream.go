package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// copyBuffer is how much of an object is in memory while it streams. With the connection's own buffers it keeps a
// stream within 64 KiB.
const copyBuffer = 16 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// source is where a streamed body comes from: the origin, or several ranges of it one after the other.
type source interface {
	io.Reader // io.EOF after the promised bytes, any other error before
	Close()
}

// stream is a response body on its way to the client. fasthttp calls WriteTo once the header has been sent, then
// CloseWithError, whatever happened.
type stream struct {
	x      *exchange
	source source
	size   int64 // -1 = not known in advance, so sent in chunks
	sent   int64
	armed  time.Time // when the client's write deadline was last set
	done   bool
	failed error // what ended the source early; a body that broke off without it was the client's doing
}

// SupportsBodyWriteTo makes fasthttp use WriteTo, except where it must frame chunks itself.
func (s *stream) SupportsBodyWriteTo() bool { return s.size >= 0 }

// Read is for bodies sent in chunks.
func (s *stream) Read(p []byte) (n int, err error) {
	defer s.recover(&err)
	n, err = s.source.Read(p)
	s.arm(s.x.ctx.Conn()) // it is written next; that this was asked for means that the client took what was before
	s.sent += int64(n)
	if err != nil && err != io.EOF {
		s.failed = err
	}
	return n, err
}

// recover turns a panic within the body into an error: the connection is cut, the process goes on.
func (s *stream) recover(err *error) {
	if p := recover(); p != nil {
		s.x.server.panicked(s.x, p)
		s.failed, *err = errPanic, errPanic
	}
}

var errTooLong = errors.New("the origin's body is longer than it promised")

// WriteTo copies the body to the client's connection. It writes there rather than to w, which is a buffer that keeps
// small pieces back: bytes go out as they arrive. The header is out already (ImmediateHeaderFlush).
func (s *stream) WriteTo(io.Writer) (_ int64, err error) {
	defer s.recover(&err)
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	conn := s.x.ctx.Conn()
	for {
		n, err := s.source.Read(buf[:])
		if int64(n) > s.size-s.sent {
			s.failed = errTooLong
			return s.sent, errTooLong
		}
		if n > 0 {
			if err := s.send(conn, buf[:n]); err != nil {
				return s.sent, err
			}
		}
		switch {
		case err == io.EOF && s.sent == s.size:
			return s.sent, nil
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			s.failed = err
			return s.sent, err
		}
	}
}

// send writes p, for as long as the client takes some of it within write_stall.
func (s *stream) send(conn net.Conn, p []byte) error {
	for {
		s.arm(conn)
		n, err := conn.Write(p)
		s.sent += int64(n)
		if p = p[n:]; err == nil {
			return nil
		}
		var timeout net.Error
		if n == 0 || !errors.As(err, &timeout) || !timeout.Timeout() {
			return err
		}
		s.armed = time.Time{} // slow, but it moves
	}
}

// arm moves the client's write deadline on, now and then: each call to the poller costs.
func (s *stream) arm(conn net.Conn) {
	stall := s.x.state.config.Server.Timeouts.WriteStall
	if now := time.Now(); now.Sub(s.armed) > min(time.Second, stall/8) {
		s.armed = now
		_ = conn.SetWriteDeadline(now.Add(stall)) // fails on a closed connection, as the write then does
	}
}

// CloseWithError ends the stream. An origin response that was not read to its end closes its connection, so the
// origin stops sending.
func (s *stream) CloseWithError(err error) error {
	s.done = true
	if s.source != nil {
		s.source.Close()
		s.source = nil
	}
	if err != nil {
		s.x.cause = err
	}
	return nil
}
