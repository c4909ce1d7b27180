package proxy

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"yatagarasu/proxy/config"
)

func TestCORS(t *testing.T) {
	s := start(t, func(c *config.Config) {
		named, all := bucketConfig("all", "/all", c.Buckets[0].S3.Endpoint), &c.Buckets[0]
		all.CORS = config.CORS{AllowedOrigins: []string{"https://app.example", "https://two.example"}, AllowedHeaders: []string{"X-A", "range"},
			ExposedHeaders: []string{"ETag", "X-B"}, MaxAge: time.Minute}
		named.CORS = config.CORS{AllowedOrigins: []string{"*"}, AllowedHeaders: []string{"*"}}
		c.Buckets = append(c.Buckets, named, bucketConfig("off", "/off", all.S3.Endpoint))
	})
	fields := []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age",
		"Access-Control-Expose-Headers", "Vary", "Access-Control-Allow-Credentials"}
	f := func(method, path string, header []string, want ...string) {
		t.Helper()
		resp, _ := s.get(method, path, header...)
		for i, name := range fields {
			value := ""
			if i < len(want) {
				value = want[i]
			}
			if got := strings.Join(resp.Header.Values(name), "|"); got != value {
				t.Errorf("%s %s %v: %s is %q, want %q", method, path, header, name, got, value)
			}
		}
		if method == "OPTIONS" && (resp.StatusCode != http.StatusNoContent || resp.Header.Get("Allow") != allowedMethods) {
			t.Errorf("OPTIONS %s: %d, Allow %q", path, resp.StatusCode, resp.Header.Get("Allow"))
		}
	}
	o := func(origin string, more ...string) []string { return append([]string{"Origin", origin}, more...) }
	preflight := func(origin, headers string) []string {
		return o(origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", headers)
	}
	const app, methods = "https://app.example", "GET, HEAD, OPTIONS"
	for _, path := range []string{"/b/small", "/b/missing"} { // errors carry it too
		for _, method := range []string{"GET", "HEAD"} {
			f(method, path, o(app), app, "", "", "", "ETag, X-B", "Origin")
			f(method, path, o("https://two.example"), "https://two.example", "", "", "", "ETag, X-B", "Origin")
			f(method, path, o("https://evil.example"), "", "", "", "", "", "Origin")
			f(method, path, o("null"), "", "", "", "", "", "Origin")
			f(method, path, o(app+".evil"), "", "", "", "", "", "Origin")
			f(method, path, nil, "", "", "", "", "", "Origin")
		}
	}
	f("GET", "/all/small", o(app), "*")
	f("GET", "/all/small", nil, "*")
	f("GET", "/off/small", o(app))
	f("GET", "/nowhere", o(app))
	s.s3.Reset()
	f("OPTIONS", "/b/small", preflight(app, "x-a, Range, X-Other"), app, methods, "x-a, Range", "60", "", "Origin")
	f("OPTIONS", "/b/missing", preflight(app, ""), app, methods, "", "60", "", "Origin")
	f("OPTIONS", "/b/small", preflight("https://evil.example", "x-a"), "", "", "", "", "", "Origin")
	f("OPTIONS", "/b/small", o(app), app, "", "", "", "", "Origin") // no preflight
	f("OPTIONS", "/all/small", preflight(app, "x-1 , ,x-2"), "*", methods, "x-1, x-2")
	f("OPTIONS", "/off/small", preflight(app, "x-a"))
	f("OPTIONS", "/nowhere", preflight(app, "x-a"))
	if n := len(s.s3.Requests()); n != 0 {
		t.Errorf("OPTIONS made %d origin requests", n)
	}
}

func TestVaryOfTheOriginIsKept(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Buckets[0].CORS.AllowedOrigins = []string{"https://a.example"} })
	s.s3.Put("b", "varies", objectWith("Vary", "Accept-Encoding"))
	resp, _ := s.get("GET", "/b/varies")
	if got := strings.Join(resp.Header.Values("Vary"), ", "); got != "Accept-Encoding, Origin" {
		t.Errorf("Vary is %q", got)
	}
}
