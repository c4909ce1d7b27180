package main

import (
	"sync"
	"testing"
)

// tally counts what at least one S3 server has shown. Real ones refuse some keys; together they must refuse none.
type tally struct {
	mu   sync.Mutex
	seen map[string]bool
}

// newTally wants n different things to be added by the subtests of t.
func newTally(t *testing.T, n int) *tally {
	c := &tally{seen: map[string]bool{}}
	t.Cleanup(func() {
		if c.mu.Lock(); len(c.seen) != n && !t.Failed() {
			t.Errorf("%d of %d were exercised", len(c.seen), n)
		}
		c.mu.Unlock()
	})
	return c
}

func (c *tally) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[name] = true
}
