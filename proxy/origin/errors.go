package origin

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// Reason is why an origin request failed: a small closed set, fit to be a metric's label.
type Reason uint8

// The reasons. Those up to ClientGone are failures of the exchange itself; the rest are answers of S3.
const (
	ReasonDNS Reason = iota
	ReasonConnect
	ReasonTLS
	ReasonPool
	ReasonFirstByteTimeout
	ReasonStall
	ReasonReset
	ReasonClosed
	ReasonMalformed
	ReasonTruncated
	ReasonClientGone
	ReasonCredentials
	ReasonAccessDenied
	ReasonNoSuchBucket
	ReasonRedirect
	ReasonSlowDown
	ReasonServerError
	ReasonUnexpected
	reasonCount
)

var reasonNames = [reasonCount]string{
	ReasonDNS: "dns", ReasonConnect: "connect", ReasonTLS: "tls", ReasonPool: "pool_exhausted",
	ReasonFirstByteTimeout: "first_byte_timeout", ReasonStall: "stall", ReasonReset: "reset", ReasonClosed: "closed",
	ReasonMalformed: "malformed", ReasonTruncated: "truncated", ReasonClientGone: "client_gone",
	ReasonCredentials: "credentials", ReasonAccessDenied: "access_denied", ReasonNoSuchBucket: "no_such_bucket",
	ReasonRedirect: "redirect", ReasonSlowDown: "slow_down", ReasonServerError: "server_error",
	ReasonUnexpected: "unexpected_status",
}

// Reasons lists every reason, for those who keep a counter of each.
func Reasons() []Reason {
	all := make([]Reason, reasonCount)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// String returns the reason's name, as it stands in metrics and logs.
func (r Reason) String() string { return reasonNames[r] }

// Timeout tells whether the origin was too slow, rather than broken.
func (r Reason) Timeout() bool { return r == ReasonFirstByteTimeout || r == ReasonStall }

// Error is a failed origin exchange. Its text is for the log; it may name the endpoint and is never shown to clients.
type Error struct {
	Reason Reason
	Err    error
}

// Error returns the reason and its cause.
func (e *Error) Error() string { return fmt.Sprintf("origin: %s: %v", e.Reason, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func fail(reason Reason, err error) *Error { return &Error{Reason: reason, Err: err} }

// ErrClientGone says that the client left while the origin was being waited for.
var ErrClientGone = errors.New("the client closed its connection")

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// dialReason tells apart what can go wrong before a connection stands.
func dialReason(err error) Reason {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var verify *tls.CertificateVerificationError
	var alert tls.AlertError
	var hostname x509.HostnameError
	switch {
	case errors.As(err, &dns):
		return ReasonDNS
	case errors.As(err, &record), errors.As(err, &verify), errors.As(err, &alert), errors.As(err, &hostname), errors.Is(err, errHandshake):
		return ReasonTLS
	default:
		return ReasonConnect
	}
}

var errHandshake = errors.New("TLS handshake failed")

// Code returns the <Code> of an S3 error document, or "" when there is none. S3 writes it first and without
// attributes ("REST Error Responses", Amazon S3 API Reference), so a scan is enough.
func Code(document []byte) string {
	_, rest, ok := bytes.Cut(document, []byte("<Code>"))
	if !ok {
		return ""
	}
	code, _, ok := bytes.Cut(rest, []byte("</Code>"))
	if !ok || len(code) > 64 {
		return ""
	}
	for _, c := range code {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return ""
		}
	}
	return string(code)
}

// ReasonOf classifies an answer of S3 that is not the object: its status and error code. It returns false for
// answers that are no fault of anybody's: a missing key, a failed precondition, an unsatisfiable range.
func ReasonOf(status int, code string) (Reason, bool) {
	switch code {
	case "SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
		"RequestTimeTooSkewed", "AuthorizationHeaderMalformed", "RequestExpired", "XAmzContentSHA256Mismatch":
		return ReasonCredentials, true
	case "NoSuchBucket", "InvalidBucketName":
		return ReasonNoSuchBucket, true
	case "SlowDown", "SlowDownRead", "TooManyRequests", "ThrottlingException", "RequestLimitExceeded":
		return ReasonSlowDown, true
	}
	switch {
	case status == 400 && NoSuchName(code):
		return 0, false
	case status == 404 || status == 412 || status == 416 || status == 304:
		return 0, false
	case status == 403 || status == 401:
		return ReasonAccessDenied, true
	case status == 429:
		return ReasonSlowDown, true
	case status >= 500:
		return ReasonServerError, true
	case status >= 300 && status < 400:
		return ReasonRedirect, true
	default:
		return ReasonUnexpected, true
	}
}

// NoSuchName tells whether an S3 error code means that a key, or a version, is one that the server cannot hold: too
// long, or with a form that it refuses. So it holds no object of that name.
func NoSuchName(code string) bool {
	switch code {
	case "KeyTooLongError", "InvalidURI", "InvalidArgument", "InvalidObjectName", "XMinioInvalidObjectName", "XMinioInvalidResourceName":
		return true
	}
	return false
}
