package proxy

import (
	"bytes"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// conditions are the preconditions of a request with these fields: name, value, name, value.
func conditions(fields ...string) preconditions {
	var h fasthttp.RequestHeader
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return parsePreconditions(&h)
}

const (
	before = "Sun, 06 Nov 1994 08:49:36 GMT"
	when   = "Sun, 06 Nov 1994 08:49:37 GMT" // the representation's
	after  = "Sun, 06 Nov 1994 08:49:38 GMT"
)

// The order of RFC 9110, section 13.2.2: If-Match, else If-Unmodified-Since; then If-None-Match, else
// If-Modified-Since.
func TestPreconditionsInTheirOrder(t *testing.T) {
	f := func(want verdict, fields ...string) {
		t.Helper()
		p := conditions(fields...)
		if got := p.evaluate([]byte(`"tag"`), dateOf([]byte(when))); got != want {
			t.Errorf("%q: %v, want %v", fields, got, want)
		}
	}
	const im, inm, ims, ius = "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"
	f(proceed)
	f(proceed, im, `"tag"`)
	f(proceed, im, "*")
	f(failed, im, `"other"`)
	f(failed, im, `W/"tag"`) // strong comparison
	f(failed, im, "")
	f(failed, im, "tag")
	f(proceed, ius, when)
	f(proceed, ius, after)
	f(failed, ius, before)
	f(proceed, ius, "no date")
	f(proceed, im, `"tag"`, ius, before) // If-Match hides the date
	f(failed, im, `"other"`, ius, after)
	f(notModified, inm, `"tag"`)
	f(notModified, inm, `W/"tag"`) // weak comparison
	f(notModified, inm, "*")
	f(proceed, inm, `"other"`)
	f(proceed, inm, "")
	f(notModified, ims, when)
	f(notModified, ims, after)
	f(proceed, ims, before)
	f(proceed, ims, "no date")
	f(proceed, inm, `"other"`, ims, after) // If-None-Match hides the date
	f(notModified, inm, `"tag"`, ims, before)
	f(notModified, im, `"tag"`, inm, `"tag"`)
	f(proceed, im, `"tag"`, inm, `"other"`)
	f(failed, im, `"other"`, inm, `"tag"`) // 412 goes before 304
	f(failed, ius, before, ims, after)
	f(notModified, ius, after, ims, after)
	f(failed, ius, before, inm, `"tag"`)
	// Lists, and lists over several lines.
	f(proceed, im, `"x", W/"y" ,"tag"`)
	f(proceed, im, `"x"`, im, `"tag"`)
	f(failed, im, `"x"`, im, `"y"`)
	f(notModified, inm, `"x","t,a,g",W/"tag"`)
	f(notModified, inm, `"x"`, inm, `W/"tag"`)
	f(proceed, inm, `"x"`, inm, `"y"`)
}

func TestPreconditionsWithoutValidators(t *testing.T) {
	f := func(want verdict, fields ...string) {
		t.Helper()
		p := conditions(fields...)
		if got := p.evaluate(nil, time.Time{}); got != want {
			t.Errorf("%q: %v, want %v", fields, got, want)
		}
	}
	f(proceed, "If-Match", "*")
	f(notModified, "If-None-Match", "*")
	f(failed, "If-Match", `"tag"`)
	f(failed, "If-Match", `""`)
	f(proceed, "If-None-Match", `"tag"`)
	f(proceed, "If-Modified-Since", after)
	f(proceed, "If-Unmodified-Since", before)
}

func TestWeakTagsOfTheOrigin(t *testing.T) {
	f := func(want verdict, name, value string) {
		t.Helper()
		p := conditions(name, value)
		if got := p.evaluate([]byte(`W/"tag"`), time.Time{}); got != want {
			t.Errorf("%s %s: %v, want %v", name, value, got, want)
		}
	}
	f(failed, "If-Match", `W/"tag"`)
	f(failed, "If-Match", `"tag"`)
	f(notModified, "If-None-Match", `W/"tag"`)
	f(notModified, "If-None-Match", `"tag"`)
}

// One precondition goes to S3, alone and in a form that every S3 evaluates as the RFC does.
func TestPreconditionsForTheOrigin(t *testing.T) {
	f := func(want string, fields ...string) {
		t.Helper()
		p := conditions(fields...)
		if got := string(p.appendForOrigin(nil)); got != want {
			t.Errorf("%q: %q, want %q", fields, got, want)
		}
	}
	f("")
	f("If-Match: \"a\"\r\n", "If-Match", `"a"`)
	f("", "If-Match", "*")
	f("", "If-Match", `W/"a"`)
	f("", "If-Match", `"a","b"`)
	f("", "If-Match", `"a" garbage`)
	f("", "If-Match", `a`)
	f("If-None-Match: \"a\"\r\n", "If-None-Match", `"a"`)
	f("If-None-Match: \"a\"\r\n", "If-None-Match", ` W/"a" , `)
	f("", "If-None-Match", "*")
	f("", "If-None-Match", `"a"`, "If-None-Match", `"b"`)
	f("If-Modified-Since: "+when+"\r\n", "If-Modified-Since", "Sunday, 06-Nov-94 08:49:37 GMT")
	f("", "If-Unmodified-Since", when)
	f("", "If-Match", `"a"`, "If-None-Match", `"a"`)
	f("", "If-Match", `"a"`, "If-Modified-Since", when)
	f("", "If-None-Match", `"a"`, "If-Unmodified-Since", when)
	f("", "If-Modified-Since", when, "If-Unmodified-Since", when)
	f("", "If-Modified-Since", "yesterday")
	f("If-Match: \"a\"\r\n", "If-Match", `"a"`, "If-Unmodified-Since", when)
	f("If-None-Match: \"a\"\r\n", "If-None-Match", `"a"`, "If-Modified-Since", when)
}

func TestDates(t *testing.T) {
	want := time.Date(1994, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, form := range []string{when, "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"} {
		if got := dateOf([]byte(form)); !got.Equal(want) {
			t.Errorf("%q is %v", form, got)
		}
	}
	for _, bad := range []string{"", "0", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 08:49:37 +0100",
		"1994-11-06T08:49:37Z", "Sun, 32 Nov 1994 08:49:37 GMT", "784111777"} {
		if got := dateOf([]byte(bad)); !got.IsZero() {
			t.Errorf("%q is %v", bad, got)
		}
	}
}

func TestSingleTags(t *testing.T) {
	f := func(list, want string) {
		t.Helper()
		if got := string(singleTag([]byte(list))); got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
	f(`"a"`, `"a"`)
	f(` ,W/"a",, `, `W/"a"`)
	f(`""`, `""`)
	f(`"a,b"`, `"a,b"`)
	f("\"\x80\"", "\"\x80\"")
	for _, bad := range []string{"", "*", "a", `"a`, `a"`, `W/`, `w/"a"`, `"a","b"`, `"a" "b"`, `"a"x`, "\"a b\"", "\"a\x7f\"", "\"a\x00\""} {
		f(bad, "")
	}
}

func FuzzTags(f *testing.F) {
	for _, seed := range []string{`"a"`, `W/"a", "b"`, `,,"`, `*`, `"a"W/"b"x`} {
		f.Add([]byte(seed), []byte(`"a"`))
	}
	f.Fuzz(func(t *testing.T, list, etag []byte) {
		rest, tag, seen := list, []byte(nil), 0
		for tag, rest = nextTag(rest); tag != nil; tag, rest = nextTag(rest) {
			body := bytes.TrimPrefix(tag, []byte("W/"))
			if len(body) < 2 || body[0] != '"' || bytes.IndexByte(body[1:], '"') != len(body)-2 || !bytes.Contains(list, tag) {
				t.Errorf("%q has the tag %q", list, tag)
			}
			seen++
		}
		if one := singleTag(list); one != nil && seen != 1 {
			t.Errorf("%q has the single tag %q, and %d", list, one, seen)
		}
		strong, weak := matchTag(list, etag, strongMatch), matchTag(list, etag, weakMatch)
		if strong && !weak {
			t.Errorf("%q covers %q strongly but not weakly", list, etag)
		}
		if weak && seen == 0 && string(bytes.TrimSpace(list)) != "*" {
			t.Errorf("%q has no tag and covers %q", list, etag)
		}
	})
}

func TestNoPreconditionsCostNothing(t *testing.T) {
	var h fasthttp.RequestHeader
	h.Set("Accept", "*/*")
	allocs := testing.AllocsPerRun(100, func() {
		if p := parsePreconditions(&h); p.any() {
			panic("there are none")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
