package s3test

import (
	"errors"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestFaultHold(t *testing.T) {
	hold, bodyHold := make(chan struct{}), make(chan struct{})
	s, c := faulty(t, &Fault{Hold: hold, DelayFor: time.Nanosecond, BodyHold: bodyHold, HoldAt: 4})
	c.send("GET", "/b/k")
	if err := s.WaitRequests(ctx(t), 1); err != nil {
		t.Fatal(err)
	}
	if r := s.Requests()[0]; r.Status != 0 || s.ActiveBodies() != 0 {
		t.Errorf("answered while held: %+v", r)
	}
	close(hold)
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		t.Fatal(err)
	}
	four := make([]byte, 4)
	if _, err := io.ReadFull(resp.Body, four); err != nil || string(four) != "0123" {
		t.Fatalf("%q %v", four, err)
	}
	if c.r.Buffered() > 0 || s.ActiveBodies() != 1 || s.BytesSent() != 4 {
		t.Errorf("%d bytes more, %d bodies, %d sent", c.r.Buffered(), s.ActiveBodies(), s.BytesSent())
	}
	close(bodyHold)
	if rest, err := io.ReadAll(resp.Body); string(rest) != "456789" || err != nil {
		t.Errorf("%q %v", rest, err)
	}
	if err := s.WaitIdle(ctx(t)); err != nil {
		t.Fatal(err)
	}
	if r := s.Requests()[0]; r.Status != 200 || r.Sent != 10 {
		t.Errorf("%+v", r)
	}
}

// A hold at the end comes after the last byte.
func TestFaultHoldAtEnd(t *testing.T) {
	for _, at := range []int64{10, 1000} {
		hold := make(chan struct{})
		s, c := faulty(t, &Fault{BodyHold: hold, HoldAt: at, ContentLength: "11"})
		c.send("GET", "/b/k")
		resp, err := http.ReadResponse(c.r, nil)
		if err != nil {
			t.Fatal(err)
		}
		ten := make([]byte, 10)
		if _, err := io.ReadFull(resp.Body, ten); err != nil || string(ten) != tenBytes || s.ActiveBodies() != 1 {
			t.Errorf("%q %v", ten, err)
		}
		close(hold)
		if _, err := resp.Body.Read(ten); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	}
}

// The server notices a client that leaves during a hold of any kind.
func TestClientLeaves(t *testing.T) {
	never := make(chan struct{})
	for _, fault := range []Fault{
		{Hold: never},
		{DelayFor: time.Hour},
		{BodyHold: never},
		{BodyHold: never, CloseIdle: true},
		{DripBytes: 1, DripEvery: time.Hour},
	} {
		s, c := faulty(t, &fault)
		c.send("GET", "/b/k")
		if err := s.WaitRequests(ctx(t), 1); err != nil {
			t.Fatal(err)
		}
		if fault.Hold == nil && fault.DelayFor == 0 {
			c.r.Peek(1)
		}
		c.Close()
		if err := s.WaitIdle(ctx(t)); err != nil {
			t.Errorf("%+v: %v", fault, err)
		}
		waitConnections(t, s)
	}
}

// waitConnections waits for the server to have let go of every connection.
func waitConnections(t *testing.T, s *Server) {
	t.Helper()
	r := s.run
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.mu.Lock()
		defer r.mu.Unlock()
		for len(r.conns) > 0 {
			r.gone.Wait()
		}
	}()
	select {
	case <-done:
	case <-ctx(t).Done():
		t.Error("a connection is still open")
	}
}

func TestFaultDrip(t *testing.T) {
	_, c := faulty(t, &Fault{DripBytes: 3, DripEvery: time.Millisecond})
	began := time.Now()
	check(t, c.do("GET", "/b/k"), 200, tenBytes)
	if d := time.Since(began); d < 3*time.Millisecond {
		t.Errorf("ten bytes by three took %v", d)
	}
	_, c = faulty(t, &Fault{DripBytes: 3, Chunked: true, CloseIdle: true})
	check(t, c.do("GET", "/b/k"), 200, tenBytes)
}
