package origin

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"yatagarasu/proxy/s3test"
)

// certify makes a self-signed certificate for 127.0.0.1 and the pool that trusts it.
func certify(t *testing.T, notAfter time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "origin test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: notAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func startTLS(t *testing.T, cert tls.Certificate) *s3test.Server {
	t.Helper()
	s := &s3test.Server{AccessKey: accessKey, SecretKey: secretKey, Region: "us-east-1"}
	s.Put("b", "small", s3test.Object{Body: []byte("small body")})
	s.Put("b", "large", s3test.Object{Size: 4 << 20, At: s3test.Pattern(1)})
	if err := s.ListenTLS("127.0.0.1:0", cert); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func TestOverTLS(t *testing.T) {
	cert, pool := certify(t, time.Now().Add(time.Hour))
	s := startTLS(t, cert)
	c := newClient(t, s.URL(), func(o *Options) { o.RootCAs = pool })
	for range 3 {
		r := mustDo(t, c, get("large"), 200)
		if got := readAll(t, r); string(got) != string(pattern(1, 4<<20)) {
			t.Error("wrong bytes")
		}
		r.Close()
	}
	if n := s.Connections(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
	// Silences are longer than a tick, so reads time out on the way; that must not break the TLS connection.
	s.SetFault(func(s3test.Request) *s3test.Fault {
		return &s3test.Fault{DelayFor: 3 * watchTick, DripBytes: 3, DripEvery: 3 * watchTick / 2}
	})
	r := mustDo(t, c, get("small"), 200)
	if got := readAll(t, r); string(got) != "small body" {
		t.Errorf("%q", got)
	}
	r.Close()
}

func TestCertificatesThatDoNotHold(t *testing.T) {
	good, pool := certify(t, time.Now().Add(time.Hour))
	_, otherPool := certify(t, time.Now().Add(time.Hour))
	expired, expiredPool := certify(t, time.Now().Add(-time.Hour))
	dns := &fakeDNS{}
	dns.start(t, "127.0.0.1")
	f := func(name string, cert tls.Certificate, roots *x509.CertPool, host string) {
		t.Helper()
		s := startTLS(t, cert)
		c := newClient(t, strings.Replace(s.URL(), "127.0.0.1", host, 1), func(o *Options) { o.RootCAs, o.Resolver = roots, dns.resolver() })
		resp, err := c.Do(get("small"))
		if err == nil {
			resp.Close()
			t.Errorf("%s is trusted", name)
			return
		}
		wantReason(t, err, ReasonTLS)
		if n := c.Connections(); n != 0 {
			t.Errorf("%s: %d connections stay", name, n)
		}
	}
	f("an unknown authority", good, otherPool, "127.0.0.1")
	f("an expired certificate", expired, expiredPool, "127.0.0.1")
	f("another host's certificate", good, pool, "s3.test")
}

// countResumed serves TLS by hand, one request a connection, and tells how many handshakes resumed a session.
func countResumed(t *testing.T, cert tls.Certificate) (addr string, resumed, whole *atomic.Int32) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	resumed, whole = new(atomic.Int32), new(atomic.Int32)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
					return
				}
				if conn.(*tls.Conn).ConnectionState().DidResume {
					resumed.Add(1)
				} else {
					whole.Add(1)
				}
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			}()
		}
	}()
	return ln.Addr().String(), resumed, whole
}

func TestSessionsAreResumed(t *testing.T) {
	cert, pool := certify(t, time.Now().Add(time.Hour))
	addr, resumed, whole := countResumed(t, cert)
	c := newClient(t, "https://"+addr, func(o *Options) { o.RootCAs = pool })
	for range 3 {
		r := mustDo(t, c, get("x"), 200)
		if got := readAll(t, r); string(got) != "ok" {
			t.Errorf("%q", got)
		}
		r.Close()
	}
	if whole.Load() != 1 || resumed.Load() != 2 {
		t.Errorf("%d whole handshakes and %d resumed, want 1 and 2", whole.Load(), resumed.Load())
	}
}

func TestConnectionsAgeOut(t *testing.T) {
	s, c := start(t, nil)
	r := mustDo(t, c, get("small"), 200)
	born := time.Now()
	if life := r.lease.expire.Sub(born); life < maxConnAge-time.Minute || life > maxConnAge*5/4 {
		t.Errorf("a connection lives for %v", life)
	}
	readAll(t, r)
	r.Close()
	r = mustDo(t, c, get("small"), 200)
	if !r.lease.reused {
		t.Error("a young connection is not reused")
	}
	r.lease.expire = born.Add(-time.Second)
	readAll(t, r)
	r.Close()
	if n := c.Connections(); n != 0 {
		t.Errorf("%d connections beyond their age stay", n)
	}
	mustDo(t, c, get("small"), 200).Close()
	if n := s.Connections(); n != 2 {
		t.Errorf("%d connections were made, want 2", n)
	}
}

func TestNamesAreLookedUpForEveryConnection(t *testing.T) {
	s, _ := start(t, nil)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(s.URL(), "http://"))
	other := &s3test.Server{AccessKey: accessKey, SecretKey: secretKey, Region: "us-east-1"}
	other.Put("b", "small", s3test.Object{Body: []byte("the other one")})
	if err := other.Listen("127.0.0.2:" + port); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	dns := &fakeDNS{}
	dns.start(t, "127.0.0.1")
	c := newClient(t, "http://s3.test:"+port, func(o *Options) { o.Resolver = dns.resolver() })
	f := func(want string) {
		t.Helper()
		r := mustDo(t, c, get("small"), 200)
		defer r.Close()
		if got := readAll(t, r); string(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("small body")
	dns.answer("127.0.0.2")
	f("small body") // the connection stands
	s.CloseConnections()
	f("the other one")
	dns.answer("")
	other.CloseConnections()
	_, err := c.Do(get("small"))
	wantReason(t, err, ReasonDNS)
}

func TestDialReasons(t *testing.T) {
	f := func(err error, want Reason) {
		t.Helper()
		if got := dialReason(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
	f(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}}, ReasonDNS)
	f(&net.OpError{Op: "dial", Err: &net.DNSError{IsTimeout: true}}, ReasonDNS)
	f(tls.RecordHeaderError{}, ReasonTLS)
	f(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, ReasonTLS)
	f(x509.HostnameError{Certificate: &x509.Certificate{}}, ReasonTLS)
	f(tls.AlertError(40), ReasonTLS)
	f(errors.Join(errHandshake, io.EOF), ReasonTLS)
	f(&net.OpError{Op: "dial", Err: context.DeadlineExceeded}, ReasonConnect)
	f(io.EOF, ReasonConnect)
}

// What an origin sends beyond its answer may lie decrypted within the TLS layer, where the socket does not show it.
func TestExcessBytesOverTLS(t *testing.T) {
	cert, pool := certify(t, time.Now().Add(time.Hour))
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	body := strings.Repeat("x", 40_000)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for buf := make([]byte, 4096); ; {
					if _, err := conn.Read(buf); err != nil {
						return
					}
					fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", len(body), body)
				}
			}()
		}
	}()
	c := newClient(t, "https://"+ln.Addr().String(), func(o *Options) { o.RootCAs = pool })
	for range 20 {
		r := mustDo(t, c, get("x"), 200)
		if got := readAll(t, r); string(got) != body {
			t.Fatalf("got %d bytes %.20q", len(got), got)
		}
		r.Close()
	}
}
