package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
)

func TestFieldSets(t *testing.T) {
	f := func(names string, in, out string) {
		t.Helper()
		s := newFieldSet(strings.Fields(names))
		if s.empty() != (names == "") {
			t.Errorf("%q: empty is %v", names, s.empty())
		}
		for _, name := range strings.Fields(in) {
			if !s.has([]byte(name)) {
				t.Errorf("%q lacks %s", names, name)
			}
		}
		for _, name := range strings.Fields(out) {
			if s.has([]byte(name)) {
				t.Errorf("%q has %s", names, name)
			}
		}
	}
	f("", "", "X-A")
	f("x-a CONTENT-type", "X-A Content-Type", "X-B X-Ab")
	f("x-amz-meta-*", "X-Amz-Meta-A X-Amz-Meta-", "X-Amz-Meta X-Amz-Request-Id X-Metadata")
	f("X-*-Id", "X-A-Id X--Id X-A-B-Id", "X-Id X-A-Idx Y-X-A-Id")
	f("*-id", "X-Id", "Id X-Ids")
	f("x-*", "X-A X-", "Y-A X")
	f("a*b*c", "Abc A-B-C Axbxbxc", "Ac Ab Abcd")
	f("*", "Anything X-Other", "X-Amz-Id-2 X-Amz-Meta-A")
	f("* x-amz-meta-*", "Anything X-Amz-Meta-A", "X-Amz-Id-2")
}

func TestFieldSetsDoNotAllocate(t *testing.T) {
	s := newFieldSet([]string{"x-a", "x-amz-meta-*", "*"})
	names := [][]byte{[]byte("X-A"), []byte("X-Amz-Meta-Some-Quite-Long-Name-Of-A-Field"), []byte("Last-Modified")}
	allocs := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			if !s.has(name) {
				panic("it is in the set")
			}
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func TestExposedFields(t *testing.T) {
	f := func(names, in, out string) {
		t.Helper()
		b := &bucket{expose: newFieldSet(strings.Fields(names))}
		for _, name := range strings.Fields(in + " Content-Type Content-Encoding Content-Language Content-Disposition Content-Range Etag Last-Modified Cache-Control Expires Vary") {
			if !b.exposes([]byte(name)) {
				t.Errorf("%q hides %s", names, name)
			}
		}
		for _, name := range strings.Fields(out + " Set-Cookie Server Content-Length Date Connection Keep-Alive Transfer-Encoding Trailer Upgrade Te X-Request-Id X-Cache Cache-Status Accept-Ranges Age") {
			if b.exposes([]byte(name)) {
				t.Errorf("%q shows %s", names, name)
			}
		}
	}
	f("", "", "X-Amz-Id-2 X-Amz-Meta-A X-Other")
	f("*", "X-Other", "X-Amz-Id-2 X-Amz-Request-Id X-Amz-Meta-A")
	f("x-amz-meta-* x-other", "X-Amz-Meta-A X-Other", "X-Amz-Id-2")
	f("set-cookie server age x-request-id", "", "")
	f("*e*", "", "")
}

// forwarded returns the header lines that go to S3, sorted.
func forwarded(names string, lines ...string) []string {
	var h fasthttp.RequestHeader
	text := "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
	if err := h.Read(reader(text)); err != nil {
		panic(err)
	}
	b := &bucket{forward: newFieldSet(strings.Fields(names))}
	out := strings.Split(strings.TrimSuffix(string(b.appendForwarded(nil, &h)), "\r\n"), "\r\n")
	slices.Sort(out)
	return out
}

func TestForwardedFields(t *testing.T) {
	f := func(names string, lines []string, want ...string) {
		t.Helper()
		if len(want) == 0 {
			want = []string{""}
		}
		if got := forwarded(names, lines...); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", names, got, want)
		}
	}
	f("", []string{"X-A: 1"})
	f("x-a", []string{"X-A: 1", "X-B: 2"}, "X-A: 1")
	f("x-*", []string{"x-a: 1", "X-B: 2", "Y: 3"}, "X-A: 1", "X-B: 2")
	f("*", []string{"X-A: 1", "X-A: 2", "User-Agent: u"}, "User-Agent: u", "X-A: 1", "X-A: 2")
	// However the list is written, these stay.
	never := []string{"Authorization: Bearer x", "Cookie: a=b", "x-amz-date: now", "X-AMZ-Security-Token: t", "Keep-Alive: 1", "TE: trailers",
		"Upgrade: h2c", "Proxy-Authorization: x", "Proxy-Connection: keep-alive", "Expect: x", "Range: bytes=0-1", "If-Match: *", "If-None-Match: *",
		"If-Modified-Since: x", "If-Unmodified-Since: x", "If-Range: x", "Date: x", "Trailer: X-A"}
	for _, names := range []string{"*", "a* c* x* k* t* u* p* e* r* i* d* h*",
		"authorization cookie x-amz-date x-amz-security-token keep-alive te upgrade host connection content-length"} {
		f(names, never)
	}
	// What Connection names is hop-by-hop (RFC 9110, section 7.6.1), on whichever of its lines.
	f("*", []string{"Connection: x-a, X-B", "X-A: 1", "X-B: 2", "X-C: 3"}, "X-C: 3")
	f("*", []string{"Connection: keep-alive", "Connection: X-A", "X-A: 1", "X-C: 3"}, "X-C: 3")
	f("*", []string{"Connection: X-A", "Connection: X-B", "X-A: 1", "X-B: 2", "X-C: 3"}, "X-C: 3")
	f("*", []string{"Connection: close, X-A", "X-A: 1", "X-C: 3"}, "X-C: 3")
	f("*", []string{"Connection: X-A", "Connection: close", "X-A: 1", "X-C: 3"}, "X-C: 3")
	// A name that is no token (RFC 9110, section 5.1) has no canonical case to be told by.
	f("*", []string{"x-amz-acl x: 1", "cookie y: 1", "X-C: 3"}, "X-C: 3")
}

func TestForwardedQueries(t *testing.T) {
	b := &bucket{query: []string{"versionId", "response-content-type", "a b"}}
	f := func(query, want string) {
		t.Helper()
		params, err := b.forwardedQuery(nil, []byte(query))
		if got := fmt.Sprint(params); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", query, got, err, want)
		}
	}
	f("", "[]")
	f("x=1&token=secret", "[]")
	f("versionId=1&x=2", "[{versionId 1}]")
	f("versionId", "[{versionId }]")
	f("versionId=", "[{versionId }]")
	f("versionId=a=b", "[{versionId a=b}]")
	f("version%49d=%31+2%2B", "[{versionId 1 2+}]")
	f("a+b=1", "[{a b 1}]")
	f("VersionID=1", "[]")
	f("&&versionId=1&", "[{versionId 1}]")
	f("x=%zz", "[]") // not ours to judge
	f("x=1&x=2", "[]")
	f("versionId=1;response-content-type=x", "[{versionId 1;response-content-type=x}]")
	for _, bad := range []string{"versionId=1&versionId=1", "versionId=1&version%49d=2", "versionId=%zz", "versionId=%", "%zz=1"} {
		params, err := b.forwardedQuery(nil, []byte(bad))
		var e *httpError
		if !errors.As(err, &e) || e.status != 400 {
			t.Errorf("%q: %v, %v", bad, params, err)
		}
	}
	if params, err := (&bucket{}).forwardedQuery(nil, []byte("versionId=1&versionId=%zz")); len(params) != 0 || err != nil {
		t.Errorf("without a list: %v, %v", params, err)
	}
}
