package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"yatagarasu/proxy/s3test"
)

// memory returns the resident memory of the program's process in bytes.
func (p *program) memory() int64 {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	field, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(field, 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	return kib << 10
}

// dialSmall connects with a small receive buffer, so that the kernel holds little for a client that does not read.
func dialSmall(t testing.TB, url string) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 64<<10) })
	}}
	conn, err := d.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// request sends a GET on a connection and reads the answer's header.
func request(t testing.TB, conn net.Conn, path string) *http.Response {
	t.Helper()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 4096), nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != 200 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	return resp
}

func TestSlowStreamsTakeConstantMemory(t *testing.T) {
	const streams, budget = 1000, 64 << 10
	s3 := startS3(t)
	s3.Put("b", "big", s3test.Object{Size: 1 << 30, At: s3test.Pattern(1)})
	bucket := strings.Replace(bucketYAML("b", "/b", "b", s3.URL(), ""), "region:", "max_connections: 1100, region:", 1)
	p := startProcess(t, listeners+"buckets:"+bucket)
	warm := dialSmall(t, p.url)
	request(t, warm, "/b/big")
	warm.Close()
	idle := p.memory()
	var most int64
	conns := make([]net.Conn, streams)
	for i := range conns {
		conns[i] = dialSmall(t, p.url)
		request(t, conns[i], "/b/big")
	}
	// Every client reads on, a little at a time, so that each stream has moved its buffers more than once.
	for range 3 {
		var wg sync.WaitGroup
		for _, conn := range conns {
			wg.Go(func() {
				if _, err := io.CopyN(io.Discard, conn, 128<<10); err != nil {
					t.Errorf("%v: %s", err, p.log.text())
				}
			})
		}
		wg.Wait()
		most = max(most, p.memory())
	}
	each := (most - idle) / streams
	t.Logf("idle %d KiB, with %d streams %d KiB: %d KiB a stream", idle>>10, streams, most>>10, each>>10)
	if each > budget && !raceDetector {
		t.Errorf("%d bytes of memory a stream, want at most %d", each, budget)
	}
}

func TestClientThatLeavesStopsTheOrigin(t *testing.T) {
	s3 := startS3(t)
	s3.Put("b", "big", s3test.Object{Size: 1 << 30, At: s3test.Pattern(1)})
	p := startProgram(t, listeners+"buckets:"+bucketYAML("b", "/b", "b", s3.URL(), ""))
	leave := func(how string, conn net.Conn) {
		t.Helper()
		before := s3.BytesSent()
		began := time.Now()
		conn.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := s3.WaitIdle(ctx); err != nil {
			t.Fatalf("%s: the origin still sends: %v", how, err)
		}
		t.Logf("%s: the origin stopped after %v and %d bytes", how, time.Since(began), s3.BytesSent()-before)
		if more := s3.BytesSent() - before; more > 1<<20 {
			t.Errorf("%s: the origin sent %d bytes more, want at most 1 MiB", how, more)
		}
	}
	// A client that has stopped reading: everything waits for it.
	conn := dialSmall(t, p.url)
	request(t, conn, "/b/big")
	p.settle(s3)
	leave("not reading", conn)

	// An origin that has stopped sending: only a look at the client tells.
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	s3.SetFault(func(s3test.Request) *s3test.Fault { return &s3test.Fault{BodyHold: never, HoldAt: 1 << 20} })
	conn = dialSmall(t, p.url)
	resp := request(t, conn, "/b/big")
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<20-100); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	p.awaitMetric("yatagarasu_connections", "0")
	if n := p.metric("yatagarasu_client_aborts_total"); n == "0" {
		t.Error("no abort was counted")
	}
}

// settle waits until the origin sends no more because every buffer on the way is full.
func (p *program) settle(s3 *s3test.Server) {
	last := int64(-1)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for now := s3.BytesSent(); now != last; now = s3.BytesSent() {
		last = now
		<-tick.C
	}
}

// Objects whose bytes are HTTP responses, and downloads of them that end early: whatever is left on a connection to
// the origin must never be read as the answer to somebody else's request.
func TestAbortedDownloadsPoisonNothing(t *testing.T) {
	const rounds = 1000
	s3 := startS3(t)
	forged := strings.Repeat("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nETag: \"forged\"\r\n\r\nforged", 20_000)
	s3.Put("b", "forged", s3test.Object{Body: []byte(forged)})
	for i := range rounds {
		s3.Put("b", fmt.Sprintf("true-%d", i), s3test.Object{Body: fmt.Appendf(nil, "the true body %d %s", i, strings.Repeat("x", i*7))})
	}
	p := startProgram(t, listeners+"buckets:"+bucketYAML("b", "/b", "b", s3.URL(), ""))
	each := func(f func(i int)) {
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := worker; i < rounds; i += 8 {
					f(i)
				}
			})
		}
		wg.Wait()
	}
	each(func(i int) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET /b/forged HTTP/1.1\r\nHost: test\r\n\r\n")
		_, _ = io.CopyN(io.Discard, conn, int64(i*1000%len(forged))+1)
	})
	each(func(i int) {
		resp, err := client.Get(fmt.Sprintf("%s/b/true-%d", p.url, i))
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if want := fmt.Sprintf("the true body %d %s", i, strings.Repeat("x", i*7)); err != nil || string(body) != want {
			t.Errorf("true-%d: %d, %d bytes %.40q, %v", i, resp.StatusCode, len(body), body, err)
		}
	})
}

// What the origin has sent is with the client before the origin sends more, be it ten bytes.
func TestBytesFlowAsTheyArrive(t *testing.T) {
	s3 := startS3(t)
	s3.Put("b", "k", s3test.Object{Size: 200_000, At: s3test.Pattern(5)})
	p := startProgram(t, listeners+"buckets:"+bucketYAML("b", "/b", "b", s3.URL(), ""))
	want := make([]byte, 200_000)
	_, _ = s3test.Pattern(5).ReadAt(want, 0)
	for _, chunked := range []bool{false, true} {
		for _, first := range []int64{10, 5000, 70_000} {
			hold := make(chan struct{})
			s3.SetFault(func(s3test.Request) *s3test.Fault {
				return &s3test.Fault{Chunked: chunked, BodyHold: hold, HoldAt: first}
			})
			resp, err := client.Get(p.url + "/b/k")
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, first)
			if _, err := io.ReadFull(resp.Body, got); err != nil {
				t.Fatalf("first %d bytes, chunked %v: %v", first, chunked, err)
			}
			close(hold) // the origin waits for this, and this for the client
			rest, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || !bytes.Equal(append(got, rest...), want) {
				t.Errorf("hold after %d, chunked %v: %d bytes, %v", first, chunked, len(got)+len(rest), err)
			}
		}
	}
}
