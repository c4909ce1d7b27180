package main

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// part is one range of a response.
type part struct {
	first, last, size int
	contentType       string
	body              []byte
}

// partsOf reads a 206: one range, or several as multipart/byteranges.
func partsOf(t *testing.T, resp *http.Response, body []byte) []part {
	t.Helper()
	if resp.ContentLength >= 0 && resp.ContentLength != int64(len(body)) {
		t.Errorf("Content-Length %d with %d bytes", resp.ContentLength, len(body))
	}
	kind, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // an object's own type may be anything
	if kind != "multipart/byteranges" {
		return []part{onePart(t, resp.Header.Get("Content-Range"), resp.Header.Get("Content-Type"), body)}
	}
	// RFC 9110, section 15.3.7.2: the header of a multipart response has no Content-Range.
	wantField(t, resp, "Content-Range", "")
	var parts []part
	for r := multipart.NewReader(bytes.NewReader(body), params["boundary"]); ; {
		p, err := r.NextRawPart()
		if err == io.EOF {
			return parts
		}
		if err != nil {
			t.Fatalf("part %d: %v", len(parts), err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			t.Fatalf("part %d: %v", len(parts), err)
		}
		parts = append(parts, onePart(t, p.Header.Get("Content-Range"), p.Header.Get("Content-Type"), b))
	}
}

func onePart(t *testing.T, contentRange, contentType string, body []byte) part {
	t.Helper()
	p := part{contentType: contentType, body: body}
	if _, err := fmt.Sscanf(contentRange, "bytes %d-%d/%d", &p.first, &p.last, &p.size); err != nil {
		t.Errorf("Content-Range %q: %v", contentRange, err)
	}
	return p
}

// TestE2EMultipleRanges: each byte that was asked for comes once, and no other.
func TestE2EMultipleRanges(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		want := patternBytes(6, rangedSize)
		o.put("ranged", want, "Content-Type", "video/mp4")
		c := rawTo(o.proxy())
		f := func(spec, ranges string) {
			t.Helper()
			resp, body := c.do("GET", "/o/ranged", "Range: bytes="+spec)
			if resp.StatusCode != 206 {
				t.Errorf("%s: status %d", spec, resp.StatusCode)
				return
			}
			var got []string
			for _, p := range partsOf(t, resp, body) {
				got = append(got, fmt.Sprintf("%d-%d", p.first, p.last))
				if p.size != rangedSize || p.contentType != "video/mp4" || p.first > p.last || p.last >= rangedSize ||
					!bytes.Equal(p.body, want[p.first:p.last+1]) {
					t.Errorf("%s: the part %d-%d/%d of type %q has %d bytes, or others", spec, p.first, p.last, p.size, p.contentType, len(p.body))
				}
			}
			slices.Sort(got)
			sorted := strings.Fields(ranges)
			slices.Sort(sorted)
			if !slices.Equal(got, sorted) {
				t.Errorf("%s: parts %v, want %v", spec, got, sorted)
			}
		}
		f("0-0,-1", "0-0 99999-99999")
		f("0-9,20-29", "0-9 20-29")
		f("20-29,0-9", "0-9 20-29")
		f("0-9 , 20-29", "0-9 20-29")
		f("0-9,,20-29", "0-9 20-29")
		f("0-9,\t20-29,", "0-9 20-29")
		f("0-9,5-14", "0-14")
		f("5-14,0-9,2-3", "0-14")
		f("0-,5-6", "0-99999")
		f("0-9,10-19", "0-19")
		f("0-0,0-0,0-0", "0-0")
		f("0-9,100000-", "0-9")
		f("99999999999999999999-,50-59", "50-59")
		f("0-9,-0", "0-9")
		f("4095-4096,65535-65536,99998-", "4095-4096 65535-65536 99998-99999")
		f("0-40000,50000-", "0-40000 50000-99999")
		f(sixteen(16), strings.ReplaceAll(sixteen(16), ",", " "))
	})
}

// sixteen is n ranges, far from each other.
func sixteen(n int) string {
	var ranges []string
	for i := range n {
		ranges = append(ranges, fmt.Sprintf("%d-%d", i*5000, i*5000+99))
	}
	return strings.Join(ranges, ",")
}

// TestE2EMultipleRangesRefused has what no multipart response answers.
func TestE2EMultipleRangesRefused(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		want := patternBytes(7, rangedSize)
		o.put("ranged", want)
		p := o.proxy()
		f := func(spec string, status int) {
			t.Helper()
			resp, body := fetch(t, "GET", p.url+"/o/ranged", "Range", "bytes="+spec)
			if status == 416 {
				wantError(t, resp, body, 416)
				wantField(t, resp, "Content-Range", fmt.Sprintf("bytes */%d", rangedSize))
			} else if resp.StatusCode != 200 || !bytes.Equal(body, want) {
				t.Errorf("%s: status %d with %d bytes", spec, resp.StatusCode, len(body))
			}
		}
		f(sixteen(17), 200)
		f(sixteen(20), 200)
		f(strings.Repeat("0-,", 1000)+"0-", 200)
		f("100000-,200000-300000", 416)
		f("-0,-0", 416)
		f("0-1,5-2", 200)
		f("0-1,a-b", 200)
		sixteenParts, _ := fetch(t, "GET", p.url+"/o/ranged", "Range", "bytes="+sixteen(16), "If-Match", `"other"`)
		if sixteenParts.StatusCode != 412 {
			t.Errorf("several ranges of another version: status %d", sixteenParts.StatusCode)
		}
	})
}

// wantField wants one value of a header field, or none.
func wantField(t *testing.T, resp *http.Response, name, want string) {
	t.Helper()
	if got := strings.Join(resp.Header.Values(name), " and "); got != want {
		t.Errorf("%s is %q, want %q", name, got, want)
	}
}
