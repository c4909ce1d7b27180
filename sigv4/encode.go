package sigv4

import (
	"cmp"
	"encoding/binary"
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
	return appendEncoded(dst, p, '/')
}

// appendEncoded encodes all but unreserved characters and keep; runs that stay as they are are copied at once.
func appendEncoded[T ~string | ~[]byte](dst []byte, p T, keep byte) []byte {
	start := 0
	for i := 0; i < len(p); i++ {
		c := p[i]
		if unreserved[c] || c == keep {
			continue
		}
		dst = append(dst, p[start:i]...)
		dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
		start = i + 1
	}
	return append(dst, p[start:]...)
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
		dst = appendEncoded(dst, p.Name, '~')
		dst = append(dst, '=')
		dst = appendEncoded(dst, p.Value, '~')
	}
	return dst
}

// appendHex appends a digest in lower-case hex, eight digits at a time: the signer does it twice a request, and
// encoding/hex, digit by digit, took an eighth of its time.
func appendHex(dst []byte, digest *[32]byte) []byte {
	const ones = 0x0101010101010101
	var text [64]byte
	for i := range 8 {
		v := uint64(binary.BigEndian.Uint32(digest[4*i:]))
		v = (v<<16 | v) & 0x0000ffff0000ffff
		v = (v<<8 | v) & 0x00ff00ff00ff00ff
		v = (v<<4 | v) & 0x0f0f0f0f0f0f0f0f // one nibble in each byte
		letters := (v + 6*ones) >> 4 & ones // 1 where the nibble is ten or more
		binary.BigEndian.PutUint64(text[8*i:], v+'0'*ones+letters*('a'-'0'-10))
	}
	return append(dst, text[:]...)
}
