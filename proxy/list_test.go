package proxy

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/s3test"
)

// startListed runs a server with listings whose bucket has just these keys below "dir/".
func startListed(t *testing.T, keys ...string) *fixture {
	t.Helper()
	s := start(t, func(c *config.Config) {
		c.Buckets[0].List.Enabled = true
		c.Buckets[0].S3.Bucket = "l"
	})
	s.s3.CreateBucket("l")
	for _, key := range keys {
		s.s3.Put("l", "dir/"+key, s3test.Object{Body: []byte(key)})
	}
	return s
}

var href = regexp.MustCompile(`<a (?:rel="next" )?href="([^"]*)">([^<]*)</a>`)

// follow resolves a link of the page at path as a browser does.
func follow(t *testing.T, path, link string) string {
	t.Helper()
	base, err := url.Parse("http://h" + path)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := url.Parse(html.UnescapeString(link))
	if err != nil {
		t.Fatal(err)
	}
	if ref.Scheme != "" || ref.Host != "" {
		t.Errorf("the link %q leaves the site", link)
	}
	return base.ResolveReference(ref).RequestURI()
}

func TestLinksOfHostileKeys(t *testing.T) {
	keys := []string{"plain", "a b", "a+b", "100%", "%41", "日本", "<script>alert(1)", `"onclick="x`, "'q'", "javascript:alert(1)", "a:b",
		"?q=1", "#frag", "&amp;", `back\slash`, "semi;colon", "{{.}}", "tab\there"}
	for _, page := range []string{"/b/dir/", "/b/%64ir/"} {
		s := startListed(t, keys...)
		resp, body := s.get("GET", page)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || resp.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Fatalf("%d %v", resp.StatusCode, resp.Header)
		}
		if strings.Contains(body, "<script>") || strings.Contains(body, `"onclick`) {
			t.Errorf("a key is markup: %s", body)
		}
		found := map[string]bool{}
		for _, m := range href.FindAllStringSubmatch(body, -1) {
			name := html.UnescapeString(m[2])
			if name == "../" {
				continue
			}
			found[name] = true
			if _, got := s.get("GET", follow(t, page, m[1])); got != name {
				t.Errorf("the link of %q, %s, leads to %.60q", name, m[1], got)
			}
		}
		for _, key := range keys {
			if !found[key] {
				t.Errorf("%q has no link", key)
			}
		}
	}
}

func TestListingsOfAPrefixByItsSpellings(t *testing.T) {
	s := startListed(t, "x", "sub/y")
	f := func(page string, names ...string) {
		t.Helper()
		resp, body := s.get("GET", page)
		var got []string
		for _, m := range href.FindAllStringSubmatch(body, -1) {
			if m[2] == "../" {
				continue
			}
			got = append(got, m[2])
			if next, _ := s.get("GET", follow(t, page, m[1])); next.StatusCode != 200 {
				t.Errorf("%s: the link %s is %d", page, m[1], next.StatusCode)
			}
		}
		if resp.StatusCode != 200 || strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("%s: %d %q, want %q", page, resp.StatusCode, got, names)
		}
	}
	f("/b", "dir/")
	f("/b?x=y", "dir/")
	f("/%62", "dir/")
	f("/b/", "dir/")
	f("/b/dir/", "sub/", "x")
	f("/b/dir/sub/", "y")
	f("/b/dir%2F", "sub/", "x")
	f("/b%2Fdir/", "sub/", "x")
	for _, missing := range []string{"/b/none/", "/b//", "/b/dir", "/b/dir//"} {
		if resp, _ := s.get("GET", missing); resp.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", missing, resp.StatusCode)
		}
	}
}

func TestListingsByPages(t *testing.T) {
	var keys []string
	for i := range 7 {
		keys = append(keys, fmt.Sprintf("k%d", i))
	}
	s := startListed(t, keys...)
	var seen []string
	query, pages := "max-keys=3", 0
	for ; query != "" && pages < 10; pages++ {
		resp, body := s.get("GET", "/b/dir/?"+query, "Accept", "application/json")
		var l struct {
			Prefix   string
			Prefixes []string
			Objects  []struct{ Key, ETag string }
			Next     string
		}
		if err := json.Unmarshal([]byte(body), &l); err != nil || resp.Header.Get("Content-Type") != "application/json" || l.Prefix != "dir/" || l.Prefixes == nil {
			t.Fatalf("%v: %s", err, body)
		}
		for _, o := range l.Objects {
			seen = append(seen, strings.TrimPrefix(o.Key, "dir/"))
		}
		query = l.Next
	}
	if pages != 3 || strings.Join(seen, " ") != strings.Join(keys, " ") {
		t.Errorf("%d pages: %q", pages, seen)
	}
	_, body := s.get("GET", "/b/dir/?max-keys=3")
	links := href.FindAllStringSubmatch(body, -1)
	if last := links[len(links)-1]; last[2] != "Next page" || !strings.Contains(last[1], "max-keys=3") {
		t.Errorf("the last link is %q", last)
	} else if _, body := s.get("GET", follow(t, "/b/dir/", last[1])); !strings.Contains(body, ">k3<") || strings.Contains(body, ">k2<") {
		t.Errorf("the next page is %s", body)
	}
}

