package main

import "syscall"

// tcpNotsentLowat is TCP_NOTSENT_LOWAT of linux/tcp.h, which package syscall lacks.
const tcpNotsentLowat = 25

// notsentLowat is how much may wait in the kernel for a slow client beyond what is in flight to it. Without it the
// send buffer of each slow download grows to megabytes, and a thousand of them reach the kernel's limit for all of
// TCP.
const notsentLowat = 128 << 10

// tune sets what accepted connections inherit from the listening socket.
func tune(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		// An older kernel that does not know it serves as well, with more memory.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, notsentLowat)
	})
}
