package s3test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxSkew is how far a request's time may be from the server's.
const maxSkew = 15 * time.Minute

// authorization is the Authorization header taken apart.
type authorization struct {
	accessKey, day, region string
	names                  []string // SignedHeaders
	signature              []byte
}

// verify judges a request's signature. The verdict is "signed", "anonymous",
// or the code of the refusal.
func (s *Server) verify(r *http.Request, t target) (string, *s3Error) {
	values := r.Header.Values("Authorization")
	if len(values) == 0 {
		if s.AllowAnonymous {
			return "anonymous", nil
		}
		return "anonymous", accessDenied("Access Denied")
	}
	if refusal := s.verifySigned(r, t, values); refusal != nil {
		return refusal.code, refusal
	}
	return "signed", nil
}

func (s *Server) verifySigned(r *http.Request, t target, values []string) *s3Error {
	if len(values) > 1 {
		return invalidArgument("Only one auth mechanism allowed", "Authorization", strings.Join(values, ","))
	}
	auth, refusal := parseAuthorization(values[0])
	if refusal != nil {
		return refusal
	}
	if auth.accessKey != s.AccessKey || s.AccessKey == "" {
		return &s3Error{403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.",
			[]string{"AWSAccessKeyId", auth.accessKey}}
	}
	if auth.region != s.region() {
		return malformed(fmt.Sprintf("the region '%s' is wrong; expecting '%s'", auth.region, s.region()), "Region", s.region())
	}
	if refusal := s.checkTime(r, auth); refusal != nil {
		return refusal
	}
	if refusal := s.checkToken(r); refusal != nil {
		return refusal
	}
	if refusal := checkHeaders(r, auth.names); refusal != nil {
		return refusal
	}
	if refusal := checkPayload(r); refusal != nil {
		return refusal
	}
	return s.checkSignature(r, t, auth)
}

func malformed(message string, detail ...string) *s3Error {
	return &s3Error{400, "AuthorizationHeaderMalformed", "The authorization header is malformed; " + message, detail}
}

