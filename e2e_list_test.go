package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// listed is a listing as JSON.
type listed struct {
	Prefix   string   `json:"prefix"`
	Prefixes []string `json:"prefixes"`
	Objects  []struct {
		Key          string    `json:"key"`
		Size         int64     `json:"size"`
		LastModified time.Time `json:"last_modified"`
		ETag         string    `json:"etag"`
	} `json:"objects"`
	Next string `json:"next"`
}

func listJSON(t *testing.T, url string) listed {
	t.Helper()
	var l listed
	resp, body := fetch(t, "GET", url, "Accept", "application/json")
	if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		t.Fatalf("GET %s: status %d of type %q: %.200s", url, resp.StatusCode, resp.Header.Get("Content-Type"), body)
	}
	if err := json.Unmarshal(body, &l); err != nil {
		t.Fatalf("GET %s: %v in %.200s", url, err, body)
	}
	wantClean(t, resp, "X-Content-Type-Options") // which is the proxy's own, for pages of keys
	return l
}

func (l *listed) keys() []string {
	var keys []string
	for _, o := range l.Objects {
		keys = append(keys, o.Key)
	}
	return keys
}

// TestE2EListPages walks through 1,203 keys, in pages of S3's size and of others.
func TestE2EListPages(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		const count = 1203
		var want []string
		for i := range count {
			want = append(want, fmt.Sprintf("many/key %04d.txt", i))
		}
		o.putAll(want)
		p := o.proxy("list: {enabled: true}")
		f := func(first string, pages ...int) {
			t.Helper()
			var got []string
			var sizes []int
			for query := first; ; {
				l := listJSON(t, p.url+"/o/many/"+query)
				got, sizes = append(got, l.keys()...), append(sizes, len(l.Objects))
				if l.Prefix != "many/" || len(l.Prefixes) != 0 {
					t.Errorf("%s: prefix %q, prefixes %q", query, l.Prefix, l.Prefixes)
				}
				if l.Next == "" || len(sizes) > len(pages) {
					break
				}
				query = "?" + l.Next
			}
			if !slices.Equal(got, want) || !slices.Equal(sizes, pages) {
				t.Errorf("%q: %d keys in pages of %d, want %d", first, len(got), sizes, pages)
			}
		}
		f("", 1000, 203)
		f("?max-keys=1000", 1000, 203)
		f("?max-keys=401", 401, 401, 401)
		f("?max-keys=600", 600, 600, 3)
		if l := listJSON(t, p.url+"/o/many/?max-keys=7"); !slices.Equal(l.keys(), want[:7]) {
			t.Errorf("max-keys=7 gives %q", l.keys())
		}
		for page, pages := p.url+"/o/many/", 1; ; pages++ { // as a person would, with links
			links := linksOf(t, page)
			next := slices.IndexFunc(links, func(l string) bool { return strings.Contains(l, "continuation-token=") })
			if next < 0 {
				if pages != 2 {
					t.Errorf("%d pages of HTML", pages)
				}
				break
			}
			page = links[next]
		}
	})
}

// putAll stores a small object under each key, several at a time.
func (o *s3target) putAll(keys []string) {
	o.t.Helper()
	next := make(chan string)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for key := range next {
				if status := o.tryPut(key, []byte(key)); status != 200 {
					o.t.Errorf("PUT %q: status %d", key, status)
				}
			}
		})
	}
	for _, key := range keys {
		next <- key
	}
	close(next)
	wait.Wait()
}

