package origin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/socket"
)

const (
	// maxConnAge bounds a connection's life, so that the addresses behind a name are looked up again and load spreads
	// over new ones; each connection gets up to a quarter more, so that they do not all end at once.
	maxConnAge = 5 * time.Minute
	// maxConnIdle is below the 20 s after which S3 itself closes idle connections.
	maxConnIdle = 15 * time.Second
	// headerBuffer is the largest response header: S3 allows 2 KB of user metadata, proxies in between add theirs.
	headerBuffer = 16 << 10
)

// pool hands out connections to one endpoint. fasthttp.HostClient keeps them: its bound, its wait queue, its idle
// list; requests and responses on them are ours, because HostClient.Do retries by itself, and arms one deadline for
// the whole body.
type pool struct {
	hc      *fasthttp.HostClient
	acquire func() (lease, error)
	release func(lease) // back to the pool, fit for the next request
	discard func(lease)
}

// lease is a connection that belongs to one request.
type lease struct {
	*conn
	reused bool      // it served a request before, so the origin may be closing it right now
	expire time.Time // when it is too old to serve another
	held   any       // HostClient's own handle; a pointer, so boxing it does not allocate
}

// conn is what the dialer makes: a TCP or TLS connection and a probe of its socket.
type conn struct {
	net.Conn
	probe *socket.Probe
}

// pooledConn is HostClient's unexported connection type, as far as it is needed.
type pooledConn interface {
	comparable
	Conn() net.Conn
	CreatedTime() time.Time
	LastUseTime() time.Time
}

func newPool(t *target, o Options) *pool {
	hc := &fasthttp.HostClient{
		Addr:                t.address,
		MaxConns:            o.MaxConnections,
		MaxConnWaitTimeout:  o.Connect,
		MaxIdleConnDuration: maxConnIdle,
		ConnPoolStrategy:    fasthttp.LIFO, // FIFO moves the whole idle list for each request
		ReadBufferSize:      headerBuffer,
		DialTimeout:         dialer(t, o),
	}
	return bindPool(hc, o.Connect, hc.AcquireConn, hc.ReleaseConn, hc.CloseConn)
}

// bindPool is generic because the compiler can infer HostClient's connection type, which cannot be named here.
func bindPool[C pooledConn](hc *fasthttp.HostClient, wait time.Duration,
	acquire func(time.Duration, bool) (C, error), release, closeConn func(C)) *pool {
	return &pool{
		hc: hc,
		acquire: func() (lease, error) {
			cc, err := acquire(wait, false)
			if err != nil {
				return lease{}, err
			}
			created := cc.CreatedTime()
			jitter := time.Duration(created.UnixNano()) % (maxConnAge / 4)
			return lease{conn: cc.Conn().(*conn), reused: !cc.LastUseTime().IsZero(), expire: created.Add(maxConnAge + jitter), held: cc}, nil
		},
		release: func(l lease) { release(l.held.(C)) },
		discard: func(l lease) { closeConn(l.held.(C)) },
	}
}

// dialer connects to the target, over TLS where it asks for it. Names are looked up for every new connection, by the
// system's rules, and both address families are tried (RFC 8305).
func dialer(t *target, o Options) fasthttp.DialFuncWithTimeout {
	d := &net.Dialer{KeepAlive: 30 * time.Second, Resolver: o.Resolver}
	var config *tls.Config
	if t.tls {
		config = &tls.Config{
			ServerName:         t.serverName,
			RootCAs:            o.RootCAs,
			MinVersion:         tls.VersionTLS12,
			ClientSessionCache: tls.NewLRUClientSessionCache(64),
		}
	}
	return func(addr string, _ time.Duration) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(context.Background(), o.Connect)
		defer cancel()
		tcp, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: tcp, probe: socket.NewProbe(tcp)}
		if config != nil {
			secure := tls.Client(tcp, config)
			if err := secure.HandshakeContext(ctx); err != nil {
				tcp.Close()
				return nil, fmt.Errorf("%w: %w", errHandshake, err)
			}
			c.Conn = secure
		}
		return c, nil
	}
}

// quiet tells whether nothing has come on an idle connection. TLS may hold bytes that the socket no longer shows; a
// read with an expired deadline returns those and waits for none.
func (c *conn) quiet() bool {
	if c.probe.State() != socket.Quiet {
		return false
	}
	secure, ok := c.Conn.(*tls.Conn)
	if !ok {
		return true
	}
	if err := secure.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return false
	}
	var b [1]byte
	n, err := secure.Read(b[:])
	return n == 0 && isTimeout(err)
}

// get acquires a connection; its error says whether none was free or none could be made. An idle connection that
// the origin closed meanwhile is passed over, and so is one on which it sent more than its answer: the next answer
// read from there would be whatever those bytes say.
func (p *pool) get() (lease, error) {
	l, err := p.acquire()
	for err == nil && l.reused && !l.quiet() {
		p.discard(l)
		l, err = p.acquire()
	}
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, fasthttp.ErrNoFreeConns), errors.Is(err, fasthttp.ErrTimeout):
		return lease{}, fail(ReasonPool, errors.New("no connection became free within timeouts.connect; raise s3.max_connections, or the origin is too slow"))
	default:
		return lease{}, fail(dialReason(err), err)
	}
}

// close drops the idle connections; those in use are dropped when they come back.
func (p *pool) close() { p.hc.CloseIdleConnections() }
