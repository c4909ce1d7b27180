package s3test

import (
	"context"
	"net/http"
	"net/url"
	"sync"
)

// Request is one request as the server saw it and what became of it.
type Request struct {
	N          int // 1 for the first since the start or Reset
	Method     string
	Bucket     string
	Key        string // decoded once, byte for byte
	RawURI     string // the request target as it came
	Host       string
	Header     http.Header
	Query      url.Values
	RemoteAddr string // tells connections apart

	Verdict string // "signed", "anonymous", or the S3 error code of the refusal
	Status  int    // 0 until, or unless, a status line was sent
	Sent    int64  // body bytes sent
}

const journalSize = 10_000

// journal remembers the last requests, counts what goes on, and lets tests
// wait for it without sleeping.
type journal struct {
	mu      sync.Mutex
	seen    int        // since the start or reset
	ring    []*Request // of journalSize; the oldest at seen%journalSize once full
	active  int        // bodies being sent
	changed chan struct{}
}

func (j *journal) add(r *Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.ring) < journalSize {
		j.ring = append(j.ring, r)
	} else {
		j.ring[j.seen%journalSize] = r
	}
	j.seen++
	r.N = j.seen
	j.notify()
}

// update changes what add has published.
func (j *journal) update(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
	j.notify()
}

// notify wakes those who wait; the mutex is held.
func (j *journal) notify() {
	if j.changed != nil {
		close(j.changed)
		j.changed = nil
	}
}

func (j *journal) wait(ctx context.Context, until func(*journal) bool) error {
	for {
		j.mu.Lock()
		if until(j) {
			j.mu.Unlock()
			return nil
		}
		if j.changed == nil {
			j.changed = make(chan struct{})
		}
		changed := j.changed
		j.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (j *journal) list() []Request {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]Request, 0, len(j.ring))
	oldest := 0
	if len(j.ring) == journalSize {
		oldest = j.seen % journalSize
	}
	for i := range j.ring {
		out = append(out, *j.ring[(oldest+i)%len(j.ring)])
	}
	return out
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen, j.ring = 0, nil
}

func (j *journal) bodies() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.active
}
