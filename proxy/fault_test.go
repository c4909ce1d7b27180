package proxy

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/s3test"
)

// What the client sees of each way in which the origin can fail before the header is sent.
func TestFailuresBeforeTheHeader(t *testing.T) {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	s := start(t, func(c *config.Config) { c.Buckets[0].S3.Timeouts.FirstByte = time.Second })
	f := func(fault s3test.Fault, status int, reason string, header ...string) {
		t.Helper()
		s.fault(fault)
		name := `yatagarasu_origin_errors_total{bucket="b",replica="primary",reason="` + reason + `"}`
		was := s.metric(name)
		resp, body := s.get("GET", "/b/large", header...)
		wantError(t, resp, body, status)
		if is := s.metric(name); reason != "" && is == was {
			t.Errorf("%d %s %q: %s stays %s", fault.Status, fault.Code, header, name, is)
		}
	}
	f(s3test.Fault{DropBeforeHeaders: true}, 502, "closed")
	f(s3test.Fault{DropBeforeHeaders: true, Reset: true}, 502, "reset")
	f(s3test.Fault{Hold: never}, 504, "first_byte_timeout")
	f(s3test.Fault{Garbage: true}, 502, "malformed")
	f(s3test.Fault{RawResponse: []byte("HTTP/1.1 200 OK\r\nContent-Le")}, 502, "truncated")
	f(s3test.Fault{NoContentLength: true}, 502, "malformed")
	f(s3test.Fault{ContentLength: "many"}, 502, "malformed")
	f(s3test.Fault{ContentLength: "-1"}, 502, "malformed")
	f(s3test.Fault{Status: 503, Code: "ServiceUnavailable"}, 502, "server_error")
	for _, status := range []int{500, 502, 504} {
		f(s3test.Fault{Status: status}, 502, "server_error")
	}
	f(s3test.Fault{Status: 503, Code: "SlowDown"}, 502, "slow_down")
	f(s3test.Fault{Status: 301, Code: "PermanentRedirect"}, 502, "redirect")
	f(s3test.Fault{Status: 400, Code: "AuthorizationHeaderMalformed"}, 502, "credentials")
	f(s3test.Fault{Status: 404, Code: "NoSuchBucket"}, 404, "no_such_bucket")
	f(s3test.Fault{Status: 404}, 404, "")
	f(s3test.Fault{Status: 409}, 502, "unexpected_status")
	// Answers that nobody asked for.
	f(s3test.Fault{Force206: true}, 502, "malformed")
	f(s3test.Fault{Force304: true}, 502, "malformed")
	f(s3test.Fault{Force304: true}, 502, "malformed", "Range", "bytes=0-9")
	f(s3test.Fault{Force304: true}, 502, "malformed", "If-Match", "*")
	f(s3test.Fault{Status: 412}, 502, "malformed")
	f(s3test.Fault{Status: 416}, 502, "malformed")
	for _, wrong := range []string{"bytes 1-10/4194304", "bytes 0-8/4194304", "bytes 0-9/*", "bytes 0-9/5", "bytes */4194304", "nonsense"} {
		f(s3test.Fault{ContentRange: wrong}, 502, "malformed", "Range", "bytes=0-9")
	}
	f(s3test.Fault{ContentRange: "bytes 0-99/4194304"}, 502, "malformed", "Range", "bytes=0-")
	s.awaitMetric("yatagarasu_client_aborts_total", "0")
}

// The same within the body: the client must see that it is not complete.
func TestFailuresWithinTheBody(t *testing.T) {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	s := start(t, func(c *config.Config) { c.Buckets[0].S3.Timeouts.Stall = 400 * time.Millisecond })
	etag := head(s, "/b/large").Get("ETag")
	f := func(fault s3test.Fault, header ...string) {
		t.Helper()
		s.s3.SetFault(func(r s3test.Request) *s3test.Fault {
			if r.Method == "HEAD" { // which several ranges begin with
				return nil
			}
			return &fault
		})
		resp, body, err := s.try("GET", "/b/large", header...)
		if resp != nil && err == nil {
			t.Errorf("chunked %v, reset %v, cut at %d, %q: %d and a complete body of %d bytes",
				fault.Chunked, fault.Reset, fault.TruncateAt, header, resp.StatusCode, len(body))
		}
		s.idle()
	}
	for _, chunked := range []bool{false, true} {
		for _, header := range [][]string{nil, {"Range", "bytes=5-"}, {"Range", "bytes=0-2000000,2000010-"}, {"Range", "bytes=1-", "If-Range", etag}} {
			f(s3test.Fault{Chunked: chunked, Truncate: true, TruncateAt: 1_000_000}, header...)
			f(s3test.Fault{Chunked: chunked, Reset: true, TruncateAt: 1_000_000}, header...)
			f(s3test.Fault{Chunked: chunked, BodyHold: never, HoldAt: 1_000_000}, header...)
		}
		f(s3test.Fault{Chunked: chunked, Truncate: true})
		f(s3test.Fault{Chunked: chunked, Truncate: true, TruncateAt: 1})
		f(s3test.Fault{Chunked: chunked, Truncate: true, TruncateAt: 4<<20 - 1})
	}
	f(s3test.Fault{BreakChunk: true, TruncateAt: 100_000})
	f(s3test.Fault{ContentLength: "4194305"})
	s.awaitMetric("yatagarasu_client_aborts_total", "0") // the origin's fault each time
	stalls := func() int {
		n, _ := strconv.Atoi(s.metric(`yatagarasu_origin_errors_total{bucket="b",replica="primary",reason="stall"}`))
		return n
	}
	s.await("8 stalls", func() bool { return stalls() >= 8 }) // a busy machine may add some
}

