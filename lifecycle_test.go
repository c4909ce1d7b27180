package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"yatagarasu/proxy/s3test"
)

// signal sends a signal to a program that runs as a process.
func (p *program) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

func sum(r io.Reader) ([sha256.Size]byte, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return [sha256.Size]byte(h.Sum(nil)), n, err
}

func TestTermLetsADownloadFinish(t *testing.T) {
	const size = 1 << 30
	s3 := startS3(t)
	s3.Put("b", "big", s3test.Object{Size: size, At: s3test.Pattern(7)})
	yaml := strings.Replace(listeners, "shutdown: 10s", "shutdown: 5m", 1) // the race detector is slow
	p := startProcess(t, yaml+"buckets:"+bucketYAML("b", "/b", "b", s3.URL(), ""))
	want, _, _ := sum(io.NewSectionReader(s3test.Pattern(7), 0, size))

	resp, err := client.Get(p.url + "/b/big")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	head := make([]byte, 1<<20)
	if _, err := io.ReadFull(resp.Body, head); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM)
	p.logged("draining: no new connections; transfers in flight go on")
	if ready, _ := fetchFrom(p.manage + "/ready"); ready != http.StatusServiceUnavailable {
		t.Errorf("/ready is %d while draining, want 503", ready)
	}
	got, n, err := sum(io.MultiReader(bytes.NewReader(head), resp.Body))
	if err != nil || n != size || got != want {
		t.Errorf("%d bytes of %d, %v, hash right: %v", n, size, err, got == want)
	}
	if code := p.exit(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
}

// fetchFrom returns a status without failing the test: the listener may be closing.
func fetchFrom(url string) (int, error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

func TestDrainIsBounded(t *testing.T) {
	s3 := startS3(t)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	s3.Put("b", "big", s3test.Object{Size: 1 << 20, At: s3test.Pattern(1)})
	s3.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{BodyHold: never, HoldAt: 100_000} })
	yaml := strings.Replace(listeners, "shutdown: 10s", "shutdown: 200ms", 1)
	p := startProgram(t, yaml+"buckets:"+bucketYAML("b", "/b", "b", s3.URL(), ""))
	resp, err := client.Get(p.url + "/b/big")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p.stop()
	if code := p.exit(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
	if n, err := io.Copy(io.Discard, resp.Body); err == nil {
		t.Errorf("a transfer that was cut after %d bytes looks complete", n)
	}
	if cut := p.logged("stopped")["connections_cut"]; cut != 1.0 {
		t.Errorf("connections_cut is %v", cut)
	}
}

func TestReload(t *testing.T) {
	s3 := startS3(t)
	s3.Put("b", "k", s3test.Object{Body: []byte("from b")})
	s3.Put("c", "k", s3test.Object{Body: []byte("from c")})
	one := listeners + "buckets:" + bucketYAML("one", "/x", "b", s3.URL(), "")
	p := startProgram(t, one)
	get := func(path string) string {
		_, body := fetch(t, "GET", p.url+path)
		return string(body)
	}
	reload := func(yaml, message string) {
		t.Helper()
		rewriteConfig(t, p, yaml)
		p.log.forget()
		p.hup <- syscall.SIGHUP
		p.logged(message)
	}
	if got := get("/x/k"); got != "from b" {
		t.Fatalf("got %q", got)
	}
	reload(listeners+"buckets:"+bucketYAML("two", "/x", "c", s3.URL(), "")+bucketYAML("one", "/y", "b", s3.URL(), ""), "configuration reloaded")
	if x, y := get("/x/k"), get("/y/k"); x != "from c" || y != "from b" {
		t.Errorf("after the reload /x/k is %q and /y/k %q", x, y)
	}
	p.awaitMetric(`yatagarasu_requests_total{bucket="one",method="GET",status="200"}`, "2") // a bucket that stays counts on
	for _, bad := range []string{"buckets: [", one + "\nnonsense: 1\n", strings.Replace(one, "127.0.0.1:0", "127.0.0.1:1", 1)} {
		reload(bad, "reload failed; the old configuration stays in force")
		if got := get("/x/k"); got != "from c" {
			t.Errorf("after a bad reload /x/k is %q", got)
		}
		if got := p.metric("yatagarasu_config_last_reload_successful"); got != "0" {
			t.Errorf("config_last_reload_successful is %q after a bad reload", got)
		}
	}
	reload(one, "configuration reloaded")
	if got := p.metric("yatagarasu_config_generation"); got != "3" {
		t.Errorf("config_generation is %q, want 3", got)
	}
	if got := p.metric(`yatagarasu_requests_total{bucket="two",method="GET",status="200"}`); got != "" {
		t.Errorf("a bucket that is gone still has metrics: %q", got)
	}
}

