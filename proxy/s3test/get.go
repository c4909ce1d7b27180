package s3test

import (
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// overrides are the fields that a signed GET may set in its own answer:
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
var overrides = map[string]string{
	"response-content-type":        "Content-Type",
	"response-content-language":    "Content-Language",
	"response-expires":             "Expires",
	"response-cache-control":       "Cache-Control",
	"response-content-disposition": "Content-Disposition",
	"response-content-encoding":    "Content-Encoding",
}

// answerObject is GetObject and HeadObject.
func (s *Server) answerObject(r *http.Request, t *target, obj *object, f *Fault, verdict string) (reply, *s3Error) {
	h := make(http.Header, len(obj.header)+6)
	maps.Copy(h, obj.header)
	for _, p := range t.params {
		field := overrides[p.name]
		if field == "" {
			continue
		}
		if verdict != "signed" {
			return reply{}, &s3Error{400, "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.", nil}
		}
		h[field] = []string{p.value}
	}
	notModified, refusal := obj.precondition(r.Header)
	if refusal != nil {
		return reply{}, refusal
	}
	if notModified || f.Force304 {
		// RFC 9110 section 15.4.5: what describes the absent body stays away.
		for name := range h {
			if strings.HasPrefix(name, "Content-") {
				delete(h, name)
			}
		}
		return reply{status: http.StatusNotModified, header: h}, nil
	}
	first, n, ranged, refusal := obj.rangeOf(r.Header, s.IfRange)
	if refusal != nil && !f.ForceStatus200ForRange {
		return reply{}, refusal
	}
	if !ranged || f.ForceStatus200ForRange {
		return reply{status: http.StatusOK, header: h, body: obj.body}, nil
	}
	h["Content-Range"] = []string{fmt.Sprintf("bytes %d-%d/%d", first, first+n-1, obj.body.n)}
	return reply{status: http.StatusPartialContent, header: h, body: obj.body.section(first, n)}, nil
}

// precondition follows the GetObject document: If-Match true beats
// If-Unmodified-Since false, and If-None-Match false beats If-Modified-Since
// true. Each tag field holds one tag; S3 documents no list.
func (obj *object) precondition(h http.Header) (notModified bool, refusal *s3Error) {
	if tag := h.Get("If-Match"); tag != "" {
		if !obj.tagged(tag) {
			return false, preconditionFailed("If-Match")
		}
	} else if since, ok := httpTime(h.Get("If-Unmodified-Since")); ok && obj.modifiedAfter(since) {
		return false, preconditionFailed("If-Unmodified-Since")
	}
	if tag := h.Get("If-None-Match"); tag != "" {
		return obj.tagged(tag), nil
	}
	since, ok := httpTime(h.Get("If-Modified-Since"))
	return ok && !obj.modifiedAfter(since), nil
}

// tagged compares one tag, quoted or bare as S3 allows.
func (obj *object) tagged(tag string) bool {
	return tag == "*" || tag == obj.etag || `"`+tag+`"` == obj.etag
}

// modifiedAfter compares whole seconds: HTTP dates have no more.
func (obj *object) modifiedAfter(t time.Time) bool {
	return obj.modified.Truncate(time.Second).After(t)
}

func httpTime(value string) (time.Time, bool) {
	if value == "" {
		return time.Time{}, false
	}
	t, err := http.ParseTime(value)
	return t, err == nil
}

// rangeOf reads Range. S3 serves one range; several, or a malformed one, get
// the whole object (RFC 9110 section 14.2 lets a server ignore Range).
func (obj *object) rangeOf(h http.Header, ifRange bool) (first, n int64, ranged bool, refusal *s3Error) {
	value := h.Get("Range")
	first, last, ok := parseRange(value)
	if !ok || ifRange && !obj.unchanged(h.Get("If-Range")) {
		return 0, 0, false, nil
	}
	size := obj.body.n
	if first < 0 { // the last so many bytes
		first, last = max(0, size-last), size-1
	}
	if last < 0 || last >= size {
		last = size - 1
	}
	if first > last || size == 0 {
		// AWS answers without Content-Range, against RFC 9110 section 15.5.17.
		return 0, 0, false, &s3Error{416, "InvalidRange", "The requested range is not satisfiable",
			[]string{"RangeRequested", value, "ActualObjectSize", strconv.FormatInt(size, 10)}}
	}
	return first, last - first + 1, true, nil
}

// parseRange reads bytes=first-last, bytes=first- (last is -1) and bytes=-n
// (first is -1, last is n).
func parseRange(value string) (first, last int64, ok bool) {
	unit, spec, _ := strings.Cut(value, "=")
	if !strings.EqualFold(unit, "bytes") {
		return 0, 0, false
	}
	a, b, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !dash || a == "" && b == "" {
		return 0, 0, false
	}
	first, last = -1, -1
	if a != "" {
		if first, ok = digits(a); !ok {
			return 0, 0, false
		}
	}
	if b != "" {
		if last, ok = digits(b); !ok {
			return 0, 0, false
		}
	}
	if a != "" && b != "" && last < first {
		return 0, 0, false
	}
	return first, last, true
}

// digits reads 1*DIGIT; a number too big for int64 means the same as the
// biggest.
func digits(s string) (int64, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, _ := strconv.ParseInt(s, 10, 64)
	return n, true
}

// unchanged judges If-Range (RFC 9110 section 13.1.5).
func (obj *object) unchanged(value string) bool {
	if value == "" {
		return true
	}
	if t, ok := httpTime(value); ok {
		return obj.modified.Truncate(time.Second).Equal(t)
	}
	return value == obj.etag
}
