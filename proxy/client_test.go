package proxy

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/s3test"
)

func TestClientSlowerThanWriteStallIsCut(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Server.Timeouts.WriteStall = 100 * time.Millisecond })
	s.raw("GET /b/huge HTTP/1.1\r\nHost: h\r\n\r\n") // and never reads
	s.awaitMetric("yatagarasu_client_aborts_total", "1")
	s.idle()
	s.awaitMetric("yatagarasu_requests_in_flight", "0")
	if r := s.access.record(t, "path", "/b/huge"); r["aborted"] != true || r["status"] != float64(200) {
		t.Errorf("the access record is %v", r)
	}
	if r := s.log.record(t, "bucket", "b"); r["level"] != "debug" {
		t.Errorf("the log has %v", r)
	}
}

func TestClientThatLeavesWithinTheBody(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		s := start(t, nil)
		never := make(chan struct{})
		t.Cleanup(func() { close(never) })
		s.fault(s3test.Fault{Chunked: chunked, BodyHold: never, HoldAt: 100_000})
		conn, br := s.raw("GET /b/large HTTP/1.1\r\nHost: h\r\n\r\n")
		if _, err := io.CopyN(io.Discard, br, 90_000); err != nil {
			t.Fatal(err)
		}
		conn.Close() // while the origin is silent
		s.idle()
		s.awaitMetric("yatagarasu_client_aborts_total", "1")
		if r := s.access.record(t, "path", "/b/large"); r["aborted"] != true {
			t.Errorf("the access record is %v", r)
		}
	}
}

func TestClientThatLeavesBeforeTheHeader(t *testing.T) {
	s := start(t, nil)
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	s.fault(s3test.Fault{Hold: never})
	conn, _ := s.raw("GET /b/large HTTP/1.1\r\nHost: h\r\n\r\n")
	if err := s.s3.WaitRequests(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	s.awaitMetric(`yatagarasu_origin_errors_total{bucket="b",replica="primary",reason="client_gone"}`, "1")
	s.awaitMetric("yatagarasu_requests_in_flight", "0")
	s.awaitMetric("yatagarasu_client_aborts_total", "1")
	if r := s.access.record(t, "path", "/b/large"); r["aborted"] != true {
		t.Errorf("the access record is %v", r)
	}
	s.await("the origin's connection to be closed", func() bool { return s.server.state.Load().buckets[0].origin.Connections() == 0 })
}

func TestSlowHeadersAre408(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Server.Timeouts.Header = 100 * time.Millisecond })
	for _, part := range []string{"G", "GET /b/small HTTP/1.1\r\n", "GET /b/small HTTP/1.1\r\nHost: h\r\nX: 1\r\n"} {
		_, br := s.raw(part)
		resp, body := s.answer(br, "GET")
		wantError(t, resp, body, 408)
		if _, err := br.ReadByte(); err != io.EOF || !resp.Close {
			t.Errorf("%q: the connection is not closed: %v", part, err)
		}
	}
	_, br := s.raw("") // opened ahead of need: there is nothing to answer
	if n, err := io.Copy(io.Discard, br); n != 0 || err != nil {
		t.Errorf("%d bytes on a silent connection, %v", n, err)
	}
	s.awaitMetric(`yatagarasu_requests_total{bucket="-",method="other",status="408"}`, "3") // no method was read
	s.awaitMetric("yatagarasu_requests_in_flight", "0")
	s.awaitMetric("yatagarasu_connections", "0")
}

func TestIdleConnectionsAreClosedSilently(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Server.Timeouts.Idle = 50 * time.Millisecond })
	_, br := s.raw("GET /b/small HTTP/1.1\r\nHost: h\r\n\r\n")
	s.answer(br, "GET")
	if n, err := io.Copy(io.Discard, br); n != 0 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// Each of these is answered, and the connection is closed so that nothing behind it is taken for a request.
