package proxy

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"yatagarasu/proxy/origin"
)

// zerolog keeps the format of times in a global.
func init() { zerolog.TimeFieldFormat = time.RFC3339Nano }

// record counts an exchange and writes its access record: once, when the last byte has left or could not.
func (s *Server) record(x *exchange) {
	took := time.Since(x.start)
	status := x.status
	if x.err != nil && x.err.status == errGone.status {
		x.cause = x.err.cause
	}
	sent := x.sent()
	m := s.metrics.none
	if x.bucket != nil {
		m = x.bucket.metrics
	}
	m.counter(&m.requests[x.method], status, "requests_total", "bucket", m.name, "method", methodNames[x.method]).Inc()
	m.durations[x.cache].Update(took.Seconds())
	m.ttfb[x.cache].Update(x.ready.Seconds())
	m.bytes[x.cache].AddInt64(sent)
	aborted := x.cause != nil
	if aborted {
		if x.clientAborted() {
			s.metrics.aborts.Inc()
		} else if failed, ok := x.stream.failed.(*origin.Error); ok { // what it wraps has been counted where it arose
			m.originErrors[failed.Reason].Inc()
		}
	}
	s.logFailure(x)
	if log := &x.state.config.Logging; log.Access && s.sampled(log.Sample, status, aborted) {
		s.writeAccess(x, status, sent, took, aborted)
	}
}

// clientAborted tells whether a response that broke off did so because its client left or stood still.
func (x *exchange) clientAborted() bool {
	return x.stream.failed == nil || errors.Is(x.stream.failed, origin.ErrClientGone)
}

// sampled picks one record in n; what went wrong is always written.
func (s *Server) sampled(n, status int, aborted bool) bool {
	return n <= 1 || status >= 500 || aborted || s.sampler.Add(1)%uint64(n) == 0
}

func (s *Server) writeAccess(x *exchange, status int, sent int64, took time.Duration, aborted bool) {
	e := s.access.log.Log().
		Time("time", x.start).
		Bytes("request_id", x.id[:]).
		Str("client_ip", clientText(x)).
		Bytes("method", x.ctx.Request.Header.Method()).
		Bytes("path", x.target.raw)
	if x.bucket != nil {
		e.Str("bucket", x.bucket.config.Name)
	} else {
		e.Str("bucket", "")
	}
	e.Int("status", status).
		Int64("bytes", sent).
		Float64("duration_ms", ms(took)).
		Float64("ttfb_ms", ms(x.ready)).
		Str("cache", cacheNames[x.cache]).
		Float64("origin_ms", ms(x.origin))
	if x.origin > 0 {
		e.Str("replica", replicaPrimary)
	} else {
		e.Str("replica", "")
	}
	h := &x.ctx.Request.Header
	e.Str("user", "").
		Bytes("user_agent", h.UserAgent()).
		Bytes("referer", withoutQuery(h.Referer())).
		Bool("aborted", aborted).
		Send()
}

func clientText(x *exchange) string {
	if !x.client.IsValid() {
		return ""
	}
	return x.client.String()
}

// withoutQuery cuts a URL at its query, where a token may be.
func withoutQuery(url []byte) []byte {
	if i := bytes.IndexAny(url, "?#"); i >= 0 {
		return url[:i]
	}
	return url
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// logFailure tells the operator what the client is not told.
func (s *Server) logFailure(x *exchange) {
	var cause error
	switch {
	case x.cause != nil:
		cause = x.cause
	case x.err != nil && x.err.cause != nil && x.err.status >= 500:
		cause = x.err.cause
	default:
		return
	}
	level := zerolog.WarnLevel
	if x.cause != nil && x.clientAborted() {
		level = zerolog.DebugLevel // that is its own affair
	}
	e := s.log.WithLevel(level).Bytes("request_id", x.id[:]).Err(cause)
	if x.bucket != nil {
		e.Str("bucket", x.bucket.config.Name)
	}
	e.Msg("request failed")
}

// AccessLog batches lines: a request appends its record to memory, and one goroutine writes what has gathered. When
// the writer cannot follow, lines are dropped and counted rather than requests held up.
type AccessLog struct {
	log     zerolog.Logger
	lined   io.Writer // takes one record at a time
	out     io.Writer
	mu      sync.Mutex
	lines   []byte // what has gathered
	spare   []byte
	wake    chan struct{}
	stop    chan struct{}
	done    chan struct{}
	dropped atomic.Uint64
}

const (
	accessFlushEvery = 200 * time.Millisecond
	accessFlushBytes = 64 << 10
	accessMaxBytes   = 1 << 20
	accessCloseWait  = 2 * time.Second
)

// NewAccessLog starts a log that writes to out, as JSON lines or, for people, as a console shows them. Close flushes it.
func NewAccessLog(out io.Writer, console bool) *AccessLog {
	a := &AccessLog{out: out, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	a.lined = lineWriter{a}
	if console {
		a.lined = zerolog.ConsoleWriter{Out: lineWriter{a}, TimeFormat: time.DateTime}
	}
	a.log = zerolog.New(a.lined)
	go a.run()
	return a
}

// Writer takes the process's own log records, one a call, so that they wait for nobody either.
func (a *AccessLog) Writer() io.Writer { return a.lined }

// Dropped returns how many records were lost because the writer could not follow.
func (a *AccessLog) Dropped() uint64 { return a.dropped.Load() }

// Close writes what has gathered and ends the log. It does not wait for ever for a writer that is stuck.
func (a *AccessLog) Close() {
	close(a.stop)
	select {
	case <-a.done:
	case <-time.After(accessCloseWait):
	}
}

// lineWriter takes one formatted record at a time.
type lineWriter struct{ a *AccessLog }

func (w lineWriter) Write(line []byte) (int, error) {
	w.a.mu.Lock()
	if len(w.a.lines)+len(line) > accessMaxBytes {
		w.a.mu.Unlock()
		w.a.dropped.Add(1)
		return len(line), nil
	}
	w.a.lines = append(w.a.lines, line...)
	full := len(w.a.lines) >= accessFlushBytes
	w.a.mu.Unlock()
	if full {
		select {
		case w.a.wake <- struct{}{}:
		default:
		}
	}
	return len(line), nil
}

func (a *AccessLog) run() {
	defer close(a.done)
	tick := time.NewTicker(accessFlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-a.wake:
		case <-a.stop:
			a.flush()
			return
		}
		a.flush()
	}
}

func (a *AccessLog) flush() {
	a.mu.Lock()
	lines := a.lines
	a.lines, a.spare = a.spare[:0], nil
	a.mu.Unlock()
	if len(lines) > 0 {
		_, _ = a.out.Write(lines) // nowhere left to say that the log cannot be written
	}
	a.spare = lines[:0]
}
