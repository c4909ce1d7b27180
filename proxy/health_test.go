package proxy

import (
	"encoding/json"
	"maps"
	"net"
	"strings"
	"testing"
	"time"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/s3test"
)

// readiness asks /ready.
func (f *fixture) readiness() (code int, status string, buckets map[string]string) {
	f.t.Helper()
	resp, body := f.get("GET", "/ready")
	var answer struct {
		Status  string
		Buckets map[string]string
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		f.t.Fatalf("%v: %q", err, body)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		f.t.Errorf("Cache-Control of /ready is %q", got)
	}
	if (resp.StatusCode == 503) != (resp.Header.Get("Retry-After") != "") {
		f.t.Errorf("%d with Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	return resp.StatusCode, answer.Status, answer.Buckets
}

func TestReady(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + ln.Addr().String()
	ln.Close()
	at := func(name, endpoint string) config.Bucket { return bucketConfig(name, "/"+name, endpoint) }
	f := func(name string, buckets func(s3 string) []config.Bucket, code int, want map[string]string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			s := start(t, func(c *config.Config) { c.Buckets = buckets(c.Buckets[0].S3.Endpoint) })
			got, status, states := s.readiness()
			if got != code || !maps.Equal(states, want) || (status == "ready") != (code == 200) {
				t.Errorf("%d %q %v, want %d %v", got, status, states, code, want)
			}
		})
	}
	one := func(b config.Bucket) func(string) []config.Bucket {
		return func(string) []config.Bucket { return []config.Bucket{b} }
	}
	f("ready", func(s3 string) []config.Bucket { return []config.Bucket{at("a", s3)} }, 200, map[string]string{"a": "ready"})
	f("some", func(s3 string) []config.Bucket { return []config.Bucket{at("a", s3), at("c", closed)} }, 200, map[string]string{"a": "ready", "c": "connect"})
	f("none", one(at("c", closed)), 503, map[string]string{"c": "connect"})
	f("no name", one(at("d", "http://no-such-host.invalid:9")), 503, map[string]string{"d": "dns"})
	f("wrong bucket", func(s3 string) []config.Bucket {
		b := at("w", s3)
		b.S3.Bucket = "not-there"
		return []config.Bucket{b}
	}, 503, map[string]string{"w": "no_such_bucket"})
	f("plain HTTP", func(s3 string) []config.Bucket {
		return []config.Bucket{at("t", strings.Replace(s3, "http:", "https:", 1))}
	}, 503, map[string]string{"t": "tls"})
}

func TestReadyByTheAnswerOfTheBucket(t *testing.T) {
	f := func(status int, code int, want string) {
		t.Helper()
		s := start(t, nil)
		s.fault(s3test.Fault{Status: status})
		if got, _, states := s.readiness(); got != code || states["b"] != want {
			t.Errorf("HEAD of the bucket %d: %d %v, want %d %s", status, got, states, code, want)
		}
	}
	f(403, 200, "ready") // it may not be listed
	f(500, 503, "server_error")
	f(503, 503, "server_error")
	f(429, 503, "slow_down")
	f(301, 503, "redirect")
}

func TestReadyAsksTheOriginOnceForMany(t *testing.T) {
	s := start(t, nil)
	release := make(chan struct{})
	s.fault(s3test.Fault{Hold: release})
	const many = 8
	done := make(chan int, many)
	for range many {
		go func() {
			resp, _, err := s.try("GET", "/ready")
			if err != nil {
				done <- -1
				return
			}
			done <- resp.StatusCode
		}()
	}
	s.awaitMetric("yatagarasu_requests_in_flight", "8")
	close(release)
	for range many {
		if status := <-done; status != 200 {
			t.Errorf("/ready is %d", status)
		}
	}
	if n := len(s.s3.Requests()); n != 1 {
		t.Errorf("%d origin requests for %d questions at once", n, many)
	}
	// A result stands for a while, and then no longer.
	s.fault(s3test.Fault{Status: 500})
	if code, _, _ := s.readiness(); code != 200 {
		t.Errorf("asked again at once: %d", code)
	}
	h := s.server.state.Load().buckets[0].health
	h.mu.Lock()
	h.asked = h.asked.Add(-2 * probeEvery)
	h.mu.Unlock()
	if code, status, _ := s.readiness(); code != 503 || status != "no bucket can serve" {
		t.Errorf("asked later: %d %s", code, status)
	}
}

func TestReadyWhileDraining(t *testing.T) {
	s := start(t, nil)
	s.server.Drain()
	s.s3.Reset()
	if code, status, states := s.readiness(); code != 503 || status != "draining" {
		t.Errorf("%d %s %v", code, status, states)
	}
	if n := len(s.s3.Requests()); n != 0 {
		t.Errorf("%d origin requests for an answer that stands", n)
	}
	if resp, _ := s.get("GET", "/b/small"); resp.StatusCode != 200 {
		t.Errorf("an object while draining: %d", resp.StatusCode)
	}
	if resp, body := s.get("GET", "/health"); resp.StatusCode != 200 || body != "{\"status\":\"ok\"}\n" {
		t.Errorf("/health while draining: %d %q", resp.StatusCode, body)
	}
}

func TestControlsWinOverBuckets(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Buckets[0].PathPrefix = "/" })
	s.s3.Put("b", "health", objectWith("X", "y"))
	for _, path := range []string{"/health", "/ready", "/%68ealth", "/read%79", "/health?x", "/ready?token=x"} {
		for _, method := range []string{"GET", "HEAD"} {
			resp, body := s.get(method, path)
			if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s: %d %q", method, path, resp.StatusCode, body)
			}
		}
		if resp, _ := s.get("POST", path); resp.StatusCode != 405 || resp.Header.Get("Allow") != allowedMethods {
			t.Errorf("POST %s: %d, Allow %q", path, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/health/", "/healthy", "//health", "/Health"} {
		if resp, _ := s.get("GET", path); resp.StatusCode != 404 {
			t.Errorf("GET %s: %d, want the bucket's 404", path, resp.StatusCode)
		}
	}
	deadline := time.Now().Add(probeEvery / 2)
	if h := s.server.state.Load().buckets[0].health; h.asked.After(deadline) {
		t.Error("the probe is dated to the future")
	}
}
