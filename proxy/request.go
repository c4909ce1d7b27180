package proxy

import (
	"bytes"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
)

// target is a request target taken apart, by our own rules and not by fasthttp's URI, which merges slashes and
// resolves dot segments: distinct S3 keys must stay distinct (RFC 9110, section 4.2.3, leaves both to us).
type target struct {
	raw   []byte // the path as it came, for the log
	path  []byte // percent-decoded once; routing, signing and the key all use this
	query []byte // as it came, without "?"
}

// parseTarget takes the request line's target apart. dst is the space that a decoded path may use.
func parseTarget(h *fasthttp.RequestHeader, maxBytes int, dst []byte) (t target, buf []byte, err error) {
	uri := h.RequestURI()
	if len(uri) > maxBytes {
		return t, dst, errURILong
	}
	if len(uri) > 0 && uri[0] != '/' {
		if uri, err = stripAuthority(uri, h.Host()); err != nil {
			return t, dst, err
		}
	}
	t.raw = uri
	if q := bytes.IndexByte(uri, '?'); q >= 0 {
		t.raw, t.query = uri[:q], uri[q+1:]
	}
	t.path = t.raw
	if clean, escaped := scanPath(t.raw); !clean {
		return t, dst, badRequest("the request target has a character that must be percent-encoded")
	} else if escaped {
		if dst, err = unescape(dst[:0], t.raw); err != nil {
			return t, dst, err
		}
		t.path = dst
	}
	switch {
	case bytes.IndexByte(t.path, 0) >= 0:
		return t, dst, badRequest("the path contains a NUL")
	case !utf8.Valid(t.path):
		return t, dst, badRequest("the path is not valid UTF-8")
	case hasDotSegment(t.path):
		return t, dst, badRequest("the path contains a dot segment")
	}
	return t, dst, nil
}

// stripAuthority takes an absolute-form target (RFC 9112, section 3.2.2) to its path. Its authority must be the Host
// header's: one of them would be what a cache or filter in front has looked at.
func stripAuthority(uri, host []byte) ([]byte, error) {
	for _, scheme := range []string{"http://", "https://"} {
		if len(uri) < len(scheme) || !bytes.EqualFold(uri[:len(scheme)], []byte(scheme)) {
			continue
		}
		rest := uri[len(scheme):]
		end := bytes.IndexAny(rest, "/?")
		if end < 0 {
			end = len(rest)
		}
		if !bytes.EqualFold(rest[:end], host) {
			return nil, badRequest("the request target names another host than the Host header")
		}
		if rest = rest[end:]; len(rest) == 0 || rest[0] == '?' {
			return append([]byte("/"), rest...), nil
		}
		return rest, nil
	}
	return nil, badRequest("the request target is not a path")
}

// scanPath tells whether the raw path has only bytes that may stand there unescaped, and whether any is escaped.
// Bytes from 0x80 are taken as they are, as browsers' address bars and curl send them.
func scanPath(raw []byte) (clean, escaped bool) {
	clean = true
	for _, c := range raw {
		switch {
		case c == '%':
			escaped = true
		case c <= ' ' || c == 0x7f || c == '#':
			clean = false
		}
	}
	return clean, escaped
}

// unescape decodes %XX once. A "+" is a plus: this is a path, not a form.
func unescape(dst, raw []byte) ([]byte, error) {
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c == '%' {
			if i+2 >= len(raw) || unhex[raw[i+1]] < 0 || unhex[raw[i+2]] < 0 {
				return dst, badRequest("the path has an invalid percent-escape")
			}
			c = byte(unhex[raw[i+1]]<<4 | unhex[raw[i+2]])
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// unhex is the value of a hexadecimal digit, or -1.
var unhex = func() (t [256]int16) {
	for c := range t {
		switch {
		case '0' <= c && c <= '9':
			t[c] = int16(c - '0')
		case 'a' <= c && c <= 'f':
			t[c] = int16(c - 'a' + 10)
		case 'A' <= c && c <= 'F':
			t[c] = int16(c - 'A' + 10)
		default:
			t[c] = -1
		}
	}
	return t
}()

// hasDotSegment tells whether "." or ".." stands between slashes.
func hasDotSegment(path []byte) bool {
	for i := 0; i < len(path); i++ {
		if path[i] != '.' || i > 0 && path[i-1] != '/' {
			continue
		}
		rest := path[i+1:]
		if len(rest) > 0 && rest[0] == '.' {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0] == '/' {
			return true
		}
	}
	return false
}

// checkFraming refuses a request whose end two readers could see in different places (RFC 9112, section 6.1), and a
// Host that names no host (section 3.2).
func checkFraming(h *fasthttp.RequestHeader) error {
	// fasthttp passes over "identity", and lets Transfer-Encoding win over a Content-Length; others may not.
	if raw := h.RawHeaders(); hasHeader(raw, "transfer-encoding") {
		switch {
		case h.ContentLength() != -1:
			return badRequest("Transfer-Encoding is not chunked")
		case hasHeader(raw, "content-length"):
			return badRequest("both Content-Length and Transfer-Encoding are present")
		}
	}
	for _, c := range h.Host() {
		if c <= ' ' || c >= 0x7f || c == '@' || c == ',' || c == '/' || c == '\\' || c == '?' || c == '#' {
			return badRequest("the Host header names no host")
		}
	}
	return nil
}

// hasHeader looks for a field name, given in lower case, in a raw header block.
func hasHeader(block []byte, name string) bool {
	for len(block) > 0 {
		if len(block) > len(name) && block[0]|0x20 == name[0] && bytes.EqualFold(block[:len(name)], []byte(name)) &&
			bytes.IndexByte([]byte(": \t"), block[len(name)]) >= 0 {
			return true
		}
		end := bytes.IndexByte(block, '\n')
		if end < 0 {
			break
		}
		block = block[end+1:]
	}
	return false
}
