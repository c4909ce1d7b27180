package proxy

import (
	"bytes"
	"time"

	"github.com/valyala/fasthttp"
)

// preconditions are a request's If-* fields (RFC 9110, section 13.1), but If-Range, which belongs to ranges.
type preconditions struct {
	ifMatch, ifNoneMatch     []byte
	modified, unmodified     time.Time // If-Modified-Since, If-Unmodified-Since; zero when absent or no valid date
	hasIfMatch, hasNoneMatch bool
}

// verdict is what preconditions say of a representation.
type verdict uint8

const (
	proceed verdict = iota
	notModified
	failed
)

func parsePreconditions(h *fasthttp.RequestHeader) (p preconditions) {
	p.ifMatch, p.hasIfMatch = fieldValue(h, "If-Match")
	p.ifNoneMatch, p.hasNoneMatch = fieldValue(h, "If-None-Match")
	// RFC 9110, sections 13.1.3 and 13.1.4: the dates count for nothing beside the entity tags, nor when invalid.
	if !p.hasIfMatch {
		p.unmodified = dateOf(h.Peek("If-Unmodified-Since"))
	}
	if !p.hasNoneMatch {
		p.modified = dateOf(h.Peek("If-Modified-Since"))
	}
	return p
}

// any tells whether there is something to evaluate.
func (p *preconditions) any() bool {
	return p.hasIfMatch || p.hasNoneMatch || !p.modified.IsZero() || !p.unmodified.IsZero()
}

// evaluate follows the order of RFC 9110, section 13.2.2, for GET and HEAD on a representation that exists.
func (p *preconditions) evaluate(etag []byte, lastModified time.Time) verdict {
	switch {
	case p.hasIfMatch:
		if !matchTag(p.ifMatch, etag, strongMatch) {
			return failed
		}
	case !p.unmodified.IsZero() && !lastModified.IsZero() && lastModified.After(p.unmodified):
		return failed
	}
	switch {
	case p.hasNoneMatch:
		if matchTag(p.ifNoneMatch, etag, weakMatch) {
			return notModified
		}
	case !p.modified.IsZero() && !lastModified.IsZero() && !lastModified.After(p.modified):
		return notModified
	}
	return proceed
}

// appendForOrigin writes the one precondition that every S3 evaluates alike, so that it need not send the object: a
// single tag, or If-Modified-Since, with nothing beside it. S3 servers differ on the order of several, on lists and
// on fractions of seconds in If-Unmodified-Since, so all else is for evaluate alone.
func (p *preconditions) appendForOrigin(dst []byte) []byte {
	match, noneMatch := singleTag(p.ifMatch), singleTag(p.ifNoneMatch)
	beside := !p.modified.IsZero() || !p.unmodified.IsZero()
	switch {
	case p.hasIfMatch && !p.hasNoneMatch && !beside && match != nil && match[0] == '"':
		return appendField(dst, "If-Match", match)
	case p.hasNoneMatch && !p.hasIfMatch && !beside && noneMatch != nil:
		// Weak comparison ignores the mark (RFC 9110, section 8.8.3.2), and S3 knows strong tags only.
		return appendField(dst, "If-None-Match", bytes.TrimPrefix(noneMatch, []byte("W/")))
	case !p.modified.IsZero() && !p.hasIfMatch && p.unmodified.IsZero():
		return append(fasthttp.AppendHTTPDate(append(dst, "If-Modified-Since: "...), p.modified), "\r\n"...)
	}
	return dst
}

// strongMatch and weakMatch are the two comparisons of RFC 9110, section 8.8.3.2.
func strongMatch(a, b []byte) bool {
	return len(a) > 0 && a[0] == '"' && bytes.Equal(a, b)
}

func weakMatch(a, b []byte) bool {
	return bytes.Equal(bytes.TrimPrefix(a, []byte("W/")), bytes.TrimPrefix(b, []byte("W/")))
}

// matchTag tells whether a list of tags, or "*", covers etag. What is no list of tags covers nothing.
func matchTag(list, etag []byte, equal func(a, b []byte) bool) bool {
	if string(bytes.TrimSpace(list)) == "*" {
		return true
	}
	if len(etag) == 0 {
		return false
	}
	for tag, rest := nextTag(list); tag != nil; tag, rest = nextTag(rest) {
		if equal(tag, etag) {
			return true
		}
	}
	return false
}

// singleTag returns the only entity tag of a list, or nil.
func singleTag(list []byte) []byte {
	tag, rest := nextTag(list)
	if next, _ := nextTag(rest); next != nil || len(bytes.Trim(rest, " \t,")) > 0 {
		return nil
	}
	return tag
}

// nextTag splits the first entity tag off a list: optional W/, then quotes around anything but quotes and controls
// (RFC 9110, section 8.8.3). It returns nil when the list is empty or broken there.
func nextTag(list []byte) (tag, rest []byte) {
	list = bytes.TrimLeft(list, " \t,")
	at := 0
	if bytes.HasPrefix(list, []byte("W/")) {
		at = 2
	}
	if at >= len(list) || list[at] != '"' {
		return nil, nil
	}
	for i := at + 1; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			return list[:i+1], list[i+1:]
		case c < 0x21 || c == 0x7f:
			return nil, nil
		}
	}
	return nil, nil
}

// fieldValue returns a list field's value, its lines joined as RFC 9110, section 5.3, says.
func fieldValue(h *fasthttp.RequestHeader, name string) ([]byte, bool) {
	lines := h.PeekAll(name)
	switch len(lines) {
	case 0:
		return nil, false
	case 1:
		return lines[0], true
	}
	return bytes.Join(lines, []byte(", ")), true
}

// dateOf parses an HTTP-date in any of its three forms (RFC 9110, section 5.6.7); zero when it is none.
func dateOf(v []byte) time.Time {
	if len(v) == 0 {
		return time.Time{}
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, string(v)); err == nil {
			return t
		}
	}
	return time.Time{}
}

var dateLayouts = [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}

func appendField(dst []byte, name string, value []byte) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}
