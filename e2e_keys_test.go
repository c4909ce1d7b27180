package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// keyed is a target with the keys that it really keeps, each with a body that no other has.
type keyed struct {
	t    *testing.T
	c    *rawClient
	kept map[string]bool
}

// storeKeys stores what it can. A real server may refuse a key, or keep two keys as one file: neither counts as kept.
func storeKeys(t *testing.T, o *s3target, served *tally, keys []string) *keyed {
	k := &keyed{t: t, kept: map[string]bool{}}
	refused := map[string]int{}
	for _, key := range keys {
		if status := o.tryPut(key, bodyOf(key)); status != 200 {
			refused[key] = status
		}
	}
	for _, key := range keys {
		switch status := refused[key]; {
		case status == 0 && o.holds(key, bodyOf(key)):
			k.kept[key] = true
			served.add(key)
		default:
			t.Logf("%s does not keep %.60q: PUT answers %d", o.name, key, max(status, 200))
		}
	}
	k.c = rawTo(o.proxy())
	return k
}

func bodyOf(key string) []byte { return []byte("the body of " + key) }

// get wants the key's own body, however the key is spelled. Of a key that the server does not keep it wants only an
// answer that is no fault of the proxy.
func (k *keyed) get(key, target string) {
	k.t.Helper()
	resp, body := k.c.do("GET", "/o/"+target)
	if !k.kept[key] {
		if resp.StatusCode != 200 { // a server that keeps two keys as one may have the other's body
			k.wantOneOf(target, resp, body, 400, 403, 404)
		}
		return
	}
	if resp.StatusCode != 200 || string(body) != string(bodyOf(key)) {
		k.t.Errorf("key %.60q as %.60q: status %d %.100q", key, target, resp.StatusCode, body)
	}
}

func (k *keyed) wantOneOf(target string, resp *http.Response, body []byte, status ...int) {
	k.t.Helper()
	if !slices.Contains(status, resp.StatusCode) {
		k.t.Errorf("%.60q: status %d %.60q, want one of %d", target, resp.StatusCode, body, status)
		return
	}
	wantError(k.t, resp, body, resp.StatusCode)
}

// pchar is what may stand for itself in a path (RFC 3986, section 3.3), with the slash between segments.
const pchar = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/"

// TestE2EKeyBytes has each byte of ASCII in a key.
func TestE2EKeyBytes(t *testing.T) {
	var keys []string
	for b := 1; b <= 0x7f; b++ {
		keys = append(keys, fmt.Sprintf("k-%c-x", b))
	}
	served := newTally(t, len(keys))
	eachTarget(t, func(t *testing.T, o *s3target) {
		k := storeKeys(t, o, served, keys)
		for i, key := range keys {
			b := byte(i + 1)
			k.get(key, fmt.Sprintf("k-%%%02X-x", b))
			k.get(key, fmt.Sprintf("k-%%%02x-x", b))
			k.get(key, fmt.Sprintf("%%6b%%2D%%%02x%%2d%%78", b))
			if strings.IndexByte(pchar, b) >= 0 {
				k.get(key, key)
				continue
			}
			resp, body := k.c.do("GET", "/o/"+key)
			if b == '?' { // a query, which is no part of the key, and "k-" does not exist
				wantError(t, resp, body, 404)
				continue
			}
			if b > ' ' && b < 0x7f && b != '%' && b != '#' && resp.StatusCode == 200 { // lenient, and right
				if k.kept[key] && string(body) != string(bodyOf(key)) {
					t.Errorf("the raw byte %q leads to %q", b, body)
				}
				continue
			}
			k.wantOneOf(key, resp, body, 400)
			if k.c.conn != nil {
				t.Errorf("the raw byte %q: the connection stays open after a 400", b)
			}
		}
	})
}

