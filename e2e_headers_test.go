package main

import (
	"net/http"
	"strings"
	"testing"

	"yatagarasu/proxy/s3test"
)

// TestE2EHeaders: an object's representation headers come through, S3's own do not.
func TestE2EHeaders(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		sent := []string{"Content-Type", "text/css; charset=utf-8", "Content-Encoding", "br", "Content-Language", "de, en",
			"Content-Disposition", `attachment; filename="a b.css"`, "Cache-Control", "max-age=7, immutable", "Expires", "Mon, 23 Nov 2099 18:00:00 GMT"}
		o.put("a.css", []byte("0123456789"), append(sent, "X-Amz-Meta-Owner", "ops", "X-Amz-Meta-Build", "17")...)
		f := func(p *program, want []string, exposed ...string) {
			t.Helper()
			for _, request := range [][]string{{"GET"}, {"HEAD"}, {"GET", "Range", "bytes=0-3"}, {"GET", "Accept-Encoding", "gzip"}} {
				resp, _ := fetch(t, request[0], p.url+"/o/a.css", request[1:]...)
				wantClean(t, resp, exposed...)
				for i := 0; i < len(want); i += 2 {
					wantField(t, resp, want[i], want[i+1])
				}
				wantField(t, resp, "Accept-Ranges", "bytes")
			}
			sameHead(t, p.url+"/o/a.css")
		}
		f(o.proxy(), append(sent, "X-Amz-Meta-Owner", ""))
		f(o.proxy(`expose_headers: ["x-amz-meta-*"]`), append(sent, "X-Amz-Meta-Owner", "ops", "X-Amz-Meta-Build", "17"),
			"X-Amz-Meta-Owner", "X-Amz-Meta-Build")
		f(o.proxy(`expose_headers: [X-AMZ-Meta-Owner]`), append(sent, "X-Amz-Meta-Owner", "ops", "X-Amz-Meta-Build", ""), "X-Amz-Meta-Owner")
		resp, _ := fetch(t, "GET", o.proxy(`expose_headers: ["*"]`).url+"/o/a.css")
		for name := range resp.Header {
			if name == "Server" && resp.Header.Get(name) != "yatagarasu" || name == "Set-Cookie" || strings.HasPrefix(name, "X-Amz-") {
				t.Errorf("%q exposes %s: %q", "*", name, resp.Header[name])
			}
		}
	})
}

// TestE2EHeadersDropped: what an S3 could send and no client may see, and what a client sends and no S3 may see.
func TestE2EHeadersDropped(t *testing.T) {
	t.Parallel()
	o := memoryTarget(t)
	o.put("a", []byte("a"), "Set-Cookie", "id=1", "Server", "AmazonS3", "X-Amz-Meta-A", "1", "X-Other", "2", "Strict-Transport-Security", "max-age=1",
		"Access-Control-Allow-Origin", "*", "X-Cache", "HIT from elsewhere", "X-Request-Id", "theirs", "Age", "7")
	p := o.proxy()
	o.memory.Reset()
	resp, _ := fetch(t, "GET", p.url+"/o/a?token=abc&versionId=1&response-content-type=text/evil", "Authorization", "Bearer abc", "Cookie", "id=2",
		"X-Amz-Meta-Evil", "1", "X-Amz-Security-Token", "2", "Connection", "X-Hop", "X-Hop", "3", "Proxy-Authorization", "4", "TE", "trailers",
		"X-Forwarded-For", "5", "Origin", "http://6.example", "Accept-Encoding", "br", "X-Http-Method-Override", "DELETE", "If-Match", "*", "Range", "bytes=0-")
	wantClean(t, resp)
	if resp.StatusCode != 206 || resp.Header.Get("X-Request-Id") == "theirs" || strings.Contains(resp.Header.Get("X-Cache"), "elsewhere") {
		t.Errorf("status %d with %v", resp.StatusCode, resp.Header)
	}
	requests := o.memory.Requests()
	if len(requests) == 0 {
		t.Fatal("the origin saw no request")
	}
	for _, r := range requests {
		if r.Verdict != "signed" || len(r.Query) != 0 || strings.Contains(r.RawURI, "?") {
			t.Errorf("the origin saw %s %s, %s", r.Method, r.RawURI, r.Verdict)
		}
		for name := range r.Header {
			switch name {
			case "Range", "If-Match", "Authorization", "X-Amz-Date", "X-Amz-Content-Sha256", "Host", "User-Agent", "Connection":
			default:
				t.Errorf("the origin saw %s: %q", name, r.Header[name])
			}
		}
		if strings.Contains(r.Header.Get("Authorization"), "Bearer") {
			t.Errorf("the origin saw the client's Authorization")
		}
	}
}

