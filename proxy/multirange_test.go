package proxy

import (
	"io"
	"mime"
	mimemulti "mime/multipart"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"yatagarasu/proxy/s3test"
)

const ranges = "bytes=0-3,8-9,100-119"

// parts reads a multipart body: each part's Content-Range and bytes, then how it ended.
func parts(resp *http.Response, body io.Reader) (out []string, err error) {
	_, params, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	r := mimemulti.NewReader(body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if err != nil {
			return out, err
		}
		data, err := io.ReadAll(p)
		out = append(out, p.Header.Get("Content-Range")+"|"+p.Header.Get("Content-Type")+"|"+string(data))
		if err != nil {
			return out, err
		}
	}
}

func TestSeveralRanges(t *testing.T) {
	s := start(t, nil)
	text := strings.Repeat("0123456789", 20)
	s.s3.Put("b", "text", s3test.Object{Body: []byte(text), Header: http.Header{"Content-Type": {"text/x"}}})
	f := func(field string, want ...string) {
		t.Helper()
		resp, body := s.get("GET", "/b/text", "Range", field)
		got, err := parts(resp, strings.NewReader(body))
		if err != io.EOF || resp.StatusCode != 206 || strings.Join(got, " ") != strings.Join(want, " ") || resp.Header.Get("Content-Range") != "" {
			t.Errorf("%s: %d %q, %v; want %q", field, resp.StatusCode, got, err, want)
		}
	}
	f(ranges, "bytes 0-3/200|text/x|0123", "bytes 8-9/200|text/x|89", "bytes 100-119/200|text/x|01234567890123456789")
	f("bytes=-2,0-0,500-", "bytes 0-0/200|text/x|0", "bytes 198-199/200|text/x|89") // ascending; what lies outside falls away
	for _, r := range s.s3.Requests() {
		if tag := r.Header.Get("If-Match"); (r.Method == "GET") != (tag != "") || strings.Contains(r.Header.Get("Range"), ",") {
			t.Errorf("%s with If-Match %q, Range %q", r.Method, tag, r.Header.Get("Range"))
		}
	}
	one := func(field string, status int, contentRange, want string) {
		t.Helper()
		resp, body := s.get("GET", "/b/text", "Range", field)
		if resp.StatusCode != status || resp.Header.Get("Content-Range") != contentRange || want != "" && body != want {
			t.Errorf("%s: %d %q %.40q", field, resp.StatusCode, resp.Header.Get("Content-Range"), body)
		}
	}
	one("bytes=0-3,4-5", 206, "bytes 0-5/200", "012345")
	one("bytes=5-6,0-199", 206, "bytes 0-199/200", text)
	one("bytes=0-0,300-", 206, "bytes 0-0/200", "0")
	one("bytes=200-,300-", 416, "bytes */200", "")
	one("bytes=200-", 416, "bytes */200", "")
	one("bytes=-0", 416, "bytes */200", "")
	one("bytes=0-1,3-4"+strings.Repeat(",9-9", 15), 200, "", text)
	// Range counts for GET, once.
	if resp, _ := s.get("HEAD", "/b/text", "Range", "bytes=0-1"); resp.StatusCode != 200 || resp.ContentLength != 200 {
		t.Errorf("HEAD: %d, %d bytes", resp.StatusCode, resp.ContentLength)
	}
	if resp, _ := s.get("GET", "/b/text", "Range", "bytes=0-1", "Range", "bytes=2-3"); resp.StatusCode != 200 {
		t.Errorf("two Range fields: %d", resp.StatusCode)
	}
}

