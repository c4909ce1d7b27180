package proxy

import (
	"bytes"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/config"
	"yatagarasu/proxy/origin"
	"yatagarasu/sigv4"
)

// bucket is the live form of one configured bucket. It is immutable but for what its parts count and pool.
type bucket struct {
	config  config.Bucket
	origin  *origin.Client
	health  *health
	metrics *bucketMetrics
	expose  fieldSet
	forward fieldSet
	query   []string // forward_query
}

func newBucket(c config.Bucket, m *bucketMetrics, previous *bucket) (*bucket, error) {
	b := &bucket{
		config:  c,
		metrics: m,
		expose:  newFieldSet(c.ExposeHeaders),
		forward: newFieldSet(c.S3.ForwardHeaders),
		query:   c.S3.ForwardQuery,
	}
	if previous != nil && sameOrigin(&previous.config.S3, &c.S3) {
		b.origin, b.health = previous.origin, previous.health
		return b, nil
	}
	client, err := origin.New(origin.Options{
		Bucket: c.S3.Bucket, Region: c.S3.Region, Endpoint: c.S3.Endpoint, Addressing: c.S3.Addressing,
		AccessKey: c.S3.AccessKey.Reveal(), SecretKey: c.S3.SecretKey.Reveal(), SessionToken: c.S3.SessionToken.Reveal(),
		Connect: c.S3.Timeouts.Connect, FirstByte: c.S3.Timeouts.FirstByte, Stall: c.S3.Timeouts.Stall,
		MaxConnections: c.S3.MaxConnections, Received: m.originBytes.AddInt64,
	})
	if err != nil {
		return nil, err
	}
	b.origin, b.health = client, newHealth(client)
	return b, nil
}

// sameOrigin tells whether a reload may keep the connections: everything that makes them is unchanged.
func sameOrigin(a, b *config.S3) bool {
	return a.Bucket == b.Bucket && a.Region == b.Region && a.Endpoint == b.Endpoint && a.Addressing == b.Addressing &&
		a.AccessKey == b.AccessKey && a.SecretKey == b.SecretKey && a.SessionToken == b.SessionToken &&
		a.Timeouts == b.Timeouts && a.MaxConnections == b.MaxConnections
}

// exposes tells whether the client may see an origin's response field. name is in canonical case, as fasthttp reads
// it.
func (b *bucket) exposes(name []byte) bool {
	switch string(name) {
	case "Content-Length", "Set-Cookie", "Server", "Date", "Age", "Connection", "Keep-Alive", "Transfer-Encoding", "Trailer", "Upgrade",
		"Te", "Proxy-Authenticate", "X-Request-Id", "X-Cache", "Cache-Status", "Accept-Ranges":
		return false
	case "Etag", "Last-Modified", "Cache-Control", "Expires", "Vary":
		return true
	}
	return bytes.HasPrefix(name, []byte("Content-")) || b.expose.has(name)
}

// appendForwarded appends those of the client's fields that the bucket forwards. However the list is written, what
// authenticates the client to us, frames the message or would be taken for part of the signature stays here.
func (b *bucket) appendForwarded(dst []byte, h *fasthttp.RequestHeader) []byte {
	if b.forward.empty() {
		return dst
	}
	connection := bytes.Join(h.PeekAll("Connection"), []byte(","))
	for name, value := range h.All() {
		if b.forward.has(name) && mayForward(name) && !namedIn(connection, name) {
			dst = append(dst, name...)
			dst = append(dst, ": "...)
			if string(name) == "Referer" {
				value = withoutQuery(value) // a token may be there
			}
			dst = append(dst, value...)
			dst = append(dst, "\r\n"...)
		}
	}
	return dst
}

func mayForward(name []byte) bool {
	for _, c := range name {
		if c <= ' ' || c >= 0x7f {
			return false // fasthttp lets it in, and does not bring it into canonical case
		}
	}
	switch string(name) {
	case "Authorization", "Cookie", "Host", "Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te",
		"Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Expect", "Range", "If-Match", "If-None-Match",
		"If-Modified-Since", "If-Unmodified-Since", "If-Range", "Date":
		return false
	}
	return !bytes.HasPrefix(name, []byte("X-Amz-"))
}

// namedIn tells whether a Connection field makes name hop-by-hop (RFC 9110, section 7.6.1).
func namedIn(connection, name []byte) bool {
	for option := range bytes.SplitSeq(connection, []byte(",")) {
		if bytes.EqualFold(bytes.Trim(option, " \t"), name) {
			return true
		}
	}
	return false
}

// forwardedQuery collects the parameters that go to S3. A parameter given twice is refused: what is signed, what S3
// takes and what a cache is keyed by could differ.
func (b *bucket) forwardedQuery(dst []sigv4.Param, query []byte) ([]sigv4.Param, error) {
	if len(b.query) == 0 || len(query) == 0 {
		return dst, nil
	}
	for pair := range bytes.SplitSeq(query, []byte("&")) {
		rawName, rawValue, _ := bytes.Cut(pair, []byte("="))
		name, err := unescapeQuery(rawName)
		if err != nil {
			return dst, err
		}
		if !slices.Contains(b.query, name) {
			continue
		}
		for _, p := range dst {
			if p.Name == name {
				return dst, badRequest("a forwarded query parameter is given twice")
			}
		}
		value, err := unescapeQuery(rawValue)
		if err != nil {
			return dst, err
		}
		dst = append(dst, sigv4.Param{Name: name, Value: value})
	}
	return dst, nil
}

// unescapeQuery decodes a name or value of a query, where "+" is a space, as S3 itself takes it.
func unescapeQuery(raw []byte) (string, error) {
	out, err := unescape(nil, bytes.ReplaceAll(raw, []byte("+"), []byte("%20")))
	if err != nil {
		return "", badRequest("the query has an invalid percent-escape")
	}
	return string(out), nil
}

// fieldSet is a list of field names and patterns with "*".
type fieldSet struct {
	exact    map[string]bool // canonical case
	patterns []string        // lower case
	all      bool            // a lone "*": everything but x-amz-*
}

func newFieldSet(names []string) fieldSet {
	s := fieldSet{exact: map[string]bool{}}
	for _, name := range names {
		switch {
		case name == "*":
			s.all = true
		case strings.Contains(name, "*"):
			s.patterns = append(s.patterns, strings.ToLower(name))
		default:
			s.exact[string(fasthttp.AppendNormalizedHeaderKey(nil, name))] = true
		}
	}
	return s
}

func (s *fieldSet) empty() bool { return !s.all && len(s.exact) == 0 && len(s.patterns) == 0 }

// has tells whether a field, its name in canonical case, is in the set.
func (s *fieldSet) has(name []byte) bool {
	if s.exact[string(name)] {
		return true
	}
	amz := bytes.HasPrefix(name, []byte("X-Amz-"))
	for _, p := range s.patterns {
		// Of x-amz-* only what is named so: "*-id" does not mean S3's request ids.
		if matchName(p, name) && (!amz || strings.HasPrefix(p, "x-amz-")) {
			return true
		}
	}
	return s.all && !amz
}

// matchName matches a field name of any case against a lower-case pattern in which "*" stands for any run.
func matchName(pattern string, name []byte) bool {
	head, rest, star := strings.Cut(pattern, "*")
	if !star {
		return strings.EqualFold(pattern, string(name))
	}
	if len(name) < len(head) || !strings.EqualFold(head, string(name[:len(head)])) {
		return false
	}
	for name = name[len(head):]; ; name = name[1:] {
		if rest == "" || matchName(rest, name) {
			return true
		}
		if len(name) == 0 {
			return false
		}
	}
}
