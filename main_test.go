package main

import (
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
