package proxy

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/s3test"
)

// changed is a copy of the fixture's configuration with a change.
func (f *fixture) changed(change func(c *config.Config)) *config.Config {
	c := *f.config
	c.Buckets = append([]config.Bucket(nil), c.Buckets...)
	change(&c)
	return &c
}

func (f *fixture) reload(change func(c *config.Config)) {
	f.t.Helper()
	if err := f.server.Reload(f.changed(change)); err != nil {
		f.t.Fatal(err)
	}
}

func TestReloadKeepsTheConnectionsOfWhatStays(t *testing.T) {
	s := start(t, nil)
	get := func() {
		t.Helper()
		s.get("GET", "/b/small")
		s.awaitMetric("yatagarasu_requests_in_flight", "0") // only then is the connection free
	}
	live := func() *bucket { return s.server.state.Load().buckets[0] }
	get()
	first := live()
	s.reload(func(c *config.Config) {
		b := &c.Buckets[0]
		b.ExposeHeaders, b.CORS.MaxAge, b.S3.MissingAs, b.S3.ForwardQuery = []string{"*"}, time.Minute, 404, []string{"versionId"}
		c.Server.Limits.URIBytes, c.Server.Timeouts.Shutdown = 100, time.Second
	})
	if live().origin != first.origin || live().health != first.health || live().metrics != first.metrics {
		t.Error("what did not change was made anew")
	}
	get()
	if n := s.s3.Connections(); n != 1 {
		t.Errorf("%d connections, want the one", n)
	}
	if resp, _ := s.get("GET", "/b/"+strings.Repeat("x", 100)); resp.StatusCode != 414 {
		t.Errorf("the new uri_bytes is not in force: %d", resp.StatusCode)
	}
	s.awaitMetric(`yatagarasu_requests_total{bucket="b",method="GET",status="200"}`, "2")
	s.awaitMetric("yatagarasu_config_generation", "2")
	if n := s.server.Generation(); n != 2 {
		t.Errorf("generation %d", n)
	}
}

func TestReloadOfAChangedOrigin(t *testing.T) {
	f := func(name string, change func(*config.S3)) {
		t.Helper()
		s := start(t, nil)
		s.get("GET", "/b/small")
		first := s.server.state.Load().buckets[0].origin
		s.reload(func(c *config.Config) { change(&c.Buckets[0].S3) })
		if now := s.server.state.Load().buckets[0].origin; now == first {
			t.Errorf("%s: the origin is the old one", name)
		}
		s.await(name+": the old origin's connection to be closed", func() bool { return first.Connections() == 0 })
		s.awaitMetric(`yatagarasu_requests_total{bucket="b",method="GET",status="200"}`, "1")
	}
	f("bucket", func(o *config.S3) { o.Bucket = "c" })
	f("region", func(o *config.S3) { o.Region = "eu-west-1" })
	f("endpoint", func(o *config.S3) { o.Endpoint = "http://127.0.0.1:1" })
	f("addressing", func(o *config.S3) { o.Addressing = "path" })
	f("access_key", func(o *config.S3) { o.AccessKey = "other" })
	f("secret_key", func(o *config.S3) { o.SecretKey = "other" })
	f("session_token", func(o *config.S3) { o.SessionToken = "other" })
	f("timeouts", func(o *config.S3) { o.Timeouts.Stall++ })
	f("max_connections", func(o *config.S3) { o.MaxConnections++ })
}

func TestReloadDuringATransfer(t *testing.T) {
	s := start(t, nil)
	more := make(chan struct{})
	s.fault(s3test.Fault{BodyHold: more, HoldAt: 100_000})
	resp, err := client.Get("http://" + s.addr + "/b/large")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	old := s.server.state.Load().buckets[0].origin
	s.reload(func(c *config.Config) { c.Buckets[0] = bucketConfig("c", "/c", c.Buckets[0].S3.Endpoint) })
	close(more)
	body, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(body, pattern(1, 4<<20)) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	s.await("the old origin's connection to be closed", func() bool { return old.Connections() == 0 })
	if resp, _ := s.get("GET", "/b/small"); resp.StatusCode != 404 {
		t.Errorf("the bucket that went: %d", resp.StatusCode)
	}
	if resp, body := s.get("GET", "/c/small"); resp.StatusCode != 200 || body != "small body" {
		t.Errorf("the bucket that came: %d", resp.StatusCode)
	}
	var b bytes.Buffer
	s.server.WriteMetrics(&b)
	if strings.Contains(b.String(), `bucket="b"`) || !strings.Contains(b.String(), `bucket="c"`) {
		t.Error("the metrics are not those of the configured buckets")
	}
}

func TestReloadsThatAreRefused(t *testing.T) {
	s := start(t, nil)
	before := s.server.state.Load()
	f := func(place string, change func(*config.Config)) {
		t.Helper()
		err := s.server.Reload(s.changed(change))
		if err == nil || !strings.Contains(err.Error(), place) {
			t.Errorf("%s: %v", place, err)
		}
		if place[0] == '$' && !errors.Is(err, errNeedsRestart) {
			t.Errorf("%s: %v does not say that a restart would help", place, err)
		}
		if s.server.state.Load() != before || s.server.Generation() != 1 || s.metric("yatagarasu_config_last_reload_successful") != "0" {
			t.Errorf("%s: something was changed, or the failure is not told", place)
		}
	}
	f("$.server", func(c *config.Config) { c.Server.Address = "127.0.0.1:1" })
	f("$.server", func(c *config.Config) { c.Server.Timeouts.WriteStall++ })
	f("$.server", func(c *config.Config) { c.Server.Limits.HeaderBytes++ })
	f("$.metrics", func(c *config.Config) { c.Metrics.Port++ })
	f("$.logging", func(c *config.Config) { c.Logging.Format = "console" })
	f("$.logging", func(c *config.Config) { c.Logging.Level = "debug" })
	f(`"bad"`, func(c *config.Config) {
		c.Buckets = append(c.Buckets, bucketConfig("good", "/good", c.Buckets[0].S3.Endpoint), bucketConfig("bad", "/bad", "ftp://x"))
	})
	var b bytes.Buffer
	s.server.WriteMetrics(&b)
	if strings.Contains(b.String(), `bucket="good"`) {
		t.Error("a refused configuration has left metrics behind")
	}
	s.reload(func(c *config.Config) { c.Logging.Sample = 2 })
	if got := s.metric("yatagarasu_config_last_reload_successful"); got != "1" {
		t.Errorf("after a good reload: %s", got)
	}
}

func TestServersThatCannotBeMade(t *testing.T) {
	c := config.Default()
	c.Buckets = []config.Bucket{bucketConfig("bad", "/", "ftp://x")}
	a := NewAccessLog(io.Discard, false)
	defer a.Close()
	if _, err := New(c, startLog(), a); err == nil || !strings.Contains(err.Error(), `"bad"`) {
		t.Errorf("%v", err)
	}
}
