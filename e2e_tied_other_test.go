//go:build !linux

package main

import "os/exec"

// startTied starts a process; the channel is closed when it has ended.
func startTied(cmd *exec.Cmd) (exited <-chan struct{}, err error) {
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // it was killed
	}()
	return done, nil
}
