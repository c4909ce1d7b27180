package sigv4

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// exampleTime, and the keys below, are those of the examples in the Amazon S3 API Reference, "Signature Calculations
// for the Authorization Header: Transferring Payload in a Single Chunk".
var exampleTime = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func exampleSigner() *Signer {
	return New("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", "us-east-1")
}

func TestPublishedExamples(t *testing.T) {
	const host = "examplebucket.s3.amazonaws.com"
	f := func(name string, r Request, signedHeaders, signature string) {
		t.Helper()
		got := string(exampleSigner().AppendHeaders(nil, &r, exampleTime))
		want := "X-Amz-Content-Sha256: " + EmptyPayloadHash + "\r\n" +
			"X-Amz-Date: 20130524T000000Z\r\n" +
			"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request," +
			"SignedHeaders=" + signedHeaders + ",Signature=" + signature + "\r\n"
		if got != want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, want)
		}
	}
	f("GET Object", Request{Method: "GET", Host: host, Path: []byte("/test.txt"), Range: []byte("bytes=0-9")},
		"host;range;x-amz-content-sha256;x-amz-date", "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
	f("GET Bucket Lifecycle", Request{Method: "GET", Host: host, Path: []byte("/"), Query: AppendQuery(nil, []Param{{"lifecycle", ""}})},
		"host;x-amz-content-sha256;x-amz-date", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
	f("Get Bucket (List Objects)", Request{Method: "GET", Host: host, Path: []byte("/"), Query: AppendQuery(nil, []Param{{"prefix", "J"}, {"max-keys", "2"}})},
		"host;x-amz-content-sha256;x-amz-date", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
}

func TestAppendHeadersKeepsWhatIsThere(t *testing.T) {
	r := Request{Method: "HEAD", Host: "h:9000", Path: []byte("/b/k")}
	s := exampleSigner()
	alone := s.AppendHeaders(nil, &r, exampleTime)
	after := s.AppendHeaders([]byte("HEAD /b/k HTTP/1.1\r\n"), &r, exampleTime)
	if want := "HEAD /b/k HTTP/1.1\r\n" + string(alone); string(after) != want {
		t.Errorf("got %q\nwant %q", after, want)
	}
}

func TestSessionTokenIsSentAndSigned(t *testing.T) {
	r := Request{Method: "GET", Host: "h", Path: []byte("/b/k")}
	sign := func(token string) string {
		return string(New("AK", "SK", token, "eu-west-1").AppendHeaders(nil, &r, exampleTime))
	}
	one, two := sign("token-one"), sign("token-two")
	if !strings.Contains(one, "\r\nX-Amz-Security-Token: token-one\r\n") ||
		!strings.Contains(one, "SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,") {
		t.Errorf("the token is not sent or not signed: %s", one)
	}
	if signatureOf(one) == signatureOf(two) {
		t.Error("two tokens have the same signature")
	}
}

func TestDayKeyFollowsTheDate(t *testing.T) {
	r := Request{Method: "GET", Host: "h", Path: []byte("/k")}
	s := exampleSigner()
	before := time.Date(2024, 2, 29, 23, 59, 59, 0, time.UTC)
	after := before.Add(time.Second)
	for _, at := range []time.Time{before, after, before, after.In(time.FixedZone("", -5*3600))} {
		fresh := string(exampleSigner().AppendHeaders(nil, &r, at))
		if got := string(s.AppendHeaders(nil, &r, at)); got != fresh {
			t.Errorf("at %v: a used signer says %s, a new one %s", at, got, fresh)
		}
	}
	if got := string(s.AppendHeaders(nil, &r, after)); !strings.Contains(got, "X-Amz-Date: 20240301T000000Z") ||
		!strings.Contains(got, "/20240301/us-east-1/") {
		t.Errorf("wrong day in %s", got)
	}
}

func TestEncoding(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(AppendPath(nil, in)); got != want {
			t.Errorf("AppendPath(%q) = %q, want %q", in, got, want)
		}
	}
	f("/a b%/c", "/a%20b%25/c")
	f("/a+b@c=d:e", "/a%2Bb%40c%3Dd%3Ae")
	f("//x/../y/.", "//x/../y/.")
	f("/-._~*()'!", "/-._~%2A%28%29%27%21")
	f("/\x00\xff\u65e5", "/%00%FF%E6%97%A5")

	params := []Param{{"prefix", "a/b c~\x00"}, {"list-type", "2"}, {"delimiter", ""}, {"list-type", "1+1"}}
	want := "delimiter=&list-type=1%2B1&list-type=2&prefix=a%2Fb%20c~%00"
	if got := string(AppendQuery(nil, params)); got != want {
		t.Errorf("AppendQuery = %q, want %q", got, want)
	}
}

func TestSigningDoesNotAllocate(t *testing.T) {
	s := New("AKIAIOSFODNN7EXAMPLE", "secret", strings.Repeat("t", 800), "us-east-1")
	key := strings.Repeat("å/", 300)
	buf := make([]byte, 0, 16<<10)
	params := make([]Param, 0, 2)
	path := make([]byte, 0, 4<<10)
	query := make([]byte, 0, 256)
	now, firstBytes := exampleTime, []byte("bytes=0-1")
	allocs := testing.AllocsPerRun(100, func() {
		path = AppendPath(path[:0], key)
		query = AppendQuery(query[:0], append(params[:0], Param{"versionId", "3/L4kq"}, Param{"partNumber", "1"}))
		r := Request{Method: "GET", Host: "b.s3.amazonaws.com", Path: path, Query: query, Range: firstBytes}
		buf = s.AppendHeaders(buf[:0], &r, now)
		now = now.Add(time.Millisecond) // all in one second
	})
	if allocs != 0 {
		t.Errorf("%v allocations a signature, want 0", allocs)
	}
}

func TestConcurrentUseAroundMidnight(t *testing.T) {
	s := exampleSigner()
	r := Request{Method: "GET", Host: "h", Path: []byte("/k")}
	midnight := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	want := map[int][]byte{0: exampleSigner().AppendHeaders(nil, &r, midnight.Add(-time.Second)), 1: exampleSigner().AppendHeaders(nil, &r, midnight)}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			var buf []byte
			for i := range 500 {
				side := (g + i) & 1
				buf = s.AppendHeaders(buf[:0], &r, midnight.Add(time.Duration(side-1)*time.Second))
				if !bytes.Equal(buf, want[side]) {
					t.Errorf("side %d: got %s want %s", side, buf, want[side])
					return
				}
			}
		})
	}
	wg.Wait()
}

func signatureOf(headers string) string {
	_, sig, _ := strings.Cut(headers, "Signature=")
	return sig
}

func BenchmarkAppendHeaders(b *testing.B) {
	s := exampleSigner()
	r := Request{Method: "GET", Host: "examplebucket.s3.amazonaws.com", Path: []byte("/images/2024/photo.jpg")}
	buf := make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendHeaders(buf[:0], &r, exampleTime)
	}
}
