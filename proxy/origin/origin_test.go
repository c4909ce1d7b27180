package origin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"yatagarasu/proxy/s3test"
	"yatagarasu/sigv4"
)

const accessKey, secretKey = "origin-test-access", "origin-test-secret"

// start runs an in-memory S3 with the objects that the tests read, and a client for it.
func start(t *testing.T, change func(*Options)) (*s3test.Server, *Client) {
	t.Helper()
	s := &s3test.Server{AccessKey: accessKey, SecretKey: secretKey, Region: "us-east-1"}
	s.Put("b", "small", s3test.Object{Body: []byte("small body")})
	s.Put("b", "large", s3test.Object{Size: 4 << 20, At: s3test.Pattern(1)})
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, newClient(t, s.URL(), change)
}

func newClient(t *testing.T, endpoint string, change func(*Options)) *Client {
	t.Helper()
	o := Options{Bucket: "b", Region: "us-east-1", Endpoint: endpoint, AccessKey: accessKey, SecretKey: secretKey,
		Connect: 5 * time.Second, FirstByte: 5 * time.Second, Stall: 5 * time.Second, MaxConnections: 4}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func get(key string) *Request { return &Request{Method: "GET", Key: []byte(key)} }

// mustDo sends a request that must be answered with status.
func mustDo(t *testing.T, c *Client, r *Request, status int) *Response {
	t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status() != status {
		document, _ := resp.ReadDocument(1 << 20)
		t.Fatalf("status %d, want %d: %s", resp.Status(), status, document)
	}
	return resp
}

func wantReason(t *testing.T, err error, want Reason) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Errorf("got %v, want reason %s", err, want)
	}
}

func pattern(seed uint64, size int64) []byte {
	b := make([]byte, size)
	_, _ = s3test.Pattern(seed).ReadAt(b, 0)
	return b
}

func readAll(t *testing.T, r *Response) []byte {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("after %d bytes: %v", len(b), err)
	}
	return b
}

func TestReadsObjectsOverOneConnection(t *testing.T) {
	s, c := start(t, nil)
	for range 3 {
		r := mustDo(t, c, get("large"), 200)
		if r.Size != 4<<20 || !bytes.Equal(readAll(t, r), pattern(1, 4<<20)) {
			t.Error("wrong bytes")
		}
		r.Close()
		r = mustDo(t, c, &Request{Method: "HEAD", Key: []byte("large")}, 200)
		if n, err := r.Read(make([]byte, 1)); r.Size != 4<<20 || n != 0 || err != io.EOF {
			t.Errorf("HEAD: size %d, read %d, %v", r.Size, n, err)
		}
		r.Close()
		r = mustDo(t, c, &Request{Method: "GET", Key: []byte("small"), Range: []byte("bytes=1-3")}, 206)
		if got := readAll(t, r); string(got) != "mal" {
			t.Errorf("range: %q", got)
		}
		r.Close()
		r = mustDo(t, c, get("none"), 404)
		if document, _ := r.ReadDocument(1 << 16); Code(document) != "NoSuchKey" {
			t.Errorf("document %q", document)
		}
		r.Close()
	}
	if n := c.Connections(); n != 1 || s.Connections() != 1 {
		t.Errorf("%d connections for requests one after the other, want 1", n)
	}
	for _, r := range s.Requests() {
		if got := r.Header.Get("User-Agent"); got != "" {
			t.Errorf("User-Agent %q was sent", got)
		}
	}
}

func TestKeysQueriesAndHeadersGoAsTheyAre(t *testing.T) {
	s, c := start(t, nil)
	for _, key := range []string{"a b%/c", "a//b", "+", "日本/é", "x/../y", "'()*!@=:,;&?#\"<>[]\\^`{|}~", strings.Repeat("k", 1024), "\x01\x7f"} {
		s.Put("b", key, s3test.Object{Body: []byte(key)})
		r := mustDo(t, c, get(key), 200)
		if got := readAll(t, r); string(got) != key {
			t.Errorf("key %q gave %q", key, got)
		}
		r.Close()
	}
	r := mustDo(t, c, &Request{Method: "GET", Key: []byte("small"), Header: []byte("X-Extra: yes\r\n"),
		Query: []sigv4.Param{{Name: "response-content-type", Value: "text/x y+z"}}}, 200)
	if got := string(r.Header.ContentType()); got != "text/x y+z" {
		t.Errorf("response-content-type came back as %q", got)
	}
	r.Close()
	seen := s.Requests()
	if last := seen[len(seen)-1]; last.Header.Get("X-Extra") != "yes" {
		t.Errorf("X-Extra is %q", last.Header.Get("X-Extra"))
	}
}

