package origin

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"yatagarasu/proxy/s3test"
)

func TestListing(t *testing.T) {
	s, c := start(t, func(o *Options) { o.Bucket = "l" })
	var want []string
	for i := range 5 {
		key := fmt.Sprintf("p/a b+%%\x01/日%d", i)
		s.Put("l", key, s3test.Object{Body: make([]byte, i)})
		want = append(want, key)
	}
	s.Put("l", "p/z/deep", s3test.Object{})
	s.Put("l", "q", s3test.Object{})
	var got []string
	token, pages := "", 0
	for ; pages < 10; pages++ {
		page, err := c.List(ListRequest{Prefix: "p/a", Token: token, MaxKeys: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Objects {
			if o.Size != int64(len(got)) || o.ETag == "" || o.LastModified.IsZero() {
				t.Errorf("%+v", o)
			}
			got = append(got, o.Key)
		}
		if token = page.Next; token == "" {
			break
		}
	}
	if pages != 2 || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%d pages more: %q", pages, got)
	}
	page, err := c.List(ListRequest{Prefix: "p/", Delimiter: "/"})
	if err != nil || len(page.Objects) != 0 || strings.Join(page.Prefixes, "|") != "p/a b+%\x01/|p/z/" || page.Next != "" {
		t.Errorf("%+v, %v", page, err)
	}
	page, err = c.List(ListRequest{Prefix: "none"})
	if err != nil || len(page.Objects)+len(page.Prefixes) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	if n := c.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestListingsThatFail(t *testing.T) {
	s, c := start(t, nil)
	document := func(body string) s3test.Fault {
		return s3test.Fault{RawResponse: fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)}
	}
	f := func(fault s3test.Fault, want Reason) {
		t.Helper()
		s.SetFault(func(s3test.Request) *s3test.Fault { return &fault })
		_, err := c.List(ListRequest{})
		wantReason(t, err, want)
	}
	f(s3test.Fault{DropBeforeHeaders: true}, ReasonClosed)
	f(s3test.Fault{Truncate: true, TruncateAt: 50}, ReasonTruncated)
	f(document("nonsense"), ReasonMalformed)
	f(document("<Error/>"), ReasonMalformed)
	f(document("<ListBucketResult>"), ReasonMalformed)
	f(document("<ListBucketResult>"+strings.Repeat(" ", listDocument)+"</ListBucketResult>"), ReasonMalformed)
	status := func(fault s3test.Fault, want StatusError) {
		t.Helper()
		s.SetFault(func(s3test.Request) *s3test.Fault { return &fault })
		_, err := c.List(ListRequest{})
		var got *StatusError
		if !errors.As(err, &got) || *got != want {
			t.Errorf("%v, want %v", err, &want)
		}
	}
	status(s3test.Fault{Status: 403, Code: "AccessDenied"}, StatusError{403, "AccessDenied"})
	status(s3test.Fault{Status: 404, Code: "NoSuchBucket"}, StatusError{404, "NoSuchBucket"})
	status(s3test.Fault{Status: 500, Code: "InternalError", Truncate: true, TruncateAt: 120}, StatusError{500, "InternalError"})
	if n := c.Connections(); n != 0 {
		t.Errorf("%d connections stay", n)
	}
}

// listResult is a document with a key, below it more elements.
func listResult(key, more string) string {
	return `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + more +
		"<Contents><Key>" + key + "</Key><Size>7</Size><ETag>&quot;t&quot;</ETag><LastModified>2026-01-02T03:04:05.000Z</LastModified></Contents></ListBucketResult>"
}

func TestPages(t *testing.T) {
	f := func(document, key, next string, prefixes ...string) {
		t.Helper()
		page, err := parsePage([]byte(document))
		if err != nil || len(page.Objects) != 1 || page.Next != next || strings.Join(page.Prefixes, "|") != strings.Join(prefixes, "|") {
			t.Errorf("%s: %+v, %v", document, page, err)
			return
		}
		if o := page.Objects[0]; o.Key != key || o.Size != 7 || o.ETag != `"t"` || o.LastModified.Year() != 2026 {
			t.Errorf("%s: %+v", document, o)
		}
	}
	const url = "<EncodingType>url</EncodingType>"
	f(listResult("a+b%2Bc", ""), "a+b%2Bc", "") // servers may ignore encoding-type
	f(listResult("a+b%2Bc%01", url), "a b+c\x01", "")
	f(listResult("&lt;&amp;", ""), "<&", "")
	f(listResult("k", "<IsTruncated>true</IsTruncated><NextContinuationToken>n&amp;1</NextContinuationToken>"), "k", "n&1")
	f(listResult("k", "<IsTruncated>false</IsTruncated><NextContinuationToken>n</NextContinuationToken>"), "k", "")
	f(listResult("k", "<CommonPrefixes><Prefix>a%2F</Prefix></CommonPrefixes><CommonPrefixes><Prefix>b+</Prefix></CommonPrefixes>"+url), "k", "", "a/", "b ")
	for _, bad := range []string{"", "<", "<html></html>", listResult("%zz", url), listResult("k", url+"<CommonPrefixes><Prefix>%</Prefix></CommonPrefixes>"),
		listResult("k", "<IsTruncated>true</IsTruncated>"), listResult("k", "<Contents><Size>many</Size></Contents>"),
		listResult("k", "<Contents><LastModified>today</LastModified></Contents>"), listResult("k", "<Contents>")} {
		page, err := parsePage([]byte(bad))
		if page != nil {
			t.Errorf("%s is read as %+v", bad, page)
		}
		wantReason(t, err, ReasonMalformed)
	}
}

func FuzzPage(f *testing.F) {
	f.Add([]byte(listResult("k", "<EncodingType>url</EncodingType>")))
	f.Add([]byte("<ListBucketResult><IsTruncated>true"))
	f.Fuzz(func(t *testing.T, document []byte) {
		page, err := parsePage(document)
		var e *Error
		if (page == nil) != (err != nil) || err != nil && (!errors.As(err, &e) || e.Reason != ReasonMalformed) {
			t.Errorf("%q: %+v, %v", document, page, err)
		}
	})
}

func FuzzCode(f *testing.F) {
	f.Add([]byte("<Error><Code>NoSuchKey</Code>"))
	f.Add([]byte("<Code></Code>"))
	f.Fuzz(func(t *testing.T, document []byte) {
		code := Code(document)
		if len(code) > 64 || !utf8.ValidString(code) || strings.ContainsAny(code, "<>& \r\n\"") {
			t.Errorf("%q has the code %q", document, code)
		}
	})
}
