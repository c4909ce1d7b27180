//go:build unix

package socket

import "syscall"

// peek asks for one byte without taking it and without waiting.
func peek(fd uintptr) State {
	var b [1]byte
	for {
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return Quiet
		case err != nil || n == 0:
			return Closed
		default:
			return Readable
		}
	}
}
