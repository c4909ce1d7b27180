// Package origin reads from S3: it builds and signs requests, sends them over pooled connections, and hands back
// responses whose bodies stream as they arrive, each phase under a deadline of its own and none over the whole body.
package origin

import (
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"yatagarasu/sigv4"
)

// Options say where a bucket is and how it is read.
type Options struct {
	Bucket         string
	Region         string
	Endpoint       string // http(s)://host[:port]; empty = AWS in the region
	Addressing     string // "path", "virtual" or "auto"
	AccessKey      string
	SecretKey      string
	SessionToken   string
	Connect        time.Duration // name lookup, TCP, TLS, and the wait for a free connection
	FirstByte      time.Duration // from the request to the end of the response's header
	Stall          time.Duration // each silence within a body
	MaxConnections int
	Received       func(bytes int64) // told the length of what was read of each body; may be nil
	RootCAs        *x509.CertPool    // nil = the system's
	Resolver       *net.Resolver     // nil = the system's
}

// Client reads one bucket. It is safe for concurrent use.
type Client struct {
	target    target
	signer    *sigv4.Signer
	pool      *pool
	firstByte time.Duration
	stall     time.Duration
	received  func(int64)
	closed    atomic.Bool
	responses sync.Pool
}

// Request is one GET or HEAD. Nothing in it is kept after Do returns, but for Gone.
type Request struct {
	Method string
	Key    []byte        // the raw key; empty = the bucket itself
	Query  []sigv4.Param // sent and signed; sorted in place
	Range  []byte        // the Range header's value, or empty
	Header []byte        // further header lines, each ended by CRLF; sent unsigned
	// Gone is asked during silences whether the client has left; it may be nil. The request is abandoned if so.
	Gone func() bool
}

// target is where requests go, worked out once.
type target struct {
	address    string // host:port to connect to
	host       string // the Host header
	serverName string // for TLS
	tls        bool
	prefix     []byte // the encoded path before the key, ended by "/"
}

// New returns a client. It does not connect.
func New(o Options) (*Client, error) {
	t, err := resolveTarget(o)
	if err != nil {
		return nil, err
	}
	c := &Client{
		target:    t,
		signer:    sigv4.New(o.AccessKey, o.SecretKey, o.SessionToken, o.Region),
		firstByte: o.FirstByte,
		stall:     o.Stall,
		received:  o.Received,
	}
	if c.received == nil {
		c.received = func(int64) {}
	}
	c.pool = newPool(&c.target, o)
	c.responses.New = func() any { return &Response{client: c} }
	return c, nil
}

// Close drops the idle connections. Responses in progress go on to their end.
func (c *Client) Close() {
	c.closed.Store(true)
	c.pool.close()
}

// Connections returns how many connections to the origin are open, idle ones included.
func (c *Client) Connections() int { return c.pool.hc.ConnsCount() }

// resolveTarget applies the addressing rules of "Virtual hosting of buckets" (Amazon S3 User Guide).
func resolveTarget(o Options) (target, error) {
	endpoint, onAWS := o.Endpoint, o.Endpoint == ""
	if onAWS {
		suffix := ".amazonaws.com"
		if strings.HasPrefix(o.Region, "cn-") {
			suffix = ".amazonaws.com.cn"
		}
		endpoint = "https://s3." + o.Region + suffix
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return target{}, fmt.Errorf("endpoint %q is not http(s)://host[:port]", o.Endpoint)
	}
	t := target{tls: u.Scheme == "https", host: u.Host, prefix: []byte("/")}
	port := u.Port()
	if defaultPort := map[bool]string{false: "80", true: "443"}[t.tls]; port == "" || port == defaultPort {
		// The default port is left out of Host, so that what is signed is what every server reconstructs.
		port, t.host = defaultPort, strings.TrimSuffix(u.Host, ":"+defaultPort)
	}
	hostname := u.Hostname()
	// No wildcard certificate covers a bucket whose name has dots, so those go by path on AWS.
	virtual := o.Addressing == "virtual" || o.Addressing != "path" && onAWS && !strings.Contains(o.Bucket, ".")
	if virtual {
		hostname = o.Bucket + "." + hostname
		t.host = o.Bucket + "." + t.host
	} else {
		t.prefix = append(sigv4.AppendPath(t.prefix, o.Bucket), '/')
	}
	t.serverName = hostname
	t.address = net.JoinHostPort(hostname, port)
	return t, nil
}

// appendRequest writes the request's head, signed at the time now.
func (c *Client) appendRequest(dst []byte, r *Request, now time.Time) []byte {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	pathAt := len(dst)
	if len(r.Key) == 0 && len(c.target.prefix) > 1 {
		dst = append(dst, c.target.prefix[:len(c.target.prefix)-1]...) // the bucket itself: /bucket
	} else {
		dst = append(dst, c.target.prefix...)
		dst = sigv4.AppendPath(dst, r.Key)
	}
	queryAt := len(dst)
	if len(r.Query) > 0 {
		dst = append(dst, '?')
		dst = sigv4.AppendQuery(dst, r.Query)
	}
	end := len(dst)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, c.target.host...)
	dst = append(dst, "\r\n"...)
	if len(r.Range) > 0 {
		dst = append(dst, "Range: "...)
		dst = append(dst, r.Range...)
		dst = append(dst, "\r\n"...)
	}
	signed := sigv4.Request{Method: r.Method, Host: c.target.host, Path: dst[pathAt:queryAt], Range: r.Range}
	if end > queryAt {
		signed.Query = dst[queryAt+1 : end]
	}
	dst = c.signer.AppendHeaders(dst, &signed, now)
	dst = append(dst, r.Header...)
	return append(dst, "\r\n"...)
}

// Do sends the request and returns once the response's header is complete, whatever its status; the error is an
// *Error. The caller closes the response. A request that fails on a reused connection before a byte of the answer
// came is sent once more, on a new connection: the origin was closing the old one as idle (RFC 9112, section 9.3.1),
// and the others with it for all that is known. Nothing else is retried here.
func (c *Client) Do(r *Request) (*Response, error) {
	resp := c.responses.Get().(*Response)
	resp.gone = r.Gone
	var deadline time.Time
	for again := false; ; again = true {
		l, err := c.pool.get()
		if err != nil {
			resp.recycle()
			return nil, err
		}
		resp.take(l)
		now := time.Now()
		if !again {
			deadline = now.Add(c.firstByte)
		}
		resp.scratch = c.appendRequest(resp.scratch[:0], r, now)
		err = resp.exchange(r.Method == "HEAD", deadline)
		if err == nil {
			return resp, nil
		}
		resp.abandon()
		if l.reused && !again && !resp.answered && staleConnection(err) {
			c.pool.close()
			continue
		}
		resp.recycle()
		return nil, err
	}
}
