package proxy

import (
	"errors"
	"fmt"
	"reflect"

	"yatagarasu/proxy/config"
)

// state is everything that a configuration decides: immutable, built aside, swapped by one pointer. A request keeps
// the state that it began with.
type state struct {
	config  *config.Config
	routes  *routes
	buckets []*bucket
}

// newState builds the state of c beside the one in force. Origins that did not change keep their connections.
func newState(c *config.Config, m *serverMetrics, previous *state) (*state, error) {
	old := map[string]*bucket{}
	if previous != nil {
		for _, b := range previous.buckets {
			old[b.config.Name] = b
		}
	}
	st := &state{config: c}
	for _, bc := range c.Buckets {
		b, err := newBucket(bc, m.bucket(bc.Name), old[bc.Name])
		if err != nil {
			return nil, fmt.Errorf("bucket %q: %w", bc.Name, err)
		}
		st.buckets = append(st.buckets, b)
	}
	st.routes = newRoutes(st.buckets)
	return st, nil
}

// retire closes the origins of the previous state that the next one does not use.
func (st *state) retire(next *state) {
	used := map[*bucket]bool{}
	for _, b := range st.buckets {
		for _, n := range next.buckets {
			used[b] = used[b] || n.origin == b.origin
		}
		if !used[b] {
			b.origin.Close()
		}
	}
}

// errNeedsRestart names what a running process cannot change.
var errNeedsRestart = errors.New("a reload cannot change it; restart to apply")

// reloadable tells whether the running process can go over from a to b.
func reloadable(a, b *config.Config) error {
	x, y := a.Server, b.Server
	// These are read at each request; the rest of the section is built into the listener.
	y.Timeouts.Shutdown = x.Timeouts.Shutdown
	y.Limits.URIBytes = x.Limits.URIBytes
	if !reflect.DeepEqual(x, y) {
		return fmt.Errorf("$.server: %w (only timeouts.shutdown and limits.uri_bytes may change)", errNeedsRestart)
	}
	if !reflect.DeepEqual(a.Metrics, b.Metrics) {
		return fmt.Errorf("$.metrics: %w", errNeedsRestart)
	}
	if a.Logging.Format != b.Logging.Format || a.Logging.Level != b.Logging.Level {
		return fmt.Errorf("$.logging: %w (only access and sample may change)", errNeedsRestart)
	}
	return nil
}
