package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"yatagarasu/proxy/s3test"
)

// realServer is an S3 server of others, a process of its own. It is started by the first test that wants it and runs
// until the last has ended.
type realServer struct {
	binary  string // in .tools/bin
	env     []string
	command func(address, dir string) []string

	once     sync.Once
	endpoint string // set by once, as err is
	err      error
	stop     func() // nil unless it runs
}

var versitygw = &realServer{
	binary: "versitygw",
	command: func(address, dir string) []string {
		// Without --keep-alive it closes after each response, and the kernel resets a connection whose client is slow to
		// take the last bytes.
		return []string{"--access", testAccessKey, "--secret", testSecretKey, "--port", address, "--quiet", "--keep-alive", "posix", dir}
	},
}

var minio = &realServer{
	binary: "minio",
	env: []string{"MINIO_ROOT_USER=" + testAccessKey, "MINIO_ROOT_PASSWORD=" + testSecretKey, "MINIO_REGION=us-east-1",
		"MINIO_BROWSER=off", "MINIO_UPDATE=off"},
	command: func(address, dir string) []string {
		return []string{"server", "--quiet", "--anonymous", "--address", address, dir}
	},
}

// stopServers ends the servers that were started, and removes what they kept.
func stopServers() {
	for _, s := range []*realServer{versitygw, minio} {
		if s.stop != nil {
			s.stop()
		}
	}
}

// url starts the server if it does not run yet.
func (s *realServer) url(t testing.TB) string {
	t.Helper()
	s.once.Do(func() {
		for range 5 { // a free port may be taken before the server has it
			if s.err = s.start(); s.err == nil {
				return
			}
		}
	})
	if s.err != nil {
		t.Fatalf("cannot start %s: %v", s.binary, s.err)
	}
	return s.endpoint
}

var tools sync.Mutex // one installation at a time

// path is that of the server's binary, which a fresh clone has to install first.
func (s *realServer) path() (string, error) {
	tools.Lock()
	defer tools.Unlock()
	path, err := filepath.Abs(filepath.Join(".tools", "bin", s.binary))
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if out, err := exec.Command("./.ci/tools.sh", "servers").CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot install the servers: %w\n%s", err, out)
	}
	return path, nil
}

func (s *realServer) start() error {
	path, err := s.path()
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := ln.Addr().String()
	ln.Close()
	dir, err := os.MkdirTemp("", "yatagarasu-"+s.binary+"-")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	cmd := exec.Command(path, s.command(address, dir)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(os.Environ(), s.env...)
	exited, err := startTied(cmd)
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	stop := func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-exited
		_ = os.RemoveAll(dir) // in the system's temporary directory; nobody is left to tell
	}
	if err := awaitS3("http://"+address, exited); err != nil {
		stop()
		return fmt.Errorf("%w\n%s", err, &out)
	}
	s.endpoint, s.stop = "http://"+address, stop
	return nil
}

// awaitS3 tries to create a bucket until that works, 30 seconds long.
func awaitS3(endpoint string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		status, err := sendSigned(ctx, "PUT", endpoint+"/ready", nil, 0)
		if status == 200 {
			return nil
		}
		select {
		case <-again.C:
		case <-exited:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: status %d, %w", status, err)
		}
	}
}

// sendSigned sends a request to an S3 server itself and returns the status.
func sendSigned(ctx context.Context, method, url string, body io.Reader, size int64, header ...string) (int, error) {
	resp, err := doSigned(ctx, method, url, body, size, header...)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func doSigned(ctx context.Context, method, url string, body io.Reader, size int64, header ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	if size > 0 {
		r.Body, r.ContentLength = io.NopCloser(body), size
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	s3test.Sign(r, testAccessKey, testSecretKey, "", "us-east-1", time.Now())
	return client.Do(r)
}
