package main

import (
	"fmt"
	"strings"
	"testing"

	"yatagarasu/proxy/s3test"
)

// TestE2EErrors: what fails tells the status and nothing of what is behind the proxy.
func TestE2EErrors(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		o.put("a", []byte("0123456789"))
		f := func(p *program, path string, status int) {
			t.Helper()
			for _, header := range [][]string{nil, {"Range", "bytes=0-1"}, {"Range", "bytes=0-1,5-6"}, {"If-Match", `"a"`}, {"Accept", "application/json"}} {
				resp, body := fetch(t, "GET", p.url+path, header...)
				wantError(t, resp, body, status)
			}
			sameHead(t, p.url+path)
		}
		p := o.proxy("list: {enabled: true}")
		f(p, "/o/missing", 404)
		f(p, "/o/a/missing", 404)
		f(p, "/o/missing/", 404)
		f(p, "/elsewhere", 404)
		f(p, "/", 404)
		refused := func(secret, s3, bucket string, status int) {
			t.Helper()
			yaml := bucketYAML("objects", "/o", bucket, o.endpoint, indented([]string{"list: {enabled: true}"}))
			p := startProgram(t, listeners+"buckets:"+strings.Replace(yaml, testSecretKey+"}", secret+s3+"}", 1))
			f(p, "/o/a", status)
			f(p, "/o/missing", status)
			f(p, "/o/", status)
			f(p, "/o/dir/", status)
		}
		refused("wrong-secret-key", "", o.bucket, 403)
		refused(testSecretKey, "", "secret-bucket-missing", 404)
	})
}

// TestE2EMissingAs: without ListBucket permission S3 answers 403 for a missing key.
func TestE2EMissingAs(t *testing.T) {
	t.Parallel()
	o := memoryTarget(t)
	o.put("page.html", []byte("page"))
	o.memory.SetFault(func(r s3test.Request) *s3test.Fault {
		if r.Key == "page.html" {
			return nil
		}
		return &s3test.Fault{Status: 403, Code: "AccessDenied", Message: "Access Denied"}
	})
	f := func(s3 string, status int, extra ...string) {
		t.Helper()
		p := o.proxyWith(s3, extra...)
		for _, method := range []string{"GET", "HEAD"} {
			resp, body := fetch(t, method, p.url+"/o/x")
			wantError(t, resp, body, status)
		}
	}
	f("", 403)
	f(", missing_as: 403", 403)
	f(", missing_as: 404", 404)
	p := o.proxyWith(", missing_as: 404", "site: {error_pages: {404: page.html}}")
	if resp, body := fetch(t, "GET", p.url+"/o/x"); resp.StatusCode != 404 || string(body) != "page" {
		t.Errorf("an error page for a 403 that counts as missing: status %d %q", resp.StatusCode, body)
	}
	p = o.proxyWith(", missing_as: 404", "site: {fallback: page.html}")
	if resp, body := fetch(t, "GET", p.url+"/o/x"); resp.StatusCode != 200 || string(body) != "page" {
		t.Errorf("a fallback for a 403 that counts as missing: status %d %q", resp.StatusCode, body)
	}
	p = o.proxyWith("", "site: {error_pages: {403: page.html}}")
	if resp, body := fetch(t, "GET", p.url+"/o/x"); resp.StatusCode != 403 || string(body) != "page" {
		t.Errorf("an error page for a 403: status %d %q", resp.StatusCode, body)
	}
}

// TestE2EMethods: nothing but reading reaches the origin, on whatever path.
func TestE2EMethods(t *testing.T) {
	t.Parallel()
	o := memoryTarget(t)
	o.put("a", []byte("a"))
	o.put("index.html", []byte("index"))
	for _, extra := range []string{"list: {enabled: true}", "site: {index: index.html, fallback: a, error_pages: {404: a, 405: a}}", `expose_headers: ["*"]`} {
		p := o.proxy(extra)
		c := rawTo(p)
		o.memory.Reset()
		for _, method := range []string{"PUT", "POST", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "Get", "FOO", "PURGE", "QUERY"} {
			for _, path := range []string{"/o/a", "/o", "/o/", "/o/missing", "/o/?uploads", "/o/a?partNumber=1&uploadId=x", "/health", "/ready"} {
				// The body looks like requests: one that is read as such would be answered.
				body := strings.Repeat("GET /o/a HTTP/1.1\r\nHost: proxy.test\r\n\r\n", 3)
				c.send(body, method+" "+path+" HTTP/1.1", "Host: proxy.test", fmt.Sprintf("Content-Length: %d", len(body)))
				resp, got := c.receive(method)
				if resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
					t.Errorf("%s %s: status %d %q, Allow %q", method, path, resp.StatusCode, got, resp.Header.Get("Allow"))
				}
				wantError(t, resp, got, 405)
				if c.conn != nil { // kept open, so the next answer must be the next request's
					if next, got := c.do("OPTIONS", path); next.StatusCode != 204 {
						t.Errorf("after %s %s: status %d %q", method, path, next.StatusCode, got)
					}
				}
			}
		}
		for _, path := range []string{"/o/a", "/o", "/o/", "/o/missing", "/health"} {
			resp, body := fetch(t, "OPTIONS", p.url+path)
			if wantClean(t, resp); resp.StatusCode != 204 || len(body) > 0 || resp.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
				t.Errorf("OPTIONS %s: status %d %q, Allow %q", path, resp.StatusCode, body, resp.Header.Get("Allow"))
			}
		}
		if seen := o.memory.Requests(); len(seen) != 0 {
			t.Errorf("the origin saw %d requests, the first %s %s", len(seen), seen[0].Method, seen[0].RawURI)
		}
	}
}
