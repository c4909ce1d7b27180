package s3test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Signature Version 4 for S3, written from
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
// and apart from the product's own signer, which it has to judge.

const (
	algorithm       = "AWS4-HMAC-SHA256"
	unsignedPayload = "UNSIGNED-PAYLOAD"
	dateFormat      = "20060102T150405Z"
)

// param is one name and value of a query, decoded.
type param struct{ name, value string }

// parseQuery decodes a query as S3 does: "+" is a space here, though it is a
// plus in the path.
func parseQuery(raw string) ([]param, bool) {
	var params []param
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, ok1 := unescape(strings.ReplaceAll(name, "+", " "))
		value, ok2 := unescape(strings.ReplaceAll(value, "+", " "))
		if !ok1 || !ok2 {
			return nil, false
		}
		params = append(params, param{name, value})
	}
	return params, true
}

// unescape decodes %XX once and leaves every other byte as it is.
func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			out = append(out, s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		b, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", false
		}
		out = append(out, b[0])
		i += 2
	}
	return string(out), true
}

// uriEncode is AWS's UriEncode(): all but the unreserved characters of RFC
// 3986 section 2.3 as %XX in upper case, and "/" kept in a key.
func uriEncode(s string, keepSlash bool) string {
	const hexDigits = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+len(s)/2)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9',
			c == '-', c == '.', c == '_', c == '~', c == '/' && keepSlash:
			out = append(out, c)
		default:
			out = append(out, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(out)
}

func canonicalQuery(params []param) string {
	pairs := make([]param, len(params))
	for i, p := range params {
		pairs[i] = param{uriEncode(p.name, false), uriEncode(p.value, false)}
	}
	slices.SortFunc(pairs, func(a, b param) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.name + "=" + p.value)
	}
	return b.String()
}

// canonicalValue joins the values of a field, trimmed and with runs of spaces
// made one.
func canonicalValue(values []string) string {
	if len(values) == 1 && !strings.Contains(values[0], "  ") {
		return strings.TrimSpace(values[0])
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(trimmed, ",")
}

// canonicalRequest takes the decoded path: S3 encodes it once and never
// normalises it. names are the signed headers, in order.
func canonicalRequest(method, path string, params []param, host string, h http.Header, names []string) string {
	var b strings.Builder
	b.WriteString(method + "\n" + uriEncode(path, true) + "\n" + canonicalQuery(params) + "\n")
	b.Grow(512)
	for _, name := range names {
		value := host
		if name != "host" {
			value = canonicalValue(h.Values(name))
		}
		b.WriteString(name + ":" + value + "\n")
	}
	b.WriteString("\n" + strings.Join(names, ";") + "\n" + h.Get("X-Amz-Content-Sha256"))
	return b.String()
}

func stringToSign(date, scope, canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return algorithm + "\n" + date + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
}

func hmacSHA256(key []byte, data string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(data))
	return h.Sum(nil)
}

// signingKey is derived from the secret once for a day, region and secret.
type signingKey struct {
	secret, day, region string
	key                 []byte
}

func newSigningKey(secret, day, region string) *signingKey {
	k := hmacSHA256([]byte("AWS4"+secret), day)
	k = hmacSHA256(k, region)
	k = hmacSHA256(k, "s3")
	k = hmacSHA256(k, "aws4_request")
	return &signingKey{secret, day, region, k}
}

func (k *signingKey) sign(text string) []byte {
	return hmacSHA256(k.key, text)
}

// Sign signs a client request with UNSIGNED-PAYLOAD, so that tests can fill
// real S3 servers. It signs host, Content-Type and x-amz-*; set them first.
func Sign(r *http.Request, accessKey, secretKey, sessionToken, region string, t time.Time) {
	date := t.UTC().Format(dateFormat)
	r.Header.Set("x-amz-date", date)
	r.Header.Set("x-amz-content-sha256", unsignedPayload)
	r.Header.Del("x-amz-security-token")
	if sessionToken != "" {
		r.Header.Set("x-amz-security-token", sessionToken)
	}
	names := []string{"host"}
	for name := range r.Header {
		name = strings.ToLower(name)
		if name == "content-type" || strings.HasPrefix(name, "x-amz-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	path, _ := unescape(r.URL.EscapedPath())
	if path == "" {
		path = "/"
	}
	params, _ := parseQuery(r.URL.RawQuery)

	scope := date[:8] + "/" + region + "/s3/aws4_request"
	text := stringToSign(date, scope, canonicalRequest(r.Method, path, params, host, r.Header, names))
	signature := hex.EncodeToString(newSigningKey(secretKey, date[:8], region).sign(text))
	r.Header.Set("Authorization", algorithm+" Credential="+accessKey+"/"+scope+
		", SignedHeaders="+strings.Join(names, ";")+", Signature="+signature)
}