func TestListingsThatAreRefused(t *testing.T) {
	s := startListed(t, "x")
	f := func(fault s3test.Fault, query string, status int) {
		t.Helper()
		s.fault(fault)
		resp, body := s.get("GET", "/b/dir/"+query)
		wantError(t, resp, body, status)
	}
	f(s3test.Fault{}, "?max-keys=0", 400)
	f(s3test.Fault{}, "?max-keys=x", 400)
	f(s3test.Fault{}, "?max-keys=1&max-keys=2", 400)
	f(s3test.Fault{}, "?continuation-token=%zz", 400)
	f(s3test.Fault{}, "?continuation-token=unknown", 400)
	f(s3test.Fault{Status: 403}, "", 403)
	f(s3test.Fault{Status: 404, Code: "NoSuchBucket"}, "", 404)
	f(s3test.Fault{Status: 500}, "", 502)
	f(s3test.Fault{DropBeforeHeaders: true}, "", 502)
	f(s3test.Fault{Truncate: true, TruncateAt: 20}, "", 502)
	f(s3test.Fault{RawResponse: []byte("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<xml")}, "", 502)
	s.awaitMetric(`yatagarasu_origin_errors_total{bucket="b",replica="primary",reason="no_such_bucket"}`, "1")
	s.awaitMetric(`yatagarasu_origin_errors_total{bucket="b",replica="primary",reason="access_denied"}`, "1")
}

func TestAcceptOfListings(t *testing.T) {
	f := func(accept string, json bool) {
		t.Helper()
		if got := prefersJSON([]byte(accept)); got != json {
			t.Errorf("%q: %v", accept, got)
		}
	}
	f("", false)
	f("*/*", false)
	f("application/json", true)
	f("Application/JSON", true)
	f("text/html,application/xhtml+xml,*/*;q=0.8", false)
	f("application/json, */*", true)
	f("application/json;q=0.5, text/html", false)
	f("text/html;q=0.5, application/json", true)
	f("application/json;q=0, text/html;q=0", false)
	f("application/*;q=0.9, text/*;q=0.1", true)
	f("application/json, text/html", false)
	f("application/json;q=2", false)
}

func TestSites(t *testing.T) {
	s := start(t, func(c *config.Config) {
		b := &c.Buckets[0]
		b.Site = config.Site{Index: "index.html", ErrorPages: map[int]string{404: "404.html", 412: "404.html", 416: "404.html", 502: "none.html"}}
		app := bucketConfig("app", "/app", b.S3.Endpoint)
		app.Site.Fallback = "app.html"
		c.Buckets = append(c.Buckets, app)
	})
	for _, key := range []string{"index.html", "d/index.html", "404.html", "app.html"} {
		s.s3.Put("b", key, s3test.Object{Body: []byte("page " + key), Header: http.Header{"Content-Type": {"text/html"}, "Cache-Control": {"max-age=60"}}})
	}
	f := func(method, path string, status int, want string, header ...string) *http.Response {
		t.Helper()
		resp, body := s.get(method, path, header...)
		if resp.StatusCode != status || body != want {
			t.Errorf("%s %s: %d %q, want %d %q", method, path, resp.StatusCode, body, status, want)
		}
		return resp
	}
	f("GET", "/b", 200, "page index.html")
	f("GET", "/b/d/", 200, "page d/index.html")
	f("GET", "/app/any/route", 200, "page app.html")
	f("GET", "/app/any/route", 206, "pag", "Range", "bytes=0-2")
	f("GET", "/app", 200, "page app.html")
	f("HEAD", "/app/x", 200, "")
	for _, resp := range []*http.Response{
		f("GET", "/b/none", 404, "page 404.html"), f("HEAD", "/b/none", 404, ""), f("GET", "/b/e/", 404, "page 404.html"),
		f("GET", "/b/none", 404, "page 404.html", "Range", "bytes=0-1"), f("GET", "/b/none", 404, "page 404.html", "If-None-Match", "*"),
		f("GET", "/b/small", 412, "page 404.html", "If-Match", `"x"`)} {
		if resp.Header.Get("Cache-Control") != "no-store" || resp.Header.Get("ETag")+resp.Header.Get("Last-Modified") != "" {
			t.Errorf("the fields of an error page: %v", resp.Header)
		}
	}
	// RFC 9110, section 15.5.17: the range that could be had.
	if got := f("GET", "/b/small", 416, "page 404.html", "Range", "bytes=99-").Header.Get("Content-Range"); got != "bytes */10" {
		t.Errorf("Content-Range of 416 with a page is %q", got)
	}
	s.fault(s3test.Fault{Status: 500}) // and the page cannot be had either
	resp, body := s.get("GET", "/b/small")
	wantError(t, resp, body, 502)
	resp, body = s.get("GET", "/app/none")
	wantError(t, resp, body, 502)
}
