package s3test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// target is what a request asks for.
type target struct {
	bucket, key string
	path        string // of the request, decoded once
	params      []param
	query       map[string][]string
}

func (t *target) param(name string) string {
	if v := t.query[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (t *target) has(name string) bool {
	_, ok := t.query[name]
	return ok
}

// locate reads the raw request target. Nothing is normalised: "//", "." and
// ".." are bytes of a key like any other.
func (s *Server) locate(r *http.Request) (t target, refusal *s3Error) {
	raw := r.RequestURI
	if !strings.HasPrefix(raw, "/") { // absolute-form, RFC 9112 section 3.2.2
		_, raw, _ = strings.Cut(raw, "://")
		if i := strings.IndexAny(raw, "/?"); i >= 0 {
			raw = raw[i:]
		} else {
			raw = ""
		}
		if !strings.HasPrefix(raw, "/") {
			raw = "/" + raw
		}
	}
	path, query, _ := strings.Cut(raw, "?")
	var ok1, ok2 bool
	t.path, ok1 = unescape(path)
	t.params, ok2 = parseQuery(query)
	if !ok1 || !ok2 || !utf8.ValidString(t.path) {
		return t, errInvalidURI
	}
	if len(t.params) > 0 {
		t.query = make(map[string][]string, len(t.params))
		for _, p := range t.params {
			t.query[p.name] = append(t.query[p.name], p.value)
		}
	}
	t.key = t.path[1:]
	if t.bucket = s.virtualBucket(r.Host); t.bucket == "" {
		t.bucket, t.key, _ = strings.Cut(t.key, "/")
	}
	return t, nil
}

// virtualBucket is the bucket that a virtual-hosted request names in Host:
// bucket.anything, where the bucket exists and Host is no IP address.
func (s *Server) virtualBucket(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return ""
	}
	return s.store.bucketOfHost(strings.ToLower(host))
}

// framing is how the end of a body is told.
type framing int

const (
	byLength framing = iota
	byChunks
	byClose
)

// reply is an answer before it is sent.
type reply struct {
	status  int
	header  http.Header
	body    body
	framing framing
}

// hasBody follows RFC 9110 section 6.4.1, HEAD aside.
func (r *reply) hasBody() bool {
	return r.status >= 200 && r.status != http.StatusNoContent && r.status != http.StatusNotModified
}

// subresources are queries that make S3 answer something else than the object
// or a listing. A proxy that lets one through would not serve what it thinks.
var subresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "encryption", "inventory", "legal-hold", "lifecycle",
	"location", "logging", "metrics", "notification", "object-lock", "ownershipControls", "partNumber", "policy",
	"policyStatus", "publicAccessBlock", "replication", "requestPayment", "retention", "tagging", "torrent",
	"uploadId", "uploads", "versioning", "versions", "website",
}

// answer is what S3 says to a request that passed verification.
func (s *Server) answer(r *http.Request, t *target, f *Fault, verdict string) (reply, *s3Error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return reply{}, &s3Error{405, "MethodNotAllowed", "The specified method is not allowed against this resource.",
			[]string{"Method", r.Method, "ResourceType", "OBJECT"}}
	}
	if t.bucket == "" {
		return reply{}, notImplemented("ListBuckets")
	}
	if !s.store.has(t.bucket) {
		return reply{}, noSuchBucket(t.bucket)
	}
	for _, name := range subresources {
		if t.has(name) {
			return reply{}, notImplemented(name)
		}
	}
	if t.key == "" {
		return s.answerBucket(r, t)
	}
	if n := len(t.key); n > 1024 {
		return reply{}, &s3Error{400, "KeyTooLongError", "Your key is too long",
			[]string{"Size", strconv.Itoa(n), "MaxSizeAllowed", "1024"}}
	}
	obj := s.store.get(t.bucket, t.key)
	if obj == nil {
		return reply{}, noSuchKey(t.key)
	}
	if id := t.param("versionId"); id != "" {
		if obj.versions[id] == nil {
			return reply{}, noSuchVersion(t.key, id)
		}
		obj = obj.versions[id]
	}
	return s.answerObject(r, t, obj, f, verdict)
}

func (s *Server) answerBucket(r *http.Request, t *target) (reply, *s3Error) {
	if r.Method == http.MethodHead {
		return reply{status: 200, header: http.Header{
			"Content-Type":        {"application/xml"},
			"x-amz-bucket-region": {s.region()},
		}}, nil
	}
	if t.param("list-type") != "2" {
		return reply{}, notImplemented("ListObjects") // version 1
	}
	page, refusal := s.listObjects(t)
	if refusal != nil {
		return reply{}, refusal
	}
	return reply{
		status:  200,
		header:  http.Header{"Content-Type": {"application/xml"}, "x-amz-bucket-region": {s.region()}},
		body:    body{bytes: page, n: int64(len(page))},
		framing: byChunks,
	}, nil
}

// identify sets the fields that every answer of S3 has.
func (s *Server) identify(h http.Header) (requestID, hostID string) {
	requestID = fmt.Sprintf("%016X", rand.Uint64())
	hostID = fmt.Sprintf("%016x%s", rand.Uint64(), requestID)
	h["x-amz-request-id"] = []string{requestID}
	h["x-amz-id-2"] = []string{hostID}
	h["Server"] = []string{"AmazonS3"}
	h["Date"] = []string{s.now().UTC().Format(http.TimeFormat)}
	return requestID, hostID
}

// refuse turns an error into an answer. Like AWS it sends the XML in chunks.
func refuse(e *s3Error, h http.Header, requestID, hostID string) reply {
	xml := e.xml(requestID, hostID)
	h["Content-Type"] = []string{"application/xml"}
	if e.status == http.StatusMethodNotAllowed {
		h["Allow"] = []string{"GET, HEAD"}
	}
	return reply{status: e.status, header: h, body: body{bytes: xml, n: int64(len(xml))}, framing: byChunks}
}
