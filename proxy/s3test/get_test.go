package s3test

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var modified = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func TestObject(t *testing.T) {
	s := public(t)
	body := []byte("hello, world")
	s.Put("b", "k", Object{Body: body, LastModified: modified, Header: http.Header{
		"X-Amz-Meta-Colour": {"black"}, "Cache-Control": {"max-age=5"}, "Content-Type": {"text/plain"}}})
	s.Put("b", "plain", Object{Body: body})
	for _, method := range []string{"GET", "HEAD"} {
		a := get(t, s, method, "/b/k")
		check(t, a, 200)
		if want := map[string]string{"GET": "hello, world", "HEAD": ""}[method]; a.body != want {
			t.Errorf("%s body %q", method, a.body)
		}
		for name, want := range map[string]string{
			"ETag":              fmt.Sprintf(`"%x"`, md5.Sum(body)),
			"Last-Modified":     "Fri, 02 Jan 2026 03:04:05 GMT",
			"Content-Length":    "12",
			"Content-Type":      "text/plain",
			"Cache-Control":     "max-age=5",
			"Accept-Ranges":     "bytes",
			"Server":            "AmazonS3",
			"x-amz-meta-colour": "black",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s %s: %q, want %q", method, name, got, want)
			}
		}
		if a.Header.Get("x-amz-request-id") == "" || a.Header.Get("x-amz-id-2") == "" {
			t.Error("no request id")
		}
	}
	if got := get(t, s, "GET", "/b/plain").Header.Get("Content-Type"); got != "binary/octet-stream" {
		t.Errorf("default Content-Type %q", got)
	}
	c := dial(t, s)
	c.send("GET", "/b/k")
	c.r.Peek(1)
	head, _ := c.r.Peek(c.r.Buffered())
	if !bytes.Contains(head, []byte("\r\nETag: ")) || !bytes.Contains(head, []byte("\r\nx-amz-meta-colour: ")) {
		t.Errorf("fields are not spelled as S3 spells them: %s", head)
	}
}

func TestErrors(t *testing.T) {
	s := public(t)
	s.Put("b", "k", Object{Body: []byte("x")})
	s.CreateBucket("empty")
	f := func(method, target string, status int, code string) {
		t.Helper()
		a := get(t, s, method, target)
		check(t, a, status, code)
		if a.Header.Get("Content-Type") != "application/xml" || method == "HEAD" && a.body != "" {
			t.Errorf("%s %s: %s %q", method, target, a.Header.Get("Content-Type"), a.body)
		}
	}
	f("GET", "/b/missing", 404, "<Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>missing</Key>")
	f("GET", "/b/%3C&%22%01%3E", 404, "<Key>&lt;&amp;&quot;&#x1;&gt;</Key>")
	f("HEAD", "/b/missing", 404, "")
	f("GET", "/nobucket/k", 404, "<Code>NoSuchBucket</Code>")
	f("GET", "/empty/k", 404, "NoSuchKey")
	f("GET", "/", 501, "NotImplemented")
	f("GET", "/b/k?acl", 501, "NotImplemented")
	f("GET", "/b?versions", 501, "NotImplemented")
	f("GET", "/b", 501, "ListObjects")
	f("GET", "/b/%ff", 400, "InvalidURI")
	f("GET", "/b/k?a=%zz", 400, "InvalidURI")
	f("GET", "/b/"+strings.Repeat("k", 1025), 400, "KeyTooLongError")
	f("GET", "/b/"+strings.Repeat("k", 1024), 404, "NoSuchKey")
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE", "PURGE"} {
		f(method, "/b/k", 405, "MethodNotAllowed")
	}
	f("OPTIONS", "*", 405, "MethodNotAllowed")
	if a := get(t, s, "HEAD", "/b"); a.StatusCode != 200 || a.Header.Get("x-amz-bucket-region") != "us-east-1" {
		t.Errorf("HEAD bucket: %d", a.StatusCode)
	}
	s.Delete("b", "k")
	s.Delete("nobucket", "k")
	f("GET", "/b/k", 404, "NoSuchKey")
}

func TestAddressing(t *testing.T) {
	s := public(t)
	s.Put("b", "k", Object{Body: []byte("path")})
	s.Put("b", "b/k", Object{Body: []byte("deep")})
	s.Put("my.dotted", "k", Object{Body: []byte("dotted")})
	s.Put("127", "k", Object{Body: []byte("number")})
	f := func(host, target, want string) {
		t.Helper()
		check(t, get(t, s, "GET", target, "Host: "+host), 200, want)
	}
	f("s3.example.com", "/b/k", "path")
	f("b.s3.example.com", "/k", "path")
	f("B.s3.example.com:9000", "/b/k", "deep")
	f("my.dotted.localhost", "/k", "dotted")
	f("127.0.0.1:80", "/127/k", "number")
	f("[::1]:80", "/b/k", "path")
	f("x", "http://x/b/k", "path")
	f("x", "http://b.x/k", "path")
	check(t, get(t, s, "GET", "http://x"), 501)
	check(t, get(t, s, "GET", "http://x?list-type=2"), 501)
}

