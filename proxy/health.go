package proxy

import (
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/origin"
)

const (
	// probeEvery is how long a probe's result stands: /ready may be asked by anyone, and must not become a way to load
	// the origin.
	probeEvery = 2 * time.Second
	// probeWithin bounds a probe: whoever asks /ready has a timeout too.
	probeWithin = 2 * time.Second
)

// health knows whether an origin answers. It asks only when /ready is asked.
type health struct {
	client *origin.Client
	mu     sync.Mutex // held while probing, so that one probe serves all who ask meanwhile
	asked  time.Time
	state  atomic.Pointer[string]
}

func newHealth(c *origin.Client) *health { return &health{client: c} }

// probe returns "ready", or why the origin cannot serve. While another probe is under way its predecessor's result
// stands.
func (h *health) probe() string {
	if state := h.state.Load(); state == nil {
		h.mu.Lock()
	} else if !h.mu.TryLock() {
		return *state
	}
	defer h.mu.Unlock()
	if state := h.state.Load(); state != nil && time.Since(h.asked) < probeEvery {
		return *state
	}
	state := h.look()
	h.asked = time.Now()
	h.state.Store(&state)
	return state
}

// look asks for the S3 bucket's header. Any answer but a server error shows that the origin is there: a bucket that
// may not be listed answers 403 to this and yet serves its objects.
func (h *health) look() string {
	began := time.Now()
	tooLong := func() bool { return time.Since(began) > probeWithin }
	resp, err := h.client.Do(&origin.Request{Method: "HEAD", Gone: tooLong})
	if err != nil {
		var e *origin.Error
		if errors.As(err, &e) && e.Reason != origin.ReasonClientGone {
			return e.Reason.String()
		}
		return origin.ReasonFirstByteTimeout.String()
	}
	defer resp.Close()
	switch reason, fault := origin.ReasonOf(resp.Status(), ""); {
	case resp.Status() < 300, fault && reason == origin.ReasonAccessDenied:
		return ready
	case fault:
		return reason.String()
	default: // 404
		return origin.ReasonNoSuchBucket.String()
	}
}

const ready = "ready"

// Health answers /health: the process serves.
func (s *Server) Health(ctx *fasthttp.RequestCtx) {
	writeJSON(ctx, fasthttp.StatusOK, map[string]string{"status": "ok"})
}

// Ready answers /ready: 200 while some bucket can serve, 503 when none can or the process is draining.
func (s *Server) Ready(ctx *fasthttp.RequestCtx) {
	if s.draining.Load() {
		writeJSON(ctx, fasthttp.StatusServiceUnavailable, map[string]string{"status": "draining"})
		return
	}
	buckets := s.state.Load().buckets
	states := make(map[string]string, len(buckets))
	var mu sync.Mutex
	var wg sync.WaitGroup
	some := false
	for _, b := range buckets {
		wg.Go(func() {
			state := b.health.probe()
			mu.Lock()
			defer mu.Unlock()
			states[b.config.Name] = state
			some = some || state == ready
		})
	}
	wg.Wait()
	status, text := fasthttp.StatusOK, ready
	if !some {
		status, text = fasthttp.StatusServiceUnavailable, "no bucket can serve"
	}
	writeJSON(ctx, status, map[string]any{"status": text, "buckets": states})
}

func writeJSON(ctx *fasthttp.RequestCtx, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		status, body = fasthttp.StatusInternalServerError, []byte(`{"error":"Internal Server Error"}`)
	}
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.Response.Header.Set("Cache-Control", "no-store")
	if status == fasthttp.StatusServiceUnavailable {
		ctx.Response.Header.Set("Retry-After", "2")
	}
	ctx.SetBody(append(body, '\n'))
}
