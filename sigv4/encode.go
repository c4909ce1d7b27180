package sigv4

import (
	"cmp"
	"slices"
)

const upperHex = "0123456789ABCDEF"

// unreserved are the characters that S3's canonical form leaves as they are (RFC 3986, section 2.3); in a path "/"
// is left too.
var unreserved = func() (t [256]bool) {
	for c := range t {
		t[c] = 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' ||
			c == '-' || c == '.' || c == '_' || c == '~'
	}
	return t
}()

// AppendPath appends the raw path p in S3's canonical encoding: every byte but unreserved characters and "/" becomes
// %XX with upper-case digits. The result is both what is sent and what is signed.
func AppendPath[T ~string | ~[]byte](dst []byte, p T) []byte {
	for i := 0; i < len(p); i++ {
		c := p[i]
		if unreserved[c] || c == '/' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}

// Param is one query parameter, unencoded.
type Param struct{ Name, Value string }

// AppendQuery sorts params in place by name, then value, and appends them in canonical encoding: name=value joined
// by "&", "=" present even when the value is empty. Names must consist of unreserved characters, as all of S3's
// do: only then is their order the same before and after encoding.
func AppendQuery(dst []byte, params []Param) []byte {
	slices.SortFunc(params, func(a, b Param) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	for i, p := range params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = appendComponent(dst, p.Name)
		dst = append(dst, '=')
		dst = appendComponent(dst, p.Value)
	}
	return dst
}

func appendComponent(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if unreserved[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return dst
}