func TestRange(t *testing.T) {
	s := public(t)
	const body = "0123456789"
	s.Put("b", "k", Object{Body: []byte(body)})
	s.Put("b", "at", Object{At: strings.NewReader(body), Size: 10})
	s.Put("b", "empty", Object{})
	f := func(value string, status int, want, contentRange string) {
		t.Helper()
		for _, key := range []string{"k", "at"} {
			a := get(t, s, "GET", "/b/"+key, "Range: "+value)
			if a.StatusCode != status || a.Header.Get("Content-Range") != contentRange || status < 400 && a.body != want {
				t.Errorf("%s: %d %q %q, want %d %q %q", value, a.StatusCode, a.body, a.Header.Get("Content-Range"), status, want, contentRange)
			}
		}
	}
	whole := func(value string) { t.Helper(); f(value, 200, body, "") }
	f("bytes=0-", 206, body, "bytes 0-9/10")
	f("bytes=0-9", 206, body, "bytes 0-9/10")
	f("bytes=2-4", 206, "234", "bytes 2-4/10")
	f("bytes=8-10", 206, "89", "bytes 8-9/10")
	f("Bytes=9-99999999999999999999", 206, "9", "bytes 9-9/10")
	f("bytes=-3", 206, "789", "bytes 7-9/10")
	f("bytes=-99", 206, body, "bytes 0-9/10")
	f("bytes=10-", 416, "", "")
	f("bytes=-0", 416, "", "")
	f("bytes=99999999999999999999-", 416, "", "")
	for _, v := range []string{"bytes=5-2", "bytes=a-b", "bytes=-", "bytes=1", "bytes=0--1", "items=0-1", "bytes=0-1,3-4", "bytes", "bytes=1-b", "bytes=-b"} {
		whole(v)
	}
	check(t, get(t, s, "GET", "/b/k", "Range: bytes=10-"), 416,
		"<Code>InvalidRange</Code>", "<RangeRequested>bytes=10-</RangeRequested><ActualObjectSize>10</ActualObjectSize>")
	check(t, get(t, s, "GET", "/b/empty", "Range: bytes=0-"), 416)
	check(t, get(t, s, "GET", "/b/empty"), 200)
	if a := get(t, s, "HEAD", "/b/k", "Range: bytes=2-4"); a.StatusCode != 206 || a.ContentLength != 3 {
		t.Errorf("HEAD range: %d %d", a.StatusCode, a.ContentLength)
	}
}

func TestConditions(t *testing.T) {
	s := public(t)
	s.Put("b", "k", Object{Body: []byte("0123456789"), ETag: `"v1"`, LastModified: modified, Header: http.Header{
		"Cache-Control": {"max-age=9"}, "Content-Language": {"en"}}})
	f := func(status int, lines ...string) answerOf {
		t.Helper()
		a := get(t, s, "GET", "/b/k", lines...)
		check(t, a, status)
		return a
	}
	at := modified.Format(http.TimeFormat)
	before := modified.Add(-time.Second).Format(http.TimeFormat)
	f(200, `If-Match: "v1"`)
	f(200, `If-Match: v1`)
	f(200, `If-Match: *`)
	f(412, `If-Match: "v2"`)
	f(412, `If-Match: "v1", "v2"`)
	f(200, `If-Match: "v1"`, "If-Unmodified-Since: "+before)
	f(412, "If-Unmodified-Since: "+before)
	f(200, "If-Unmodified-Since: "+at)
	f(200, "If-Unmodified-Since: never")
	f(304, `If-None-Match: "v1"`)
	f(200, `If-None-Match: "v2"`, "If-Modified-Since: "+at)
	f(304, "If-Modified-Since: "+at)
	f(200, "If-Modified-Since: "+before)
	f(304, `If-None-Match: "v1"`, "Range: bytes=0-1")
	f(206, `If-Range: "other"`, "Range: bytes=0-1") // S3 documents no If-Range
	a := f(304, `If-None-Match: "v1"`)
	if a.Header.Get("Cache-Control") != "max-age=9" || a.Header.Get("ETag") != `"v1"` ||
		a.Header.Get("Content-Language") != "" || a.Header.Get("Content-Type") != "" || a.Header.Get("Content-Length") != "" {
		t.Errorf("304 header: %v", a.Header)
	}
	check(t, f(412, `If-Match: "v2"`), 412, "<Code>PreconditionFailed</Code>", "<Condition>If-Match</Condition>")

	s.IfRange = true
	f(206, "Range: bytes=0-1")
	f(206, `If-Range: "v1"`, "Range: bytes=0-1")
	f(200, `If-Range: "v2"`, "Range: bytes=0-1")
	f(206, "If-Range: "+at, "Range: bytes=0-1")
	f(200, "If-Range: "+before, "Range: bytes=0-1")
}