func head(s *fixture, path string) http.Header {
	s.t.Helper()
	resp, _ := s.get("HEAD", path)
	return resp.Header
}

func TestSmallBodiesThatBreakOff(t *testing.T) {
	s := start(t, nil)
	for _, chunked := range []bool{false, true} {
		for _, at := range []int64{0, 1, 9} {
			s.fault(s3test.Fault{Chunked: chunked, Truncate: true, TruncateAt: at})
			if resp, body, err := s.try("GET", "/b/small"); resp != nil && err == nil {
				t.Errorf("cut after %d bytes, chunked %v: %d %q is complete", at, chunked, resp.StatusCode, body)
			}
		}
	}
	s.awaitMetric("yatagarasu_client_aborts_total", "0")
}

func TestBodiesWithoutALength(t *testing.T) {
	s := start(t, nil)
	s.fault(s3test.Fault{Chunked: true})
	resp, body := s.get("GET", "/b/large")
	if resp.StatusCode != 200 || body != string(pattern(1, 4<<20)) || resp.ContentLength != -1 {
		t.Errorf("HTTP/1.1: %d, %d bytes, length %d", resp.StatusCode, len(body), resp.ContentLength)
	}
	resp, body = s.get("GET", "/b/large", "Range", "bytes=7-1000006")
	if resp.StatusCode != 206 || body != string(pattern(1, 1_000_007)[7:]) {
		t.Errorf("a range: %d, %d bytes", resp.StatusCode, len(body))
	}
	resp, body = s.get("HEAD", "/b/large")
	if resp.StatusCode != 200 || body != "" {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
	s.awaitMetric(`yatagarasu_response_bytes_total{bucket="b",cache="BYPASS"}`, "5194304")
	s.fault(s3test.Fault{Chunked: true})
	for _, connection := range []string{"", "Connection: keep-alive\r\n"} {
		_, br := s.raw("GET /b/large HTTP/1.0\r\nHost: h\r\n" + connection + "\r\n")
		resp, body = s.answer(br, "GET")
		wantError(t, resp, body, 502)
	}
}

// Neither a body that goes on for longer than write_stall, nor a silence of the origin that does, is the client's fault.
func TestSlowOriginsAndWriteStall(t *testing.T) {
	f := func(fault s3test.Fault) {
		t.Helper()
		s := start(t, func(c *config.Config) { c.Server.Timeouts.WriteStall = 150 * time.Millisecond })
		s.s3.Put("b", "slow", s3test.Object{Body: pattern(3, 100)})
		s.fault(fault)
		resp, body, err := s.try("GET", "/b/slow")
		if err != nil || resp.StatusCode != 200 || string(body) != string(pattern(3, 100)) {
			t.Errorf("chunked %v, every %v: %d bytes, %v", fault.Chunked, fault.DripEvery, len(body), err)
		}
	}
	for _, chunked := range []bool{false, true} {
		f(s3test.Fault{Chunked: chunked, DripBytes: 5, DripEvery: 20 * time.Millisecond})
		f(s3test.Fault{Chunked: chunked, DripBytes: 40, DripEvery: 300 * time.Millisecond})
	}
}

func TestRangesThatTheOriginIgnores(t *testing.T) {
	s := start(t, nil)
	s.fault(s3test.Fault{ForceStatus200ForRange: true})
	for _, ranges := range []string{"bytes=1-3", "bytes=-1", "bytes=99-"} {
		resp, body := s.get("GET", "/b/small", "Range", ranges)
		if resp.StatusCode != 200 || body != "small body" || resp.Header.Get("Content-Range") != "" {
			t.Errorf("%s: %d %q, Content-Range %q", ranges, resp.StatusCode, body, resp.Header.Get("Content-Range"))
		}
	}
}

func TestRefusalsOfTheOrigin(t *testing.T) {
	f := func(missingAs, status int, code string, want int, reason string) {
		t.Helper()
		s := start(t, func(c *config.Config) { c.Buckets[0].S3.MissingAs = missingAs })
		s.fault(s3test.Fault{Status: status, Code: code, Message: "the bucket b at 127.0.0.1 refuses"})
		for _, header := range [][]string{nil, {"Range", "bytes=0-1"}, {"Range", "bytes=0-1,4-5"}, {"If-None-Match", `"x"`}} {
			resp, body := s.get("GET", "/b/small", header...)
			if len(header) > 0 && strings.Contains(header[1], ",") { // HEAD has no code
				continue
			}
			wantError(t, resp, body, want)
			if strings.Contains(body, "refuses") {
				t.Errorf("S3's text reached the client: %s", body)
			}
		}
		if got := s.metric(`yatagarasu_origin_errors_total{bucket="b",replica="primary",reason="` + reason + `"}`); got == "0" {
			t.Errorf("%d %s: %s does not move", status, code, reason)
		}
	}
	f(403, 403, "AccessDenied", 403, "access_denied")
	f(404, 403, "AccessDenied", 404, "access_denied")
	f(404, 403, "SignatureDoesNotMatch", 403, "credentials")
	f(404, 403, "RequestTimeTooSkewed", 403, "credentials")
	f(404, 403, "InvalidAccessKeyId", 403, "credentials")
	f(403, 401, "AccessDenied", 403, "access_denied")
	f(404, 404, "NoSuchKey", 404, "")
}

func TestHEADOfWhatTheOriginRefuses(t *testing.T) {
	s := start(t, nil)
	f := func(fault s3test.Fault, want int) {
		t.Helper()
		s.fault(fault)
		if resp, body := s.get("HEAD", "/b/small"); resp.StatusCode != want || body != "" || resp.Header.Get("X-Request-Id") == "" {
			t.Errorf("%+v: %d %q, want %d", fault, resp.StatusCode, body, want)
		}
	}
	f(s3test.Fault{}, 200)
	f(s3test.Fault{Status: 404}, 404)
	f(s3test.Fault{Status: 403}, 403)
	f(s3test.Fault{Status: 500}, 502)
	f(s3test.Fault{DropBeforeHeaders: true}, 502)
	f(s3test.Fault{Force304: true}, 502)
	f(s3test.Fault{Force206: true}, 502)
}

func TestFieldsOfTheOriginThatStayThere(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Buckets[0].ExposeHeaders = []string{"*"} })
	s.fault(s3test.Fault{ExtraHeader: http.Header{"Set-Cookie": {"a=b"}, "Server": {"AmazonS3"}, "X-Other": {"1", "2"}, "X-Cache": {"HIT"},
		"Age": {"5"}, "X-Request-Id": {"theirs"}, "Accept-Ranges": {"none"}, "Keep-Alive": {"timeout=5"}, "Content-Language": {"ja"}}})
	resp, _ := s.get("GET", "/b/small")
	for name, want := range map[string]string{"Set-Cookie": "", "Server": "", "X-Other": "1|2", "X-Cache": "BYPASS", "Age": "",
		"Accept-Ranges": "bytes", "Keep-Alive": "", "X-Amz-Request-Id": "", "Content-Language": "ja", "Cache-Status": "yatagarasu; fwd=bypass"} {
		if got := strings.Join(resp.Header.Values(name), "|"); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if id := resp.Header.Values("X-Request-Id"); len(id) != 1 || id[0] == "theirs" {
		t.Errorf("X-Request-Id is %q", id)
	}
}