func TestRequestsThatEndTheConnection(t *testing.T) {
	s := start(t, nil)
	const next = "GET /b/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
	answered := map[string]int{} // status by request id
	f := func(status int, text string) {
		t.Helper()
		_, br := s.raw(text)
		resp, body := s.answer(br, "GET")
		wantError(t, resp, body, status)
		answered[resp.Header.Get("X-Request-Id")] = resp.StatusCode
		if !resp.Close {
			t.Errorf("%.80q: the answer does not say Connection: close", text)
		}
		if rest, _ := io.ReadAll(br); len(rest) > 0 {
			t.Errorf("%.80q: more follows: %q", text, rest)
		}
	}
	get := func(fields string) string { return "GET /b/small HTTP/1.1\r\n" + fields + "\r\n" }
	f(414, "GET /"+strings.Repeat("a", 8000)+" HTTP/1.1\r\nHost: h\r\n\r\n"+next)
	f(431, get("Host: h\r\nX: "+strings.Repeat("a", 17_000)+"\r\n"))
	f(431, "GET /"+strings.Repeat("a", 20_000)+" HTTP/1.1\r\nHost: h\r\n\r\n")
	f(400, get("Host: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n")+"0\r\n\r\n"+next)
	f(400, get("Host: h\r\nTransfer-Encoding: chunked\r\ncontent-length: 0\r\n")+"0\r\n\r\n"+next)
	f(400, get("Host: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n")+"xx"+next)
	f(400, get("Host: h\r\nContent-Length: +1\r\n")+"x"+next)
	f(400, get("Host: h\r\nTransfer-Encoding: xchunked\r\n")+next)
	f(400, get("Host: h\r\nTransfer-Encoding: gzip, chunked\r\n")+next)
	f(400, get("Host: h\r\nTransfer-Encoding: identity\r\n")+next)
	f(400, get("Host: h\r\nTransfer-Encoding: identity\r\nContent-Length: 38\r\n")+next)
	f(400, get("")+next)
	f(400, get("Host: a\r\nHost: b\r\n")+next)
	f(400, get("Host: u:p@h\r\n")+next)
	f(400, get("Host: a,b\r\n")+next)
	f(400, get("Host: a b\r\n")+next)
	f(400, get("Host: h\r\nX : 1\r\n")+next)
	f(400, get("Host: h\r\nX\x00: 1\r\n")+next)
	f(400, "GET http://other/b/small HTTP/1.1\r\nHost: h\r\n\r\n"+next)
	f(400, "GET /b/../small HTTP/1.1\r\nHost: h\r\n\r\n"+next)
	f(400, "nonsense\r\n\r\n")
	f(405, "PUT /b/small HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\n\r\n"+next)
	f(405, "PUT /b/small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"+next)
	f(405, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"+next)
	f(405, "PUT /b/small HTTP/1.1\r\nHost: h\r\nContent-Length: 38\r\nExpect: 100-continue\r\n\r\n"+next)
	f(405, "DELETE /health HTTP/1.1\r\nHost: h\r\n\r\n"+next)
	if n := len(s.s3.Requests()); n != 0 {
		t.Errorf("%d requests reached the origin", n)
	}
	s.awaitMetric("yatagarasu_requests_in_flight", "0")
	for id, status := range answered {
		if r := s.access.record(t, "request_id", id); r["status"] != float64(status) {
			t.Errorf("the record of a %d has status %v", status, r["status"])
		}
	}
}

func TestUnreadBodies(t *testing.T) {
	s := start(t, nil)
	conn, br := s.raw("PUT /b/small HTTP/1.1\r\nHost: h\r\nContent-Length: 5242880\r\n\r\n")
	go func() { _, _ = conn.Write(make([]byte, 5<<20)) }() // it may fail: nobody reads
	resp, body := s.answer(br, "PUT")
	wantError(t, resp, body, 405)
	if resp.Header.Get("Allow") != allowedMethods {
		t.Errorf("Allow is %q", resp.Header.Get("Allow"))
	}
	if _, body := s.get("GET", "/b/small"); body != "small body" {
		t.Errorf("the next request gets %q", body)
	}
	// A GET whose body was sent at once, or after the answer, is followed by a request of its own or by the end.
	const next = "GET /b/large HTTP/1.1\r\nHost: h\r\nRange: bytes=0-3\r\n\r\n"
	for _, expect := range []string{"", "Expect: 100-continue\r\n"} {
		forged := "GET /b/smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
		_, br := s.raw(fmt.Sprintf("GET /b/small HTTP/1.1\r\nHost: h\r\n%sContent-Length: %d\r\n\r\n%s%s", expect, len(forged), forged, next))
		if _, body := s.answer(br, "GET"); body != "small body" {
			t.Errorf("%q: %q", expect, body)
		}
		if _, err := br.Peek(1); err == nil {
			if resp, _ := s.answer(br, "GET"); resp.StatusCode != 206 {
				t.Errorf("%q: the following answer is %d", expect, resp.StatusCode)
			}
		}
	}
	for _, r := range s.s3.Requests() {
		if r.Key == "smuggled" || r.Method == "PUT" {
			t.Errorf("%s %s reached the origin", r.Method, r.Key)
		}
	}
}

func TestKeepAlive(t *testing.T) {
	s := start(t, nil)
	f := func(text string, statuses ...int) {
		t.Helper()
		_, br := s.raw(text)
		for i, status := range statuses {
			method := "GET"
			if strings.HasPrefix(text, "HEAD") && i == 0 {
				method = "HEAD"
			}
			resp, body := s.answer(br, method)
			if resp.StatusCode != status || status == 200 && method == "GET" && !strings.HasPrefix(body, "small") && len(body) != 4<<20 {
				t.Errorf("%.60q: answer %d is %d %.40q, want %d", text, i, resp.StatusCode, body, status)
			}
		}
	}
	get := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: h\r\n\r\n" }
	f(get("/b/small")+get("/b/none")+get("/b/large")+get("/nowhere")+get("/b/small"), 200, 404, 200, 404, 200) // pipelined
	f("HEAD /b/large HTTP/1.1\r\nHost: h\r\n\r\n"+get("/b/small"), 200, 200)
	f("HEAD /b/none HTTP/1.1\r\nHost: h\r\n\r\n"+get("/b/small"), 404, 200)
	f("GET /b/small HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"+get("/b/small"), 200, 200)
	f("GET /b/large HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"+get("/b/small"), 200, 200)
	_, br := s.raw("GET /b/small HTTP/1.0\r\n\r\n" + get("/b/small"))
	if _, body := s.answer(br, "GET"); body != "small body" {
		t.Errorf("HTTP/1.0: %q", body)
	}
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		t.Errorf("HTTP/1.0 without keep-alive: more follows: %q", rest)
	}
}