func TestVersionsAndOverrides(t *testing.T) {
	s := start(t, &Server{})
	s.Put("b", "k", Object{Body: []byte("new"), Versions: map[string]Object{"1": {Body: []byte("old")}}})
	f := func(target string, status int, want string) answerOf {
		t.Helper()
		a := get(t, s, "GET", target, signed(t, s, "GET", target, time.Now())...)
		check(t, a, status, want)
		return a
	}
	f("/b/k", 200, "new")
	if a := f("/b/k?versionId=1", 200, "old"); a.Header.Get("x-amz-version-id") != "1" {
		t.Error("no x-amz-version-id")
	}
	f("/b/k?versionId=2", 404, "NoSuchVersion")
	a := f("/b/k?response-content-type=text%2Fhtml&response-cache-control=no-store&response-content-disposition=attachment", 200, "new")
	if a.Header.Get("Content-Type") != "text/html" || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Disposition") != "attachment" {
		t.Errorf("overrides: %v", a.Header)
	}
	check(t, get(t, s, "GET", "/b/k"), 403, "AccessDenied")
	check(t, get(t, public(t), "GET", "/b/k?response-expires=0"), 404)
	p := public(t)
	p.Put("b", "k", Object{})
	check(t, get(t, p, "GET", "/b/k?response-expires=0"), 400, "anonymous GET")
}

func TestPattern(t *testing.T) {
	p := Pattern(1)
	whole := make([]byte, 1000)
	p.ReadAt(whole, 0)
	for off := range 20 {
		for n := range 20 {
			part := make([]byte, n)
			if m, err := p.ReadAt(part, int64(off)); m != n || err != nil || !bytes.Equal(part, whole[off:off+n]) {
				t.Fatalf("%d bytes at %d differ: %d %v", n, off, m, err)
			}
		}
	}
	other := make([]byte, 1000)
	for seed := range uint64(100) {
		if seed == 1 {
			continue
		}
		Pattern(seed).ReadAt(other, 0)
		if bytes.Contains(whole, other[:16]) || bytes.Contains(other, whole[:16]) {
			t.Errorf("patterns 1 and %d share bytes", seed)
		}
	}
	if _, err := p.ReadAt(whole, -1); err == nil {
		t.Error("a negative offset was accepted")
	}
	if err := iotest.TestReader(io.NewSectionReader(p, 3, 1000), append(whole[3:len(whole):len(whole)], readPattern(p, 1000, 3)...)); err != nil {
		t.Error(err)
	}
}

func readPattern(p io.ReaderAt, off int64, n int) []byte {
	b := make([]byte, n)
	p.ReadAt(b, off)
	return b
}

func BenchmarkPattern(b *testing.B) {
	p := Pattern(1)
	buf := make([]byte, 64<<10)
	b.SetBytes(int64(len(buf)))
	for i := 0; b.Loop(); i++ {
		p.ReadAt(buf, int64(i)*int64(len(buf)))
	}
}

func TestGenerated(t *testing.T) {
	s := public(t)
	const size = 3<<20 + 17
	s.Put("b", "k", Object{At: Pattern(5), Size: size})
	s.Put("b", "k6", Object{At: Pattern(6), Size: size})
	a := get(t, s, "GET", "/b/k")
	if want := readPattern(Pattern(5), 0, size); a.body != string(want) {
		t.Errorf("the body differs")
	}
	if get(t, s, "HEAD", "/b/k6").Header.Get("ETag") == a.Header.Get("ETag") {
		t.Error("two bodies share an ETag")
	}
	a = get(t, s, "GET", "/b/k", "Range: bytes=1000003-2000000")
	if want := readPattern(Pattern(5), 1000003, 2000000-1000003+1); a.body != string(want) {
		t.Errorf("the range differs")
	}
}

// A body that cannot be read is cut, never ended as if whole.
func TestUnreadableBody(t *testing.T) {
	s := public(t)
	s.Put("b", "short", Object{At: io.NewSectionReader(Pattern(1), 0, 1<<20-1), Size: 1 << 20})
	a := get(t, s, "GET", "/b/short")
	if a.err == nil {
		t.Errorf("read %d bytes without an error", len(a.body))
	}
}
