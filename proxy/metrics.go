package proxy

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"yatagarasu/proxy/origin"
)

// replicaPrimary labels the bucket's own origin among its replicas.
const replicaPrimary = "primary"

// timeBuckets are the upper bounds of the latency histograms, in seconds.
var timeBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// histogram is either of the two kinds that metrics.histograms chooses between.
type histogram interface{ Update(float64) }

// serverMetrics are the counters of the whole process. They live as long as the server; those of a bucket live as
// long as a bucket of that name is configured, so that reloads do not reset them.
type serverMetrics struct {
	set      *metrics.Set
	vmrange  bool
	inFlight atomic.Int64
	panics   *metrics.Counter
	aborts   *metrics.Counter

	mu      sync.Mutex
	buckets map[string]*bucketMetrics
	none    *bucketMetrics // requests that belong to no bucket
}

func newServerMetrics(s *Server, vmrange bool) *serverMetrics {
	m := &serverMetrics{set: metrics.NewSet(), vmrange: vmrange, buckets: map[string]*bucketMetrics{}}
	m.panics = m.set.NewCounter("yatagarasu_panics_total")
	m.aborts = m.set.NewCounter("yatagarasu_client_aborts_total")
	gauge := func(name string, f func() float64) { m.set.NewGauge("yatagarasu_"+name, f) }
	gauge("connections", func() float64 { return float64(s.conns.count()) })
	gauge("requests_in_flight", func() float64 { return float64(m.inFlight.Load()) })
	gauge("config_generation", func() float64 { return float64(s.generation.Load()) })
	gauge("config_last_reload_successful", func() float64 {
		if s.reloadFailed.Load() {
			return 0
		}
		return 1
	})
	gauge("access_log_dropped", func() float64 { return float64(s.access.Dropped()) })
	m.none = newBucketMetrics("-", vmrange)
	return m
}

// WriteMetrics writes everything in the Prometheus text format, process and Go runtime metrics included.
func (s *Server) WriteMetrics(w io.Writer) {
	s.metrics.set.WritePrometheus(w)
	s.metrics.none.set.WritePrometheus(w)
	s.metrics.mu.Lock()
	all := make([]*bucketMetrics, 0, len(s.metrics.buckets))
	for _, b := range s.metrics.buckets {
		all = append(all, b)
	}
	s.metrics.mu.Unlock()
	for _, b := range all {
		b.set.WritePrometheus(w)
	}
	metrics.WriteProcessMetrics(w)
}

// bucket returns the metrics of a bucket's name, the same ones for the same name.
func (m *serverMetrics) bucket(name string) *bucketMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.buckets[name]
	if b == nil {
		b = newBucketMetrics(name, m.vmrange)
		b.addOrigin()
		m.buckets[name] = b
	}
	return b
}

// keepOnly forgets the metrics of all other buckets.
func (m *serverMetrics) keepOnly(buckets []*bucket) {
	names := map[string]bool{}
	for _, b := range buckets {
		names[b.config.Name] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.buckets {
		if !names[name] {
			delete(m.buckets, name)
		}
	}
}

// bucketMetrics are the counters of one bucket, made once and held as fields: a request looks nothing up by name.
type bucketMetrics struct {
	set          *metrics.Set
	name         string
	vmrange      bool
	requests     [methodCount][500]atomic.Pointer[metrics.Counter] // by status-100, made at the first use
	durations    [cacheResultCount]histogram
	ttfb         [cacheResultCount]histogram
	bytes        [cacheResultCount]*metrics.Counter
	notModified  *metrics.Counter
	bytesSaved   *metrics.Counter
	originStatus [500]atomic.Pointer[metrics.Counter]
	originTime   histogram
	originBytes  *metrics.Counter
	originErrors []*metrics.Counter // by origin.Reason
}

func newBucketMetrics(name string, vmrange bool) *bucketMetrics {
	m := &bucketMetrics{set: metrics.NewSet(), name: name, vmrange: vmrange}
	for c := range m.durations {
		labels := []string{"bucket", name, "cache", cacheNames[c]}
		m.durations[c] = m.histogram("request_duration_seconds", labels...)
		m.ttfb[c] = m.histogram("ttfb_seconds", labels...)
		m.bytes[c] = m.set.NewCounter(metricName("response_bytes_total", labels...))
	}
	return m
}

// addOrigin makes the counters of a bucket's origin, which requests without a bucket do not have.
func (m *bucketMetrics) addOrigin() {
	name := m.name
	m.notModified = m.set.NewCounter(metricName("responses_304_total", "bucket", name))
	m.bytesSaved = m.set.NewCounter(metricName("bytes_saved_304_total", "bucket", name))
	m.originTime = m.histogram("origin_duration_seconds", "bucket", name, "replica", replicaPrimary)
	m.originBytes = m.set.NewCounter(metricName("origin_bytes_total", "bucket", name, "replica", replicaPrimary))
	for _, r := range origin.Reasons() {
		m.originErrors = append(m.originErrors,
			m.set.NewCounter(metricName("origin_errors_total", "bucket", name, "replica", replicaPrimary, "reason", r.String())))
	}
}

func (m *bucketMetrics) histogram(name string, labels ...string) histogram {
	full := metricName(name, labels...)
	if m.vmrange {
		return m.set.NewHistogram(full)
	}
	return m.set.NewPrometheusHistogramExt(full, timeBuckets)
}

// counter returns the counter in a slot of a table by status, and makes it the first time.
func (m *bucketMetrics) counter(slots *[500]atomic.Pointer[metrics.Counter], status int, name string, labels ...string) *metrics.Counter {
	if status < 100 || status > 599 {
		status = 599
	}
	slot := &slots[status-100]
	c := slot.Load()
	if c == nil {
		c = m.set.GetOrCreateCounter(metricName(name, append(labels, "status", fmt.Sprint(status))...))
		slot.Store(c)
	}
	return c
}

func (m *bucketMetrics) originAnswered(status int, took time.Duration) {
	m.counter(&m.originStatus, status, "origin_requests_total", "bucket", m.name, "replica", replicaPrimary).Inc()
	m.originTime.Update(took.Seconds())
}

func (m *bucketMetrics) originFailed(err error, took time.Duration) {
	var e *origin.Error
	if errors.As(err, &e) {
		m.originErrors[e.Reason].Inc()
	}
	m.originTime.Update(took.Seconds())
}

// metricName builds a name with labels. Values come from the configuration and from constants, never from a client.
func metricName(name string, labels ...string) string {
	var b strings.Builder
	b.WriteString("yatagarasu_" + name)
	for i := 0; i < len(labels); i += 2 {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		fmt.Fprintf(&b, "%s=%q", labels[i], labels[i+1])
	}
	return b.String() + "}"
}