// parseAuthorization reads
// AWS4-HMAC-SHA256 Credential=key/day/region/s3/aws4_request, SignedHeaders=a;b, Signature=hex
func parseAuthorization(value string) (authorization, *s3Error) {
	var auth authorization
	rest, ok := strings.CutPrefix(value, algorithm+" ")
	if !ok {
		return auth, invalidArgument("Unsupported Authorization Type", "Authorization", value)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || v == "" || twice {
			return auth, malformed("a field is empty or repeated.")
		}
		fields[name] = v
	}
	if len(fields) != 3 {
		return auth, malformed("Credential, SignedHeaders and Signature are required.")
	}
	// An access key has no slash, and the scope has four parts.
	scope := strings.Split(fields["Credential"], "/")
	if len(scope) != 5 {
		return auth, malformed("the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".")
	}
	if scope[3] != "s3" || scope[4] != "aws4_request" {
		return auth, malformed(fmt.Sprintf("incorrect service or terminal \"%s/%s\".", scope[3], scope[4]))
	}
	auth.accessKey, auth.day, auth.region = scope[0], scope[1], scope[2]
	auth.names = strings.Split(fields["SignedHeaders"], ";")
	signature, err := hex.DecodeString(fields["Signature"])
	if err != nil || len(signature) != sha256.Size || strings.ToLower(fields["Signature"]) != fields["Signature"] {
		return auth, malformed("the Signature is not 64 lower-case hexadecimal digits.")
	}
	auth.signature = signature
	return auth, nil
}

func (s *Server) checkTime(r *http.Request, auth authorization) *s3Error {
	date := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(dateFormat, date)
	if err != nil {
		return accessDenied("AWS authentication requires a valid Date or x-amz-date header")
	}
	if auth.day != date[:8] {
		return malformed(fmt.Sprintf("Invalid credential date \"%s\". This date is not the same as X-Amz-Date: \"%s\".", auth.day, date[:8]))
	}
	now := s.now()
	if skew := now.Sub(at); skew > maxSkew || skew < -maxSkew {
		return &s3Error{403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.",
			[]string{"RequestTime", date, "ServerTime", now.UTC().Format(time.RFC3339),
				"MaxAllowedSkewMilliseconds", strconv.FormatInt(maxSkew.Milliseconds(), 10)}}
	}
	return nil
}

func (s *Server) checkToken(r *http.Request) *s3Error {
	token := r.Header.Get("X-Amz-Security-Token")
	switch {
	case token == "" && s.SessionToken != "":
		// A temporary key is unknown without its token.
		return &s3Error{403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.",
			[]string{"AWSAccessKeyId", s.AccessKey}}
	case !hmac.Equal([]byte(token), []byte(s.SessionToken)):
		return &s3Error{400, "InvalidToken", "The provided token is malformed or otherwise invalid.", nil}
	case token != "" && !s.TokenExpires.IsZero() && !s.now().Before(s.TokenExpires):
		return &s3Error{400, "ExpiredToken", "The provided token has expired.", nil}
	}
	return nil
}

// checkHeaders wants SignedHeaders sorted, in lower case and present, and host
// and every x-amz-* among them.
func checkHeaders(r *http.Request, names []string) *s3Error {
	for i, name := range names {
		if name != strings.ToLower(name) || name == "" || i > 0 && names[i-1] >= name {
			return malformed("SignedHeaders must be sorted, unique and in lower case.")
		}
		if name != "host" && len(r.Header.Values(name)) == 0 {
			return accessDenied("A header in SignedHeaders is not in the request", "HeadersMissing", name)
		}
	}
	var left []string
	if !slices.Contains(names, "host") {
		left = append(left, "host")
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(names, name) {
			left = append(left, name)
		}
	}
	if left != nil {
		slices.Sort(left)
		return accessDenied("There were headers present in the request which were not signed", "HeadersNotSigned", strings.Join(left, ", "))
	}
	return nil
}

// checkPayload wants x-amz-content-sha256 to be UNSIGNED-PAYLOAD or the hash
// of the body.
func checkPayload(r *http.Request) *s3Error {
	promised := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case promised == unsignedPayload:
		return nil
	case promised == "":
		return &s3Error{400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256", nil}
	case len(promised) != 2*sha256.Size:
		return invalidArgument("x-amz-content-sha256 must be UNSIGNED-PAYLOAD or a valid sha256 value.", "x-amz-content-sha256", promised)
	}
	h := sha256.New()
	if _, err := io.Copy(h, http.MaxBytesReader(nil, r.Body, 1<<20)); err != nil {
		return &s3Error{400, "IncompleteBody", "The request body terminated unexpectedly", nil}
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != promised {
		return &s3Error{400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.",
			[]string{"ClientComputedContentSHA256", promised, "S3ComputedContentSHA256", got}}
	}
	return nil
}

func (s *Server) checkSignature(r *http.Request, t target, auth authorization) *s3Error {
	key := s.key.Load()
	if key == nil || key.day != auth.day || key.region != auth.region || key.secret != s.SecretKey {
		key = newSigningKey(s.SecretKey, auth.day, auth.region)
		s.key.Store(key)
	}
	canonical := canonicalRequest(r.Method, t.path, t.params, r.Host, r.Header, auth.names)
	scope := auth.day + "/" + auth.region + "/s3/aws4_request"
	text := stringToSign(r.Header.Get("X-Amz-Date"), scope, canonical)
	if hmac.Equal(key.sign(text), auth.signature) {
		return nil
	}
	return &s3Error{403, "SignatureDoesNotMatch",
		"The request signature we calculated does not match the signature you provided. Check your key and signing method.",
		[]string{"AWSAccessKeyId", auth.accessKey, "StringToSign", text,
			"SignatureProvided", hex.EncodeToString(auth.signature), "CanonicalRequest", canonical}}
}
