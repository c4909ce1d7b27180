// Package sigv4 holds the signer against the one of the AWS SDK for Go: same signatures, and how much faster.
package sigv4

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"yatagarasu/sigv4"
)

type input struct {
	method, host, key, rangeValue, token, secret, region string
	params                                               []sigv4.Param
	at                                                   time.Time
}

func ours(in input) string {
	r := sigv4.Request{Method: in.method, Host: in.host, Path: sigv4.AppendPath(nil, "/"+in.key),
		Query: sigv4.AppendQuery(nil, in.params), Range: []byte(in.rangeValue)}
	headers := string(sigv4.New("AKID", in.secret, in.token, in.region).AppendHeaders(nil, &r, in.at))
	_, value, _ := strings.Cut(headers, "Authorization: ")
	return strings.TrimSuffix(value, "\r\n")
}

// theirs signs the same request with the SDK, in the SDK's own terms.
func theirs(t testing.TB, in input) string {
	query := url.Values{}
	for _, p := range in.params {
		query.Add(p.Name, p.Value)
	}
	r := &http.Request{Method: in.method, Host: in.host, Header: http.Header{},
		URL: &url.URL{Scheme: "https", Host: in.host, Path: "/" + in.key, RawPath: string(sigv4.AppendPath(nil, "/"+in.key)), RawQuery: query.Encode()}}
	if r.URL.EscapedPath() != r.URL.RawPath {
		t.Fatalf("the SDK would sign another path: %q, not %q", r.URL.EscapedPath(), r.URL.RawPath)
	}
	r.Header.Set("X-Amz-Content-Sha256", sigv4.EmptyPayloadHash)
	if in.rangeValue != "" {
		r.Header.Set("Range", in.rangeValue)
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	err := signer.SignHTTP(context.Background(), aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: in.secret, SessionToken: in.token},
		r, sigv4.EmptyPayloadHash, "s3", in.region, in.at)
	if err != nil {
		t.Fatal(err)
	}
	return r.Header.Get("Authorization")
}

func FuzzAgainstSDK(f *testing.F) {
	f.Add("photos/a b%/c+d@e=f:g", "us-east-1", "secret", "", "", "versionId", "3/L4 kq+", int64(1369353600), false)
	f.Add("//x/../y/.", "eu-central-1", "s", "token", "bytes=0-9", "list-type", "", int64(1<<31), true)
	f.Add("日本/é", "auto", "w/J+", "", "bytes=-5", "", "", int64(951782399), false)
	f.Fuzz(func(t *testing.T, key, region, secret, token, rangeValue, name, value string, unix int64, head bool) {
		in := input{method: "GET", host: "bucket.s3.example.com:9000", key: key, rangeValue: rangeValue, token: token,
			secret: secret, region: region, at: time.Unix(unix&(1<<36-1), 0)}
		if head {
			in.method = "HEAD"
		}
		if !fits(in, name) {
			return
		}
		if name != "" {
			in.params = []sigv4.Param{{Name: name, Value: value}, {Name: "list-type", Value: "2"}}
		}
		// The SDK parts the fields by ", "; S3 takes both spellings.
		got, want := ours(in), strings.ReplaceAll(theirs(t, in), ", ", ",")
		if got != want {
			t.Errorf("%+v\nours   %s\ntheirs %s", in, got, want)
		}
	})
}

// fits keeps to inputs that either signer can be given: header values without controls or outer spaces, a one-word
// region, a query name that is an S3 parameter's, and a year of four digits.
func fits(in input, name string) bool {
	for _, v := range []string{in.region, in.token, in.rangeValue} {
		if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return false
		}
	}
	for _, c := range []byte(name) {
		if c != '-' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	// url.URL would write a key that starts with "/" as "//…", which its own parser takes for a host.
	return in.region != "" && name != "list-type" && in.at.UTC().Year() <= 9999
}

// The benchmarks do what a proxy does for each request: from a key to a request that is signed. "signature" leaves
// out what comes before the signer on both sides: the encoded path is there, and the SDK signs one request again and
// again.
const benchHost, benchKey = "bucket.s3.us-east-1.amazonaws.com", "images/2026/crow with three legs.jpg"

var benchTime = time.Unix(1369353600, 0)

func BenchmarkRequestOurs(b *testing.B) {
	s := sigv4.New("AKID", "secret", "", "us-east-1")
	buf, path := make([]byte, 0, 4096), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		path = sigv4.AppendPath(append(path[:0], '/'), benchKey)
		r := sigv4.Request{Method: "GET", Host: benchHost, Path: path}
		buf = s.AppendHeaders(buf[:0], &r, benchTime)
	}
}

func BenchmarkRequestSDK(b *testing.B) {
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	credentials := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	b.ReportAllocs()
	for b.Loop() {
		sdkSign(b, signer, credentials, sdkRequest())
	}
}

func BenchmarkSignatureOurs(b *testing.B) {
	s := sigv4.New("AKID", "secret", "", "us-east-1")
	r := sigv4.Request{Method: "GET", Host: benchHost, Path: sigv4.AppendPath([]byte("/"), benchKey)}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendHeaders(buf[:0], &r, benchTime)
	}
}

func BenchmarkSignatureSDK(b *testing.B) {
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	credentials := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	r := sdkRequest()
	b.ReportAllocs()
	for b.Loop() {
		sdkSign(b, signer, credentials, r)
	}
}

func sdkRequest() *http.Request {
	r := &http.Request{Method: "GET", Host: benchHost, Header: http.Header{},
		URL: &url.URL{Scheme: "https", Host: benchHost, Path: "/" + benchKey}}
	r.Header.Set("X-Amz-Content-Sha256", sigv4.EmptyPayloadHash)
	return r
}

func sdkSign(b *testing.B, s *v4.Signer, c aws.Credentials, r *http.Request) {
	if err := s.SignHTTP(context.Background(), c, r, sigv4.EmptyPayloadHash, "s3", "us-east-1", benchTime); err != nil {
		b.Fatal(err)
	}
}