func TestSeveralRangesWithoutValidators(t *testing.T) {
	s := start(t, nil)
	s.fault(s3test.Fault{NoETag: true})
	if resp, body := s.get("GET", "/b/large", "Range", ranges); resp.StatusCode != 206 || !strings.Contains(body, "bytes 100-119/4194304") {
		t.Errorf("pinned by date: %d", resp.StatusCode)
	}
	s.fault(s3test.Fault{NoETag: true, ExtraHeader: http.Header{"Last-Modified": nil}})
	if resp, body := s.get("GET", "/b/large", "Range", ranges); resp.StatusCode != 200 || len(body) != 4<<20 {
		t.Errorf("nothing to pin by: %d, %d bytes", resp.StatusCode, len(body))
	}
}

// afterRequests has f run when n requests have been seen, before the next is answered.
func (f *fixture) afterRequests(n int32, change func()) {
	var seen atomic.Int32
	f.s3.SetFault(func(s3test.Request) *s3test.Fault {
		if seen.Add(1) == n+1 {
			change()
		}
		return nil
	})
}

func TestObjectThatChangesBetweenItsParts(t *testing.T) {
	const size = 300_000
	for changed := range int32(4) { // after the HEAD and so many parts
		for _, header := range [][]string{nil, {"If-None-Match", `"other"`}, {"If-Match", "*"}} {
			s := start(t, nil)
			s.s3.Put("b", "text", s3test.Object{Body: pattern(5, size)})
			s.afterRequests(changed+1, func() { s.s3.Put("b", "text", s3test.Object{Body: pattern(6, size)}) })
			resp, body, err := s.try("GET", "/b/text", append(header, "Range", "bytes=0-99999,100010-199999,200010-299999")...)
			if resp == nil {
				t.Fatal(err)
			}
			if resp.StatusCode == 412 {
				t.Errorf("changed after part %d, %q: 412, and no precondition failed", changed, header)
			}
			if resp.StatusCode != 206 {
				continue
			}
			got, end := parts(resp, strings.NewReader(string(body)))
			whole := err == nil && end == io.EOF && len(got) == 3
			if whole != (changed == 3) {
				t.Errorf("changed after part %d, %q: %d parts, %v, %v", changed, header, len(got), err, end)
			}
			if whole && !strings.HasSuffix(got[2], string(pattern(5, size)[200010:])) {
				t.Error("the last part is of another version")
			}
			s.awaitMetric("yatagarasu_requests_in_flight", "0")
			if n := s.metric("yatagarasu_client_aborts_total"); n != "0" {
				t.Errorf("changed after part %d: the client is blamed for %s aborts", changed, n)
			}
		}
	}
}

// A failure between parts is counted once.
func TestPartsThatTheOriginDoesNotAnswer(t *testing.T) {
	s := start(t, nil)
	f := func(fault s3test.Fault, reason string) {
		t.Helper()
		var seen atomic.Int32
		s.s3.SetFault(func(s3test.Request) *s3test.Fault {
			if seen.Add(1) >= 3 {
				return &fault
			}
			return nil
		})
		if resp, body, err := s.try("GET", "/b/large", "Range", ranges); err == nil {
			t.Errorf("%s: %d and a complete body of %d bytes", reason, resp.StatusCode, len(body))
		}
		s.awaitMetric("yatagarasu_requests_in_flight", "0")
		s.awaitMetric(`yatagarasu_origin_errors_total{bucket="b",replica="primary",reason="`+reason+`"}`, "1")
		s.awaitMetric("yatagarasu_client_aborts_total", "0")
	}
	f(s3test.Fault{DropBeforeHeaders: true}, "closed")
	f(s3test.Fault{Status: 500}, "server_error")
	f(s3test.Fault{ContentRange: "bytes 1-2/3"}, "malformed")
}

// An origin that does not tell the length cannot be asked for several ranges, but for the whole object it can.
func TestSeveralRangesOfUnknownLength(t *testing.T) {
	s := start(t, nil)
	s.fault(s3test.Fault{Chunked: true})
	if resp, body := s.get("GET", "/b/large", "Range", ranges); resp.StatusCode != 200 || len(body) != 4<<20 {
		t.Errorf("%d, %d bytes; want the whole object", resp.StatusCode, len(body))
	}
}
