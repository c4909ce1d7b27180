package main

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// versioned is an object with what its validators are, and a way to ask for it under conditions.
type versioned struct {
	t        *testing.T
	c        *rawClient
	etag     string
	modified time.Time
}

// conditional stores an object of ten bytes and asks the proxy for its validators.
func conditional(t *testing.T, o *s3target) *versioned {
	o.put("ten", []byte("0123456789"), "Cache-Control", "max-age=60")
	p := o.proxy()
	resp, _ := fetch(t, "GET", p.url+"/o/ten")
	modified, err := http.ParseTime(resp.Header.Get("Last-Modified"))
	if err != nil {
		t.Fatal(err)
	}
	etag := resp.Header.Get("Etag")
	if !strings.HasPrefix(etag, `"`) || len(etag) < 3 {
		t.Fatalf("ETag %q is no strong validator", etag)
	}
	return &versioned{t: t, c: rawTo(p), etag: etag, modified: modified}
}

// ask sends GET and HEAD with header lines, in which ETAG and dates relative to Last-Modified stand for the object's
// own, and wants a status of both. HEAD ignores Range, so its status may be another.
func (v *versioned) ask(get, head int, lines ...string) {
	v.t.Helper()
	at := func(d time.Duration, format string) string { return v.modified.Add(d).UTC().Format(format) }
	fill := strings.NewReplacer("ETAG", v.etag, "SAME", at(0, http.TimeFormat), "OLDER", at(-time.Hour, http.TimeFormat),
		"BEFORE", at(-time.Second, http.TimeFormat), "NEWER", at(time.Hour, http.TimeFormat),
		"RFC850", at(0, "Monday, 02-Jan-06 15:04:05 GMT"), "ASCTIME", at(0, time.ANSIC),
		"OLD850", at(-time.Hour, "Monday, 02-Jan-06 15:04:05 GMT"), "OLDASC", at(-time.Hour, time.ANSIC))
	var header []string
	for _, line := range lines {
		header = append(header, fill.Replace(line))
	}
	for _, method := range []string{"GET", "HEAD"} {
		want := get
		if method == "HEAD" {
			want = head
		}
		resp, body := v.c.do(method, "/o/ten", header...)
		if resp.StatusCode != want {
			v.t.Errorf("%s with %q: status %d, want %d", method, header, resp.StatusCode, want)
			continue
		}
		v.check(resp, body, method, header)
	}
}

// check wants of a response what its status promises.
func (v *versioned) check(resp *http.Response, body []byte, method string, header []string) {
	v.t.Helper()
	whole := map[int]string{200: "0123456789", 206: "234"}[resp.StatusCode]
	if method == "HEAD" && resp.StatusCode != 412 && resp.StatusCode != 416 {
		if len(body) > 0 || resp.StatusCode == 200 && resp.ContentLength != 10 {
			v.t.Errorf("HEAD with %q: %d bytes, Content-Length %d", header, len(body), resp.ContentLength)
		}
		whole = string(body)
	}
	switch resp.StatusCode {
	case 200, 206:
		if string(body) != whole || resp.Header.Get("Etag") != v.etag {
			v.t.Errorf("%s with %q: %q with ETag %q", method, header, body, resp.Header.Get("Etag"))
		}
	case 304: // RFC 9110, section 15.4.5
		if len(body) > 0 || resp.Header.Get("Etag") != v.etag || resp.Header.Get("Cache-Control") != "max-age=60" || resp.Header.Get("Content-Range") != "" {
			v.t.Errorf("%s with %q: a 304 with %q and %v", method, header, body, resp.Header)
		}
		wantClean(v.t, resp)
	default:
		wantError(v.t, resp, body, resp.StatusCode)
	}
}

