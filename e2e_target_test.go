package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"yatagarasu/proxy/s3test"
)

// s3target is an S3 with an empty bucket for one test. The same cases run against each of them.
type s3target struct {
	t        testing.TB
	name     string
	endpoint string
	bucket   string
	memory   *s3test.Server // nil when the target is a process
}

var targets = []struct {
	name string
	real *realServer
}{{"versitygw", versitygw}, {"minio", minio}, {"s3test", nil}}

var bucketsMade atomic.Int64

// eachTarget runs f against each S3 server, side by side.
func eachTarget(t *testing.T, f func(t *testing.T, o *s3target)) {
	t.Parallel()
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			t.Parallel()
			f(t, newTarget(t, target.real))
		})
	}
}

// eachTargetAlone runs f against one S3 server after the other, and no other test meanwhile.
func eachTargetAlone(t *testing.T, f func(t *testing.T, o *s3target)) {
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) { f(t, newTarget(t, target.real)) })
	}
}

func newTarget(t *testing.T, s *realServer) *s3target {
	t.Helper()
	if s == nil {
		return memoryTarget(t)
	}
	o := &s3target{t: t, name: s.binary, endpoint: s.url(t), bucket: fmt.Sprintf("secret-bucket-%d", bucketsMade.Add(1))}
	if status, err := sendSigned(t.Context(), "PUT", o.endpoint+"/"+o.bucket, nil, 0); status != 200 {
		t.Fatalf("cannot create a bucket: status %d, %v", status, err)
	}
	return o
}

// memoryTarget is the in-memory S3, for what a real server cannot show.
func memoryTarget(t *testing.T) *s3target {
	s := startS3(t)
	s.CreateBucket("secret-bucket-0")
	return &s3target{t: t, name: "s3test", endpoint: s.URL(), bucket: "secret-bucket-0", memory: s}
}

// put stores an object.
func (o *s3target) put(key string, body []byte, header ...string) {
	o.t.Helper()
	if status := o.tryPut(key, body, header...); status != 200 {
		o.t.Fatalf("PUT %q: status %d", key, status)
	}
}

// tryPut stores an object and returns the status, because real servers refuse some keys. The status is 0 when the
// request cannot be sent.
func (o *s3target) tryPut(key string, body []byte, header ...string) int {
	if o.memory != nil {
		o.memory.Put(o.bucket, key, s3test.Object{Body: body, Header: fields(header)})
		return 200
	}
	status, err := sendSigned(o.t.Context(), "PUT", o.url(key), bytes.NewReader(body), int64(len(body)), header...)
	if err != nil {
		return 0
	}
	return status
}

// putPattern stores size bytes of a pattern without holding them.
func (o *s3target) putPattern(key string, seed uint64, size int64) {
	o.t.Helper()
	if o.memory != nil {
		o.memory.Put(o.bucket, key, s3test.Object{Size: size, At: s3test.Pattern(seed)})
		return
	}
	body := io.NewSectionReader(s3test.Pattern(seed), 0, size)
	if status, err := sendSigned(o.t.Context(), "PUT", o.url(key), body, size); status != 200 {
		o.t.Fatalf("PUT %q of %d bytes: status %d, %v", key, size, status, err)
	}
}

// holds tells whether the server has exactly body under key. Servers that keep objects as files may have another's.
func (o *s3target) holds(key string, body []byte) bool {
	resp, err := doSigned(o.t.Context(), "GET", o.url(key), nil, 0)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return err == nil && resp.StatusCode == 200 && bytes.Equal(got, body)
}

func (o *s3target) url(key string) string { return o.endpoint + "/" + o.bucket + "/" + escapeKey(key) }

// proxy starts a proxy that serves the bucket below /o; extra are further lines of the bucket's mapping.
func (o *s3target) proxy(extra ...string) *program {
	o.t.Helper()
	return o.proxyWith("", extra...)
}

// proxyWith is proxy with further keys of the s3 mapping, as ", key: value".
func (o *s3target) proxyWith(s3 string, extra ...string) *program {
	o.t.Helper()
	yaml := bucketYAML("objects", "/o", o.bucket, o.endpoint, indented(extra))
	yaml = strings.Replace(yaml, testSecretKey+"}", testSecretKey+s3+"}", 1)
	return startProgram(o.t, listeners+"buckets:"+yaml)
}

func indented(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString("    " + line + "\n")
	}
	return b.String()
}

// fields makes a header of names and values.
func fields(pairs []string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

// escapeKey percent-encodes a key for a URL: all but unreserved characters and slashes.
func escapeKey(key string) string { return escapeKeyAs(key, "%%%02X") }

func escapeKeyAs(key, format string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	var b strings.Builder
	for i := range len(key) {
		if strings.IndexByte(unreserved, key[i]) >= 0 {
			b.WriteByte(key[i])
			continue
		}
		fmt.Fprintf(&b, format, key[i])
	}
	return b.String()
}

// patternBytes is the beginning of a pattern.
func patternBytes(seed uint64, size int) []byte {
	b := make([]byte, size)
	_, _ = s3test.Pattern(seed).ReadAt(b, 0) // fills b, always
	return b
}