func TestOverwrittenObjects(t *testing.T) {
	s := start(t, nil)
	_, br := s.raw("GET /b/small HTTP/1.1\r\nHost: h\r\n\r\n")
	s.answer(br, "GET")
	etag := head(s, "/b/small").Get("ETag")
	s.s3.Put("b", "small", s3test.Object{Body: []byte("another body")})
	f := func(want string, header ...string) {
		t.Helper()
		if resp, body := s.get("GET", "/b/small", header...); fmt.Sprint(resp.StatusCode, " ", body) != want {
			t.Errorf("%q: %d %q, want %q", header, resp.StatusCode, body, want)
		}
	}
	now := head(s, "/b/small").Get("ETag")
	f("200 another body")
	f("200 another body", "Range", "bytes=0-3", "If-Range", etag)
	f("206 anot", "Range", "bytes=0-3", "If-Range", now)
	f("200 another body", "Range", "bytes=0-3", "If-Range", "W/"+now)
	f("200 another body", "Range", "bytes=0-3", "If-Range", when)
	f("206 anot", "Range", "bytes=0-3", "If-Range", head(s, "/b/small").Get("Last-Modified"))
	f("200 another body", "Range", "bytes=99-", "If-Range", etag)
	f("200 another body", "Range", "bytes=0-1,4-5", "If-Range", etag)
	f("200 another body", "If-None-Match", etag)
	resp, body := s.get("GET", "/b/small", "If-Match", etag)
	wantError(t, resp, body, 412)
	resp, body = s.get("GET", "/b/small", "Range", "bytes=99-", "If-Range", now)
	wantError(t, resp, body, 416)
	if got := resp.Header.Get("Content-Range"); got != "bytes */12" {
		t.Errorf("Content-Range of 416 is %q", got)
	}
}

func TestShutdownCutsWhatIsLeft(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Server.Timeouts.Shutdown = 50 * time.Millisecond })
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	s.fault(s3test.Fault{BodyHold: never, HoldAt: 100_000})
	_, br := s.raw("GET /b/large HTTP/1.1\r\nHost: h\r\n\r\n")
	if _, err := br.Peek(1000); err != nil {
		t.Fatal(err)
	}
	if n := s.server.Shutdown(); n != 1 {
		t.Errorf("%d connections were cut, want 1", n)
	}
	if n, _ := io.Copy(io.Discard, br); n >= 4<<20 {
		t.Errorf("%d bytes", n)
	}
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		conn.Close()
		t.Error("a connection is accepted after Shutdown")
	}
}
