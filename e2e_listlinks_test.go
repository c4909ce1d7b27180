package main

import (
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestE2EListLinks follows the links to keys that are hostile to HTML and URLs.
func TestE2EListLinks(t *testing.T) {
	hostile := []string{"<script>alert(1)</script>.txt", `"quotes".txt`, "it's.txt", "a&b=c.txt", "a&amp;b.txt", "x:y", "javascript:alert(1)",
		"100%.txt", "%41.txt", "a?b.txt", "a#b.txt", "a+b.txt", "a b.txt", " lead", "trail ", "ünï©ødé.txt", "日本語.txt", "e\u0301.txt",
		"{{.}}.txt", "a;b.txt", "http:", "http:a/b", "~tilde", "-", "a\\b.txt", "back`tick", "[x]", "^|.txt", "</pre>", "..a", ".hidden"}
	served := newTally(t, len(hostile))
	eachTarget(t, func(t *testing.T, o *s3target) {
		var kept []string
		for _, name := range hostile {
			key := "deep dir/" + name
			if status := o.tryPut(key, []byte(key)); status == 200 && o.holds(key, []byte(key)) {
				kept = append(kept, key)
			} else {
				t.Logf("%s refuses %q: status %d", o.name, key, status)
			}
		}
		p := o.proxy("list: {enabled: true}")
		found := map[string]bool{}
		for _, page := range []string{"/o/", "/o", "/o/deep%20dir/"} {
			crawl(t, p.url+page, p.url+"/o/", found, 3)
		}
		l := listJSON(t, p.url+"/o/deep%20dir/")
		for _, key := range kept {
			served.add(key)
			if !found[key] {
				t.Errorf("no link of the page leads to %q", key)
			}
			_, name, _ := strings.Cut(key, "/")
			if !slices.Contains(l.keys(), key) && !slices.ContainsFunc(l.Prefixes, func(p string) bool { return strings.HasPrefix(name, strings.TrimPrefix(p, "deep dir/")) }) {
				t.Errorf("the JSON has no %q: %q", key, l.keys())
			}
		}
	})
}

// crawl follows each link of a page that stays below root; each object's body is its key.
func crawl(t *testing.T, page, root string, found map[string]bool, depth int) {
	t.Helper()
	if depth == 0 {
		return
	}
	for _, link := range linksOf(t, page) {
		if !strings.HasPrefix(link, root) || len(link) <= len(page) {
			if !strings.HasPrefix(page, strings.TrimSuffix(link, "/")) {
				t.Errorf("%s links to %s", page, link)
			}
			continue
		}
		if strings.HasSuffix(link, "/") {
			crawl(t, link, root, found, depth-1)
			continue
		}
		resp, body := fetch(t, "GET", link)
		if resp.StatusCode != 200 {
			t.Errorf("%s links to %s: status %d", page, link, resp.StatusCode)
		}
		found[string(body)] = true
	}
}

var anchor = regexp.MustCompile(`<a\b[^>]*?\bhref=(?:"([^"]*)"|'([^']*)')`)

// linksOf fetches a page of HTML and resolves its links as a browser does.
func linksOf(t *testing.T, page string) []string {
	t.Helper()
	resp, body := fetch(t, "GET", page, "Accept", "text/html")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Fatalf("GET %s: status %d of type %q", page, resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	if strings.Contains(string(body), "<script>alert") {
		t.Errorf("GET %s: a key became a script", page)
	}
	base, err := url.Parse(page)
	if err != nil {
		t.Fatal(err)
	}
	var links []string
	for _, m := range anchor.FindAllStringSubmatch(string(body), -1) {
		link, err := base.Parse(html.UnescapeString(m[1] + m[2]))
		if err != nil {
			t.Errorf("GET %s: the link %q: %v", page, m[0], err)
			continue
		}
		links = append(links, link.String())
	}
	return links
}
