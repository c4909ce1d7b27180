package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"yatagarasu/proxy/s3test"
)

// TestE2ESizes downloads objects around the buffers' sizes.
func TestE2ESizes(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		p := o.proxy()
		f := func(size int) {
			t.Helper()
			key, want := fmt.Sprintf("%d.bin", size), patternBytes(uint64(size), size)
			o.put(key, want, "Content-Type", "image/png")
			resp, body := fetch(t, "GET", p.url+"/o/"+key)
			if resp.StatusCode != 200 || resp.ContentLength != int64(size) || !bytes.Equal(body, want) {
				t.Errorf("%s: status %d, Content-Length %d, %d bytes, the same %v", key, resp.StatusCode, resp.ContentLength,
					len(body), bytes.Equal(body, want))
			}
			if resp.Header.Get("Accept-Ranges") != "bytes" || resp.Header.Get("Content-Type") != "image/png" {
				t.Errorf("%s: header %v", key, resp.Header)
			}
			sameHead(t, p.url+"/o/"+key)
		}
		f(0)
		f(1)
		f(64<<10 - 1)
		f(64 << 10)
		f(64<<10 + 1)
		f(10 << 20)
	})
}

// TestE2EGigabyte streams 1 GiB and compares each byte.
func TestE2EGigabyte(t *testing.T) {
	const seed, size = 30, int64(1) << 30
	eachTargetAlone(t, func(t *testing.T, o *s3target) {
		o.putPattern("1GiB", seed, size)
		p := o.proxy()
		resp, err := client.Get(p.url + "/o/1GiB")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 || resp.ContentLength != size {
			t.Fatalf("status %d, Content-Length %d", resp.StatusCode, resp.ContentLength)
		}
		defer func() {
			if t.Failed() {
				t.Logf("the proxy's log:\n%s", p.log.text())
			}
		}()
		samePattern(t, resp.Body, seed, 0, size)
		f := func(spec string, first, n int64) {
			t.Helper()
			resp, body := fetch(t, "GET", p.url+"/o/1GiB", "Range", "bytes="+spec)
			if resp.StatusCode != 206 || resp.ContentLength != n {
				t.Errorf("%s: status %d, Content-Length %d", spec, resp.StatusCode, resp.ContentLength)
				return
			}
			samePattern(t, bytes.NewReader(body), seed, first, n)
		}
		f("536870911-537919486", 536870911, 1<<20)
		f("-3", size-3, 3)
		f("1073741823-", size-1, 1)
	})
}

// samePattern compares a stream with size bytes of a pattern from first.
func samePattern(t *testing.T, r io.Reader, seed uint64, first, size int64) {
	t.Helper()
	got, want := make([]byte, 256<<10), make([]byte, 256<<10)
	for off := int64(0); off < size; {
		n, err := io.ReadFull(r, got[:min(int64(len(got)), size-off)])
		_, _ = s3test.Pattern(seed).ReadAt(want[:n], first+off) // fills it, always
		if !bytes.Equal(got[:n], want[:n]) {
			t.Fatalf("a difference within %d bytes at %d", n, off)
		}
		if off += int64(n); err != nil {
			t.Fatalf("the body ends at %d of %d: %v", off, size, err)
		}
	}
	if n, err := r.Read(got); n != 0 || err != io.EOF {
		t.Errorf("after the last byte come %d more, error %v", n, err)
	}
}

// sameHead wants HEAD to answer as GET does, without the body.
func sameHead(t *testing.T, url string, header ...string) {
	t.Helper()
	get, _ := fetch(t, "GET", url, header...)
	head, body := fetch(t, "HEAD", url, header...)
	if len(body) != 0 || head.StatusCode != get.StatusCode {
		t.Errorf("HEAD %s: status %d with %d bytes, GET has %d", url, head.StatusCode, len(body), get.StatusCode)
	}
	if g, h := stableHeader(get), stableHeader(head); !reflect.DeepEqual(g, h) {
		t.Errorf("%s %q: GET's header %v, HEAD's %v", url, header, g, h)
	}
}

// stableHeader is a response's header without what differs from request to request.
func stableHeader(resp *http.Response) http.Header {
	h := maps.Clone(resp.Header)
	h.Del("Date")
	h.Del("X-Request-Id")
	h.Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10)) // net/http keeps it elsewhere at times
	return h
}

// wantError wants an error as the contract has it: JSON that tells nothing of what is behind the proxy.
func wantError(t *testing.T, resp *http.Response, body []byte, status int) {
	t.Helper()
	if resp.StatusCode != status {
		t.Errorf("status %d %.200q, want %d", resp.StatusCode, body, status)
		return
	}
	wantClean(t, resp)
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("an error with Cache-Control %q", got)
	}
	if got := resp.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		t.Errorf("an error with Content-Type %q", got)
	}
	if resp.Request != nil && resp.Request.Method == "HEAD" {
		return
	}
	var e map[string]string
	if err := json.Unmarshal(body, &e); err != nil {
		t.Errorf("an error that is not JSON of strings: %v in %.200q", err, body)
		return
	}
	if e["error"] == "" || e["message"] == "" || e["request_id"] != resp.Header.Get("X-Request-Id") || len(e) != 3 {
		t.Errorf("error %v with X-Request-Id %q", e, resp.Header.Get("X-Request-Id"))
	}
	for _, secret := range []string{"<", "secret-bucket", "127.0.0.1", testAccessKey, testSecretKey, "Signature", "NoSuch", "dial"} {
		if bytes.Contains(body, []byte(secret)) {
			t.Errorf("an error that shows %q: %s", secret, body)
		}
	}
}

// wantClean wants no header but those that the contract lets through.
func wantClean(t *testing.T, resp *http.Response, exposed ...string) {
	t.Helper()
	allowed := append(exposed, "Etag", "Last-Modified", "Cache-Control", "Expires", "Accept-Ranges", "Vary", "X-Request-Id",
		"X-Cache", "Cache-Status", "Age", "Date", "Connection", "Allow", "Retry-After")
	for name := range resp.Header {
		ok := strings.HasPrefix(name, "Content-")
		for _, a := range allowed {
			ok = ok || name == a
		}
		if !ok {
			t.Errorf("the header %s: %q came through", name, resp.Header[name])
		}
	}
	if resp.Header.Get("X-Request-Id") == "" {
		t.Error("a response without X-Request-Id")
	}
}
