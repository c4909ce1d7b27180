package s3test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

const tenBytes = "0123456789"

// faulty serves tenBytes as b/k with a fault.
func faulty(t *testing.T, f *Fault) (*Server, *raw) {
	t.Helper()
	s := public(t)
	s.Put("b", "k", Object{Body: []byte(tenBytes)})
	s.SetFault(func(Request) *Fault { return f })
	return s, dial(t, s)
}

// wire is all that the server sends until it closes.
func (c *raw) wire() (string, error) {
	b, err := io.ReadAll(c.r)
	return string(b), err
}

func TestFaultStatus(t *testing.T) {
	f := func(fault Fault, status int, code string) {
		t.Helper()
		_, c := faulty(t, &fault)
		check(t, c.do("GET", "/b/k"), status, code)
		check(t, c.do("HEAD", "/b/k"), status)
	}
	f(Fault{Status: 503}, 503, "<Code>SlowDown</Code><Message>Service Unavailable</Message>")
	f(Fault{Status: 500, Code: "Oops", Message: "a & b"}, 500, "<Code>Oops</Code><Message>a &amp; b</Message>")
	f(Fault{Status: 502}, 502, "<Code>InternalError</Code>")
	f(Fault{Status: 204}, 204, "")
}

func TestFaultHeader(t *testing.T) {
	f := func(fault Fault, status int, name, want string, lines ...string) answerOf {
		t.Helper()
		_, c := faulty(t, &fault)
		a := c.do("GET", "/b/k", lines...)
		check(t, a, status)
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
		return a
	}
	f(Fault{NoETag: true}, 200, "ETag", "")
	f(Fault{ETag: `W/"x"`}, 200, "ETag", `W/"x"`)
	f(Fault{ContentRange: "bytes 3-4/10"}, 206, "Content-Range", "bytes 3-4/10", "Range: bytes=1-2")
	f(Fault{ForceStatus200ForRange: true}, 200, "Content-Range", "", "Range: bytes=1-2")
	f(Fault{ForceStatus200ForRange: true}, 200, "Content-Range", "", "Range: bytes=99-")
	f(Fault{Force206: true}, 206, "Content-Range", "bytes 0-9/10")
	f(Fault{Force304: true}, 304, "Content-Type", "")
	f(Fault{ExtraHeader: http.Header{"X": {"1"}, "Accept-Ranges": nil, "Etag": {"e"}}}, 200, "ETag", "e")
	a := f(Fault{ExtraHeader: http.Header{"Content-Type": nil, "Date": nil}}, 200, "Content-Type", "")
	if a.Header.Get("Date") != "" {
		t.Error("Date was not removed")
	}
	if a := f(Fault{CloseAfter: true}, 200, "X", ""); !a.Close {
		t.Error("no Connection: close")
	}
}

func TestFaultFraming(t *testing.T) {
	_, c := faulty(t, &Fault{NoContentLength: true})
	a := c.do("GET", "/b/k")
	if a.ContentLength != -1 || a.TransferEncoding != nil || !a.Close || a.body != tenBytes {
		t.Errorf("close-delimited: %+v", a)
	}
	_, c = faulty(t, &Fault{Chunked: true})
	a = c.do("GET", "/b/k")
	if len(a.TransferEncoding) != 1 || a.body != tenBytes || a.err != nil {
		t.Errorf("chunked: %+v", a)
	}
	check(t, c.do("GET", "/b/k"), 200, tenBytes) // the connection lives on

	f := func(fault Fault, want string, atEnd error) {
		t.Helper()
		_, c := faulty(t, &fault)
		if a := c.do("GET", "/b/k"); a.body != want || !errors.Is(a.err, atEnd) {
			t.Errorf("%+v: %q %v, want %q %v", fault, a.body, a.err, want, atEnd)
		}
	}
	f(Fault{ContentLength: "12"}, tenBytes, io.ErrUnexpectedEOF)
	f(Fault{ContentLength: "4"}, "0123", nil)
	f(Fault{Truncate: true, TruncateAt: 3}, "012", io.ErrUnexpectedEOF)
	f(Fault{Truncate: true, TruncateAt: 99}, tenBytes, nil)
	f(Fault{Truncate: true, Chunked: true, TruncateAt: 3}, "012", io.ErrUnexpectedEOF)
	f(Fault{Truncate: true, NoContentLength: true, TruncateAt: 3}, "012", nil)
	f(Fault{CloseIdle: true, Chunked: true}, tenBytes, nil)

	_, c = faulty(t, &Fault{BreakChunk: true, TruncateAt: 3})
	if a := c.do("GET", "/b/k"); a.body != "012" || a.err == nil {
		t.Errorf("broken chunk: %q %v", a.body, a.err)
	}
	_, c = faulty(t, &Fault{ContentLength: "-5, 5"})
	c.send("GET", "/b/k")
	if w, _ := c.wire(); !strings.Contains(w, "\r\nContent-Length: -5, 5\r\n") {
		t.Errorf("on the wire: %q", w)
	}
	_, c = faulty(t, &Fault{ContentLength: "77"})
	if a := c.do("HEAD", "/b/k"); a.ContentLength != 77 {
		t.Errorf("HEAD: %d", a.ContentLength)
	}
}

