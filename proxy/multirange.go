package proxy

import (
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/origin"
)

// object is what a HEAD tells before ranges of it are sent.
type object struct {
	size          int64
	spans         []span // what the request asks for, clamped and merged; nil when If-Range does not hold
	unsatisfiable bool   // the ranges count, and all of them lie outside
	contentType   string
	pin           string // the header line that ties further requests to this version; "" when it has no validator
}

// fetchRanges answers several ranges as multipart/byteranges (RFC 9110, section 14.6), which S3 itself does not do:
// one look at the object, then one request per merged range, each pinned to the version that was looked at.
func (x *exchange) fetchRanges(key []byte) error {
	o, err := x.inspect(key)
	switch {
	case o == nil:
		return err
	case o.unsatisfiable:
		return unsatisfiable(o.size)
	case len(o.spans) == 1:
		return x.fetchRange(key, rangeSpec(o.spans[0]))
	case len(o.spans) == 0 || o.pin == "":
		return x.fetchWhole(key)
	default:
		return x.multipart(key, o)
	}
}

// unsatisfied answers after the origin refused a single range: its 416 does not tell the object's size, and
// preconditions and If-Range go before ranges (RFC 9110, section 13.2.2), so the object is looked at.
func (x *exchange) unsatisfied(key []byte) error {
	o, err := x.inspect(key)
	switch {
	case o == nil:
		return err
	case o.unsatisfiable:
		return unsatisfiable(o.size)
	default: // the suffix of an empty object, or If-Range does not hold, or the object has changed
		return x.fetchWhole(key)
	}
}

func unsatisfiable(size int64) error {
	return &httpError{status: fasthttp.StatusRequestedRangeNotSatisfiable, message: "no range lies within the object", size: size}
}

// inspect asks for the object's header alone and applies preconditions and ranges to it. It returns nil when that
// has settled the answer: with an error, or without where 304 has been answered.
func (x *exchange) inspect(key []byte) (*object, error) {
	resp, err := x.request("HEAD", key, nil, nil)
	if err != nil {
		return nil, err
	}
	if resp.Status() != fasthttp.StatusOK {
		return nil, x.refusal(resp, key)
	}
	switch x.evaluate(&resp.Header) {
	case failed:
		resp.Close()
		return nil, errFailedCond
	case notModified:
		return nil, x.notModified(resp)
	}
	defer resp.Close()
	o := &object{size: resp.Size, contentType: string(resp.Header.ContentType())}
	if etag := resp.Header.Peek("ETag"); len(etag) > 0 && etag[0] == '"' {
		o.pin = string(appendField(nil, "If-Match", etag))
	} else if modified := resp.Header.Peek("Last-Modified"); !dateOf(modified).IsZero() {
		o.pin = string(appendField(nil, "If-Unmodified-Since", modified))
	}
	if o.size >= 0 && x.ifRangeHolds(&resp.Header) {
		o.spans = resolveAll(x.specs, o.size)
		o.unsatisfiable = len(o.spans) == 0 && !anySatisfiable(x.specs, o.size)
	}
	return o, nil
}

func anySatisfiable(specs []rangeSpec, size int64) bool {
	for _, r := range specs {
		if _, ok := r.resolve(size); ok {
			return true
		}
	}
	return false
}

// multipart is a multipart/byteranges body: a source that opens the parts one after the other.
type multipart struct {
	x       *exchange
	key     []byte
	object  *object
	heads   [][]byte // what comes before each part, and last the closing delimiter
	part    int      // the part being sent
	pending []byte   // of heads[part]
	current *origin.Response
}

func (x *exchange) multipart(key []byte, o *object) error {
	m := &multipart{x: x, key: key, object: o}
	boundary := fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64())
	var length int64
	for _, s := range o.spans {
		head := fmt.Appendf(nil, "\r\n--%s\r\n", boundary)
		if o.contentType != "" {
			head = appendField(head, "Content-Type", []byte(o.contentType))
		}
		head = append(appendContentRange(append(head, "Content-Range: "...), s, o.size), "\r\n\r\n"...)
		m.heads = append(m.heads, head)
		length += int64(len(head)) + s.length()
	}
	end := fmt.Appendf(nil, "\r\n--%s--\r\n", boundary)
	m.heads = append(m.heads, end)
	length += int64(len(end))

	// The first part is opened before anything is promised.
	if err := m.open(); err != nil {
		if asHTTPError(err).status == fasthttp.StatusPreconditionFailed {
			return x.fetchWhole(key) // overwritten since it was looked at
		}
		return err
	}
	out := &x.ctx.Response
	out.SetStatusCode(fasthttp.StatusPartialContent)
	x.copyHeader(&m.current.Header)
	out.Header.Del("Content-Range")
	out.Header.SetContentType("multipart/byteranges; boundary=" + boundary)
	x.streamFrom(m, length)
	return nil
}

// open asks for the part's range of the pinned version and makes sure that it is what comes.
func (m *multipart) open() error {
	want := m.object.spans[m.part]
	m.x.fields = append(m.x.fields[:0], m.object.pin...)
	resp, err := m.x.send("GET", m.key, rangeSpec(want).append(m.x.ranged[:0]))
	if err != nil {
		return err
	}
	if resp.Status() == fasthttp.StatusPreconditionFailed {
		resp.Close()
		return errFailedCond
	}
	if resp.Status() != fasthttp.StatusPartialContent {
		return m.x.refusal(resp, m.key)
	}
	got, size, ok := parseContentRange(resp.Header.Peek("Content-Range"))
	if !ok || got != want || size != m.object.size || resp.Size >= 0 && resp.Size != want.length() {
		resp.Close()
		return m.x.malformed(errContentRange)
	}
	m.current, m.pending = resp, m.heads[m.part]
	return nil
}

// Read returns the next bytes of the multipart body.
func (m *multipart) Read(p []byte) (int, error) {
	for {
		if len(m.pending) > 0 {
			n := copy(p, m.pending)
			m.pending = m.pending[n:]
			return n, nil
		}
		if m.current == nil {
			return 0, io.EOF
		}
		n, err := m.current.Read(p)
		if n > 0 || err != io.EOF {
			return n, err
		}
		if err := m.next(); err != nil {
			return 0, err
		}
	}
}

// next goes on to the following part, or to the closing delimiter.
func (m *multipart) next() error {
	m.Close()
	m.part++
	if m.part == len(m.object.spans) {
		m.pending = m.heads[m.part]
		return nil
	}
	return m.open()
}

// Close ends the part being sent.
func (m *multipart) Close() {
	if m.current != nil {
		m.current.Close()
		m.current = nil
	}
}
