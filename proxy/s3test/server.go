// Package s3test is an S3 that lives in memory. It checks signatures as
// strictly as AWS does, keeps keys byte for byte, and misbehaves on demand.
// Tests and the bench use it as their origin, and yatagarasu -dev serves from
// it. It is read-only over HTTP: objects come from Put.
package s3test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Server is an in-memory S3. Fields are set before Listen; objects and the
// fault may change at any time.
type Server struct {
	AccessKey    string
	SecretKey    string
	SessionToken string    // when set, every request must carry it
	TokenExpires time.Time // when set, the session token is refused from then on
	Region       string    // us-east-1 when empty

	AllowAnonymous bool // answer requests without a signature, as a public bucket does
	IfRange        bool // honour If-Range, which the S3 documents do not mention

	Clock func() time.Time // time.Now when nil

	store     store
	journal   journal
	fault     atomic.Pointer[func(Request) *Fault]
	bytesSent atomic.Int64
	key       atomic.Pointer[signingKey]

	mu  sync.Mutex
	run *run // nil while the server does not listen
}

// run is what one Listen started and one Close ends.
type run struct {
	url    string
	http   *http.Server
	served chan struct{} // closed when the accept loop has ended
	stop   chan struct{} // closed by Close

	mu      sync.Mutex
	stopped bool
	conns   map[net.Conn]struct{}
	opened  int
	gone    sync.Cond // signalled when conns becomes empty
}

// sendBuffer bounds what the kernel holds of a slow transfer. Left alone it
// would grow to megabytes for each, and a thousand slow clients would exhaust
// the TCP memory that the whole machine shares (net.ipv4.tcp_mem).
const sendBuffer = 256 << 10

// Listen starts to serve plain HTTP/1.1 in the background. A closed server
// may listen again, on its old address too.
func (s *Server) Listen(addr string) error {
	return s.listen(addr, nil)
}

// ListenTLS is Listen over TLS. Like S3 it offers HTTP/1.1 only.
func (s *Server) ListenTLS(addr string, cert tls.Certificate) error {
	return s.listen(addr, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
}

func (s *Server) listen(addr string, conf *tls.Config) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		return errors.New("cannot listen: the server already does")
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %q: %w", addr, err)
	}
	r := &run{
		url:    "http://" + ln.Addr().String(),
		served: make(chan struct{}),
		stop:   make(chan struct{}),
		conns:  map[net.Conn]struct{}{},
	}
	r.gone.L = &r.mu
	if conf != nil {
		r.url = "https://" + ln.Addr().String()
		ln = tls.NewListener(ln, conf)
	}
	r.http = &http.Server{
		Handler:                      http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { s.serve(r, w, req) }),
		ConnState:                    r.track,
		ErrorLog:                     log.New(io.Discard, "", 0), // faults look like handler errors to net/http
		DisableGeneralOptionsHandler: true,
		MaxHeaderBytes:               64 << 10,
	}
	s.run = r
	go func() {
		defer close(r.served)
		r.http.Serve(ln) // returns ErrServerClosed, always
	}()
	return nil
}

// URL is http(s)://host:port, or empty when the server does not listen.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == nil {
		return ""
	}
	return s.run.url
}

// Close ends everything that Listen started, transfers and connections
// included, and returns when it has ended.
func (s *Server) Close() {
	s.mu.Lock()
	r := s.run
	s.run = nil
	s.mu.Unlock() // a fault that runs now may ask for URL
	if r == nil {
		return
	}
	close(r.stop)
	r.http.Close()
	<-r.served
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	for c := range r.conns {
		bare(c).Close() // a tls.Conn would wait for its peer
	}
	for len(r.conns) > 0 {
		r.gone.Wait()
	}
}

// CloseConnections cuts every open connection, busy or idle, and keeps
// listening.
func (s *Server) CloseConnections() {
	s.mu.Lock()
	r := s.run
	s.mu.Unlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		bare(c).Close() // a tls.Conn would wait for its peer
	}
}

// Connections counts the connections accepted since Listen.
func (s *Server) Connections() int {
	s.mu.Lock()
	r := s.run
	s.mu.Unlock()
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

// track keeps the set of connections. A hijacked one stays in it until its
// exchange forgets it: http.Server.Close does not know it any more.
func (r *run) track(c net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		bare(c).(*net.TCPConn).SetWriteBuffer(sendBuffer)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.conns[c] = struct{}{}
		r.opened++
		if r.stopped { // accepted while Close was running
			c.Close()
		}
	case http.StateClosed:
		r.forget(c)
	}
}

func (r *run) forget(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	if len(r.conns) == 0 {
		r.gone.Broadcast()
	}
}

func (s *Server) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}

func (s *Server) region() string {
	if s.Region == "" {
		return "us-east-1"
	}
	return s.Region
}

// BytesSent is how many body bytes the kernel has taken since the server was
// made, give or take the few KiB that net/http buffers. A client may have read
// bytes before they are counted: let WaitIdle come first.
func (s *Server) BytesSent() int64 {
	return s.bytesSent.Load()
}

// ActiveBodies is how many bodies are being sent now.
func (s *Server) ActiveBodies() int {
	return s.journal.bodies()
}

// WaitIdle waits until no body is being sent.
func (s *Server) WaitIdle(ctx context.Context) error {
	return s.journal.wait(ctx, func(j *journal) bool { return j.active == 0 })
}

// WaitRequests waits until n requests have arrived since the start or Reset.
func (s *Server) WaitRequests(ctx context.Context, n int) error {
	return s.journal.wait(ctx, func(j *journal) bool { return j.seen >= n })
}

// Requests lists the last 10,000 requests, oldest first. Their maps are shared:
// read them only.
func (s *Server) Requests() []Request {
	return s.journal.list()
}

// Reset forgets the requests seen so far.
func (s *Server) Reset() {
	s.journal.reset()
}

// SetFault has f decide, for each request, how to misbehave; nil ends it. f is
// called from many goroutines.
func (s *Server) SetFault(f func(r Request) *Fault) {
	if f == nil {
		s.fault.Store(nil)
		return
	}
	s.fault.Store(&f)
}
