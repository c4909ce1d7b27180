package origin

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"yatagarasu/sigv4"
)

// listDocument bounds a page: 1,000 keys of at most 1,024 bytes, each byte escaped to three, with their metadata.
const listDocument = 8 << 20

// Page is one page of a listing.
type Page struct {
	Objects  []Entry
	Prefixes []string // what lies deeper, rolled up at the delimiter
	Next     string   // the continuation token of the page after it; "" = none
}

// Entry is one object of a listing.
type Entry struct {
	Key          string
	Size         int64
	ETag         string
	LastModified time.Time
}

// ListRequest asks for one page.
type ListRequest struct {
	Prefix    string
	Delimiter string
	Token     string // Page.Next of the page before
	MaxKeys   int    // 1 to 1000; 0 = S3's default of 1000
	Gone      func() bool
}

// StatusError is an answer of S3 that is not what was asked for.
type StatusError struct {
	Status int
	Code   string
}

// Error returns the status and the code.
func (e *StatusError) Error() string { return fmt.Sprintf("S3 answered %d %s", e.Status, e.Code) }

// List returns one page of keys ("ListObjectsV2", Amazon S3 API Reference). The error is an *Error or a
// *StatusError.
func (c *Client) List(r ListRequest) (*Page, error) {
	params := []sigv4.Param{
		// Keys may hold characters that XML cannot.
		{Name: "encoding-type", Value: "url"}, {Name: "list-type", Value: "2"}, {Name: "prefix", Value: r.Prefix},
	}
	add := func(name, value string) {
		if value != "" {
			params = append(params, sigv4.Param{Name: name, Value: value})
		}
	}
	add("delimiter", r.Delimiter)
	add("continuation-token", r.Token)
	if r.MaxKeys > 0 {
		add("max-keys", strconv.Itoa(r.MaxKeys))
	}
	resp, err := c.Do(&Request{Method: "GET", Query: params, Gone: r.Gone})
	if err != nil {
		return nil, err
	}
	defer resp.Close()
	document, err := resp.ReadDocument(listDocument)
	if resp.Status() != 200 {
		return nil, &StatusError{Status: resp.Status(), Code: Code(document)}
	}
	if err != nil {
		return nil, err
	}
	return parsePage(document)
}

// parsePage reads a ListBucketResult.
func parsePage(document []byte) (*Page, error) {
	var result struct {
		XMLName  xml.Name `xml:"ListBucketResult"`
		Encoding string   `xml:"EncodingType"`
		Contents []struct {
			Key          string
			Size         int64
			ETag         string
			LastModified time.Time
		}
		CommonPrefixes        []struct{ Prefix string }
		IsTruncated           bool
		NextContinuationToken string
	}
	if err := xml.Unmarshal(document, &result); err != nil {
		return nil, fail(ReasonMalformed, fmt.Errorf("cannot read the listing: %w", err))
	}
	if result.IsTruncated && result.NextContinuationToken == "" {
		return nil, fail(ReasonMalformed, errors.New("the listing is truncated and names no next page"))
	}
	decode := func(s string) (string, error) { return s, nil }
	if result.Encoding == "url" {
		decode = url.QueryUnescape
	}
	page := &Page{Next: result.NextContinuationToken}
	if !result.IsTruncated {
		page.Next = ""
	}
	for _, c := range result.Contents {
		key, err := decode(c.Key)
		if err != nil {
			return nil, fail(ReasonMalformed, err)
		}
		page.Objects = append(page.Objects, Entry{Key: key, Size: c.Size, ETag: c.ETag, LastModified: c.LastModified})
	}
	for _, p := range result.CommonPrefixes {
		prefix, err := decode(p.Prefix)
		if err != nil {
			return nil, fail(ReasonMalformed, err)
		}
		page.Prefixes = append(page.Prefixes, prefix)
	}
	return page, nil
}
