package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"yatagarasu/proxy/s3test"
)

// beTheProgram makes the test binary the program itself, so that tests of signals, exit codes and memory run a real
// process without building one.
const beTheProgram = "YATAGARASU_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(beTheProgram) != "" {
		main()
	}
	code := m.Run()
	stopServers()
	os.Exit(code)
}

// program is a running proxy, in this process or in one of its own.
type program struct {
	t      testing.TB
	config string // the file
	url    string // of the data listener
	manage string // of the management listener
	log    *logBuffer
	cmd    *exec.Cmd // nil when it runs in this process
	hup    chan os.Signal
	stop   context.CancelFunc
	exited chan struct{}
	code   int
}

// startProgram runs the program in this process, which lets coverage and the race detector see it.
func startProgram(t testing.TB, yaml string) *program {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{t: t, log: newLogBuffer(), hup: make(chan os.Signal), stop: cancel, exited: make(chan struct{})}
	p.config = writeConfig(t, yaml)
	args := []string{"-config", p.config}
	go func() {
		defer close(p.exited)
		p.code = run(ctx, toReceive(p.hup), args, p.log, p.log)
	}()
	t.Cleanup(func() { p.stop(); <-p.exited })
	p.await()
	return p
}

// startProcess runs the program as a process of its own.
func startProcess(t testing.TB, yaml string, env ...string) *program {
	t.Helper()
	p := &program{t: t, log: newLogBuffer(), exited: make(chan struct{})}
	p.config = writeConfig(t, yaml)
	p.cmd = exec.Command(os.Args[0], "-config", p.config)
	p.cmd.Env = append(append(os.Environ(), beTheProgram+"=1"), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stop = func() { _ = p.cmd.Process.Signal(os.Interrupt) }
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait()
		p.code = p.cmd.ProcessState.ExitCode()
	}()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	p.await()
	return p
}

// await waits until both listeners have said where they are.
func (p *program) await() {
	p.t.Helper()
	p.url = "http://" + p.logged("serving")["address"].(string)
	p.manage = "http://" + p.logged("management listener is up")["address"].(string)
}

// logged waits for a log record with a message and returns it.
func (p *program) logged(message string) map[string]any {
	p.t.Helper()
	record := p.log.find(p.exited, func(r map[string]any) bool { return r["message"] == message })
	if record == nil {
		p.t.Fatalf("the program never logged %q:\n%s", message, p.log.text())
	}
	return record
}

// access waits for the access record of a response, found by its X-Request-Id.
func (p *program) access(resp *http.Response) map[string]any {
	p.t.Helper()
	id := resp.Header.Get("X-Request-Id")
	record := p.log.find(p.exited, func(r map[string]any) bool { return r["request_id"] == id && r["status"] != nil })
	if record == nil {
		p.t.Fatalf("no access record for request %q:\n%s", id, p.log.text())
	}
	return record
}

// exit waits for the end and returns the exit code.
func (p *program) exit() int { <-p.exited; return p.code }

// metric returns the value of a metric line, its labels included, or "" when there is none.
func (p *program) metric(name string) string {
	p.t.Helper()
	resp, err := http.Get(p.manage + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return value
		}
	}
	return ""
}

// awaitMetric waits until a metric has a value: counters move when the last byte has left, which a client may see
// first.
func (p *program) awaitMetric(name, want string) {
	p.t.Helper()
	var got string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if got = p.metric(name); got == want {
			return
		}
	}
	p.t.Errorf("%s is %q, want %q", name, got, want)
}

func toReceive(c chan os.Signal) <-chan os.Signal { return c }

func writeConfig(t testing.TB, yaml string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// rewriteConfig replaces the program's configuration file.
func rewriteConfig(t testing.TB, p *program, yaml string) {
	t.Helper()
	if err := os.WriteFile(p.config, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
}

// listeners is the beginning of a test's configuration: both listeners on free ports of loopback.
const listeners = `
server: {address: "127.0.0.1:0", timeouts: {shutdown: 10s}}
metrics: {address: 127.0.0.1, port: 0}
logging: {level: debug}
`

// bucketYAML is one bucket of a configuration; extra are further lines of its mapping, indented by four.
func bucketYAML(name, prefix, s3bucket, endpoint, extra string) string {
	return fmt.Sprintf(`
  - name: %s
    path_prefix: %s
    s3: {bucket: %s, region: us-east-1, endpoint: %q, access_key: %s, secret_key: %s}
%s`, name, prefix, s3bucket, endpoint, testAccessKey, testSecretKey, extra)
}

const (
	testAccessKey = "test-access-key"
	testSecretKey = "test-secret-key"
)

// startS3 runs an in-memory S3 with the tests' keys and an empty bucket "b".
func startS3(t testing.TB) *s3test.Server {
	t.Helper()
	s := &s3test.Server{AccessKey: testAccessKey, SecretKey: testSecretKey, Region: "us-east-1"}
	s.CreateBucket("b")
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// logBuffer keeps what a program prints and lets tests wait for a record.
type logBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed and replaced at each write
}

func newLogBuffer() *logBuffer { return &logBuffer{changed: make(chan struct{})} }

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.buf.Write(p)
}

func (l *logBuffer) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// forget drops what was printed so far.
func (l *logBuffer) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
}

// wait waits until done says so of the text, end is closed or half a minute has passed.
func (l *logBuffer) wait(end <-chan struct{}, done func(text string) bool) {
	timeout := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		text, changed := l.buf.String(), l.changed
		l.mu.Unlock()
		if done(text) {
			return
		}
		select {
		case <-changed:
		case <-end:
			done(l.text())
			return
		case <-timeout:
			return
		}
	}
}

// find returns the first record that matches, waiting for it.
func (l *logBuffer) find(end <-chan struct{}, match func(map[string]any) bool) (found map[string]any) {
	l.wait(end, func(text string) bool {
		for line := range strings.Lines(text) {
			var record map[string]any
			if json.Unmarshal([]byte(line), &record) == nil && match(record) {
				found = record
				return true
			}
		}
		return false
	})
	return found
}

// fetch sends a request and returns the response and its whole body.
func fetch(t testing.TB, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return resp, body
}

// client asks for no compression and follows nothing: tests see what the proxy sends.
var client = &http.Client{
	Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}
