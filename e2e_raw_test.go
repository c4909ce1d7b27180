package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// rawClient sends request lines and headers exactly as given: net/http would normalise them. It keeps a connection
// for as long as the server does.
type rawClient struct {
	t    testing.TB
	addr string
	conn net.Conn // nil when the next request needs a new one
	r    *bufio.Reader
}

func rawTo(p *program) *rawClient {
	c := &rawClient{t: p.t, addr: strings.TrimPrefix(p.url, "http://")}
	p.t.Cleanup(c.close)
	return c
}

func (c *rawClient) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// send writes a whole request: the lines joined by CRLF, then what follows.
func (c *rawClient) send(body string, lines ...string) {
	c.t.Helper()
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.addr)
		if err != nil {
			c.t.Fatal(err)
		}
		c.conn, c.r = conn, bufio.NewReader(conn)
	}
	if err := c.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		c.t.Fatal(err)
	}
	if _, err := io.WriteString(c.conn, strings.Join(lines, "\r\n")+"\r\n\r\n"+body); err != nil {
		c.t.Fatalf("cannot send %q: %v", lines, err)
	}
}

// receive reads a response.
func (c *rawClient) receive(method string) (*http.Response, []byte) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("cannot read the response: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("cannot read the body: %v", err)
	}
	if resp.Close {
		c.close()
	}
	return resp, body
}

// do sends a request without a body and reads the response.
func (c *rawClient) do(method, target string, header ...string) (*http.Response, []byte) {
	c.t.Helper()
	c.send("", append([]string{method + " " + target + " HTTP/1.1", "Host: proxy.test"}, header...)...)
	return c.receive(method)
}
