package s3test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

const (
	testKey    = "AKIAIOSFODNN7EXAMPLE"
	testSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

// start listens with AWS's example credentials and closes with the test.
func start(t *testing.T, s *Server) *Server {
	t.Helper()
	s.AccessKey, s.SecretKey = testKey, testSecret
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// public is a server that needs no signature.
func public(t *testing.T) *Server {
	t.Helper()
	return start(t, &Server{AllowAnonymous: true})
}

func ctx(t *testing.T) context.Context {
	c, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return c
}

// answerOf is an answer with its body read.
type answerOf struct {
	*http.Response
	body string
	err  error // of reading the body
}

// raw is a connection that sends bytes as they are.
type raw struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, s *Server) *raw {
	t.Helper()
	addr := s.URL()[strings.Index(s.URL(), "//")+2:]
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	return &raw{t, c, bufio.NewReader(c)}
}

// do sends a request with the header lines given and reads the answer.
func (c *raw) do(method, target string, lines ...string) answerOf {
	c.t.Helper()
	c.send(method, target, lines...)
	return c.read(method)
}

func (c *raw) send(method, target string, lines ...string) {
	c.t.Helper()
	head := method + " " + target + " HTTP/1.1\r\n"
	if !strings.HasPrefix(strings.ToLower(strings.Join(lines, "\n")), "host:") {
		head += "Host: 127.0.0.1\r\n"
	}
	for _, l := range lines {
		head += l + "\r\n"
	}
	if _, err := io.WriteString(c, head+"\r\n"); err != nil {
		c.t.Fatal(err)
	}
}

func (c *raw) read(method string) answerOf {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("cannot read the answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	return answerOf{resp, string(body), err}
}

// get sends one request on a connection of its own.
func get(t *testing.T, s *Server, method, target string, lines ...string) answerOf {
	t.Helper()
	c := dial(t, s)
	defer c.Close()
	return c.do(method, target, lines...)
}

// signed is the header lines of a signed request.
func signed(t *testing.T, s *Server, method, target string, at time.Time, header ...string) []string {
	t.Helper()
	u, err := url.Parse("http://s3.test" + target)
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{Method: method, URL: u, Header: http.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	Sign(r, s.AccessKey, s.SecretKey, s.SessionToken, s.region(), at)
	lines := []string{"Host: s3.test"}
	for name, values := range r.Header {
		lines = append(lines, name+": "+values[0])
	}
	return lines
}

// check compares an answer's status and, for an error, its code.
func check(t *testing.T, a answerOf, status int, contains ...string) {
	t.Helper()
	if a.StatusCode != status {
		t.Errorf("status %d, want %d; body %q", a.StatusCode, status, a.body)
	}
	for _, c := range contains {
		if !strings.Contains(a.body, c) {
			t.Errorf("body %q does not contain %q", a.body, c)
		}
	}
}

// certificate is a self-signed one for 127.0.0.1.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
