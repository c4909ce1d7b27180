package main

import "testing"

// TestE2ESite serves index documents, a fallback, and pages for errors.
func TestE2ESite(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		for _, key := range []string{"index.html", "sub/index.html", "sub/page.html", "app.html", "errors/404.html", "empty/x"} {
			o.put(key, []byte("<p>"+key), "Content-Type", "text/html; charset=utf-8", "Cache-Control", "max-age=60")
		}
		var p *program
		f := func(path string, status int, key string) {
			t.Helper()
			resp, body := fetch(t, "GET", p.url+path)
			if key == "" {
				wantError(t, resp, body, status)
			} else if resp.StatusCode != status || string(body) != "<p>"+key || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" {
				t.Errorf("%s: status %d %q of type %q", path, resp.StatusCode, body, resp.Header.Get("Content-Type"))
			} else {
				wantClean(t, resp)
			}
			sameHead(t, p.url+path)
		}
		p = o.proxy("site: {index: index.html}")
		f("/o", 200, "index.html")
		f("/o/", 200, "index.html")
		f("/o/?q=1", 200, "index.html")
		f("/o/sub/", 200, "sub/index.html")
		f("/o/sub/page.html", 200, "sub/page.html")
		f("/o/empty/", 404, "")
		f("/o/missing", 404, "")

		p = o.proxy("site: {index: index.html}", "list: {enabled: true}")
		f("/o/", 200, "index.html") // goes before a listing
		if l := listJSON(t, p.url+"/o/empty/"); len(l.Objects) != 1 || l.Objects[0].Key != "empty/x" {
			t.Errorf("where there is no index: %+v", l)
		}

		p = o.proxy("site: {index: index.html, fallback: app.html}")
		f("/o/missing", 200, "app.html")
		f("/o/deep/route/of/an/app", 200, "app.html")
		f("/o/empty/", 200, "app.html")
		f("/o/sub/page.html", 200, "sub/page.html")
		f("/o/..", 400, "")

		p = o.proxy("site: {error_pages: {404: errors/404.html}}")
		f("/o/missing", 404, "errors/404.html")
		f("/o/", 404, "errors/404.html")
		f("/o/sub/page.html", 200, "sub/page.html")
		for _, header := range [][]string{{"Range", "bytes=0-1"}, {"If-None-Match", "*"}, {"If-Match", `"a"`}, {"If-Modified-Since", "Mon, 23 Nov 2099 18:00:00 GMT"}} {
			resp, body := fetch(t, "GET", p.url+"/o/missing", header...) // RFC 9110, section 13.2.1: none of them counts
			if resp.StatusCode != 404 || string(body) != "<p>errors/404.html" {
				t.Errorf("an error page with %q: status %d %q", header, resp.StatusCode, body)
			}
		}
		p = o.proxy("site: {error_pages: {404: errors/none.html}}")
		f("/o/missing", 404, "") // the page is missing too
		p = o.proxy("site: {fallback: none.html}")
		f("/o/missing", 404, "")
		p = o.proxy("site: {fallback: app.html, error_pages: {404: errors/404.html}}")
		f("/o/missing", 200, "app.html")
	})
}

// TestE2ESiteConditions: a fallback is an object like any other.
func TestE2ESiteConditions(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		o.put("app.html", []byte("0123456789"))
		o.put("index.html", []byte("0123456789"))
		p := o.proxy("site: {index: index.html, fallback: app.html}")
		for _, path := range []string{"/o/", "/o/route"} {
			resp, _ := fetch(t, "GET", p.url+path)
			etag := resp.Header.Get("Etag")
			if resp, body := fetch(t, "GET", p.url+path, "If-None-Match", etag); resp.StatusCode != 304 {
				t.Errorf("%s again: status %d %q", path, resp.StatusCode, body)
			}
			if resp, body := fetch(t, "GET", p.url+path, "Range", "bytes=2-4"); resp.StatusCode != 206 || string(body) != "234" {
				t.Errorf("a range of %s: status %d %q", path, resp.StatusCode, body)
			}
		}
	})
}
