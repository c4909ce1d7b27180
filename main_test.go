package main

import (
	"io"
	"net"
	"strings"
	"testing"

	"yatagarasu/proxy/s3test"
)

func TestServesAnObject(t *testing.T) {
	s3 := startS3(t)
	s3.Put("b", "hello.txt", s3test.Object{Body: []byte("hello")})
	p := startProgram(t, listeners+"buckets:"+bucketYAML("docs", "/docs", "b", s3.URL(), ""))
	resp, body := fetch(t, "GET", p.url+"/docs/hello.txt")
	if resp.StatusCode != 200 || string(body) != "hello" {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	if r := p.access(resp); r["path"] != "/docs/hello.txt" || r["bytes"] != 5.0 || r["cache"] != "BYPASS" {
		t.Errorf("access record %v", r)
	}
	p.awaitMetric(`yatagarasu_requests_total{bucket="docs",method="GET",status="200"}`, "1")
	p.stop()
	if code := p.exit(); code != exitFine {
		t.Errorf("exit code %d", code)
	}
}

// A connection that is opened ahead of need, as browsers do, is closed in silence: there is no request to answer.
func TestSilentConnectionGetsNoAnswer(t *testing.T) {
	yaml := strings.Replace(listeners, "timeouts: {", "timeouts: {header: 50ms, ", 1)
	p := startProgram(t, yaml+"buckets:"+bucketYAML("b", "/b", "b", "http://127.0.0.1:9", ""))
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got, err := io.ReadAll(conn); err != nil || len(got) > 0 {
		t.Errorf("got %q, %v", got, err)
	}
	if got := p.metric(`yatagarasu_requests_total{bucket="-",method="other",status="408"}`); got != "" {
		t.Errorf("%s requests were counted", got)
	}
}
