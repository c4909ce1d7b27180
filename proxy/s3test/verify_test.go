package s3test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

var vectorTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func vectorServer(t *testing.T) *Server {
	t.Helper()
	s := start(t, &Server{Clock: func() time.Time { return vectorTime }})
	s.Put("examplebucket", "test.txt", Object{Body: []byte("0123456789abcdef")})
	return s
}

const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func vectorAuth(names, signature string) string {
	return "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=" +
		names + ",Signature=" + signature
}

// The examples that AWS publishes with their signatures:
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
func TestPublishedVectors(t *testing.T) {
	s := vectorServer(t)
	common := []string{"Host: examplebucket.s3.amazonaws.com", "x-amz-date: 20130524T000000Z"}
	f := func(name string, status int, method, target, names, signature string, lines ...string) answerOf {
		t.Helper()
		lines = append(append(slices.Clone(common), lines...), vectorAuth(names, signature))
		a := get(t, s, method, target, lines...)
		reqs := s.Requests()
		if verdict := reqs[len(reqs)-1].Verdict; verdict != "signed" || a.StatusCode != status {
			t.Errorf("%s: %d %s, want %d signed; %s", name, a.StatusCode, verdict, status, a.body)
		}
		return a
	}
	empty := "x-amz-content-sha256: " + emptyHash
	a := f("GET object", 206, "GET", "/test.txt", "host;range;x-amz-content-sha256;x-amz-date",
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41", "Range: bytes=0-9", empty)
	check(t, a, 206, "0123456789")
	f("GET bucket lifecycle", 501, "GET", "/?lifecycle", "host;x-amz-content-sha256;x-amz-date",
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", empty)
	f("GET bucket", 501, "GET", "/?max-keys=2&prefix=J", "host;x-amz-content-sha256;x-amz-date",
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", empty)
	// The PUT is signed well, and refused because this server is read-only.
	hash := "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
	c := dial(t, s)
	c.send("PUT", "/test%24file.text", append(slices.Clone(common), "Date: Fri, 24 May 2013 00:00:00 GMT",
		"x-amz-storage-class: REDUCED_REDUNDANCY", "x-amz-content-sha256: "+hash, "Content-Length: 21",
		vectorAuth("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
			"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"))...)
	c.Write([]byte("Welcome to Amazon S3."))
	check(t, c.read("PUT"), 405, "<Code>MethodNotAllowed</Code>")
	if reqs := s.Requests(); reqs[len(reqs)-1].Verdict != "signed" {
		t.Errorf("PUT: %s", reqs[len(reqs)-1].Verdict)
	}
}

// The published GET object request, to be tampered with. "line" is its request
// line.
var published = map[string]string{
	"line":                 "GET /test.txt",
	"Host":                 "examplebucket.s3.amazonaws.com",
	"Range":                "bytes=0-9",
	"x-amz-date":           "20130524T000000Z",
	"x-amz-content-sha256": emptyHash,
	"Authorization": strings.TrimPrefix(vectorAuth("host;range;x-amz-content-sha256;x-amz-date", publishedSignature),
		"Authorization: "),
}

const publishedSignature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"

// tampered sends the published request with one field changed, added, or
// removed when the value is empty.
func tampered(t *testing.T, s *Server, field, value string) answerOf {
	t.Helper()
	r := maps.Clone(published)
	r[field] = value
	lines := []string{"Host: " + r["Host"]}
	for name, v := range r {
		if name != "line" && name != "Host" && v != "" {
			lines = append(lines, name+": "+v)
		}
	}
	method, target, _ := strings.Cut(r["line"], " ")
	return get(t, s, method, target, lines...)
}

func TestTampering(t *testing.T) {
	s := vectorServer(t)
	f := func(field, value string, status int, code string) {
		t.Helper()
		check(t, tampered(t, s, field, value), status, code)
	}
	bad := func(old, new string, status int, code string) {
		t.Helper()
		f("Authorization", strings.Replace(published["Authorization"], old, new, 1), status, code)
	}
	const mismatch = "<Code>SignatureDoesNotMatch</Code>"
	f("Range", "bytes=0-9", 206, "0123456789") // untouched
	f("line", "HEAD /test.txt", 403, "")
	f("line", "GET /test.tx%74", 206, "0123456789") // the same path, spelled otherwise
	f("line", "GET /test.txT", 403, mismatch)
	f("line", "GET /test.txt?a", 403, mismatch)
	f("line", "GET /test.txt?response-content-type=text/html", 403, mismatch)
	f("Host", "examplebucket.s3.amazonaws.org", 403, mismatch)
	f("Range", "bytes=0-8", 403, mismatch)
	f("Range", "", 403, "HeadersMissing")
	f("x-amz-date", "20130524T000001Z", 403, mismatch)
	f("x-amz-date", "20130525T000000Z", 400, "AuthorizationHeaderMalformed")
	f("x-amz-date", "", 403, "valid Date")
	f("x-amz-date", "yesterday", 403, "valid Date")
	f("x-amz-content-sha256", "UNSIGNED-PAYLOAD", 403, mismatch)
	f("x-amz-content-sha256", strings.Repeat("0", 64), 400, "XAmzContentSHA256Mismatch")
	f("x-amz-content-sha256", "short", 400, "InvalidArgument")
	f("x-amz-extra", "1", 403, "<HeadersNotSigned>x-amz-extra</HeadersNotSigned>")
	f("x-amz-security-token", "t", 400, "InvalidToken")
	f("Authorization", "", 403, "AccessDenied")
	f("Authorization", "Bearer x", 400, "Unsupported Authorization Type")
	f("Authorization", "AWS4-HMAC-SHA256 nonsense", 400, "AuthorizationHeaderMalformed")
	bad("bdb41", "bdb42", 403, mismatch)
	bad("f0e8", "F0E8", 400, "AuthorizationHeaderMalformed")
	bad("f0e8", "", 400, "AuthorizationHeaderMalformed")
	bad(publishedSignature, "", 400, "AuthorizationHeaderMalformed")
	bad("EXAMPLE/", "EXAMPLF/", 403, "InvalidAccessKeyId")
	bad("us-east-1", "us-east-2", 400, "<Region>us-east-1</Region>")
	bad("/s3/", "/ec2/", 400, "AuthorizationHeaderMalformed")
	bad("aws4_request", "aws5_request", 400, "AuthorizationHeaderMalformed")
	bad("20130524", "20130523", 400, "AuthorizationHeaderMalformed")
	bad("/s3", "", 400, "AuthorizationHeaderMalformed")
	bad("host;range", "range;host", 400, "AuthorizationHeaderMalformed")
	bad("host;range", "Host;range", 400, "AuthorizationHeaderMalformed")
	bad("host;range", "host;host;range", 400, "AuthorizationHeaderMalformed")
	bad("host;range;", "host;", 403, mismatch)
	bad("host;range;", "range;", 403, "<HeadersNotSigned>host</HeadersNotSigned>")
	bad(";x-amz-date", "", 403, "<HeadersNotSigned>x-amz-date</HeadersNotSigned>")
	bad(",Signature", ",Signature=1,Signature", 400, "AuthorizationHeaderMalformed")
	bad(",Signature", ",More=1,Signature", 400, "AuthorizationHeaderMalformed")

	a := get(t, s, "GET", "/test.txt", "Host: x", "Authorization: a", "Authorization: b")
	check(t, a, 400, "Only one auth mechanism allowed")
}

func TestSkew(t *testing.T) {
	s := vectorServer(t)
	f := func(at time.Duration, status int, code string) {
		t.Helper()
		check(t, get(t, s, "GET", "/examplebucket/test.txt", signed(t, s, "GET", "/examplebucket/test.txt", vectorTime.Add(at))...), status, code)
	}
	f(0, 200, "0123")
	f(15*time.Minute, 200, "0123")
	f(-15*time.Minute, 200, "0123")
	f(15*time.Minute+time.Second, 403, "RequestTimeTooSkewed")
	f(-15*time.Minute-time.Second, 403, "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>")
}

func TestSessionToken(t *testing.T) {
	now := vectorTime
	s := start(t, &Server{SessionToken: "token", TokenExpires: now.Add(time.Hour), Region: "eu-west-1", Clock: func() time.Time { return now }})
	s.Put("b", "k", Object{Body: []byte("x")})
	f := func(status int, code string) {
		t.Helper()
		check(t, get(t, s, "GET", "/b/k", signed(t, s, "GET", "/b/k", now)...), status, code)
	}
	f(200, "x")
	s.SessionToken = ""
	lines := signed(t, s, "GET", "/b/k", now)
	s.SessionToken = "token"
	check(t, get(t, s, "GET", "/b/k", lines...), 403, "InvalidAccessKeyId")
	now = now.Add(time.Hour)
	f(400, "ExpiredToken")
}

// Every byte of ASCII in a key: percent-encoded in either case, and raw where
// a request target may have it.
func TestEveryByte(t *testing.T) {
	s := vectorServer(t)
	f := func(key, target string) {
		t.Helper()
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return // not legal in a request target
		}
		r := &http.Request{Method: "GET", URL: u, Host: "s3.test", Header: http.Header{}}
		u.Opaque, _, _ = strings.Cut(target, "?")
		path, _ := unescape(u.Opaque)
		u.Path, u.RawPath, u.Opaque = path, "", ""
		Sign(r, testKey, testSecret, "", "us-east-1", vectorTime)
		lines := []string{"Host: s3.test"}
		for name, v := range r.Header {
			lines = append(lines, name+": "+v[0])
		}
		check(t, get(t, s, "GET", target, lines...), 200, key)
	}
	for c := range 128 {
		key := "a" + string(rune(c)) + "b"
		s.Put("bytes", key, Object{Body: []byte(key)})
		escaped := uriEncode(string(rune(c)), false)
		hex := "%" + string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15])
		f(key, "/bytes/a"+escaped+"b")
		f(key, "/bytes/a"+hex+"b")
		f(key, "/bytes/a"+strings.ToLower(hex)+"b")
		if c != '%' && c != '?' && c > ' ' && c < 0x7f {
			f(key, "/bytes/a"+string(rune(c))+"b")
		}
	}
	for _, key := range []string{"a//b", "/a", "a/../b", "./a", "..", "a/", "a+b", "a b", "é", "東京/三本足.txt"} {
		s.Put("bytes", key, Object{Body: []byte(key)})
		f(key, "/bytes/"+uriEncode(key, true))
	}
}

func TestQueryCanonicalisation(t *testing.T) {
	params, ok := parseQuery("b=2&a=1&&a=0&c&d=%2f+x")
	if got := canonicalQuery(params); !ok || got != "a=0&a=1&b=2&c=&d=%2F%20x" {
		t.Errorf("canonical query %q", got)
	}
	if _, ok := parseQuery("a=%zz"); ok {
		t.Error("a broken escape was accepted")
	}
	if _, ok := unescape("%4"); ok {
		t.Error("a short escape was accepted")
	}
	if got := canonicalValue([]string{" a   b ", "c"}); got != "a b,c" {
		t.Errorf("canonical value %q", got)
	}
}
