package main

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

const rangedSize = 100_000

// TestE2ERangeBorders asks for single ranges that begin and end within two bytes of every buffer's border.
func TestE2ERangeBorders(t *testing.T) {
	var near []int
	for _, border := range []int{0, 4096, 16384, 32768, 65536, rangedSize} {
		for d := -2; d <= 2; d++ {
			near = append(near, border+d)
		}
	}
	eachTarget(t, func(t *testing.T, o *s3target) {
		want := patternBytes(5, rangedSize)
		o.put("ranged", want)
		c := rawTo(o.proxy())
		f := func(spec string, first, last int) {
			t.Helper()
			resp, body := c.do("GET", "/o/ranged", "Range: bytes="+spec)
			if last = min(last, rangedSize-1); first >= rangedSize {
				wantError(t, resp, body, 416)
				wantField(t, resp, "Content-Range", fmt.Sprintf("bytes */%d", rangedSize))
				return
			}
			contentRange := fmt.Sprintf("bytes %d-%d/%d", first, last, rangedSize)
			if resp.StatusCode != 206 || resp.Header.Get("Content-Range") != contentRange || resp.ContentLength != int64(last+1-first) {
				t.Errorf("%s: status %d, Content-Length %d, Content-Range %q", spec, resp.StatusCode, resp.ContentLength, resp.Header["Content-Range"])
			} else if !bytes.Equal(body, want[first:last+1]) {
				t.Errorf("%s: other bytes", spec)
			}
		}
		for _, first := range near {
			if first < 0 {
				continue
			}
			for _, last := range near {
				if last >= first {
					f(fmt.Sprintf("%d-%d", first, last), first, last)
				}
			}
			f(fmt.Sprintf("%d-", first), first, rangedSize)
			if first > 0 {
				f(fmt.Sprintf("-%d", first), max(0, rangedSize-first), rangedSize)
			}
		}
		f("-0", rangedSize, 0) // RFC 9110, section 14.1.2: satisfiable only when not zero
		f("0-99999999999999999999999", 0, rangedSize)
		f("99999999999999999999999-", rangedSize, 0)
		f("-99999999999999999999999", 0, rangedSize)
	})
}

// TestE2EParallelRanges downloads an object as aria2 and video players do: in pieces, several at a time, out of order.
func TestE2EParallelRanges(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		const size, piece = 10<<20 + 1, 1<<20 - 7
		want, got := patternBytes(8, size), make([]byte, size)
		o.put("movie", want)
		p := o.proxy()
		var wait sync.WaitGroup
		for first := size / piece * piece; first >= 0; first -= piece {
			wait.Go(func() {
				spec := fmt.Sprintf("bytes=%d-%d", first, first+piece-1)
				if first+piece > size {
					spec = fmt.Sprintf("bytes=%d-", first)
				}
				resp, body := fetch(t, "GET", p.url+"/o/movie", "Range", spec)
				if resp.StatusCode != 206 {
					t.Errorf("%s: status %d", spec, resp.StatusCode)
				}
				copy(got[first:], body)
			})
		}
		wait.Wait()
		if !bytes.Equal(got, want) {
			t.Error("the pieces make another object")
		}
	})
}

// TestE2ERangeForms has ranges that are malformed and so ignored, and some that are only unusual.
func TestE2ERangeForms(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		o.put("empty", nil)
		o.put("one", []byte("1"))
		o.put("ten", []byte("0123456789"))
		c := rawTo(o.proxy())
		f := func(key, value string, status int, want string) {
			t.Helper()
			resp, body := c.do("GET", "/o/"+key, "Range: "+value)
			if status == 416 {
				wantError(t, resp, body, 416)
				wantField(t, resp, "Content-Range", "bytes */"+want)
			} else if resp.StatusCode != status || string(body) != want {
				t.Errorf("%s of %s: status %d %q, want %d %q", value, key, resp.StatusCode, body, status, want)
			} else if status == 200 {
				wantField(t, resp, "Content-Range", "")
			}
		}
		for key, whole := range map[string]string{"empty": "", "one": "1", "ten": "0123456789"} {
			for _, malformed := range []string{"bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0--1", "bytes=--1", "bytes=1-2-3",
				"bytes=0x0-1", "bytes=+0-1", "bytes=1.5-2", "bytes=0-1,5-2", "bytes=0-1,x", "bytes=,", "bytes 0-1", "bytes", "0-1",
				"items=0-1", "seconds=0-", "bytes=0-1;2-3", "bytes=0- 1", `bytes="0-1"`} {
				f(key, malformed, 200, whole)
			}
		}
		f("empty", "bytes=0-", 416, "0")
		f("empty", "bytes=0-0", 416, "0")
		f("empty", "bytes=-0", 416, "0")
		f("empty", "bytes=1-5", 416, "0")
		f("empty", "bytes=0-0,5-6", 416, "0")
		f("one", "bytes=0-", 206, "1")
		f("one", "bytes=0-0", 206, "1")
		f("one", "bytes=0-99", 206, "1")
		f("one", "bytes=-1", 206, "1")
		f("one", "bytes=-9", 206, "1")
		f("one", "bytes=1-", 416, "1")
		f("one", "bytes=-0", 416, "1")
		f("ten", "bytes=0-", 206, "0123456789")
		f("ten", "bytes=0-9", 206, "0123456789")
		f("ten", "bytes=-10", 206, "0123456789")
		f("ten", "bytes=10-", 416, "10")
		f("ten", "bytes=3-3", 206, "3")
		f("ten", "Bytes=3-4", 206, "34")  // RFC 9110, section 14.1: units are case-insensitive
		f("ten", "bytes=3-4,", 206, "34") // section 5.6.1.2: empty elements of a list do not count
		f("ten", "bytes=,3-4", 206, "34")
		f("ten", "bytes=003-004", 206, "34")
		f("ten", "bytes=3-4 ", 206, "34")
	})
}

// TestE2EHeadIgnoresRange: Range is defined for GET only (RFC 9110, section 14.2).
func TestE2EHeadIgnoresRange(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		o.put("ten", []byte("0123456789"))
		c := rawTo(o.proxy())
		for _, value := range []string{"bytes=0-3", "bytes=3-", "bytes=-2", "bytes=99-", "bytes=0-0,5-6", "bytes=5-2"} {
			resp, _ := c.do("HEAD", "/o/ten", "Range: "+value)
			if resp.StatusCode != 200 || resp.ContentLength != 10 || resp.Header.Get("Content-Range") != "" {
				t.Errorf("HEAD with %s: status %d, Content-Length %d, Content-Range %q", value, resp.StatusCode, resp.ContentLength,
					resp.Header["Content-Range"])
			}
		}
	})
}
