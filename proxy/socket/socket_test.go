package socket

import (
	"crypto/tls"
	"net"
	"testing"
)

func pair(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// await looks until the state is there: the kernel delivers in its own time.
func await(t *testing.T, p *Probe, want State) {
	t.Helper()
	for range 1_000_000 {
		if p.State() == want {
			return
		}
	}
	t.Fatalf("state is %v, want %v", p.State(), want)
}

func TestStates(t *testing.T) {
	c, s := pair(t)
	p := NewProbe(s)
	await(t, p, Quiet)
	if allocs := testing.AllocsPerRun(10, func() { p.State() }); allocs != 0 {
		t.Errorf("%v allocations a look", allocs)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	await(t, p, Readable)
	var b [1]byte
	if _, err := s.Read(b[:]); err != nil || b[0] != 'x' {
		t.Errorf("looking took the byte: %q, %v", b, err)
	}
	await(t, p, Quiet)
	c.CloseWrite()
	await(t, p, Closed)
}

func TestReset(t *testing.T) {
	c, s := pair(t)
	p := NewProbe(s)
	c.SetLinger(0)
	c.Close()
	await(t, p, Closed)
}

func TestClosedHere(t *testing.T) {
	_, s := pair(t)
	p := NewProbe(s)
	s.Close()
	await(t, p, Closed)
}

func TestBelowTLSAndNoSocket(t *testing.T) {
	c, s := pair(t)
	p := NewProbe(tls.Server(s, &tls.Config{}))
	await(t, p, Quiet)
	c.Close()
	await(t, p, Closed)
	if a, _ := net.Pipe(); NewProbe(a).State() != Quiet {
		t.Error("a pipe is not quiet")
	}
}
