//go:build !linux

package main

import "syscall"

// tune leaves sockets as they are.
func tune(_, _ string, _ syscall.RawConn) error { return nil }
