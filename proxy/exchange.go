package proxy

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/origin"
	"yatagarasu/proxy/socket"
	"yatagarasu/sigv4"
)

// method is a request method as a small number, for tables of metrics.
type method uint8

const (
	methodOther method = iota
	methodGet
	methodHead
	methodOptions
	methodCount
)

const allowedMethods = "GET, HEAD, OPTIONS"

var methodNames = [methodCount]string{methodOther: "other", methodGet: "GET", methodHead: "HEAD", methodOptions: "OPTIONS"}

func methodOf(h *fasthttp.RequestHeader) method {
	switch {
	case h.IsGet():
		return methodGet
	case h.IsHead():
		return methodHead
	case h.IsOptions():
		return methodOptions
	default:
		return methodOther
	}
}

// exchange is one request and its response, from the parsed header to the last byte: what the steps of the request
// path hand on, and what the access record tells in the end. It is pooled; fasthttp closes it when the response has
// been written or has failed.
type exchange struct {
	server *Server
	state  *state
	ctx    *fasthttp.RequestCtx
	id     [32]byte // hex
	start  time.Time
	client netip.Addr

	method method
	target target
	bucket *bucket
	key    []byte

	cond  preconditions
	specs []rangeSpec // of a Range field that counts; nil = the whole object

	stream   stream
	held     *origin.Response // its buffer is the response's body
	bodySize int64            // of a response that is not streamed
	status   int              // kept because fasthttp may reset the response before Close
	cache    cacheResult
	ready    time.Duration // until the header of the response was ready
	origin   time.Duration // spent waiting for the origin's headers
	err      *httpError    // what was answered instead of the object
	cause    error         // what broke a response in the middle

	probe  *socket.Probe // of the client's connection, made at the first silence
	gone   func() bool   // x.clientGone, bound once
	space  []byte        // a decoded path
	fields []byte        // header lines for the origin
	ask    origin.Request
	params []sigv4.Param
	ranged [48]byte
	spaces [maxRanges]rangeSpec
}

type exchangeKey struct{}

// begin takes an exchange for the request in ctx. fasthttp calls its Close after the response.
func (s *Server) begin(ctx *fasthttp.RequestCtx) *exchange {
	x := s.exchanges.Get().(*exchange)
	x.server, x.state, x.ctx = s, s.state.Load(), ctx
	x.start = time.Now()
	x.method = methodOf(&ctx.Request.Header)
	if addr, ok := ctx.RemoteAddr().(*net.TCPAddr); ok {
		x.client = addr.AddrPort().Addr().Unmap()
	}
	var random [16]byte
	binary.NativeEndian.PutUint64(random[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(random[8:], rand.Uint64())
	hex.Encode(x.id[:], random[:])
	ctx.SetUserValue(exchangeKey{}, x)
	s.metrics.inFlight.Add(1)
	return x
}

// newExchange makes an exchange for the pool.
func newExchange() any {
	x := &exchange{}
	x.gone = x.clientGone
	return x
}

// clientGone tells whether the client has closed its connection. Bytes that it sent ahead hide that.
func (x *exchange) clientGone() bool {
	if x.probe == nil {
		x.probe = socket.NewProbe(x.ctx.Conn())
	}
	return x.probe.State() == socket.Closed
}

// Close ends the exchange: fasthttp calls it when the response is out, or never will be.
func (x *exchange) Close() error {
	// After a panic fasthttp closes the body later than this, when the exchange may serve somebody else.
	_ = x.ctx.Response.CloseBodyStream()
	if x.held != nil {
		x.held.Close()
	}
	x.server.record(x)
	x.server.metrics.inFlight.Add(-1)
	space, fields, params, gone := x.space[:0], x.fields[:0], x.params[:0], x.gone
	s := x.server
	*x = exchange{space: space, fields: fields, params: params, gone: gone}
	s.exchanges.Put(x)
	return nil
}

// sent is how many bytes of the body went out, as far as it is known.
func (x *exchange) sent() int64 {
	switch {
	case x.method == methodHead || x.status == 304:
		return 0
	case x.stream.done:
		return x.stream.sent
	default:
		return x.bodySize
	}
}
