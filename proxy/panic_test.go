package proxy

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"yatagarasu/proxy/config"
)

func startLog() zerolog.Logger { return zerolog.Nop() }

// broken makes the bucket's origin one that cannot be used without a panic.
func (f *fixture) broken() {
	b := *f.server.state.Load().buckets[0]
	good := b.origin
	b.origin = nil
	st := &state{config: f.config, buckets: []*bucket{&b}, routes: newRoutes([]*bucket{&b})}
	whole := f.server.state.Swap(st)
	f.t.Cleanup(func() { b.origin = good; f.server.state.Store(whole) })
}

func TestPanics(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Buckets[0].CORS.AllowedOrigins = []string{"*"} })
	s.broken()
	for _, header := range [][]string{nil, {"Range", "bytes=0-1,3-4"}, {"If-None-Match", "*"}} {
		resp, body := s.get("GET", "/b/small", header...)
		wantError(t, resp, body, 500)
		if resp.Header.Get("Access-Control-Allow-Origin") != "*" || !resp.Close {
			t.Errorf("header %v", resp.Header)
		}
		r := s.log.record(t, "request_id", resp.Header.Get("X-Request-Id"))
		if r["level"] != "error" || !strings.Contains(r["stack"].(string), "panic") {
			t.Errorf("the log has %v", r)
		}
	}
	s.awaitMetric("yatagarasu_panics_total", "3")
	s.awaitMetric(`yatagarasu_requests_total{bucket="b",method="GET",status="500"}`, "3")
	s.awaitMetric("yatagarasu_requests_in_flight", "0")
	if resp, _ := s.get("GET", "/health"); resp.StatusCode != 200 {
		t.Errorf("/health after a panic: %d", resp.StatusCode)
	}
}

// burst is a body that panics in its middle.
type burst struct {
	reads  int
	closed chan struct{}
}

func (b *burst) Read(p []byte) (int, error) {
	if b.reads++; b.reads == 2 {
		panic("within the body")
	}
	return copy(p, "xxxx"), nil
}

func (b *burst) Close() { close(b.closed) }

func TestPanicsWithinTheBody(t *testing.T) {
	for _, size := range []int64{1000, -1} {
		s := start(t, nil)
		source := &burst{closed: make(chan struct{})}
		s.server.http.Handler = s.server.handle(func(x *exchange) error { x.streamFrom(source, size); return nil })
		if resp, body, err := s.try("GET", "/"); err == nil {
			t.Errorf("size %d: %d and a complete body %q", size, resp.StatusCode, body)
		}
		s.await(fmt.Sprintf("the source of size %d to be closed", size), func() bool {
			select {
			case <-source.closed:
				return true
			default:
				return false
			}
		})
		s.awaitMetric("yatagarasu_requests_in_flight", "0")
		s.awaitMetric("yatagarasu_panics_total", "1")
	}
}

func TestErrorsThatAreNoAnswers(t *testing.T) {
	s := start(t, nil)
	s.server.http.Handler = s.server.handle(func(*exchange) error { return errors.New("a bug at 127.0.0.1") })
	resp, body := s.get("GET", "/")
	wantError(t, resp, body, 500)
	if r := s.log.record(t, "request_id", resp.Header.Get("X-Request-Id")); !strings.Contains(r["error"].(string), "a bug") {
		t.Errorf("the log has %v", r)
	}
	e := badRequest("text").because(io.EOF)
	if !errors.Is(e, io.EOF) || e.Error() != "text: EOF" || badRequest("text").Error() != "text" {
		t.Errorf("%v", e)
	}
}