// TestE2EKeySpellings has keys that proxies get wrong.
func TestE2EKeySpellings(t *testing.T) {
	long := strings.Repeat("n", 1024)
	levels := strings.Repeat(strings.Repeat("d", 200)+"/", 5) + strings.Repeat("f", 19)
	spaces := strings.Repeat(strings.Repeat(" ", 127)+"/", 8)[:1023] + "x"
	keys := []string{"a+b", "a b", "a%20b", "a%2Bb", "a%2bb", "a%b", "%", "%%", "%25", "%41", "A", "a", "a b%/c", "a b%/ c", "ä", "a\u0308", "日本/語",
		"🦅", "\u202e", "\ufeffbom", "x//y", "x///y", "x/y", "/lead", "//lead", "trail/", "trail//", "...", "..a/b", "a../b", "a..b", ".a", "c/.b", "c/...",
		"a:b@c=d", "http://a/b", "a;v=1", "a?b=c", "a#b", "a\\b", "a\\..\\b", "CON", "a.", " ", " a ", "~a", "-", "a&b", "a*b", "[a]", "{a}", "a|b",
		"o/a", "health", "ready", "admin/x", "index.html", "robots.txt", "Ünïcode/ÄÖ.txt", long, levels, spaces}
	served := newTally(t, len(keys))
	eachTarget(t, func(t *testing.T, o *s3target) {
		k := storeKeys(t, o, served, keys)
		for _, key := range keys {
			k.get(key, escapeKeyAs(key, "%%%02X"))
			k.get(key, escapeKeyAs(key, "%%%02x"))
			k.get(key, strings.ReplaceAll(escapeKey(key), "/", "%2F"))
			if strings.Trim(key, pchar) == "" {
				k.get(key, key)
			}
		}
		k.get("a+b", "a+b")
		k.get("a b", "a%20b")
		k.get("a%20b", "a%2520b")
		k.get("A", "%41")
		k.get("%41", "%2541")
		k.get("a b%/c", "a%20b%25/c")
		for _, prefix := range []string{"/%6f/", "/%6F/", "/o%2f", "/o%2F", "/%6F%2f"} { // routing sees the decoded path too
			if resp, body := k.c.do("GET", prefix+"a"); resp.StatusCode != 200 || string(body) != "the body of a" {
				t.Errorf("%sa: status %d %q", prefix, resp.StatusCode, body)
			}
		}
		if resp, body := k.c.do("GET", "http://proxy.test/o/a"); resp.StatusCode != 200 || string(body) != "the body of a" {
			t.Errorf("absolute-form: status %d %q", resp.StatusCode, body)
		}
		for _, target := range []string{"/oa", "/o-secret/a", "/O/a", "/x", "/oo/a", "//o/a", "/o%2", "/"} {
			resp, body := k.c.do("GET", target)
			if target == "/o%2" {
				wantError(t, resp, body, 400)
			} else {
				wantError(t, resp, body, 404)
			}
		}
	})
}

// TestE2EDoubleSlash alternates between keys that a proxy which merges slashes takes for one.
func TestE2EDoubleSlash(t *testing.T) {
	served := newTally(t, 2)
	eachTarget(t, func(t *testing.T, o *s3target) {
		k := storeKeys(t, o, served, []string{"a//b", "a/b"})
		for range 100 {
			k.get("a//b", "a//b")
			k.get("a/b", "a/b")
			if len(k.kept) < 2 {
				break // this server cannot show it
			}
		}
	})
}

// TestE2EBadTargets has request targets that are refused, and connections that are closed.
func TestE2EBadTargets(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		o.put("a", []byte("a"))
		o.put("b/c", []byte("c"))
		c := rawTo(o.proxy("list: {enabled: true}"))
		for _, target := range []string{
			"/o/..", "/o/.", "/o/../o/a", "/o/./a", "/o/b/../a", "/o/b/./c", "/o/b/..", "/o/b/.", "/../o/a", "/./o/a", "/..", "/.",
			"/o/%2e%2e", "/o/%2e", "/o/%2E%2E/a", "/o/.%2e/a", "/o/%2e./a", "/o/b/%2e%2e/a", "/o/b/%2E/c", "/%2e%2e/o/a", "/%2e/o/a",
			"/o/b%2f..%2fa", "/o/b%2F%2e%2e%2Fa", "/o%2f..%2fo%2fa", "/o/b/..%2fa", "/o/..%2f", "/o/%2e%2e%2f", "/o//../a", "/o/b//./c",
			"/health/..", "/o/../health",
			"/o/k-%00-x", "/o/%00", "/o/k-\x00-x", "/o/a%00", "/%00",
			"/o/%", "/o/%4", "/o/a%", "/o/%zz", "/o/%4z", "/o/%z4", "/o/%u0041", "/o/% 41", "/o/%-1", "/o/%+1", "/o/a%%41",
			"/o/%ff", "/o/%80", "/o/%c3%28", "/o/%c3", "/o/%c0%af", "/o/%e0%80%af", "/o/%ed%a0%80", "/o/%f4%90%80%80", "/o/%C0%AE%C0%AE/a",
			"/o/\xff", "/o/\xc0\xaf", "o/a", "ftp://proxy.test/o/a", "http://other.test/o/a",
		} {
			resp, body := c.do("GET", target)
			if wantError(t, resp, body, 400); resp.StatusCode != 400 || c.conn != nil {
				t.Errorf("%q: status %d, closed %v", target, resp.StatusCode, c.conn == nil)
			}
		}
	})
}
