package proxy

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/s3test"
)

// blocked is a writer that takes nothing until it is opened.
type blocked struct {
	lines
	reached chan struct{} // gets a value at each Write
	open    chan struct{}
}

func (b *blocked) Write(p []byte) (int, error) {
	b.reached <- struct{}{}
	<-b.open
	return b.lines.Write(p)
}

func TestAccessLogDropsRatherThanWaits(t *testing.T) {
	w := &blocked{reached: make(chan struct{}, 100), open: make(chan struct{})}
	w.changed = make(chan struct{})
	a := NewAccessLog(w, false)
	record := strings.Repeat("x", 1000) + "\n"
	write := func() {
		if n, err := (lineWriter{a}).Write([]byte(record)); n != len(record) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	write()
	<-w.reached // the goroutine is stuck with the first record
	kept := 1 + accessMaxBytes/len(record)
	for range kept - 1 + 7 {
		write()
	}
	if n := a.Dropped(); n != 7 {
		t.Errorf("%d dropped, want 7", n)
	}
	close(w.open)
	a.Close()
	if got := len(w.text()); got != kept*len(record) {
		t.Errorf("%d bytes are written, want %d", got, kept*len(record))
	}
	if n := a.Dropped(); n != 7 {
		t.Errorf("%d dropped after Close, want 7", n)
	}
}

func TestAccessLogCloseWritesWhatGathered(t *testing.T) {
	w := newLines()
	a := NewAccessLog(w, false)
	a.log.Log().Str("a", "b").Send()
	a.Close()
	if got := w.text(); got != "{\"a\":\"b\"}\n" {
		t.Errorf("%q", got)
	}
}

func TestAccessLogCloseDoesNotWaitForEver(t *testing.T) {
	w := &blocked{reached: make(chan struct{}, 100), open: make(chan struct{})}
	w.changed = make(chan struct{})
	a := NewAccessLog(w, false)
	a.log.Log().Send()
	a.Close() // returns although the writer is stuck
	close(w.open)
	<-a.done
}

func TestAccessLogKeepsLinesWhole(t *testing.T) {
	w := newLines()
	a := NewAccessLog(w, false)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				a.log.Log().Str("text", strings.Repeat("y", 100)).Send()
			}
		})
	}
	wg.Wait()
	a.Close()
	n := 0
	for line := range strings.Lines(w.text()) {
		if !json.Valid([]byte(line)) {
			t.Fatalf("%q", line)
		}
		n++
	}
	if n+int(a.Dropped()) != 4000 {
		t.Errorf("%d lines and %d dropped, of 4000", n, a.Dropped())
	}
}

func TestAccessLogForPeople(t *testing.T) {
	w := newLines()
	a := NewAccessLog(w, true)
	a.log.Log().Str("path", "/x\x1b[31m\n").Int("status", 200).Send()
	a.Close()
	got := w.text()
	if !strings.Contains(got, "status=") || strings.Count(got, "\n") != 1 || strings.Contains(got, "/x\x1b") {
		t.Errorf("%q", got)
	}
}

func TestAccessRecords(t *testing.T) {
	s := start(t, nil)
	f := func(method, path string, status, bytes float64, more map[string]any) {
		t.Helper()
		resp, _ := s.get(method, path+"?token=secret", "User-Agent", `a"gent`, "Referer", "http://r/")
		r := s.access.record(t, "request_id", resp.Header.Get("X-Request-Id"))
		want := map[string]any{"client_ip": "127.0.0.1", "method": method, "path": path, "status": status, "bytes": bytes, "user": "",
			"user_agent": `a"gent`, "referer": "http://r/", "aborted": false}
		maps.Copy(want, more)
		for key, value := range want {
			if r[key] != value {
				t.Errorf("%s %s: %s is %v, want %v", method, path, key, r[key], value)
			}
		}
		names := slices.Sorted(maps.Keys(r))
		if got := strings.Join(names, " "); got != "aborted bucket bytes cache client_ip duration_ms method origin_ms path referer replica request_id status time ttfb_ms user user_agent" {
			t.Errorf("%s %s has the members %s", method, path, got)
		}
	}
	object := map[string]any{"bucket": "b", "cache": "BYPASS", "replica": "primary"}
	f("GET", "/b/small", 200, 10, object)
	f("GET", "/b/large", 200, 4<<20, object)
	f("HEAD", "/b/large", 200, 0, object)
	f("GET", "/%62/sm%61ll", 200, 10, object)
	f("OPTIONS", "/b/small", 204, 0, map[string]any{"bucket": "b", "replica": ""})
	f("HEAD", "/b/none", 404, 0, map[string]any{"bucket": "b", "replica": "primary"})
	f("HEAD", "/none", 404, 0, map[string]any{"bucket": "", "replica": ""})
	_, health := s.get("GET", "/health")
	f("GET", "/health", 200, float64(len(health)), map[string]any{"bucket": ""})
	if text := s.access.text() + s.log.text(); strings.Contains(text, "secret") {
		t.Errorf("a query was logged:\n%s", text)
	}
}

func TestAccessRecordsOfErrorsCountTheirBody(t *testing.T) {
	s := start(t, nil)
	resp, body := s.get("GET", "/b/none")
	if r := s.access.record(t, "request_id", resp.Header.Get("X-Request-Id")); r["bytes"] != float64(len(body)) {
		t.Errorf("%v bytes, want %d", r["bytes"], len(body))
	}
}

func TestSampling(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Logging.Sample = 4 })
	for range 8 {
		s.get("GET", "/b/small")
	}
	s.fault(s3test.Fault{Status: 500})
	for range 3 {
		s.get("GET", "/b/small")
	}
	s.fault(s3test.Fault{Truncate: true, TruncateAt: 100_000})
	for range 3 {
		if _, _, err := s.try("GET", "/b/large"); err == nil {
			t.Error("a truncated body is complete")
		}
	}
	s.stop()
	count := map[float64]int{}
	for line := range strings.Lines(s.access.text()) {
		var r struct {
			Status  float64
			Aborted bool
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Aborted {
			r.Status = -1
		}
		count[r.Status]++
	}
	if want := map[float64]int{200: 2, 502: 3, -1: 3}; !maps.Equal(count, want) {
		t.Errorf("records by status: %v, want %v", count, want)
	}
}

func TestNoAccessRecordsWhenTurnedOff(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Logging.Access = false })
	s.get("GET", "/b/small")
	s.fault(s3test.Fault{Status: 500})
	resp, _ := s.get("GET", "/b/small")
	r := s.log.record(t, "request_id", resp.Header.Get("X-Request-Id"))
	if r["level"] != "warn" || r["bucket"] != "b" || !strings.Contains(r["error"].(string), "500") {
		t.Errorf("the failure's record is %v", r)
	}
	s.stop()
	if got := s.access.text(); got != "" {
		t.Errorf("records: %s", got)
	}
}
