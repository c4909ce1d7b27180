// Package sigv4 signs read requests to S3 with AWS Signature Version 4 in the Authorization header, without
// allocating. It writes header lines as they go on the wire, so that what is sent is what was signed.
//
// Source: "Authenticating Requests: Using the Authorization Header (AWS Signature Version 4)", Amazon S3 API
// Reference. S3 differs from other AWS services in two points: the path is percent-encoded once, not twice, and it
// is not normalised ("//" and dot segments stay).
package sigv4

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"hash"
	"sync"
	"sync/atomic"
	"time"
)

// EmptyPayloadHash is the SHA-256 of the empty body, in hex: the payload hash of every GET and HEAD.
const EmptyPayloadHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
)

// Request is what is signed. The fields are used as they are: the caller sends exactly these bytes.
type Request struct {
	Method string // "GET" or "HEAD"
	Host   string // the Host header, with the port unless it is the scheme's default
	Path   []byte // the encoded path, as AppendPath writes it; starts with "/"
	Query  []byte // the encoded query without "?", as AppendQuery writes it; may be empty
	Range  []byte // the Range header's value; empty = no Range header
}

// Signer signs with one set of credentials for one region. It is safe for concurrent use. Signing does not allocate,
// but for the first signature of each second, which prepares what all of that second share.
type Signer struct {
	accessKey    string
	secretKey    string
	sessionToken string
	region       string
	day          atomic.Pointer[dayKey]
	now          atomic.Pointer[second]
}

// dayKey is the signing key of one UTC day, with what else depends on the day and the region alone. Of the key itself
// only what HMAC starts from is kept: SHA-256's state after the key's inner and outer block (RFC 2104, section 4).
type dayKey struct {
	date  string // yyyymmdd
	scope string // yyyymmdd/region/s3/aws4_request
	inner []byte
	outer []byte
}

// second is what signatures of one second have in common.
type second struct {
	unix         int64
	key          *dayKey
	stringToSign string // up to the hash of the canonical request
	plain        shared
	ranged       shared // for requests with a Range header
}

// shared is what comes after the request's own part.
type shared struct {
	canonical string // the canonical request behind the Host or Range value
	headers   string // the header lines up to the signature
}

// restartable is SHA-256 that can go on from a kept state.
type restartable interface {
	hash.Hash
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

var hashes = sync.Pool{New: func() any { return sha256.New() }}

// New returns a signer for the S3 service in region. An empty sessionToken means long-term credentials.
func New(accessKey, secretKey, sessionToken, region string) *Signer {
	return &Signer{accessKey: accessKey, secretKey: secretKey, sessionToken: sessionToken, region: region}
}

// AppendHeaders appends to dst the header lines that authenticate r at the time now, each ended by CRLF:
// X-Amz-Content-Sha256, X-Amz-Date, X-Amz-Security-Token where there is one, and Authorization. Host, and Range
// where set, are signed too but not written. dst also serves as scratch space, so its capacity may grow beyond the
// result; nothing is allocated when a little over twice the request's size is free in it.
func (s *Signer) AppendHeaders(dst []byte, r *Request, now time.Time) []byte {
	sec := s.at(now)
	start := len(dst)
	dst = append(dst, r.Method...)
	dst = append(dst, '\n')
	dst = append(dst, r.Path...)
	dst = append(dst, '\n')
	dst = append(dst, r.Query...)
	dst = append(dst, "\nhost:"...)
	dst = append(dst, r.Host...)
	rest := &sec.plain
	if len(r.Range) > 0 {
		rest = &sec.ranged
		dst = append(dst, "\nrange:"...)
		dst = append(dst, r.Range...)
	}
	dst = append(dst, rest.canonical...)

	h := hashes.Get().(restartable)
	h.Reset()
	h.Write(dst[start:])
	dst = h.Sum(dst)
	digest := [sha256.Size]byte(dst[len(dst)-sha256.Size:])
	dst = append(dst[:start], sec.stringToSign...)
	dst = appendHex(dst, &digest)
	dst = resume(h, sec.key.inner, dst, start)
	dst = resume(h, sec.key.outer, dst, start)
	signature := [sha256.Size]byte(dst[start:])
	hashes.Put(h)

	dst = append(dst[:start], rest.headers...)
	dst = appendHex(dst, &signature)
	return append(dst, "\r\n"...)
}

// at returns what signatures at the time now share. Two callers may prepare the same second at once; both results
// are right and the last one stays.
func (s *Signer) at(now time.Time) *second {
	unix := now.Unix()
	if sec := s.now.Load(); sec != nil && sec.unix == unix {
		return sec
	}
	stamp := now.UTC().Format("20060102T150405Z")
	key := s.keyOf(stamp[:8])
	sec := &second{unix: unix, key: key, stringToSign: algorithm + "\n" + stamp + "\n" + key.scope + "\n"}
	sec.plain = s.share(stamp, key.scope, "host;")
	sec.ranged = s.share(stamp, key.scope, "host;range;")
	s.now.Store(sec)
	return sec
}

// share prepares the parts behind the first signed headers, whose names stand in alphabetical order.
func (s *Signer) share(stamp, scope, signed string) shared {
	signed += "x-amz-content-sha256;x-amz-date"
	canonical := "\nx-amz-content-sha256:" + EmptyPayloadHash + "\nx-amz-date:" + stamp
	headers := "X-Amz-Content-Sha256: " + EmptyPayloadHash + "\r\nX-Amz-Date: " + stamp
	if s.sessionToken != "" {
		signed += ";x-amz-security-token"
		canonical += "\nx-amz-security-token:" + s.sessionToken
		headers += "\r\nX-Amz-Security-Token: " + s.sessionToken
	}
	return shared{
		canonical: canonical + "\n\n" + signed + "\n" + EmptyPayloadHash,
		headers: headers + "\r\nAuthorization: " + algorithm + " Credential=" + s.accessKey + "/" + scope +
			",SignedHeaders=" + signed + ",Signature=",
	}
}

// resume replaces dst[start:] by its SHA-256, going on from state.
func resume(h restartable, state, dst []byte, start int) []byte {
	if err := h.UnmarshalBinary(state); err != nil {
		panic(err) // the state came from the same implementation
	}
	h.Write(dst[start:])
	end := len(dst)
	dst = h.Sum(dst)
	return append(dst[:start], dst[end:]...)
}

// keyOf returns the signing key of a day, deriving it when the day changes.
func (s *Signer) keyOf(date string) *dayKey {
	if k := s.day.Load(); k != nil && k.date == date {
		return k
	}
	k := deriveDayKey(s.secretKey, date, s.region)
	s.day.Store(k)
	return k
}

func deriveDayKey(secretKey, date, region string) *dayKey {
	mac := func(key []byte, data string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(data))
		return h.Sum(nil)
	}
	key := mac(mac(mac(mac([]byte("AWS4"+secretKey), date), region), "s3"), terminator)
	k := &dayKey{date: date, scope: date + "/" + region + "/s3/" + terminator}
	// RFC 2104: a key shorter than the block is padded with zeros; the signing key has 32 of 64 bytes.
	state := func(pad byte) []byte {
		block := bytes.Repeat([]byte{pad}, sha256.BlockSize)
		subtle.XORBytes(block, block[:len(key)], key)
		h := sha256.New().(restartable)
		h.Write(block)
		kept, err := h.MarshalBinary()
		if err != nil {
			panic(err) // crypto/sha256 documents that it can
		}
		return kept
	}
	k.inner, k.outer = state(0x36), state(0x5c)
	return k
}