func TestFaultConnection(t *testing.T) {
	f := func(fault Fault, want string) {
		t.Helper()
		_, c := faulty(t, &fault)
		c.send("GET", "/b/k")
		if w, err := c.wire(); w != want || err != nil {
			t.Errorf("%+v: %q %v", fault, w, err)
		}
	}
	f(Fault{DropBeforeHeaders: true}, "")
	f(Fault{RawResponse: []byte("HTTP/1.1 200\r\n")}, "HTTP/1.1 200\r\n")
	_, c := faulty(t, &Fault{Garbage: true})
	c.send("GET", "/b/k")
	if _, err := http.ReadResponse(c.r, nil); err == nil {
		t.Error("garbage was read as an answer")
	}
	for _, fault := range []Fault{{Reset: true, TruncateAt: 3}, {Reset: true, DropBeforeHeaders: true}} {
		_, c = faulty(t, &fault)
		c.send("GET", "/b/k")
		if w, err := c.wire(); !errors.Is(err, syscall.ECONNRESET) || strings.HasSuffix(w, "3") {
			t.Errorf("%+v: %q %v", fault, w, err)
		}
	}
	_, c = faulty(t, &Fault{CloseIdle: true})
	a := c.do("GET", "/b/k")
	if a.Close || a.body != tenBytes || a.err != nil {
		t.Errorf("close idle: %+v", a)
	}
	if w, err := c.wire(); w != "" || err != nil {
		t.Errorf("after the answer: %q %v", w, err)
	}
}

func TestFaultContinue(t *testing.T) {
	for _, fault := range []Fault{{Continue100: 2}, {Continue100: 2, CloseIdle: true}} {
		_, c := faulty(t, &fault)
		c.send("GET", "/b/k")
		for range 2 {
			if a := c.read("GET"); a.StatusCode != 100 {
				t.Errorf("interim status %d", a.StatusCode)
			}
		}
		check(t, c.read("GET"), 200, tenBytes)
	}
}

// A fault is chosen per request, and is told what the journal holds.
func TestFaultChoice(t *testing.T) {
	s := public(t)
	s.Put("b", "k", Object{Body: []byte(tenBytes)})
	var seen atomic.Value
	s.SetFault(func(r Request) *Fault {
		seen.Store(r)
		if r.N == 2 {
			return &Fault{Status: 500}
		}
		return nil
	})
	c := dial(t, s)
	check(t, c.do("GET", "/b/k?x=1"), 200)
	check(t, c.do("GET", "/b/k?x=1"), 500)
	check(t, c.do("GET", "/b/k?x=1&x=2", "X-Y: z"), 200)
	r := seen.Load().(Request)
	if r.N != 3 || r.Method != "GET" || r.Bucket != "b" || r.Key != "k" || r.RawURI != "/b/k?x=1&x=2" ||
		r.Query["x"][1] != "2" || r.Header.Get("X-Y") != "z" || r.Host != "127.0.0.1" || r.Verdict != "anonymous" {
		t.Errorf("%+v", r)
	}
	s.SetFault(nil)
	s.Reset()
	check(t, c.do("GET", "/b/k"), 200)
	if reqs := s.Requests(); len(reqs) != 1 || reqs[0].N != 1 {
		t.Errorf("%+v", reqs)
	}
}

func TestFaultTLS(t *testing.T) {
	s := &Server{AllowAnonymous: true}
	if err := s.ListenTLS("127.0.0.1:0", certificate(t)); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Put("b", "k", Object{Body: []byte(tenBytes)})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	client := http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	f := func(fault *Fault, want string, atEnd error) {
		t.Helper()
		s.SetFault(func(Request) *Fault { return fault })
		resp, err := client.Get(s.URL() + "/b/k")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if resp.ProtoMajor != 1 || string(body) != want || !errors.Is(err, atEnd) {
			t.Errorf("%s %q %v", resp.Proto, body, err)
		}
	}
	f(nil, tenBytes, nil)
	f(&Fault{Truncate: true, TruncateAt: 3}, "012", io.ErrUnexpectedEOF)
	f(&Fault{NoContentLength: true}, tenBytes, nil)

	s.SetFault(func(Request) *Fault { return &Fault{Reset: true, TruncateAt: 3} })
	resp, err := client.Get(s.URL() + "/b/k")
	if err == nil { // RST has not overtaken the header
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
}

func TestWaitGivesUp(t *testing.T) {
	s := public(t)
	c, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.WaitRequests(c, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