func TestBytesFlowAsTheyArrive(t *testing.T) {
	s, c := start(t, nil)
	hold := make(chan struct{})
	s.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{BodyHold: hold, HoldAt: 100_000} })
	r := mustDo(t, c, get("large"), 200)
	defer r.Close()
	first := make([]byte, 100_000)
	if _, err := io.ReadFull(r, first); err != nil {
		t.Fatal(err)
	}
	close(hold) // only now may the origin send the rest
	rest := readAll(t, r)
	if !bytes.Equal(append(first, rest...), pattern(1, 4<<20)) {
		t.Error("wrong bytes")
	}
}

func TestBrokenBodies(t *testing.T) {
	f := func(name string, fault s3test.Fault, want Reason) {
		t.Run(name, func(t *testing.T) {
			s, c := start(t, func(o *Options) { o.Stall = 100 * time.Millisecond })
			s.SetFault(func(s3test.Request) *s3test.Fault { return &fault })
			r := mustDo(t, c, get("large"), 200)
			n, err := io.Copy(io.Discard, struct{ io.Reader }{r})
			wantReason(t, err, want)
			if n > 4<<20 {
				t.Errorf("%d bytes were read", n)
			}
			r.Close()
			if n := c.Connections(); n != 0 {
				t.Errorf("%d connections stay after a broken body", n)
			}
		})
	}
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	f("truncated", s3test.Fault{Truncate: true, TruncateAt: 1_000_000}, ReasonTruncated)
	f("truncated after the header", s3test.Fault{Truncate: true}, ReasonTruncated)
	f("truncated by one byte", s3test.Fault{Truncate: true, TruncateAt: 4<<20 - 1}, ReasonTruncated)
	f("chunked, truncated", s3test.Fault{Chunked: true, Truncate: true, TruncateAt: 70_000}, ReasonTruncated)
	f("chunked, broken", s3test.Fault{BreakChunk: true, TruncateAt: 70_000}, ReasonMalformed)
	f("reset", s3test.Fault{Reset: true, TruncateAt: 1_000_000}, ReasonReset)
	f("stalled", s3test.Fault{BodyHold: never, HoldAt: 1_000_000}, ReasonStall)
	f("promises more", s3test.Fault{ContentLength: fmt.Sprint(4<<20 + 5)}, ReasonTruncated)
}

func TestChunkedBody(t *testing.T) {
	s, c := start(t, nil)
	s.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Chunked: true} })
	r := mustDo(t, c, get("large"), 200)
	defer r.Close()
	if r.Size != -1 || r.Buffered() != nil || !bytes.Equal(readAll(t, r), pattern(1, 4<<20)) {
		t.Errorf("size %d, or wrong bytes", r.Size)
	}
}

func TestFailedExchanges(t *testing.T) {
	f := func(name string, fault s3test.Fault, want Reason) {
		t.Run(name, func(t *testing.T) {
			s, c := start(t, func(o *Options) { o.FirstByte = 200 * time.Millisecond })
			s.SetFault(func(s3test.Request) *s3test.Fault { return &fault })
			resp, err := c.Do(get("small"))
			if err == nil {
				resp.Close()
				t.Fatalf("answered %d", resp.Status())
			}
			wantReason(t, err, want)
			if n := len(s.Requests()); n != 1 {
				t.Errorf("%d requests, want 1: nothing is retried", n)
			}
			if n := c.Connections(); n != 0 {
				t.Errorf("%d connections stay", n)
			}
		})
	}
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	f("no answer", s3test.Fault{DropBeforeHeaders: true}, ReasonClosed)
	f("reset", s3test.Fault{DropBeforeHeaders: true, Reset: true}, ReasonReset)
	f("silence", s3test.Fault{Hold: never}, ReasonFirstByteTimeout)
	f("garbage", s3test.Fault{Garbage: true}, ReasonMalformed)
	f("half a header", s3test.Fault{RawResponse: []byte("HTTP/1.1 200 OK\r\nContent-Le")}, ReasonTruncated)
	f("two lengths", s3test.Fault{RawResponse: []byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab")}, ReasonMalformed)
	f("no length", s3test.Fault{NoContentLength: true}, ReasonMalformed)
	f("huge header", s3test.Fault{RawResponse: []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + strings.Repeat("x", headerBuffer) + "\r\n\r\n")}, ReasonMalformed)
	f("1xx without end", s3test.Fault{RawResponse: []byte(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 50))}, ReasonMalformed)
}

func TestInformationalAnswersComeFirst(t *testing.T) {
	s, c := start(t, nil)
	s.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Continue100: 3} })
	r := mustDo(t, c, get("small"), 200)
	defer r.Close()
	if got := readAll(t, r); string(got) != "small body" {
		t.Errorf("got %q", got)
	}
}

