package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/s3test"
)

const accessKey, secretKey = "proxy-test-access", "proxy-test-secret"

// fixture is a whole server on a listener of its own, with an in-memory S3 behind it.
type fixture struct {
	t      *testing.T
	s3     *s3test.Server
	server *Server
	addr   string
	config *config.Config
	log    *lines // the process log
	access *lines // the access log
	stop   func()
}

// lines is a writer that keeps what it is given and lets tests wait for it.
type lines struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newLines() *lines { return &lines{changed: make(chan struct{})} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.buf.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// record waits for the JSON line that has key = value.
func (l *lines) record(t *testing.T, key, value string) map[string]any {
	t.Helper()
	timeout := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		text, changed := l.buf.String(), l.changed
		l.mu.Unlock()
		for line := range strings.Lines(text) {
			var r map[string]any
			if json.Unmarshal([]byte(line), &r) == nil && r[key] == value {
				return r
			}
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("no record with %s=%q in:\n%s", key, value, text)
		}
	}
}

// startS3 runs an in-memory S3 with the objects that the tests read.
func startS3(t *testing.T) *s3test.Server {
	t.Helper()
	s3 := &s3test.Server{AccessKey: accessKey, SecretKey: secretKey, Region: "us-east-1"}
	s3.Put("b", "small", s3test.Object{Body: []byte("small body"), Header: http.Header{"Content-Type": {"text/plain"}}})
	s3.Put("b", "large", s3test.Object{Size: 4 << 20, At: s3test.Pattern(1)})
	s3.Put("b", "huge", s3test.Object{Size: 1 << 30, At: s3test.Pattern(2)})
	if err := s3.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s3.Close)
	return s3
}

// bucketConfig is a bucket at a prefix that reads "b" of an S3.
func bucketConfig(name, prefix, endpoint string) config.Bucket {
	b := config.DefaultBucket()
	b.Name, b.PathPrefix = name, prefix
	b.S3.Bucket, b.S3.Region, b.S3.Endpoint = "b", "us-east-1", endpoint
	b.S3.AccessKey, b.S3.SecretKey = accessKey, secretKey
	return b
}

// start runs a server with the bucket "b" at /b; change may alter the configuration first.
func start(t *testing.T, change func(c *config.Config)) *fixture {
	t.Helper()
	s3 := startS3(t)
	c := config.Default()
	c.Buckets = []config.Bucket{bucketConfig("b", "/b", s3.URL())}
	c.Server.Timeouts.Shutdown = 5 * time.Second
	if change != nil {
		change(c)
	}
	f := &fixture{t: t, s3: s3, config: c, log: newLines(), access: newLines()}
	access := NewAccessLog(f.access, false)
	server, err := New(c, zerolog.New(f.log), access)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.server, f.addr = server, ln.Addr().String()
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	f.stop = sync.OnceFunc(func() {
		client.CloseIdleConnections()
		server.Shutdown()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		access.Close()
	})
	t.Cleanup(f.stop)
	return f
}

// client is a plain one: it asks for no compression and keeps connections of its own.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// try sends a request and returns the response, what of its body came, and the error that ended it.
func (f *fixture) try(method, path string, header ...string) (*http.Response, []byte, error) {
	f.t.Helper()
	r, err := http.NewRequest(method, "http://"+f.addr+path, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

// get sends a request that must be answered whole.
func (f *fixture) get(method, path string, header ...string) (*http.Response, string) {
	f.t.Helper()
	resp, body, err := f.try(method, path, header...)
	if err != nil {
		f.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp, string(body)
}

// raw opens a connection and sends text on it as it is.
func (f *fixture) raw(text string) (net.Conn, *bufio.Reader) {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.addr)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		f.t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		f.t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// answer reads one response to a request of a method, its body whole.
func (f *fixture) answer(br *bufio.Reader, method string) (*http.Response, string) {
	f.t.Helper()
	resp, err := http.ReadResponse(br, &http.Request{Method: method})
	if err != nil {
		f.t.Fatalf("no response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatalf("body: %v", err)
	}
	return resp, string(body)
}

// metric returns a metric's value, its labels included in the name, or "" when there is none.
func (f *fixture) metric(name string) string {
	var b bytes.Buffer
	f.server.WriteMetrics(&b)
	for line := range strings.Lines(b.String()) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// awaitMetric waits for a value: counters move when the last byte has left, which a client may see first.
func (f *fixture) awaitMetric(name, want string) {
	f.t.Helper()
	f.await(name+" = "+want+", not "+f.metric(name), func() bool { return f.metric(name) == want })
}

// await polls for what another goroutine or the kernel decides.
func (f *fixture) await(what string, ok func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			f.t.Errorf("waited in vain for %s", what)
			return
		}
	}
}

// idle waits until the origin sends no body.
func (f *fixture) idle() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 10*time.Second)
	defer cancel()
	if err := f.s3.WaitIdle(ctx); err != nil {
		f.t.Error("the origin still sends a body")
	}
}

// fault has the origin misbehave in the same way for each request.
func (f *fixture) fault(fault s3test.Fault) {
	f.s3.SetFault(func(s3test.Request) *s3test.Fault { return &fault })
}

func pattern(seed uint64, size int64) []byte {
	b := make([]byte, size)
	_, _ = s3test.Pattern(seed).ReadAt(b, 0)
	return b
}

// wantError checks an error's form: JSON with the three members, not cached, and nothing of the origin in it.
func wantError(t *testing.T, resp *http.Response, body string, status int) {
	t.Helper()
	if resp.StatusCode != status {
		t.Errorf("status %d, want %d: %.200s", resp.StatusCode, status, body)
		return
	}
	var e struct{ Error, Message, RequestID string }
	var members map[string]string
	if err := json.Unmarshal([]byte(body), &members); err != nil || len(members) != 3 {
		t.Errorf("the error is %q", body)
	}
	e.Error, e.Message, e.RequestID = members["error"], members["message"], members["request_id"]
	if e.Error != http.StatusText(status) || e.Message == "" || e.RequestID == "" || e.RequestID != resp.Header.Get("X-Request-Id") {
		t.Errorf("error %+v, X-Request-Id %q", e, resp.Header.Get("X-Request-Id"))
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" || resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("Cache-Control %q, Content-Type %q", got, resp.Header.Get("Content-Type"))
	}
	for _, secret := range []string{"<", "127.0.0.1", accessKey, "Code", "dial", "origin:", `"b"`} {
		if strings.Contains(body, secret) {
			t.Errorf("the error shows %q: %s", secret, body)
		}
	}
}

func reader(text string) *bufio.Reader { return bufio.NewReader(strings.NewReader(text)) }

// objectWith is a small object with one field of metadata.
func objectWith(name, value string) s3test.Object {
	return s3test.Object{Body: []byte("body"), Header: http.Header{name: {value}}}
}
