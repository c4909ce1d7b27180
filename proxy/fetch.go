package proxy

import (
	"errors"
	"fmt"
	"time"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/origin"
)

// errorDocument is how much of an S3 error is read to learn its code.
const errorDocument = 64 << 10

var (
	errUnasked      = errors.New("the origin answered 206, 304, 412 or 416 to a request that did not ask for it")
	errContentRange = errors.New("the origin's Content-Range is not the range that was asked for")
)

// parseConditions reads the request's preconditions and ranges. A Range counts for GET only (RFC 9110, section 14.2),
// once, and not when If-Range is a weak tag (section 13.1.5).
func (x *exchange) parseConditions(h *fasthttp.RequestHeader) {
	x.cond = parsePreconditions(h)
	if x.method != methodGet {
		return
	}
	if lines := h.PeekAll("Range"); len(lines) == 1 {
		x.specs = parseRange(x.spaces[:0], lines[0])
	}
}

// fetch answers with the object at key from the origin.
func (x *exchange) fetch(key []byte) error {
	switch len(x.specs) {
	case 0:
		return x.fetchWhole(key)
	case 1:
		return x.fetchRange(key, x.specs[0])
	default:
		return x.fetchRanges(key)
	}
}

func (x *exchange) fetchWhole(key []byte) error {
	resp, err := x.request(methodNames[x.method], key, nil, &x.cond)
	if err != nil {
		return err
	}
	switch resp.Status() {
	case fasthttp.StatusOK:
		return x.answer(resp)
	case fasthttp.StatusNotModified:
		if x.cond.any() {
			return x.confirm(key, resp)
		}
	}
	return x.refusal(resp, key)
}

// confirm answers 304 if the origin's 304 bears it out. Some S3 servers send a bare one, without the fields that a
// client updates its copy by (RFC 9110, section 15.4.5), or mistake the tag "*" for the wildcard; then the object is
// looked at.
func (x *exchange) confirm(key []byte, resp *origin.Response) error {
	if x.evaluate(&resp.Header) == notModified {
		return x.notModified(resp)
	}
	resp.Close()
	o, err := x.inspect(key)
	if o == nil {
		return err
	}
	x.cond = preconditions{} // they hold
	return x.fetch(key)
}

func (x *exchange) fetchRange(key []byte, spec rangeSpec) error {
	resp, err := x.request("GET", key, spec.append(x.ranged[:0]), &x.cond)
	if err != nil {
		return err
	}
	switch resp.Status() {
	case fasthttp.StatusOK: // the origin ignores ranges, and so may we
		return x.answer(resp)
	case fasthttp.StatusPartialContent:
		if !x.ifRangeHolds(&resp.Header) {
			resp.Close()
			return x.fetchWhole(key)
		}
		got, size, ok := parseContentRange(resp.Header.Peek("Content-Range"))
		if want, satisfiable := spec.resolve(size); !ok || !satisfiable || got != want || resp.Size >= 0 && resp.Size != got.length() {
			resp.Close()
			return x.malformed(errContentRange)
		}
		resp.Size = got.length() // known even where the body comes in chunks
		return x.answer(resp)
	case fasthttp.StatusNotModified:
		if x.cond.any() {
			return x.confirm(key, resp)
		}
	case fasthttp.StatusRequestedRangeNotSatisfiable:
		resp.Close()
		return x.unsatisfied(key)
	}
	return x.refusal(resp, key)
}

// evaluate applies the preconditions to a representation, whatever the origin made of them.
func (x *exchange) evaluate(h *fasthttp.ResponseHeader) verdict {
	if !x.cond.any() {
		return proceed
	}
	return x.cond.evaluate(h.Peek("ETag"), dateOf(h.Peek("Last-Modified")))
}

// ifRangeHolds tells whether the ranges count for this representation: without If-Range, or when its validator is
// exactly the representation's strong one (RFC 9110, section 13.1.5).
func (x *exchange) ifRangeHolds(h *fasthttp.ResponseHeader) bool {
	v := x.ctx.Request.Header.Peek("If-Range")
	switch {
	case len(v) == 0:
		return true
	case v[0] == '"':
		return strongMatch(v, h.Peek("ETag"))
	default:
		date := dateOf(v)
		return !date.IsZero() && date.Equal(dateOf(h.Peek("Last-Modified")))
	}
}

// request asks the origin and notes how long its header took. cond may be nil.
func (x *exchange) request(method string, key, ranged []byte, cond *preconditions) (*origin.Response, error) {
	x.fields = x.fields[:0]
	if cond != nil && cond.any() {
		x.fields = cond.appendForOrigin(x.fields)
	}
	return x.send(method, key, ranged)
}

// send sends a request with the header lines in x.fields, and those that the bucket forwards.
func (x *exchange) send(method string, key, ranged []byte) (*origin.Response, error) {
	b := x.bucket
	x.fields = b.appendForwarded(x.fields, &x.ctx.Request.Header)
	params, err := b.forwardedQuery(x.params[:0], x.target.query)
	if err != nil {
		return nil, err
	}
	x.params = params
	x.ask = origin.Request{Method: method, Key: key, Query: params, Range: ranged, Header: x.fields, Gone: x.gone}
	began := time.Now()
	resp, err := b.origin.Do(&x.ask)
	took := time.Since(began)
	x.origin += took
	if err != nil {
		b.metrics.originFailed(err, took)
		return nil, originError(err)
	}
	b.metrics.originAnswered(resp.Status(), took)
	return resp, nil
}

// refusal turns an answer that is not the object into an error, and closes it.
func (x *exchange) refusal(resp *origin.Response, key []byte) error {
	status := resp.Status()
	var code string
	if status >= 300 {
		document, _ := resp.ReadDocument(errorDocument) // cut short or not: the code comes first
		code = origin.Code(document)
	}
	deleted := len(resp.Header.Peek("X-Amz-Delete-Marker")) > 0
	resp.Close()
	if status == 400 && code == "" {
		code = x.codeOf(key)
	}
	reason, fault := origin.ReasonOf(status, code)
	if fault {
		x.bucket.metrics.originErrors[reason].Inc()
	}
	cause := fmt.Errorf("origin answered %d %s", status, code)
	switch {
	case status == 404, status == 405 && deleted, status == 400 && origin.NoSuchName(code):
		// 405 is for a deleted version ("GetObject", Amazon S3 API Reference).
		return errMissing.because(cause)
	case status == 403 && x.bucket.config.S3.MissingAs == 404 && reason == origin.ReasonAccessDenied:
		return errMissing.because(cause)
	case status == 401 || status == 403:
		return errForbidden.because(cause)
	case status == 412 && x.cond.any():
		return errFailedCond
	case status == 304 || status == 206 || status == 412 || status == 416:
		return x.malformed(errUnasked)
	default:
		return errOrigin.because(cause)
	}
}

// codeOf asks with GET why a HEAD got 400: the code is in the body, which HEAD has not. HEAD must answer as GET does.
func (x *exchange) codeOf(key []byte) string {
	resp, err := x.request("GET", key, []byte("bytes=0-0"), nil)
	if err != nil {
		return ""
	}
	defer resp.Close()
	document, _ := resp.ReadDocument(errorDocument)
	return origin.Code(document)
}

// malformed is an answer that makes no sense.
func (x *exchange) malformed(cause error) error {
	x.bucket.metrics.originErrors[origin.ReasonMalformed].Inc()
	return errOrigin.because(cause)
}
