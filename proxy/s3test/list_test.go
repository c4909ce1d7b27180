package s3test

import (
	"encoding/xml"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
)

type listBucketResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name, Prefix          string
	Delimiter, StartAfter string
	EncodingType          string
	ContinuationToken     string
	NextContinuationToken string
	KeyCount, MaxKeys     int
	IsTruncated           bool
	Contents              []struct {
		Key, LastModified, ETag, StorageClass string
		Size                                  int64
	}
	CommonPrefixes []struct{ Prefix string }
}

// names lists keys, then common prefixes.
func (r *listBucketResult) names() string {
	var out []string
	for _, c := range r.Contents {
		out = append(out, c.Key)
	}
	for _, p := range r.CommonPrefixes {
		out = append(out, p.Prefix)
	}
	return strings.Join(out, " ")
}

func list(t *testing.T, s *Server, query string) *listBucketResult {
	t.Helper()
	a := get(t, s, "GET", "/b?list-type=2&"+query)
	check(t, a, 200)
	r := &listBucketResult{}
	if err := xml.Unmarshal([]byte(a.body), r); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	if r.KeyCount != len(r.Contents)+len(r.CommonPrefixes) {
		t.Errorf("KeyCount %d with %s", r.KeyCount, r.names())
	}
	return r
}

func TestList(t *testing.T) {
	s := public(t)
	for _, key := range []string{"z", "a/1", "a/2", "a/b/3", "b", "a-", "B", "c/d/e", "é"} {
		s.Put("b", key, Object{Body: []byte(key), LastModified: modified})
	}
	f := func(query, want string) *listBucketResult {
		t.Helper()
		r := list(t, s, query)
		if r.names() != want {
			t.Errorf("%s: %s, want %s", query, r.names(), want)
		}
		return r
	}
	r := f("", "B a- a/1 a/2 a/b/3 b c/d/e z é")
	if c := r.Contents[0]; c.LastModified != "2026-01-02T03:04:05.678Z" || c.Size != 1 || c.StorageClass != "STANDARD" || len(c.ETag) != 34 {
		t.Errorf("%+v", c)
	}
	if r.MaxKeys != 1000 || r.IsTruncated || r.Name != "b" {
		t.Errorf("%+v", r)
	}
	f("prefix=a", "a- a/1 a/2 a/b/3")
	f("prefix=a/&delimiter=/", "a/1 a/2 a/b/")
	f("delimiter=/", "B a- b z é a/ c/")
	f("delimiter=b/", "B a- a/1 a/2 b c/d/e z é a/b/")
	f("prefix=none", "")
	f("prefix=zz", "")
	f("start-after=a/2", "a/b/3 b c/d/e z é")
	f("start-after=a/2&prefix=a/", "a/b/3")
	f("start-after=zz", "é")
	f("max-keys=0", "")
	if r := f("max-keys=9", "B a- a/1 a/2 a/b/3 b c/d/e z é"); r.IsTruncated {
		t.Error("the last page claims more")
	}
	if r := f("max-keys=5000", "B a- a/1 a/2 a/b/3 b c/d/e z é"); r.MaxKeys != 1000 {
		t.Errorf("MaxKeys %d", r.MaxKeys)
	}
	if a := get(t, s, "GET", "/b/?list-type=2"); !strings.Contains(a.body, `<ETag>&quot;`) || a.Header.Get("Content-Type") != "application/xml" {
		t.Errorf("%v %s", a.Header, a.body)
	}
	for _, q := range []string{"max-keys=-1", "max-keys=x", "encoding-type=base64", "continuation-token=%25", "continuation-token="} {
		check(t, get(t, s, "GET", "/b?list-type=2&"+q), 400, "<Code>InvalidArgument</Code>")
	}
	s.Put("b", "new", Object{})
	s.Delete("b", "z")
	f("", "B a- a/1 a/2 a/b/3 b c/d/e new é")
}

// Pages of every size hold every name once, in order.
func TestListPages(t *testing.T) {
	s := public(t)
	for i := range 30 {
		s.Put("b", fmt.Sprintf("%d/%02d", i%4, i), Object{})
		s.Put("b", fmt.Sprintf("key %02d", i), Object{})
	}
	for _, query := range []string{"", "delimiter=/", "prefix=1/", "delimiter=1"} {
		whole := list(t, s, query)
		want := strings.Fields(whole.names())
		slices.Sort(want)
		for size := 1; size < 12; size++ {
			var got []string
			token, pages := "", 0
			for {
				q := fmt.Sprintf("%s&max-keys=%d", query, size)
				if token != "" {
					q += "&continuation-token=" + url.QueryEscape(token)
				}
				r := list(t, s, q)
				got = append(got, strings.Fields(r.names())...)
				if r.ContinuationToken != token || r.IsTruncated != (r.NextContinuationToken != "") || r.KeyCount > size {
					t.Fatalf("%s: %+v", q, r)
				}
				if pages++; !r.IsTruncated || pages > len(want) {
					break
				}
				token = r.NextContinuationToken
			}
			slices.Sort(got)
			if !slices.Equal(got, want) || pages != (whole.KeyCount+size-1)/size {
				t.Errorf("%q by %d: %d names in %d pages", query, size, len(got), pages)
			}
		}
	}
}

func TestListEncoding(t *testing.T) {
	s := public(t)
	keys := []string{"\x01", "a b+c/d~(3).png", "é&<>*"}
	for _, key := range keys {
		s.Put("b", key, Object{})
	}
	r := list(t, s, "encoding-type=url")
	if got := r.names(); got != "%01 a+b%2Bc/d%7E%283%29.png %C3%A9%26%3C%3E*" || r.EncodingType != "url" {
		t.Errorf("%s, %s", got, r.EncodingType)
	}
	for i, c := range r.Contents {
		if key, err := url.QueryUnescape(c.Key); err != nil || key != keys[i] {
			t.Errorf("%q decodes to %q", c.Key, key)
		}
	}
	if r := list(t, s, "prefix=a%20b%2B"); r.names() != keys[1] || r.Prefix != "a b+" {
		t.Errorf("%+v", r)
	}
}
