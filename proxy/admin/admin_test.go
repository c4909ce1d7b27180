package admin

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

// start runs a server whose functions are told apart by what they write.
func start(t *testing.T, change func(*Options)) (url string, shutdown func()) {
	t.Helper()
	text := func(body string) fasthttp.RequestHandler {
		return func(ctx *fasthttp.RequestCtx) { ctx.SetBodyString(body) }
	}
	o := Options{Health: text("health"), Ready: text("ready"), WriteMetrics: func(w io.Writer) { _, _ = io.WriteString(w, "metric 1\n") },
		Panicked: func(p any) { t.Errorf("panic: %v", p) }}
	if change != nil {
		change(&o)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(o)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	ended := false
	shutdown = func() {
		if ended {
			return
		}
		ended = true
		http.DefaultClient.CloseIdleConnections()
		s.Shutdown()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
	t.Cleanup(shutdown)
	return "http://" + ln.Addr().String(), shutdown
}

func fetch(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestRoutes(t *testing.T) {
	url, _ := start(t, nil)
	f := func(path, want, kind string) {
		t.Helper()
		resp, body := fetch(t, "GET", url+path)
		if resp.StatusCode != 200 || body != want || resp.Header.Get("Content-Type") != kind || resp.Header.Get("Server") != "" {
			t.Errorf("GET %s: %d %q %v", path, resp.StatusCode, body, resp.Header)
		}
		resp, body = fetch(t, "HEAD", url+path)
		if resp.StatusCode != 200 || body != "" || resp.ContentLength != int64(len(want)) {
			t.Errorf("HEAD %s: %d %q, length %d", path, resp.StatusCode, body, resp.ContentLength)
		}
	}
	f("/health", "health", "")
	f("/ready", "ready", "")
	f("/ready?x=y", "ready", "")
	f("/metrics", "metric 1\n", "text/plain; version=0.0.4; charset=utf-8")
}

// wantError checks an error's form.
func wantError(t *testing.T, resp *http.Response, body string, status int) {
	t.Helper()
	var e map[string]string
	if err := json.Unmarshal([]byte(body), &e); err != nil || resp.StatusCode != status || e["error"] != http.StatusText(status) || e["message"] == "" ||
		resp.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%d %q, want %d as JSON", resp.StatusCode, body, status)
	}
}

func TestOtherPathsAndMethods(t *testing.T) {
	url, _ := start(t, nil)
	for _, path := range []string{"/", "/metrics/", "/Metrics", "/health/x", "/admin", "/debug/pprof/"} {
		resp, body := fetch(t, "GET", url+path)
		wantError(t, resp, body, 404)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "BREW"} {
		resp, body := fetch(t, method, url+"/metrics")
		wantError(t, resp, body, 405)
		allow := resp.Header.Get("Allow")
		if !strings.Contains(allow, "GET") || !strings.Contains(allow, "HEAD") || strings.Contains(allow, method) || !resp.Close {
			t.Errorf("%s: Allow %q, close %v", method, allow, resp.Close)
		}
	}
}

func TestPanics(t *testing.T) {
	told := make(chan any, 1)
	url, _ := start(t, func(o *Options) {
		o.WriteMetrics = func(io.Writer) { panic("a secret") }
		o.Panicked = func(p any) { told <- p }
	})
	resp, body := fetch(t, "GET", url+"/metrics")
	wantError(t, resp, body, 500)
	if p := <-told; p != "a secret" {
		t.Errorf("told of %v", p)
	}
	if strings.Contains(body, "secret") {
		t.Errorf("the panic is shown: %s", body)
	}
	if resp, body := fetch(t, "GET", url+"/health"); resp.StatusCode != 200 {
		t.Errorf("after a panic: %d %q", resp.StatusCode, body)
	}
}

func TestShutdown(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	url, shutdown := start(t, func(o *Options) {
		o.Ready = func(ctx *fasthttp.RequestCtx) {
			close(entered)
			<-leave
			ctx.SetBodyString("late")
		}
	})
	type answer struct {
		body string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		resp, err := http.DefaultClient.Get(url + "/ready")
		if err != nil {
			got <- answer{err: err}
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		got <- answer{string(body), err}
	}()
	<-entered
	close(leave)
	shutdown()
	if a := <-got; a.err != nil || a.body != "late" {
		t.Errorf("an answer in progress: %q, %v", a.body, a.err)
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		conn.Close()
		t.Error("a connection is accepted after Shutdown")
	}
}

func TestBrokenRequestsAreNotLogged(t *testing.T) {
	url, _ := start(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "nonsense\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, _ := io.ReadAll(conn); !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("%q", answer)
	}
	quiet{}.Printf("x")
}
