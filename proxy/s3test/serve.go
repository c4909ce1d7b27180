package s3test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// exchange is one request on its way.
type exchange struct {
	s     *Server
	run   *run
	w     http.ResponseWriter
	r     *http.Request
	entry *Request // in the journal
	fault *Fault
}

// serve is a request's whole way: locate, verify, note, hold, answer, distort,
// send.
func (s *Server) serve(run *run, w http.ResponseWriter, r *http.Request) {
	t, refusal := s.locate(r)
	verdict := ""
	if refusal == nil {
		verdict, refusal = s.verify(r, t)
	} else {
		verdict = refusal.code
	}
	x := &exchange{s: s, run: run, w: w, r: r, fault: &wellBehaved, entry: &Request{
		Method: r.Method, Bucket: t.bucket, Key: t.key, RawURI: r.RequestURI, Host: r.Host,
		Header: r.Header, Query: t.query, RemoteAddr: r.RemoteAddr, Verdict: verdict,
	}}
	s.journal.add(x.entry)
	if choose := s.fault.Load(); choose != nil {
		if f := (*choose)(*x.entry); f != nil {
			x.fault = f
		}
	}
	if !x.hold() {
		panic(http.ErrAbortHandler) // the client has left, or Close was called
	}
	if x.fault.silent() {
		x.sendRaw()
		return
	}
	x.send(x.reply(&t, verdict, refusal))
}

// hold waits before the answer as the fault says.
func (x *exchange) hold() bool {
	gone := x.r.Context().Done()
	if x.fault.Hold != nil && !await(x, x.fault.Hold, gone) {
		return false
	}
	if x.fault.DelayFor <= 0 {
		return true
	}
	timer := time.NewTimer(x.fault.DelayFor)
	defer timer.Stop()
	return await(x, timer.C, gone)
}

// await waits for ch, unless the client leaves or the server closes.
func await[T any](x *exchange, ch <-chan T, gone <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	case <-gone:
	case <-x.run.stop:
	}
	return false
}

// reply makes the answer and distorts it.
func (x *exchange) reply(t *target, verdict string, refusal *s3Error) reply {
	var rep reply
	if x.fault.Status != 0 {
		refusal = faultError(x.fault)
	}
	if refusal == nil {
		rep, refusal = x.s.answer(x.r, t, x.fault, verdict)
	}
	if rep.header == nil {
		rep.header = http.Header{}
	}
	requestID, hostID := x.s.identify(rep.header)
	if refusal != nil {
		rep = refuse(refusal, rep.header, requestID, hostID)
	}
	x.fault.distort(&rep)
	return rep
}

// send sends the answer through net/http, or on the bare connection when the
// fault is one that net/http prevents.
func (x *exchange) send(rep reply) {
	if x.fault.needsWire() {
		x.sendOnWire(rep)
		return
	}
	for range x.fault.Continue100 {
		x.w.WriteHeader(http.StatusContinue)
	}
	h := x.w.Header()
	h["Content-Type"], h["Date"] = nil, nil // or net/http makes up what a fault removed
	maps.Copy(h, rep.header)
	if rep.hasBody() {
		switch rep.framing {
		case byLength:
			h["Content-Length"] = []string{strconv.FormatInt(rep.body.n, 10)}
		case byChunks:
			h["Transfer-Encoding"] = []string{"chunked"}
		case byClose:
			h["Transfer-Encoding"] = []string{"identity"} // net/http's word for it
		}
	}
	x.sent(rep.status)
	x.w.WriteHeader(rep.status)
	if x.r.Method == http.MethodHead || !rep.hasBody() {
		return
	}
	flush := http.NewResponseController(x.w).Flush
	if !x.pump(x.w, flush, rep.body, x.r.Context().Done()) {
		panic(http.ErrAbortHandler) // never let net/http end the body as if it were whole
	}
}

// sent notes the status in the journal.
func (x *exchange) sent(status int) {
	x.s.journal.update(func() { x.entry.Status = status })
}

const (
	sliceChunk = 256 << 10 // of a body in memory: no copy is made
	readChunk  = 64 << 10  // of a generated body: what a slow stream costs
)

var buffers = sync.Pool{New: func() any { return new([readChunk]byte) }}

// pump sends a body and reports whether all of it went. gone is closed when
// the client leaves.
func (x *exchange) pump(w io.Writer, flush func() error, b body, gone <-chan struct{}) bool {
	x.s.journal.update(func() { x.s.journal.active++ })
	var total int64
	defer func() {
		x.s.journal.update(func() {
			x.s.journal.active--
			x.entry.Sent = total
		})
	}()
	size := int64(sliceChunk)
	var buf []byte
	if b.at != nil {
		array := buffers.Get().(*[readChunk]byte)
		defer buffers.Put(array)
		buf, size = array[:], readChunk
	}
	drip, stop := x.drip()
	defer stop()
	if drip != nil {
		size = min(size, int64(x.fault.DripBytes))
	}
	// With HoldAt at or beyond the end, the hold comes after the last byte.
	hold := int64(-1)
	if x.fault.BodyHold != nil {
		hold = min(x.fault.HoldAt, b.n)
	}
	for {
		if total == hold {
			if flush() != nil || !await(x, x.fault.BodyHold, gone) {
				return false
			}
			hold = -1
		}
		if total == b.n {
			return true
		}
		n := min(size, b.n-total)
		if total < hold {
			n = min(n, hold-total)
		}
		sent, err := x.write(w, b, buf, total, n)
		total += sent
		if err != nil {
			return false
		}
		if drip != nil && total < b.n && (flush() != nil || !await(x, drip, gone)) {
			return false
		}
	}
}

// write sends n bytes of b from off.
func (x *exchange) write(w io.Writer, b body, buf []byte, off, n int64) (int64, error) {
	p, err := b.chunk(buf, off, n)
	if err != nil {
		return 0, err
	}
	sent, err := w.Write(p)
	x.s.bytesSent.Add(int64(sent))
	return int64(sent), err
}

// drip is the ticker of a body that drips; otherwise its channel is nil.
func (x *exchange) drip() (<-chan time.Time, func()) {
	if x.fault.DripBytes <= 0 {
		return nil, func() {}
	}
	t := time.NewTicker(max(x.fault.DripEvery, 1))
	return t.C, t.Stop
}

// statusLine is RFC 9112 section 4.
func statusLine(status int) string {
	return fmt.Sprintf("HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
}
