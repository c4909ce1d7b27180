package s3test

import (
	"bytes"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Close ends every kind of exchange and every goroutine, and the address can
// be used again.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	s := &Server{AllowAnonymous: true}
	if s.URL() != "" || s.Connections() != 0 {
		t.Error("a server that does not listen has a URL")
	}
	s.Close()
	s.CloseConnections()
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if err := s.Listen("127.0.0.1:0"); err == nil {
		t.Error("listened twice")
	}
	if err := (&Server{}).Listen(strings.TrimPrefix(s.URL(), "http://")); err == nil {
		t.Error("two servers share an address")
	}
	s.Put("b", "k", Object{At: Pattern(1), Size: 1 << 30})
	never := make(chan struct{})
	faults := []*Fault{{Hold: never}, {DelayFor: time.Hour}, {BodyHold: never}, {BodyHold: never, CloseIdle: true},
		{Truncate: true, TruncateAt: 1 << 29}, nil, {DripBytes: 1, DripEvery: time.Hour}}
	s.SetFault(func(r Request) *Fault { return faults[r.N-1] })
	var conns []*raw
	for range faults {
		c := dial(t, s)
		c.send("GET", "/b/k")
		conns = append(conns, c)
	}
	conns = append(conns, dial(t, s)) // one that asks nothing
	if err := s.WaitRequests(ctx(t), len(faults)); err != nil {
		t.Fatal(err)
	}
	url, r := s.URL(), s.run
	s.Close()
	r.mu.Lock()
	if n := len(r.conns); n != 0 || s.ActiveBodies() != 0 {
		t.Errorf("%d connections and %d bodies after Close", n, s.ActiveBodies())
	}
	r.mu.Unlock()
	for _, c := range conns {
		io.Copy(io.Discard, c) // ends
	}
	if err := s.Listen(strings.TrimPrefix(url, "http://")); err != nil {
		t.Fatal(err)
	}
	s.SetFault(nil)
	check(t, get(t, s, "HEAD", "/b/k"), 200)
	s.Close()
	patience := ctx(t)
	for patience.Err() == nil { // goroutines end a moment after what they signal
		if runtime.NumGoroutine() <= before {
			return
		}
		runtime.Gosched()
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("goroutines are left:\n%s", stacks[:runtime.Stack(stacks, true)])
}

func TestCloseConnections(t *testing.T) {
	s := public(t)
	s.Put("b", "k", Object{Body: []byte("x")})
	c := dial(t, s)
	check(t, c.do("GET", "/b/k"), 200)
	s.CloseConnections()
	if w, err := c.wire(); w != "" || err != nil {
		t.Errorf("%q %v", w, err)
	}
	check(t, get(t, s, "GET", "/b/k"), 200)
	if n := s.Connections(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// A client that stops reading holds its transfer, and ends it by leaving.
func TestSlowClient(t *testing.T) {
	s := public(t)
	s.Put("b", "k", Object{At: Pattern(1), Size: 1 << 40})
	c := dial(t, s)
	c.send("GET", "/b/k")
	if _, err := io.CopyN(io.Discard, c.r, 10<<20); err != nil {
		t.Fatal(err)
	}
	if n := s.ActiveBodies(); n != 1 {
		t.Errorf("%d bodies", n)
	}
	c.Close()
	if err := s.WaitIdle(ctx(t)); err != nil {
		t.Error(err)
	}
	const buffered = 8 << 10 // by net/http
	if n := s.BytesSent(); n < 10<<20-buffered || n != s.Requests()[0].Sent {
		t.Errorf("%d bytes sent, %d noted", n, s.Requests()[0].Sent)
	}
}

func TestJournalIsBounded(t *testing.T) {
	s := &Server{}
	for range journalSize + 40 {
		s.journal.add(&Request{})
	}
	reqs := s.Requests()
	if len(reqs) != journalSize {
		t.Fatalf("%d requests", len(reqs))
	}
	for i, r := range reqs {
		if r.N != 41+i {
			t.Fatalf("request %d is number %d", i, r.N)
		}
	}
}

// Objects, faults and requests change at once.
func TestConcurrent(t *testing.T) {
	s := public(t)
	bodies := [][]byte{bytes.Repeat([]byte("a"), 300_000), bytes.Repeat([]byte("b"), 400_000)}
	s.Put("b", "k", Object{Body: bodies[0]})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			c := dial(t, s)
			for range 50 {
				a := c.do("GET", "/b/k")
				if a.err != nil || a.body != string(bodies[0]) && a.body != string(bodies[1]) {
					t.Errorf("%d bytes of neither body: %v", len(a.body), a.err)
					return
				}
			}
		})
		wg.Go(func() {
			for n := range 50 {
				s.Put("b", "k", Object{Body: bodies[n%2]})
				s.Put("b", fmt.Sprint(i, n), Object{})
				s.SetFault(func(Request) *Fault { return &Fault{NoETag: true} })
				list(t, s, "")
				s.Requests()
			}
		})
	}
	wg.Wait()
}

func TestSamples(t *testing.T) {
	s := start(t, &Server{})
	Samples(s)
	f := func(bucket, key, kind string) answerOf {
		t.Helper()
		target, method := "/"+bucket+"/"+uriEncode(key, true), "GET"
		if key == "big.bin" {
			method = "HEAD"
		}
		a := get(t, s, method, target, signed(t, s, method, target, time.Now())...)
		check(t, a, 200)
		if got := a.Header.Get("Content-Type"); got != kind {
			t.Errorf("%s is %s", target, got)
		}
		return a
	}
	f("sample", "index.html", "text/html; charset=utf-8")
	f("sample", "docs/about.html", "text/html; charset=utf-8")
	f("sample", "style.css", "text/css; charset=utf-8")
	f("sample", "crow.svg", "image/svg+xml")
	img, err := png.Decode(strings.NewReader(f("sample", "sunrise.png", "image/png").body))
	if err != nil || img.Bounds().Dx() != 960 {
		t.Error(err)
	}
	if n := f("files", "big.bin", "binary/octet-stream").ContentLength; n != 50_000_000 {
		t.Errorf("big.bin has %d bytes", n)
	}
	for _, key := range s.store.keys("files") {
		if key != "big.bin" && f("files", key, "text/plain; charset=utf-8").body != "This is "+key+"\n" {
			t.Errorf("%q has another's body", key)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := &Server{AccessKey: testKey, SecretKey: testSecret}
	if err := s.Listen("127.0.0.1:0"); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	s.Put("b", "small", Object{Body: make([]byte, 1<<10)})
	s.Put("b", "slice", Object{Body: make([]byte, 64<<20)})
	s.Put("b", "pattern", Object{At: Pattern(1), Size: 64 << 20})
	for _, key := range []string{"small", "slice", "pattern"} {
		b.Run(key, func(b *testing.B) {
			r, _ := http.NewRequest("GET", s.URL()+"/b/"+key, nil)
			Sign(r, testKey, testSecret, "", "us-east-1", time.Now())
			for b.Loop() {
				resp, err := http.DefaultClient.Do(r)
				if err != nil || resp.StatusCode != 200 {
					b.Fatal(err, resp)
				}
				n, _ := io.Copy(io.Discard, resp.Body)
				b.SetBytes(n)
				resp.Body.Close()
			}
		})
	}
}