// TestE2EListLevels rolls keys up at slashes and describes objects.
func TestE2EListLevels(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		p := o.proxy("list: {enabled: true}")
		if l := listJSON(t, p.url+"/o/"); len(l.Objects) != 0 || len(l.Prefixes) != 0 || l.Next != "" || l.Objects == nil || l.Prefixes == nil {
			t.Errorf("an empty bucket has %+v, want empty lists", l)
		}
		o.putAll([]string{"a.txt", "b.txt", "dir/1.txt", "dir/2.txt", "dir/sub/3.txt", "dir.txt", "other/4.txt"})
		f := func(path, prefix string, prefixes, objects string) {
			t.Helper()
			l := listJSON(t, p.url+path)
			if l.Prefix != prefix || strings.Join(l.Prefixes, " ") != prefixes || strings.Join(l.keys(), " ") != objects || l.Next != "" {
				t.Errorf("%s: %+v", path, l)
			}
			sameHead(t, p.url+path, "Accept", "application/json")
			sameHead(t, p.url+path, "Accept", "text/html")
		}
		f("/o/", "", "dir/ other/", "a.txt b.txt dir.txt")
		f("/o", "", "dir/ other/", "a.txt b.txt dir.txt")
		f("/o/dir/", "dir/", "dir/sub/", "dir/1.txt dir/2.txt")
		f("/o/dir/sub/", "dir/sub/", "", "dir/sub/3.txt")
		one := listJSON(t, p.url+"/o/dir/sub/").Objects[0]
		resp, _ := fetch(t, "HEAD", p.url+"/o/dir/sub/3.txt")
		modified, err := http.ParseTime(resp.Header.Get("Last-Modified"))
		if err != nil || one.Size != 13 || !one.LastModified.Truncate(time.Second).Equal(modified) || one.ETag != resp.Header.Get("Etag") {
			t.Errorf("the listing has %+v, HEAD %v", one, resp.Header)
		}
		for _, path := range []string{"/o/missing/", "/o/dir/1.txt/", "/o/di/", "/o/dir//"} {
			resp, body := fetch(t, "GET", p.url+path)
			wantError(t, resp, body, 404)
		}
		for _, query := range []string{"max-keys=x", "max-keys=-1", "max-keys=5000", "continuation-token=%3Cnonsense%3E", "max-keys=99999999999999999999"} {
			resp, body := fetch(t, "GET", p.url+"/o/?"+query)
			if resp.StatusCode != 200 {
				wantError(t, resp, body, 400)
			}
		}
		resp, body := fetch(t, "GET", o.proxy().url+"/o/")
		wantError(t, resp, body, 404) // not enabled
	})
}

// TestE2EListMixedPages has pages of prefixes and objects, each of which comes once.
func TestE2EListMixedPages(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		var keys, want []string
		for i := range 20 {
			keys = append(keys, fmt.Sprintf("top/%02d/x", i), fmt.Sprintf("top/%02d/y", i), fmt.Sprintf("top/%02d.txt", i))
			want = append(want, fmt.Sprintf("top/%02d.txt", i), fmt.Sprintf("top/%02d/", i))
		}
		o.putAll(keys)
		p := o.proxy("list: {enabled: true}")
		for _, size := range []int{1, 7, 39, 40, 41} {
			var got []string
			query := fmt.Sprintf("?max-keys=%d", size)
			for pages := 0; pages < 50 && query != ""; pages++ {
				l := listJSON(t, p.url+"/o/top/"+query)
				if n := len(l.Objects) + len(l.Prefixes); n > size {
					t.Errorf("a page of %d has %d", size, n)
				}
				got = append(append(got, l.keys()...), l.Prefixes...)
				if query = ""; l.Next != "" {
					query = "?" + l.Next
				}
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("in pages of %d: %q", size, got)
			}
		}
	})
}

// TestE2EListFormats chooses by Accept (RFC 9110, section 12.5.1).
func TestE2EListFormats(t *testing.T) {
	eachTarget(t, func(t *testing.T, o *s3target) {
		o.put("a.txt", []byte("a"))
		p := o.proxy("list: {enabled: true}")
		f := func(accept, want string) {
			t.Helper()
			resp, _ := fetch(t, "GET", p.url+"/o/", "Accept", accept)
			if got, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";"); resp.StatusCode != 200 || got != want {
				t.Errorf("Accept: %s gives %d %q", accept, resp.StatusCode, got)
			}
			if !strings.Contains(strings.Join(resp.Header.Values("Vary"), ","), "Accept") {
				t.Errorf("Accept: %s gives Vary %q", accept, resp.Header.Values("Vary"))
			}
		}
		f("application/json", "application/json")
		f("application/json; charset=utf-8", "application/json")
		f("Application/JSON", "application/json")
		f("text/html", "text/html")
		f("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html") // a browser's
		f("text/html;q=0.5, application/json", "application/json")
		f("application/json;q=0.5, text/html", "text/html")
		f("application/json;q=0, text/html", "text/html")
	})
}
