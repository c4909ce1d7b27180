package origin

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"testing"
)

// fakeDNS answers every question for an IPv4 address with the same one.
type fakeDNS struct {
	addr    string
	current atomic.Pointer[net.IP]
}

// start serves on a UDP port of loopback.
func (d *fakeDNS) start(t *testing.T, ip string) {
	t.Helper()
	d.answer(ip)
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	d.addr = conn.LocalAddr().String()
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(d.reply(buf[:n]), from)
		}
	}()
}

// answer sets the address of all names; "" = no name exists.
func (d *fakeDNS) answer(ip string) {
	parsed := net.ParseIP(ip).To4()
	d.current.Store(&parsed)
}

func (d *fakeDNS) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", d.addr)
	}}
}

// reply makes the answer to a query of one question (RFC 1035, section 4).
func (d *fakeDNS) reply(query []byte) []byte {
	end := 12
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	out := append([]byte(nil), query[:end+5]...)
	binary.BigEndian.PutUint16(out[2:], 0x8180)                         // a response, recursion available
	out[6], out[7], out[8], out[9], out[10], out[11] = 0, 0, 0, 0, 0, 0 // no records
	ip := *d.current.Load()
	switch {
	case ip == nil:
		out[3] |= 3 // no such name
	case kind == 1:
		out[7] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		out = append(out, ip...)
	}
	return out
}
