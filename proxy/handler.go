package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/origin"
)

// serve is the request path: what happens to a request, in order. Each step may return the error that is answered.
// The body goes out after it has returned; exchange.Close comes last.
func (x *exchange) serve() error {
	h := &x.ctx.Request.Header
	if err := checkFraming(h); err != nil {
		return err
	}
	var err error
	limits := &x.state.config.Server.Limits
	x.target, x.space, err = parseTarget(h, int(limits.URIBytes), x.space)
	if x.method == methodOther {
		return x.refuseMethod() // whatever the target, which CONNECT has in a form of its own
	}
	if err != nil {
		if x.method == methodOptions && string(h.RequestURI()) == "*" {
			return x.options() // RFC 9110, section 9.3.7
		}
		return err
	}
	x.bucket, x.key = x.state.routes.find(x.target.path)
	switch {
	case x.method == methodOptions:
		return x.options()
	case x.server.isControl(x.target.path):
		return x.server.control(x)
	case x.bucket == nil:
		return errNoRoute
	}
	x.parseConditions(h)
	return x.serveObject()
}

// dropWithin and dropBytes bound what is taken in of a body that nobody wants.
const (
	dropWithin = time.Second
	dropBytes  = 16 << 20
)

// refuseMethod answers 405, after taking in what comes of the body: a connection that is closed with bytes unread is
// reset, and its client may lose the answer (RFC 9112, section 9.6). A client that waits for "100 Continue" sends none.
func (x *exchange) refuseMethod() error {
	body := x.ctx.RequestBodyStream()
	if body == nil || x.ctx.Request.MayContinue() {
		return errMethod
	}
	if err := x.ctx.SetReadDeadline(time.Now().Add(dropWithin)); err != nil {
		return errMethod
	}
	_, _ = io.CopyN(io.Discard, body, dropBytes) // whether it ended or not, the connection ends with the answer
	return errMethod
}

// serveObject answers with the object, or with what the bucket's site and list settings put in its place.
func (x *exchange) serveObject() error {
	site, list := &x.bucket.config.Site, x.bucket.config.List.Enabled
	directory := len(x.key) == 0 || x.key[len(x.key)-1] == '/'
	var err error
	switch {
	case directory && site.Index != "":
		index := append(bytes.Clone(x.key), site.Index...)
		if err = x.fetch(index); isMissing(err) && list {
			err = x.list()
		}
	case directory && list:
		err = x.list()
	case len(x.key) == 0:
		err = errNoKey
	default:
		err = x.fetch(x.key)
	}
	if isMissing(err) && site.Fallback != "" {
		x.target.query = nil // it speaks of the object that is missing
		if fallback := x.fetch([]byte(site.Fallback)); fallback == nil {
			return nil
		}
	}
	return err
}

func isMissing(err error) bool {
	return err != nil && asHTTPError(err).status == fasthttp.StatusNotFound
}

// handle wraps a step into a request handler: whatever it returns, or however it panics, the client gets an answer
// and the exchange its end.
func (s *Server) handle(step func(*exchange) error) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		x := s.begin(ctx)
		defer func() {
			if p := recover(); p != nil {
				s.panicked(x, p)
				x.writeError(errPanic)
				x.finish()
			}
		}()
		if err := step(x); err != nil {
			x.respondError(asHTTPError(err))
		}
		x.finish()
	}
}

// panicked counts a panic of a request and leaves its trace in the log.
func (s *Server) panicked(x *exchange, p any) {
	s.metrics.panics.Inc()
	s.log.Error().Bytes("request_id", x.id[:]).Str("panic", fmt.Sprint(p)).Bytes("stack", debug.Stack()).Msg("request panicked")
}

// Panicked does the same for a request of the management listener.
func (s *Server) Panicked(p any) { s.panicked(&exchange{}, p) }

// respondError answers with the bucket's page for the error's status, or with JSON.
func (x *exchange) respondError(e *httpError) {
	// An origin that has just failed has no page either, and a client that has left wants none.
	var failed *origin.Error
	if x.bucket != nil && (x.method == methodGet || x.method == methodHead) && !errors.As(e.cause, &failed) {
		if page := x.bucket.config.Site.ErrorPages[e.status]; page != "" && x.errorPage(e, page) {
			return
		}
	}
	x.writeError(e)
}

// errorPage answers with an object of the bucket under the error's status. It returns false when the object cannot
// be had.
func (x *exchange) errorPage(e *httpError, page string) bool {
	x.cond, x.specs, x.target.query = preconditions{}, nil, nil
	if err := x.fetch([]byte(page)); err != nil {
		return false
	}
	resp := &x.ctx.Response
	// These speak of the page, not of what was asked for (RFC 9110, section 8.8).
	for _, name := range []string{"ETag", "Last-Modified", "Expires", "Accept-Ranges"} {
		resp.Header.Del(name)
	}
	x.applyError(e)
	return true
}

// finish adds what every response carries. The response's header is complete after it.
func (x *exchange) finish() {
	h := &x.ctx.Response.Header
	h.SetBytesV("X-Request-Id", x.id[:])
	if x.bucket != nil {
		x.applyCORS(h)
	}
	x.status = x.ctx.Response.StatusCode()
	x.ready = time.Since(x.start)
}
