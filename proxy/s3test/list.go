package s3test

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// listing is one ListObjectsV2 request:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
type listing struct {
	bucket, prefix, delimiter string
	startAfter, token         string // as sent
	after                     string // the last key or common prefix of the page before
	maxKeys                   int
	encode                    bool // encoding-type=url
}

// page is a listing's answer. prefixes and keys count as one towards max-keys.
type page struct {
	keys     []string
	prefixes []string
	last     string // the greatest of both
	more     bool
}

func (s *Server) listObjects(t *target) ([]byte, *s3Error) {
	l, refusal := parseListing(t)
	if refusal != nil {
		return nil, refusal
	}
	p := l.page(s.store.keys(t.bucket))
	return s.listXML(l, p), nil
}

func parseListing(t *target) (listing, *s3Error) {
	l := listing{
		bucket:     t.bucket,
		prefix:     t.param("prefix"),
		delimiter:  t.param("delimiter"),
		startAfter: t.param("start-after"),
		token:      t.param("continuation-token"),
		maxKeys:    1000,
	}
	l.after = l.startAfter
	if t.has("continuation-token") {
		after, err := base64.URLEncoding.DecodeString(l.token)
		if err != nil || len(after) == 0 {
			return l, invalidArgument("The continuation token provided is incorrect", "continuation-token", l.token)
		}
		l.after = string(after)
	}
	if v := t.param("max-keys"); v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 0 {
			return l, invalidArgument("Provided max-keys not an integer or within integer range", "max-keys", v)
		}
		l.maxKeys = min(int(n), 1000)
	}
	switch v := t.param("encoding-type"); v {
	case "":
	case "url":
		l.encode = true
	default:
		return l, invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", v)
	}
	return l, nil
}

// page walks the sorted keys from where the page before ended.
func (l *listing) page(keys []string) page {
	var p page
	i, _ := slices.BinarySearch(keys, max(l.prefix, l.after))
	for i < len(keys) && strings.HasPrefix(keys[i], l.prefix) {
		key := keys[i]
		common := l.commonPrefix(key)
		if key == l.after || common != "" && common == l.after {
			i++ // the page before had it
			continue
		}
		if len(p.keys)+len(p.prefixes) == l.maxKeys {
			p.more = l.maxKeys > 0
			return p
		}
		if common == "" {
			p.keys = append(p.keys, key)
			p.last = key
			i++
			continue
		}
		p.prefixes = append(p.prefixes, common)
		p.last = common
		for i < len(keys) && strings.HasPrefix(keys[i], common) {
			i++
		}
	}
	return p
}

// commonPrefix is the key up to the first delimiter after the prefix, or empty.
func (l *listing) commonPrefix(key string) string {
	if l.delimiter == "" {
		return ""
	}
	i := strings.Index(key[len(l.prefix):], l.delimiter)
	if i < 0 {
		return ""
	}
	return key[:len(l.prefix)+i+len(l.delimiter)]
}

func (s *Server) listXML(l listing, p page) []byte {
	var b strings.Builder
	b.WriteString(xmlDeclaration + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	element(&b, "Name", l.bucket)
	element(&b, "Prefix", l.text(l.prefix))
	if l.startAfter != "" {
		element(&b, "StartAfter", l.text(l.startAfter))
	}
	if l.token != "" {
		element(&b, "ContinuationToken", l.token)
	}
	if p.more {
		element(&b, "NextContinuationToken", base64.URLEncoding.EncodeToString([]byte(p.last)))
	}
	element(&b, "KeyCount", strconv.Itoa(len(p.keys)+len(p.prefixes)))
	element(&b, "MaxKeys", strconv.Itoa(l.maxKeys))
	if l.delimiter != "" {
		element(&b, "Delimiter", l.text(l.delimiter))
	}
	if l.encode {
		element(&b, "EncodingType", "url")
	}
	element(&b, "IsTruncated", strconv.FormatBool(p.more))
	for _, key := range p.keys {
		obj := s.store.get(l.bucket, key)
		if obj == nil {
			continue // deleted a moment ago
		}
		b.WriteString("<Contents>")
		element(&b, "Key", l.text(key))
		element(&b, "LastModified", obj.modified.UTC().Format("2006-01-02T15:04:05.000Z"))
		element(&b, "ETag", obj.etag)
		element(&b, "Size", strconv.FormatInt(obj.body.n, 10))
		element(&b, "StorageClass", "STANDARD")
		b.WriteString("</Contents>")
	}
	for _, prefix := range p.prefixes {
		b.WriteString("<CommonPrefixes>")
		element(&b, "Prefix", l.text(prefix))
		b.WriteString("</CommonPrefixes>")
	}
	b.WriteString("</ListBucketResult>")
	return []byte(b.String())
}

// text encodes a key as encoding-type=url asks: form encoding, so that a space
// is "+", but with "/" and "*" kept, which is what AWS and MinIO send.
func (l *listing) text(s string) string {
	if !l.encode {
		return s
	}
	return listEncoding.Replace(url.QueryEscape(s))
}

var listEncoding = strings.NewReplacer("%2F", "/", "%2A", "*", "~", "%7E")
