// Package proxy is the data plane: it takes requests, maps them to S3 objects and streams those back.
package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fasthttp/router"
	"github.com/rs/zerolog"
	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/config"
)

// Server serves the data listener. Make it with New; all methods are safe for concurrent use.
type Server struct {
	log          zerolog.Logger
	access       *AccessLog
	state        atomic.Pointer[state]
	http         *fasthttp.Server
	metrics      *serverMetrics
	exchanges    sync.Pool
	sampler      atomic.Uint64
	conns        connections
	generation   atomic.Int64
	reloadFailed atomic.Bool
	draining     atomic.Bool
	reloading    sync.Mutex
}

// New builds a server from a configuration. It neither listens nor connects.
func New(c *config.Config, log zerolog.Logger, access *AccessLog) (*Server, error) {
	s := &Server{log: log, access: access}
	s.exchanges.New = newExchange
	s.metrics = newServerMetrics(s, c.Metrics.Histograms == "vmrange")
	st, err := newState(c, s.metrics, nil)
	if err != nil {
		return nil, err
	}
	s.state.Store(st)
	s.generation.Store(1)
	t, limits := &c.Server.Timeouts, &c.Server.Limits
	s.http = &fasthttp.Server{
		Handler:         s.routes(),
		ErrorHandler:    s.unparsed,
		ExpectHandler:   s.expect,
		ConnState:       s.conns.changed,
		ReadBufferSize:  int(limits.HeaderBytes),
		WriteBufferSize: 4096, // kept by each idle connection; bodies do not pass through it
		ReadTimeout:     t.Header,
		IdleTimeout:     t.Idle,
		WriteTimeout:    t.WriteStall, // of a header or small body; streams move it on as they go
		// Bodies of requests are never wanted: the handler runs without them, and what little of one arrives is dropped.
		StreamRequestBody:            true,
		MaxRequestBodySize:           1,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
		LazyRequestTime:              true,
		Concurrency:                  1 << 20, // connections; bounds of our own come before it
		Logger:                       fasthttpLog{log},
	}
	return s, nil
}

// routes dispatches by fasthttp/router to the request path (see the type routes for why prefixes are found there).
func (s *Server) routes() fasthttp.RequestHandler {
	r := router.New()
	// Their redirects are built from a Host header that the client chose, and a 405 of theirs would name other methods.
	r.RedirectTrailingSlash, r.RedirectFixedPath, r.HandleMethodNotAllowed, r.HandleOPTIONS = false, false, false, false
	serve := s.handle((*exchange).serve)
	for path := range s.controls() {
		// The request path answers these however they are spelled; the router matches before percent-decoding.
		r.GET(path, serve)
		r.HEAD(path, serve)
	}
	r.NotFound = serve
	return r.Handler
}

// controls are the paths that win over any bucket.
func (s *Server) controls() map[string]fasthttp.RequestHandler {
	return map[string]fasthttp.RequestHandler{"/health": s.Health, "/ready": s.Ready}
}

// isControl tells whether a decoded path is a control path: the router matched the path as it was spelled.
func (s *Server) isControl(path []byte) bool {
	return string(path) == "/health" || string(path) == "/ready"
}

func (s *Server) control(x *exchange) error {
	x.bucket = nil
	s.controls()[string(x.target.path)](x.ctx)
	x.bodySize = int64(len(x.ctx.Response.Body()))
	return nil
}

// expect answers a request that would wait for "100 Continue" with what it gets anyway: its body is not wanted.
func (s *Server) expect(ctx *fasthttp.RequestCtx) int {
	s.http.Handler(ctx)
	return ctx.Response.StatusCode()
}

// unparsed answers what fasthttp could not read as a request.
func (s *Server) unparsed(ctx *fasthttp.RequestCtx, err error) {
	if _, nothing := err.(*net.OpError); nothing {
		// Not a byte came: a connection that was opened ahead of need. There is no request to answer. An error within a
		// header is wrapped.
		_ = ctx.Conn().Close()
		return
	}
	x := s.begin(ctx)
	x.method = methodOther
	var tooLarge *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &tooLarge), errors.Is(err, bufio.ErrBufferFull):
		x.writeError(&httpError{status: fasthttp.StatusRequestHeaderFieldsTooLarge, message: "the request header is too large", unread: true})
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, fasthttp.ErrTimeout):
		x.writeError(&httpError{status: fasthttp.StatusRequestTimeout, message: "the request did not arrive in time", unread: true})
	default:
		x.writeError(badRequest("the request is not valid HTTP").because(err))
	}
	x.finish()
}

// Serve accepts connections from ln until Shutdown.
func (s *Server) Serve(ln net.Listener) error { return s.http.Serve(ln) }

// Reload swaps in another configuration. Requests in progress end under the old one. On an error the old one stays.
func (s *Server) Reload(c *config.Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	old := s.state.Load()
	err := reloadable(old.config, c)
	var next *state
	if err == nil {
		next, err = newState(c, s.metrics, old)
	}
	s.reloadFailed.Store(err != nil)
	if err != nil {
		s.metrics.keepOnly(old.buckets)
		return err
	}
	s.state.Store(next)
	s.generation.Add(1)
	s.metrics.keepOnly(next.buckets)
	old.retire(next)
	return nil
}

// ReloadFailed notes that a new configuration could not even be read.
func (s *Server) ReloadFailed() { s.reloadFailed.Store(true) }

// Generation counts the configurations that have been in force, from 1.
func (s *Server) Generation() int64 { return s.generation.Load() }

// Drain makes /ready answer 503.
func (s *Server) Drain() { s.draining.Store(true) }

// Shutdown stops accepting, lets transfers in flight end within timeouts.shutdown, and cuts what is left. It returns
// how many connections it cut.
func (s *Server) Shutdown() int {
	s.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), s.state.Load().config.Server.Timeouts.Shutdown)
	defer cancel()
	cut := 0
	if err := s.http.ShutdownWithContext(ctx); err != nil {
		cut = s.conns.closeAll()
		s.conns.wait(time.Second)
	}
	for _, b := range s.state.Load().buckets {
		b.origin.Close()
	}
	return cut
}

// connections are the open connections of clients, known so that a drain can end.
type connections struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func (c *connections) changed(conn net.Conn, state fasthttp.ConnState) {
	switch state {
	case fasthttp.StateNew:
		c.mu.Lock()
		if c.open == nil {
			c.open = map[net.Conn]struct{}{}
		}
		c.open[conn] = struct{}{}
		c.mu.Unlock()
	case fasthttp.StateClosed, fasthttp.StateHijacked:
		c.mu.Lock()
		delete(c.open, conn)
		c.mu.Unlock()
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func (c *connections) closeAll() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
	return len(c.open)
}

// wait gives those who serve the connections a moment to notice that they are closed, and to write their records.
func (c *connections) wait(bound time.Duration) {
	deadline := time.Now().Add(bound)
	for c.count() > 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
}

// fasthttpLog takes what fasthttp has to say: parse errors and the like, which access records tell better.
type fasthttpLog struct{ log zerolog.Logger }

func (l fasthttpLog) Printf(format string, args ...any) {
	// As a field and not as the message: a console writer would print control characters of the message as they are.
	l.log.Debug().Str("detail", fmt.Sprintf(format, args...)).Msg("connection")
}
