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

func BenchmarkOurs(b *testing.B) {
	s := sigv4.New("AKID", "secret", "", "us-east-1")
	r := sigv4.Request{Method: "GET", Host: "bucket.s3.us-east-1.amazonaws.com", Path: []byte("/images/2026/photo.jpg")}
	now := time.Unix(1369353600, 0)
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendHeaders(buf[:0], &r, now)
	}
}

func BenchmarkSDK(b *testing.B) {
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	credentials := aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "secret"}
	now := time.Unix(1369353600, 0)
	r, err := http.NewRequest("GET", "https://bucket.s3.us-east-1.amazonaws.com/images/2026/photo.jpg", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("X-Amz-Content-Sha256", sigv4.EmptyPayloadHash)
	b.ReportAllocs()
	for b.Loop() {
		if err := signer.SignHTTP(context.Background(), credentials, r, sigv4.EmptyPayloadHash, "s3", "us-east-1", now); err != nil {
			b.Fatal(err)
		}
	}
}