// TestE2EConditions is section 13 of RFC 9110 without ranges.
func TestE2EConditions(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		v := conditional(t, o)
		f := func(status int, lines ...string) { t.Helper(); v.ask(status, status, lines...) }
		f(200, `If-Match: ETAG`)
		f(200, `If-Match: *`)
		f(200, `If-Match: "a", ETAG, "b"`)
		f(200, `If-Match: "a",ETAG`)
		f(200, `If-Match: "with,comma" , ETAG`)
		f(200, `If-Match: "a"`, `If-Match: ETAG`) // two lines are one list (section 5.3)
		f(412, `If-Match: "a"`)
		f(412, `If-Match: "a", "b"`)
		f(412, `If-Match: W/ETAG`) // strong comparison
		f(412, `If-Match: "a", W/ETAG`)
		f(412, `If-Match: "*"`)

		f(304, `If-None-Match: ETAG`)
		f(304, `If-None-Match: W/ETAG`) // weak comparison
		f(304, `If-None-Match: *`)
		f(304, `If-None-Match: "a", ETAG`)
		f(304, `If-None-Match: ETAG, "a"`)
		f(304, `If-None-Match: "a",W/"b",W/ETAG`)
		f(304, `If-None-Match: "a"`, `If-None-Match: ETAG`)
		f(200, `If-None-Match: "a"`)
		f(200, `If-None-Match: "a", W/"b"`)
		f(200, `If-None-Match: "*"`)

		f(304, `If-Modified-Since: SAME`)
		f(304, `If-Modified-Since: RFC850`)
		f(304, `If-Modified-Since: ASCTIME`)
		f(200, `If-Modified-Since: BEFORE`)
		f(200, `If-Modified-Since: OLDER`)
		f(200, `If-Modified-Since: OLD850`)
		f(200, `If-Modified-Since: OLDASC`)
		f(200, `If-Modified-Since: yesterday`)
		f(200, `If-Modified-Since: 0`)
		f(200, `If-Modified-Since: Sat, 99 Foo 2099 99:99:99 GMT`)

		f(200, `If-Unmodified-Since: SAME`)
		f(200, `If-Unmodified-Since: NEWER`)
		f(200, `If-Unmodified-Since: RFC850`)
		f(200, `If-Unmodified-Since: ASCTIME`)
		f(412, `If-Unmodified-Since: BEFORE`)
		f(412, `If-Unmodified-Since: OLDER`)
		f(412, `If-Unmodified-Since: OLD850`)
		f(412, `If-Unmodified-Since: OLDASC`)
		f(200, `If-Unmodified-Since: yesterday`)
	})
}

// TestE2EConditionsPrecedence is section 13.2.2 of RFC 9110.
func TestE2EConditionsPrecedence(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		v := conditional(t, o)
		f := func(status int, lines ...string) { t.Helper(); v.ask(status, status, lines...) }
		f(304, `If-None-Match: ETAG`, `If-Modified-Since: OLDER`)
		f(200, `If-None-Match: "a"`, `If-Modified-Since: SAME`)
		f(304, `If-None-Match: "a", W/ETAG`, `If-Modified-Since: OLDER`)
		f(200, `If-Match: ETAG`, `If-Unmodified-Since: OLDER`)
		f(200, `If-Match: "a", ETAG`, `If-Unmodified-Since: OLDER`)
		f(412, `If-Match: "a"`, `If-Unmodified-Since: SAME`)
		f(304, `If-Match: ETAG`, `If-None-Match: ETAG`)
		f(412, `If-Match: "a"`, `If-None-Match: ETAG`)
		f(412, `If-Match: "a"`, `If-Modified-Since: SAME`)
		f(412, `If-Unmodified-Since: OLDER`, `If-None-Match: ETAG`)
		f(412, `If-Unmodified-Since: OLDER`, `If-Modified-Since: SAME`)
		f(304, `If-Unmodified-Since: SAME`, `If-Modified-Since: SAME`)
		f(304, `If-Unmodified-Since: SAME`, `If-None-Match: *`)
		f(200, `If-Unmodified-Since: SAME`, `If-None-Match: "a"`, `If-Modified-Since: SAME`)

		// Section 13.2.1: conditions do not count where the answer is no success anyway.
		for _, line := range []string{`If-Match: "a"`, `If-Match: *`, `If-None-Match: *`, `If-None-Match: "a"`} {
			if resp, body := v.c.do("GET", "/o/missing", line); resp.StatusCode != 404 {
				t.Errorf("a missing key with %s: status %d %q", line, resp.StatusCode, body)
			}
		}
	})
}

