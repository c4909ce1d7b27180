package proxy

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"yatagarasu/sigv4"
)

// parsed takes a request target apart, with Host: h.
func parsed(uri string) (target, error) {
	var h fasthttp.RequestHeader
	h.SetRequestURI(uri)
	h.SetHost("h")
	t, _, err := parseTarget(&h, 8000, nil)
	return t, err
}

func TestTargets(t *testing.T) {
	f := func(uri, path, query string) {
		t.Helper()
		got, err := parsed(uri)
		if err != nil || string(got.path) != path || string(got.query) != query {
			t.Errorf("%q: path %q, query %q, %v; want %q, %q", uri, got.path, got.query, err, path, query)
		}
	}
	f("/", "/", "")
	f("/a/b", "/a/b", "")
	f("/a?b=c?d", "/a", "b=c?d")
	f("/a?", "/a", "")
	f("//a///b//", "//a///b//", "")
	f("/a+b", "/a+b", "")
	f("/a%20b%25%2Fc", "/a b%/c", "")
	f("/%61%2e%2E%2e", "/a...", "")
	f("/%2541", "/%41", "") // once
	f("/%e6%97%A5", "/日", "")
	f("/日", "/日", "")
	f("/\xe6%97\xa5", "/日", "")
	f("/'()*!@=:,;&\"<>[]\\^`{|}~$", "/'()*!@=:,;&\"<>[]\\^`{|}~$", "")
	f("/%01%7f%23%3f", "/\x01\x7f#?", "")
	f("/a?%zz#", "/a", "%zz#") // the query is not ours to read
	f("/x?/../", "/x", "/../")
	f("/.a/a./..a/a../.../a.b", "/.a/a./..a/a../.../a.b", "")
	f("http://h/a%20b?q", "/a b", "q")
	f("HTTPS://H/a", "/a", "")
	f("http://h", "/", "")
	f("http://h?q", "/", "q")
	f("//evil/k://y", "//evil/k://y", "")
}

func TestTargetsRefused(t *testing.T) {
	f := func(status int, uris ...string) {
		t.Helper()
		for _, uri := range uris {
			_, err := parsed(uri)
			var e *httpError
			if !errors.As(err, &e) || e.status != status || !e.unread {
				t.Errorf("%q: %+v, want %d and the connection closed", uri, e, status)
			}
		}
	}
	f(400, "/%", "/%2", "/%zz", "/a%2", "/%2g", "/%g2", "/% 1")                      // broken escapes
	f(400, "/%00", "/a%00b", "/\xff", "/%ff", "/%c3", "/%ed%a0%80", "/%c0%af")       // NUL, invalid UTF-8
	f(400, "/.", "/..", "/./a", "/a/.", "/a/..", "/a/../b", "/a/./b", "//..//")      // dot segments
	f(400, "/%2e", "/%2e%2E/a", "/a/.%2e", "/a/%2e./b", "/a%2f..%2fb", "/..%2fa")    // encoded
	f(400, "/a b", "/a\tb", "/a\x7f", "/a#b", "/\x01")                               // what must be encoded
	f(400, "a", "*", "ftp://h/", "http:/h/", "http://other/a", "http://u@h/", "h:1") // forms and authorities
	f(414, "/"+strings.Repeat("a", 8000))
	if _, err := parsed("/" + strings.Repeat("a", 7999)); err != nil {
		t.Errorf("a target of just the limit: %v", err)
	}
}

// dotSegments is the plain way to say what hasDotSegment looks for.
func dotSegments(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

func TestDotSegmentsAgreeWithAPlainModel(t *testing.T) {
	const letters = "./a"
	var try func(path string)
	try = func(path string) {
		if got, want := hasDotSegment([]byte(path)), dotSegments(path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
		if len(path) < 7 {
			for _, c := range letters {
				try(path + string(c))
			}
		}
	}
	try("")
}

func TestTargetSpaceIsReused(t *testing.T) {
	var h fasthttp.RequestHeader
	h.SetRequestURI("/a%20b")
	space := make([]byte, 0, 64)
	got, space, err := parseTarget(&h, 8000, space)
	if err != nil || &got.path[0] != &space[:1][0] {
		t.Errorf("a decoded path does not use the space it is given: %v", err)
	}
	allocs := testing.AllocsPerRun(100, func() { _, space, _ = parseTarget(&h, 8000, space) })
	h.SetRequestURI("/products/images/a.css?v=1")
	allocs += testing.AllocsPerRun(100, func() { _, space, _ = parseTarget(&h, 8000, space) })
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"/", "/a%20b?c", "/%2e./x", "http://h/a", "/%00", "/\xff%ff", "/a//b/..", "/%", "*", "?", "/%25%32%65"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		got, err := parsed(uri)
		if err != nil {
			return
		}
		path := string(got.path)
		if !utf8.ValidString(path) || strings.Contains(path, "\x00") || dotSegments(path) || len(uri) > 0 && path[0] != '/' {
			t.Errorf("%q became the path %q", uri, path)
		}
		again, err := parsed(string(sigv4.AppendPath(nil, got.path)))
		if err != nil || !bytes.Equal(again.path, got.path) || len(again.query) > 0 {
			t.Errorf("%q: the path %q does not survive encoding: %q, %v", uri, path, again.path, err)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	f.Add([]byte("a%20b"))
	f.Add([]byte("%%%"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := unescape([]byte("kept"), raw)
		if !bytes.HasPrefix(out, []byte("kept")) {
			t.Errorf("%q: what was there is lost", raw)
		}
		if err == nil && len(out)-4 != len(raw)-2*bytes.Count(raw, []byte("%")) {
			t.Errorf("%q became %q", raw, out[4:])
		}
	})
}

func TestFraming(t *testing.T) {
	f := func(block string, ok bool) {
		t.Helper()
		if got := hasHeader([]byte(block), "content-length"); got != ok {
			t.Errorf("%q: %v, want %v", block, got, ok)
		}
	}
	f("Host: h\r\nContent-Length: 1\r\n", true)
	f("Content-LENGTH:1\r\n", true)
	f("X: content-length: 1\r\nContent-Lengthy: 1\r\n", false)
	f("", false)

	host := func(host string, ok bool) {
		t.Helper()
		var h fasthttp.RequestHeader
		h.SetHost(host)
		if err := checkFraming(&h); (err == nil) != ok {
			t.Errorf("Host %q: %v", host, err)
		}
	}
	host("example.com", true)
	host("Example.COM:8080", true)
	host("[::1]:80", true)
	for _, bad := range []string{"a b", "u@h", "a,b", "a/b", `a\b`, "a?b", "a#b", "a\x7f", "é"} {
		host(bad, false)
	}
}
