package origin

import (
	"net"
	"strings"
	"testing"

	"yatagarasu/proxy/s3test"
)

func TestTargets(t *testing.T) {
	f := func(endpoint, region, bucket, addressing, address, host, prefix string) {
		t.Helper()
		o := Options{Endpoint: endpoint, Region: region, Bucket: bucket, Addressing: addressing}
		got, err := resolveTarget(o)
		if err != nil || got.address != address || got.host != host || string(got.prefix) != prefix ||
			got.tls != !strings.HasPrefix(endpoint, "http://") {
			t.Errorf("%q %s %s %s: %+v (prefix %s), %v; want %s, Host %s, %s", endpoint, region, bucket, addressing, got, got.prefix, err, address, host, prefix)
			return
		}
		if name, _, _ := net.SplitHostPort(address); got.serverName != name {
			t.Errorf("%q: the server's name is %s", endpoint, got.serverName)
		}
	}
	const r = "us-east-1"
	f("", "eu-west-1", "b", "auto", "b.s3.eu-west-1.amazonaws.com:443", "b.s3.eu-west-1.amazonaws.com", "/")
	f("", "eu-west-1", "b", "", "b.s3.eu-west-1.amazonaws.com:443", "b.s3.eu-west-1.amazonaws.com", "/")
	f("", r, "b", "path", "s3.us-east-1.amazonaws.com:443", "s3.us-east-1.amazonaws.com", "/b/")
	f("", r, "my.dotted.bucket", "auto", "s3.us-east-1.amazonaws.com:443", "s3.us-east-1.amazonaws.com", "/my.dotted.bucket/")
	f("", r, "my.dotted", "virtual", "my.dotted.s3.us-east-1.amazonaws.com:443", "my.dotted.s3.us-east-1.amazonaws.com", "/")
	f("", "cn-north-1", "b", "auto", "b.s3.cn-north-1.amazonaws.com.cn:443", "b.s3.cn-north-1.amazonaws.com.cn", "/")
	f("http://h", r, "b", "auto", "h:80", "h", "/b/")
	f("http://h:80", r, "b", "auto", "h:80", "h", "/b/")
	f("http://h:443", r, "b", "auto", "h:443", "h:443", "/b/")
	f("http://h:9000", r, "b", "path", "h:9000", "h:9000", "/b/")
	f("https://h", r, "b", "auto", "h:443", "h", "/b/")
	f("https://h:443", r, "b", "auto", "h:443", "h", "/b/")
	f("https://h:80/", r, "b", "auto", "h:80", "h:80", "/b/")
	f("https://h:8443", r, "b", "virtual", "b.h:8443", "b.h:8443", "/")
	f("https://h:443", r, "b", "virtual", "b.h:443", "b.h", "/")
	f("http://[::1]:9000", r, "b", "auto", "[::1]:9000", "[::1]:9000", "/b/")
	f("http://[::1]", r, "b", "auto", "[::1]:80", "[::1]", "/b/")
	f("http://[::1]:80", r, "b", "path", "[::1]:80", "[::1]", "/b/")
	f("http://h", r, "b c", "path", "h:80", "h", "/b%20c/")
	for _, bad := range []string{"h", "h:80", "ftp://h", "http://", "http:", "//h", "http://h:port", "http://[::1", "\x00"} {
		if got, err := resolveTarget(Options{Endpoint: bad, Bucket: "b", Region: r}); err == nil {
			t.Errorf("%q is accepted: %+v", bad, got)
		}
	}
}

func TestVirtualAddressing(t *testing.T) {
	s, _ := start(t, nil)
	r := &fakeDNS{}
	r.start(t, "127.0.0.1")
	c := newClient(t, strings.Replace(s.URL(), "127.0.0.1", "s3.test", 1), func(o *Options) { o.Addressing = "virtual"; o.Resolver = r.resolver() })
	resp := mustDo(t, c, get("small"), 200)
	if got := readAll(t, resp); string(got) != "small body" {
		t.Errorf("%q", got)
	}
	resp.Close()
	seen := s.Requests()
	if last := seen[len(seen)-1]; !strings.HasPrefix(last.Host, "b.s3.test:") || last.RawURI != "/small" || last.Verdict != "signed" {
		t.Errorf("%+v", last)
	}
}

func TestOverIPv6(t *testing.T) {
	s := &s3test.Server{AccessKey: accessKey, SecretKey: secretKey, Region: "us-east-1"}
	s.Put("b", "small", s3test.Object{Body: []byte("small body")})
	if err := s.Listen("[::1]:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	c := newClient(t, s.URL(), nil)
	r := mustDo(t, c, get("small"), 200)
	defer r.Close()
	if got := readAll(t, r); string(got) != "small body" {
		t.Errorf("%q", got)
	}
	if host := s.Requests()[0].Host; !strings.HasPrefix(host, "[::1]:") {
		t.Errorf("Host is %q", host)
	}
}
