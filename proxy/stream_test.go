package proxy

import (
	"bytes"
	"testing"
)

// text is a source that ends with io.EOF, whatever was promised.
type text struct{ *bytes.Reader }

func (text) Close() {}

// A source that breaks its promise cuts the connection: no client takes less for the whole.
func TestSourcesThatBreakTheirPromise(t *testing.T) {
	s := start(t, nil)
	f := func(actual, promised int, whole bool) {
		t.Helper()
		was := s.metric("yatagarasu_client_aborts_total")
		body := pattern(1, int64(actual))
		s.server.http.Handler = s.server.handle(func(x *exchange) error {
			x.streamFrom(text{bytes.NewReader(body)}, int64(promised))
			return nil
		})
		resp, got, err := s.try("GET", "/")
		if (err == nil) != whole || resp != nil && !bytes.HasPrefix(body, got) {
			t.Errorf("%d bytes of %d: %d came, %v", actual, promised, len(got), err)
		}
		s.awaitMetric("yatagarasu_requests_in_flight", "0")
		if is := s.metric("yatagarasu_client_aborts_total"); is != was {
			t.Errorf("%d bytes of %d: the client is blamed", actual, promised)
		}
	}
	for _, n := range []int{1, 100, copyBuffer, copyBuffer + 1, 10 * copyBuffer} {
		f(n, n, true)
		f(n-1, n, false)
		f(n, -1, true)
	}
	f(0, 10*copyBuffer, false)
	f(100, 99, false) // more comes with the last byte, so all of it is in doubt
}