// TestE2EConditionsAndRanges: If-Range comes last, and Range is ignored by HEAD.
func TestE2EConditionsAndRanges(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		v := conditional(t, o)
		f := func(get, head int, lines ...string) {
			t.Helper()
			v.ask(get, head, append(lines, "Range: bytes=2-4")...)
		}
		f(206, 200, `If-Range: ETAG`)
		f(206, 200, `If-Range: SAME`)
		f(200, 200, `If-Range: W/ETAG`)
		f(200, 200, `If-Range: "a"`)
		f(200, 200, `If-Range: "a", ETAG`) // it is no list
		f(200, 200, `If-Range: *`)
		f(200, 200, `If-Range: OLDER`)
		f(200, 200, `If-Range: NEWER`) // section 13.1.5: an exact match
		f(200, 200, `If-Range: yesterday`)
		f(206, 200, `If-Match: ETAG`)
		f(206, 200, `If-Match: "a", ETAG`)
		f(412, 412, `If-Match: "a"`)
		f(412, 412, `If-Match: W/ETAG`)
		f(304, 304, `If-None-Match: ETAG`)
		f(304, 304, `If-None-Match: "a", W/ETAG`)
		f(206, 200, `If-None-Match: "a"`)
		f(304, 304, `If-Modified-Since: SAME`)
		f(206, 200, `If-Modified-Since: OLDER`)
		f(412, 412, `If-Unmodified-Since: OLDER`)
		f(206, 200, `If-Unmodified-Since: SAME`)
		f(206, 200, `If-Match: ETAG`, `If-Range: ETAG`)
		f(200, 200, `If-Match: ETAG`, `If-Range: "a"`)
		f(412, 412, `If-Match: "a"`, `If-Range: ETAG`)
		f(304, 304, `If-None-Match: ETAG`, `If-Range: ETAG`)

		v.ask(200, 200, `If-Range: "a"`)
		v.ask(200, 200, `If-Range: "a"`, `Range: bytes=99-`)
		v.ask(416, 200, `If-Range: ETAG`, `Range: bytes=99-`)
		v.ask(416, 200, `If-Match: ETAG`, `Range: bytes=99-`)
		v.ask(416, 200, `If-None-Match: "a"`, `Range: bytes=99-`)
		v.ask(412, 412, `If-Match: "a"`, `Range: bytes=99-`)
		v.ask(304, 304, `If-None-Match: ETAG`, `Range: bytes=99-`)
		v.ask(200, 200, `If-Range: "a"`, `Range: bytes=0-1,5-6`)
		v.ask(412, 412, `If-Match: "a"`, `Range: bytes=0-1,5-6`)
		v.ask(304, 304, `If-None-Match: "a", ETAG`, `Range: bytes=0-1,5-6`)
	})
}

// TestE2EIfRangeMultiple: several ranges under a condition that holds.
func TestE2EIfRangeMultiple(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		v := conditional(t, o)
		for _, line := range []string{"If-Range: " + v.etag, `If-Match: "a", ` + v.etag, `If-None-Match: "a"`, "If-Match: *"} {
			resp, body := v.c.do("GET", "/o/ten", line, "Range: bytes=0-1,5-6")
			if resp.StatusCode != 206 {
				t.Errorf("%s: status %d", line, resp.StatusCode)
				continue
			}
			if parts := partsOf(t, resp, body); len(parts) != 2 || string(parts[0].body)+string(parts[1].body) != "0156" {
				t.Errorf("%s: parts %v", line, parts)
			}
		}
	})
}