func TestReloadUnderLoadLosesNothing(t *testing.T) {
	s3 := startS3(t)
	s3.Put("b", "k", s3test.Object{Body: []byte("small")})
	s3.Put("b", "big", s3test.Object{Size: 3 << 20, At: s3test.Pattern(3)})
	want, _, _ := sum(io.NewSectionReader(s3test.Pattern(3), 0, 3<<20))
	yaml := func(i int) string {
		// Every other reload keeps the origin and its connections.
		s3 := strings.Replace(bucketYAML("b", "/b", "b", s3.URL(), ""), "region:", fmt.Sprintf("max_connections: %d, region:", 100+i/2), 1)
		return listeners + "buckets:" + s3 + fmt.Sprintf("    expose_headers: [x-amz-meta-%d]\n", i)
	}
	p := startProgram(t, yaml(0))
	var done atomic.Bool
	var requests atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for !done.Load() {
				for _, key := range []string{"k", "big"} {
					resp, err := client.Get(p.url + "/b/" + key)
					if err != nil {
						t.Errorf("GET %s: %v", key, err)
						return
					}
					got, n, err := sum(resp.Body)
					resp.Body.Close()
					if resp.StatusCode != 200 || err != nil || key == "big" && got != want {
						t.Errorf("GET %s: %d, %d bytes, %v", key, resp.StatusCode, n, err)
						return
					}
					requests.Add(1)
				}
			}
		})
	}
	for i := range 30 {
		rewriteConfig(t, p, yaml(i+1))
		p.log.forget()
		p.hup <- syscall.SIGHUP
		p.logged("configuration reloaded")
		for seen := requests.Load(); requests.Load() < seen+4 && !t.Failed(); {
			runtime.Gosched() // some requests under each configuration
		}
	}
	done.Store(true)
	wg.Wait()
}

func TestBadStartsListenNowhere(t *testing.T) {
	run := func(args ...string) (int, string) {
		cmd := exec.Command(os.Args[0], args...)
		cmd.Env = append(os.Environ(), beTheProgram+"=1")
		out, _ := cmd.CombinedOutput()
		return cmd.ProcessState.ExitCode(), string(out)
	}
	f := func(want int, text string, args ...string) {
		t.Helper()
		if code, out := run(args...); code != want || !strings.Contains(out, text) {
			t.Errorf("%q: exit code %d, want %d; output should have %q:\n%s", args, code, want, text, out)
		}
	}
	bad := writeConfig(t, listeners+"buckets:"+bucketYAML("B!", "no-slash", "", "ftp://x", "    surprise: 1\n"))
	f(exitUsage, "$.buckets[0].surprise", "-config", bad)
	f(exitUsage, "$.buckets[0].path_prefix", "check", "-config", bad)
	f(exitUsage, "cannot open the file", "-config", filepath.Join(t.TempDir(), "none.yaml"))
	f(exitUsage, "unknown command", "serv")
	f(exitUsage, "unexpected argument", "check", "config.yaml")
	f(exitUsage, "flag provided but not defined", "-port", "1")
	f(exitFine, "usage:", "-h")
	f(exitFine, "yatagarasu ", "version")

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := strings.Replace(listeners, "127.0.0.1:0", ln.Addr().String(), 1)
	f(exitFailed, "change server.address", "-config", writeConfig(t, taken+"buckets:"+bucketYAML("b", "/b", "b", "http://127.0.0.1:9", "")))
}

func TestCheckPrintsWhatIsInEffect(t *testing.T) {
	path := writeConfig(t, listeners+"buckets:"+bucketYAML("b", "/b/", "bucket", "http://127.0.0.1:9", ""))
	var out, errs bytes.Buffer
	if code := run(t.Context(), nil, []string{"check", "-config", path}, &out, &errs); code != exitFine {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	for _, want := range []string{`path_prefix: "/b"`, "first_byte: 10s", "***"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), testSecretKey) || strings.Contains(out.String(), testAccessKey) {
		t.Errorf("a secret is printed:\n%s", out.String())
	}
}

func TestSecondTermKills(t *testing.T) {
	s3 := startS3(t)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	s3.Put("b", "big", s3test.Object{Size: 1 << 20, At: s3test.Pattern(1)})
	s3.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{BodyHold: never, HoldAt: 100_000} })
	p := startProcess(t, listeners+"buckets:"+bucketYAML("b", "/b", "b", s3.URL(), ""))
	resp, err := client.Get(p.url + "/b/big")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p.signal(syscall.SIGTERM)
	p.logged("draining: no new connections; transfers in flight go on")
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code == exitFine {
		t.Error("the second SIGTERM did not kill")
	}
}
