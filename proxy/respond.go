package proxy

import (
	"errors"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/origin"
)

var errNoLength = errors.New("the origin's answer has no length, and the client speaks HTTP/1.0")

// answer sends the origin's 200 or 206, unless a precondition says otherwise.
func (x *exchange) answer(resp *origin.Response) error {
	switch x.evaluate(&resp.Header) {
	case failed:
		resp.Close()
		return errFailedCond
	case notModified:
		return x.notModified(resp)
	}
	out := &x.ctx.Response
	out.SetStatusCode(resp.Status())
	x.copyHeader(&resp.Header)
	if x.method == methodHead {
		defer resp.Close()
		out.SkipBody = true
		if resp.Size >= 0 {
			out.Header.SetContentLength(int(resp.Size))
		}
		return nil
	}
	if body := resp.Buffered(); body != nil {
		x.held = resp
		x.bodySize = int64(len(body))
		out.SetBodyRaw(body)
		return nil
	}
	if resp.Size < 0 && !x.ctx.Request.Header.IsHTTP11() {
		resp.Close()
		return x.malformed(errNoLength) // HTTP/1.0 knows no chunks, and a close would hide a truncation
	}
	x.streamFrom(resp, resp.Size)
	return nil
}

// streamFrom makes src the response's body.
func (x *exchange) streamFrom(src source, size int64) {
	x.stream = stream{x: x, source: src, size: size}
	out := &x.ctx.Response
	out.ImmediateHeaderFlush = true
	out.SetBodyStream(&x.stream, int(size))
}

// notModified answers 304 with the fields that a 200 would have had (RFC 9110, section 15.4.5), and closes resp.
func (x *exchange) notModified(resp *origin.Response) error {
	defer resp.Close()
	out := &x.ctx.Response
	x.copyHeader(&resp.Header)
	out.SetStatusCode(fasthttp.StatusNotModified)
	for _, name := range []string{"Content-Type", "Content-Encoding", "Content-Language", "Content-Range", "Content-Disposition"} {
		out.Header.Del(name)
	}
	x.bucket.metrics.notModified.Inc()
	if size := resp.Size; resp.Status() == fasthttp.StatusOK && size > 0 {
		x.bucket.metrics.bytesSaved.AddInt64(size)
	}
	return nil
}

// copyHeader passes on the origin's fields that the client may see, and adds ours.
func (x *exchange) copyHeader(from *fasthttp.ResponseHeader) {
	x.cache = cacheBypass
	to := &x.ctx.Response.Header
	for name, value := range from.All() {
		if x.bucket.exposes(name) {
			to.AddBytesKV(name, value)
		}
	}
	if from.StatusCode() != fasthttp.StatusPartialContent {
		to.Del("Content-Range") // it would make no sense, and some clients believe it
	}
	to.Set("Accept-Ranges", "bytes")
	to.Set("X-Cache", cacheNames[x.cache])
	to.Set("Cache-Status", "yatagarasu; fwd=bypass")
}

// cacheResult is what the cache did, as X-Cache says it.
type cacheResult uint8

const (
	cacheNone cacheResult = iota // the request was answered without an object
	cacheBypass
	cacheResultCount
)

var cacheNames = [cacheResultCount]string{cacheNone: "NONE", cacheBypass: "BYPASS"}
