package main

import (
	"os/exec"
	"runtime"
	"syscall"
)

// startTied starts a process that ends with this one, even when a test panics or runs out of time. The kernel ties it
// to the thread that started it, so that thread stays until the process has ended, which closes the channel.
func startTied(cmd *exec.Cmd) (exited <-chan struct{}, err error) {
	started, done := make(chan error), make(chan struct{})
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // it was killed
		}
	}()
	return done, <-started
}
