package proxy

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/s3test"
)

func TestCounters(t *testing.T) {
	s := start(t, nil)
	s.get("GET", "/b/small")
	s.get("GET", "/b/small")
	s.get("HEAD", "/b/small")
	s.get("PUT", "/b/small")
	s.get("BREW", "/b/small")
	s.get("GET", "/b/none")
	s.get("GET", "/nowhere")
	resp, _ := s.get("HEAD", "/b/large")
	s.get("GET", "/b/large", "If-None-Match", resp.Header.Get("ETag"))
	s.get("GET", "/b/large", "If-None-Match", "*")
	s.get("OPTIONS", "/b/small")
	f := func(name, want string) { t.Helper(); s.awaitMetric("yatagarasu_"+name, want) }
	f(`requests_total{bucket="b",method="GET",status="200"}`, "2")
	f(`requests_total{bucket="b",method="HEAD",status="200"}`, "2")
	f(`requests_total{bucket="-",method="other",status="405"}`, "2")
	f(`requests_total{bucket="b",method="GET",status="404"}`, "1")
	f(`requests_total{bucket="b",method="GET",status="304"}`, "2")
	f(`requests_total{bucket="b",method="OPTIONS",status="204"}`, "1")
	f(`requests_total{bucket="-",method="GET",status="404"}`, "1")
	f(`response_bytes_total{bucket="b",cache="BYPASS"}`, "20")
	f(`responses_304_total{bucket="b"}`, "2")
	f(`bytes_saved_304_total{bucket="b"}`, "4194304") // of the one that the proxy itself found
	f(`origin_requests_total{bucket="b",replica="primary",status="200"}`, "5")
	f(`origin_requests_total{bucket="b",replica="primary",status="304"}`, "1")
	f(`origin_requests_total{bucket="b",replica="primary",status="404"}`, "1")
	f(`origin_duration_seconds_count{bucket="b",replica="primary"}`, "7")
	f(`request_duration_seconds_count{bucket="b",cache="BYPASS"}`, "6")
	f(`ttfb_seconds_count{bucket="b",cache="BYPASS"}`, "6")
	f(`requests_in_flight`, "0")
	f(`panics_total`, "0")
	f(`client_aborts_total`, "0")
	f(`config_generation`, "1")
	f(`config_last_reload_successful`, "1")
	f(`access_log_dropped`, "0")
	s.server.ReloadFailed()
	f(`config_last_reload_successful`, "0")
}

func TestBytesOfTheOriginAreCounted(t *testing.T) {
	s := start(t, nil)
	s.get("GET", "/b/small")
	s.get("HEAD", "/b/large")
	s.get("GET", "/b/large", "Range", "bytes=0-99")
	s.awaitMetric(`yatagarasu_origin_bytes_total{bucket="b",replica="primary"}`, "110")
	s.fault(s3test.Fault{Truncate: true, TruncateAt: 1000})
	if _, _, err := s.try("GET", "/b/large"); err == nil {
		t.Error("a truncated body is complete")
	}
	s.awaitMetric(`yatagarasu_origin_bytes_total{bucket="b",replica="primary"}`, "1110")
}

// A response without a body, or whose body HEAD leaves out, adds no bytes.
func TestBytesOfHEADAreNone(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Buckets[0].List.Enabled = true })
	s.get("HEAD", "/b/none")
	s.get("HEAD", "/b/")
	s.awaitMetric(`yatagarasu_requests_total{bucket="b",method="HEAD",status="200"}`, "1")
	s.awaitMetric(`yatagarasu_response_bytes_total{bucket="b",cache="NONE"}`, "0")
}

func TestConnectionsAreCounted(t *testing.T) {
	s := start(t, nil)
	conn, br := s.raw("GET /b/small HTTP/1.1\r\nHost: h\r\n\r\n")
	s.answer(br, "GET")
	s.awaitMetric("yatagarasu_connections", "1")
	conn.Close()
	s.awaitMetric("yatagarasu_connections", "0")
	release := make(chan struct{})
	s.fault(s3test.Fault{Hold: release})
	_, br = s.raw("GET /b/small HTTP/1.1\r\nHost: h\r\n\r\n")
	s.awaitMetric("yatagarasu_requests_in_flight", "1")
	close(release)
	s.answer(br, "GET")
	s.awaitMetric("yatagarasu_requests_in_flight", "0")
}

// Whatever clients send, labels come from the configuration and from constants.
func TestLabelsDoNotComeFromClients(t *testing.T) {
	s := start(t, nil)
	for _, path := range []string{"/evil-label/x", "/b/evil-label", "/b/small?evil-label=1", "/b/%00-evil-label", "/b/../evil-label"} {
		s.get("GET", path, "X-Evil", "evil-label")
		s.get("EVIL-LABEL", path)
	}
	s.awaitMetric(`yatagarasu_requests_total{bucket="-",method="GET",status="400"}`, "2")
	var b bytes.Buffer
	s.server.WriteMetrics(&b)
	if strings.Contains(strings.ToLower(b.String()), "evil") {
		t.Error("a label came from a client")
	}
	labels := regexp.MustCompile(`(\w+)="`)
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "yatagarasu_") {
			continue
		}
		for _, m := range labels.FindAllStringSubmatch(line, -1) {
			switch m[1] {
			case "bucket", "method", "status", "cache", "replica", "reason", "le":
			default:
				t.Errorf("label %s in %s", m[1], line)
			}
		}
	}
	for _, name := range []string{"process_cpu_seconds_total", "go_goroutines"} {
		if !strings.Contains(b.String(), "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestHistogramsOfVictoriaMetrics(t *testing.T) {
	f := func(kind, want, not string) {
		t.Helper()
		s := start(t, func(c *config.Config) { c.Metrics.Histograms = kind })
		s.get("GET", "/b/small")
		s.awaitMetric(`yatagarasu_request_duration_seconds_count{bucket="b",cache="BYPASS"}`, "1")
		var b bytes.Buffer
		s.server.WriteMetrics(&b)
		if !strings.Contains(b.String(), want) || strings.Contains(b.String(), not) {
			t.Errorf("%s: no %s, or %s", kind, want, not)
		}
	}
	const le, vmrange = `yatagarasu_ttfb_seconds_bucket{bucket="b",cache="BYPASS",le="0.0005"}`, `yatagarasu_ttfb_seconds_bucket{bucket="b",cache="BYPASS",vmrange="`
	f("le", le, vmrange)
	f("vmrange", vmrange, le)
}

func TestStatusesOutsideTheTable(t *testing.T) {
	m := newBucketMetrics("x", false)
	m.counter(&m.originStatus, 999, "c").Inc()
	m.counter(&m.originStatus, 42, "c").Inc()
	m.counter(&m.originStatus, 599, "c").Inc()
	var b bytes.Buffer
	m.set.WritePrometheus(&b)
	if !strings.Contains(b.String(), "yatagarasu_c{status=\"599\"} 1\n") && strings.Contains(b.String(), "999") {
		t.Error(b.String())
	}
}
