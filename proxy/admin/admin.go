// Package admin is the management listener: metrics and health for those who operate the proxy. It knows nothing of
// the data plane and is handed functions.
package admin

import (
	"bytes"
	"context"
	"io"
	"net"
	"time"

	"github.com/fasthttp/router"
	"github.com/valyala/fasthttp"
)

// Options are what the listener serves.
type Options struct {
	Health       fasthttp.RequestHandler
	Ready        fasthttp.RequestHandler
	WriteMetrics func(io.Writer)
	Panicked     func(p any) // counts and logs
}

// Server serves the management listener.
type Server struct {
	http *fasthttp.Server
}

// New returns a server; it does not listen.
func New(o Options) *Server {
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	get := func(path string, h fasthttp.RequestHandler) {
		r.GET(path, h)
		r.HEAD(path, h)
	}
	get("/health", o.Health)
	get("/ready", o.Ready)
	get("/metrics", func(ctx *fasthttp.RequestCtx) {
		var body bytes.Buffer
		o.WriteMetrics(&body)
		ctx.SetContentType("text/plain; version=0.0.4; charset=utf-8")
		ctx.Response.SetBodyRaw(body.Bytes())
	})
	r.NotFound = func(ctx *fasthttp.RequestCtx) {
		answer(ctx, fasthttp.StatusNotFound, `{"error":"Not Found","message":"try /metrics, /health or /ready"}`)
	}
	r.MethodNotAllowed = func(ctx *fasthttp.RequestCtx) {
		answer(ctx, fasthttp.StatusMethodNotAllowed, `{"error":"Method Not Allowed","message":"only GET and HEAD are allowed"}`)
		ctx.SetConnectionClose()
	}
	r.PanicHandler = func(ctx *fasthttp.RequestCtx, p any) {
		o.Panicked(p)
		answer(ctx, fasthttp.StatusInternalServerError, `{"error":"Internal Server Error","message":"internal error"}`)
	}
	return &Server{http: &fasthttp.Server{
		Handler:                      r.Handler,
		ReadTimeout:                  10 * time.Second,
		WriteTimeout:                 30 * time.Second,
		IdleTimeout:                  2 * time.Minute,
		MaxRequestBodySize:           64 << 10,
		DisablePreParseMultipartForm: true,
		NoDefaultServerHeader:        true,
		NoDefaultContentType:         true,
		CloseOnShutdown:              true,
		SecureErrorLogMessage:        true,
		Logger:                       quiet{},
	}}
}

func answer(ctx *fasthttp.RequestCtx, status int, json string) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.SetBodyString(json + "\n")
}

// Serve accepts connections from ln until Shutdown.
func (s *Server) Serve(ln net.Listener) error { return s.http.Serve(ln) }

// Shutdown stops the listener. Answers are short; one that a slow reader holds up does not hold up the process.
func (s *Server) Shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.http.ShutdownWithContext(ctx)
}

// quiet drops what fasthttp says of broken connections: on this listener they are somebody's port scan.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