func TestConnectErrors(t *testing.T) {
	f := func(name, endpoint string, want Reason) {
		t.Helper()
		_, err := newClient(t, endpoint, nil).Do(get("small"))
		if err == nil {
			t.Errorf("%s: no error", name)
			return
		}
		wantReason(t, err, want)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	ln.Close()
	s, _ := start(t, nil)
	f("nobody listens", "http://"+closed, ReasonConnect)
	f("no such name", "http://no-such-host.invalid:9", ReasonDNS)
	f("plain HTTP where TLS is expected", strings.Replace(s.URL(), "http:", "https:", 1), ReasonTLS)
	if _, err := New(Options{Endpoint: "ftp://x", Region: "r", Bucket: "b"}); err == nil {
		t.Error("an ftp endpoint is accepted")
	}
}

func TestHalfReadConnectionIsNotReused(t *testing.T) {
	_, c := start(t, nil)
	r := mustDo(t, c, get("large"), 200)
	if _, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if n := c.Connections(); n != 0 {
		t.Errorf("%d connections after a half-read body, want 0", n)
	}
	// A body that has arrived whole is passed over without losing its connection.
	mustDo(t, c, get("small"), 200).Close()
	mustDo(t, c, get("small"), 200).Close()
	if n := c.Connections(); n != 1 {
		t.Errorf("%d connections after unread small bodies, want 1", n)
	}
	if got := readAll(t, mustDo(t, c, get("small"), 200)); string(got) != "small body" {
		t.Errorf("got %q", got)
	}
}

func TestExcessBytesEndTheConnection(t *testing.T) {
	// The origin sends more than it promised, in a shape that would pass as the next answer.
	forged := "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	f := func(first string) {
		t.Helper()
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					buf := make([]byte, 4096)
					for n := 0; ; n++ {
						if _, err := conn.Read(buf); err != nil {
							return
						}
						fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(first), first, forged)
					}
				}()
			}
		}()
		c := newClient(t, "http://"+ln.Addr().String(), nil)
		for range 50 {
			r := mustDo(t, c, get("x"), 200)
			if got := readAll(t, r); string(got) != first {
				t.Fatalf("got %d bytes %.20q, want %d", len(got), got, len(first))
			}
			r.Close()
		}
	}
	f("true")
	f(strings.Repeat("x", 100_000)) // ends outside the header's buffer
}

func TestIdleConnectionThatTheOriginClosed(t *testing.T) {
	s, c := start(t, nil)
	s.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{CloseIdle: true} })
	for range 200 {
		r := mustDo(t, c, get("small"), 200)
		if got := readAll(t, r); string(got) != "small body" {
			t.Fatalf("got %q", got)
		}
		r.Close()
	}
}

func TestPoolIsBoundedAndWaits(t *testing.T) {
	_, c := start(t, func(o *Options) { o.MaxConnections = 1; o.Connect = 2 * time.Second })
	r := mustDo(t, c, get("large"), 200)
	_, err := c.Do(get("small"))
	wantReason(t, err, ReasonPool)
	done := make(chan error, 1)
	go func() {
		r, err := c.Do(get("small"))
		if err == nil {
			r.Close()
		}
		done <- err
	}()
	readAll(t, r)
	r.Close()
	if err := <-done; err != nil {
		t.Errorf("the request that waited: %v", err)
	}
}

func TestClientThatLeaves(t *testing.T) {
	gone := func() bool { return true }
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })

	s, c := start(t, nil)
	s.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Hold: never} })
	_, err := c.Do(&Request{Method: "GET", Key: []byte("small"), Gone: gone})
	wantReason(t, err, ReasonClientGone)

	s.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{BodyHold: never, HoldAt: 1000} })
	r := mustDo(t, c, &Request{Method: "GET", Key: []byte("large"), Gone: gone}, 200)
	_, err = io.Copy(io.Discard, struct{ io.Reader }{r})
	wantReason(t, err, ReasonClientGone)
	if !errors.Is(err, ErrClientGone) {
		t.Errorf("%v is not ErrClientGone", err)
	}
	r.Close()
	if n := c.Connections(); n != 0 {
		t.Errorf("%d connections stay", n)
	}
}

func TestClosedClientKeepsNoConnection(t *testing.T) {
	_, c := start(t, nil)
	r := mustDo(t, c, get("small"), 200)
	c.Close()
	if got := readAll(t, r); string(got) != "small body" {
		t.Errorf("a response in progress gave %q", got)
	}
	r.Close()
	if n := c.Connections(); n != 0 {
		t.Errorf("%d connections stay after Close", n)
	}
}

func TestDocumentsAreBounded(t *testing.T) {
	s, c := start(t, nil)
	r := mustDo(t, c, get("large"), 200)
	_, err := r.ReadDocument(1000)
	wantReason(t, err, ReasonMalformed)
	r.Close()
	s.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{Truncate: true, TruncateAt: 10} })
	r = mustDo(t, c, get("large"), 200)
	b, err := r.ReadDocument(1000)
	wantReason(t, err, ReasonTruncated)
	if len(b) != 10 {
		t.Errorf("%d bytes of a truncated document", len(b))
	}
	r.Close()
}
