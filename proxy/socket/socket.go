// Package socket looks at a TCP connection without reading from it.
package socket

import (
	"net"
	"syscall"
)

// State is what a look at a connection found.
type State uint8

// The states of a connection as seen by its reader.
const (
	Quiet    State = iota // open, with nothing to read
	Readable              // bytes wait to be read
	Closed                // the peer closed or reset it, or it is closed here
)

// Probe looks at one connection. It is for one goroutine at a time; looking does not allocate.
type Probe struct {
	raw   syscall.RawConn
	peek  func(fd uintptr)
	state State
}

// NewProbe returns a probe for c, or for the connection below it where c is a TLS connection. What is no socket
// always seems quiet.
func NewProbe(c net.Conn) *Probe {
	p := &Probe{}
	if below, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = below.NetConn()
	}
	if sc, ok := c.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn()
	}
	p.peek = func(fd uintptr) { p.state = peek(fd) }
	return p
}

// State looks once.
func (p *Probe) State() State {
	if p.raw == nil {
		return Quiet
	}
	if err := p.raw.Control(p.peek); err != nil {
		return Closed
	}
	return p.state
}