// TestE2EForwarding lets through what the configuration names.
func TestE2EForwarding(t *testing.T) {
	t.Parallel()
	o := memoryTarget(t)
	o.memory.Put(o.bucket, "a", s3test.Object{Body: []byte("new"), Versions: map[string]s3test.Object{
		"v 1/+=": {Body: []byte("old")},
	}})
	p := o.proxyWith(`, forward_query: [versionId], forward_headers: ["x-trace-*", Accept-Language]`)
	f := func(query, want string) {
		t.Helper()
		if resp, body := fetch(t, "GET", p.url+"/o/a"+query); resp.StatusCode != 200 || string(body) != want {
			t.Errorf("%s: status %d %q", query, resp.StatusCode, body)
		}
	}
	f("", "new")
	f("?other=1", "new")
	f("?versionId=v%201%2F%2B%3D", "old")
	f("?other=1&versionId=v%201/%2b=&token=x", "old")
	resp, body := fetch(t, "GET", p.url+"/o/a?versionId=none")
	wantError(t, resp, body, 404)
	o.memory.Reset()
	fetch(t, "GET", p.url+"/o/a", "X-Trace-Id", "7", "Accept-Language", "de", "X-Other", "8", "X-Amz-Acl", "public")
	h := o.memory.Requests()[0].Header
	if h.Get("X-Trace-Id") != "7" || h.Get("Accept-Language") != "de" || h.Get("X-Other") != "" || h.Get("X-Amz-Acl") != "" {
		t.Errorf("the origin saw %v", h)
	}
}

// TestE2ECORS asks as browsers do.
func TestE2ECORS(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		o.put("a", []byte("a"))
		const page, other = "https://app.example", "https://evil.example"
		allowOrigin := func(p *program, method, path, origin, want string, header ...string) *http.Response {
			t.Helper()
			resp, _ := fetch(t, method, p.url+path, append(header, "Origin", origin)...)
			wantField(t, resp, "Access-Control-Allow-Origin", want)
			return resp
		}
		p := o.proxy() // and real servers allow all origins, which is not ours to pass on
		wantClean(t, allowOrigin(p, "GET", "/o/a", page, ""))
		preflight := []string{"Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "x-auth-token"}
		allowOrigin(p, "OPTIONS", "/o/a", page, "", preflight...)

		p = o.proxy("cors: {allowed_origins: [" + page + "], allowed_headers: [X-Auth-Token], exposed_headers: [ETag, X-Cache], max_age: 10m}")
		for _, path := range []string{"/o/a", "/o/missing"} {
			for _, method := range []string{"GET", "HEAD"} {
				resp := allowOrigin(p, method, path, page, page)
				if !strings.Contains(strings.Join(resp.Header.Values("Vary"), ","), "Origin") {
					t.Errorf("%s %s: Vary is %q", method, path, resp.Header.Values("Vary"))
				}
				exposed := strings.ToLower(resp.Header.Get("Access-Control-Expose-Headers"))
				if !strings.Contains(exposed, "etag") || !strings.Contains(exposed, "x-cache") {
					t.Errorf("%s %s exposes %q", method, path, exposed)
				}
				allowOrigin(p, method, path, other, "")
				allowOrigin(p, method, path, "null", "")
				allowOrigin(p, method, path, page+".evil.example", "")
			}
		}
		resp := allowOrigin(p, "OPTIONS", "/o/a", page, page, preflight...)
		allowed := resp.Header.Get("Access-Control-Allow-Methods")
		if resp.StatusCode != 204 || !strings.Contains(allowed, "GET") || !strings.Contains(allowed, "HEAD") {
			t.Errorf("preflight: status %d, methods %q", resp.StatusCode, allowed)
		}
		if !strings.EqualFold(resp.Header.Get("Access-Control-Allow-Headers"), "x-auth-token") {
			t.Errorf("preflight allows the headers %q", resp.Header.Get("Access-Control-Allow-Headers"))
		}
		wantField(t, resp, "Access-Control-Max-Age", "600")
		allowOrigin(p, "OPTIONS", "/o/a", other, "", preflight...)
		p = o.proxy(`cors: {allowed_origins: ["*"]}`)
		allowOrigin(p, "GET", "/o/a", page, "*")
	})
}