// Bytes go on to the client as they come, however small the piece.
func TestBytesFlowAsTheyArrive(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		s := start(t, nil)
		more := make(chan struct{})
		s.fault(s3test.Fault{Chunked: chunked, BodyHold: more, HoldAt: 100_001})
		resp, err := client.Get("http://" + s.addr + "/b/large")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		first := make([]byte, 100_001)
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			t.Fatalf("chunked %v: %v", chunked, err)
		}
		close(more) // only now may the origin send the rest
		rest, err := io.ReadAll(resp.Body)
		if err != nil || string(first)+string(rest) != string(pattern(1, 4<<20)) {
			t.Errorf("chunked %v: %d bytes more, %v", chunked, len(rest), err)
		}
	}
}

// HEAD has no body that would say why the origin answers 400, and must yet answer as GET does.
func TestKeysThatTheOriginCannotHold(t *testing.T) {
	s := start(t, nil)
	for _, method := range []string{"GET", "HEAD"} {
		resp, _ := s.get(method, "/b/"+strings.Repeat("k", 1025))
		if resp.StatusCode != 404 {
			t.Errorf("%s of a key that is too long: %d", method, resp.StatusCode)
		}
		s.fault(s3test.Fault{Status: 400, Code: "AuthorizationHeaderMalformed"})
		if resp, _ = s.get(method, "/b/small"); resp.StatusCode != 502 {
			t.Errorf("%s with a region that is wrong: %d", method, resp.StatusCode)
		}
		s.s3.SetFault(nil)
	}
	s.awaitMetric(`yatagarasu_origin_errors_total{bucket="b",replica="primary",reason="credentials"}`, "2")
}

// Assets of a page that was opened with a token send that token in Referer.
func TestRefererGoesWithoutItsQuery(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Buckets[0].S3.ForwardHeaders = []string{"*"} })
	s.get("GET", "/b/small", "Referer", "https://app.example/page?token=secret#x")
	seen := s.s3.Requests()
	if got := seen[len(seen)-1].Header.Get("Referer"); got != "https://app.example/page" {
		t.Errorf("the origin got Referer %q", got)
	}
}
