package proxy

import (
	"bytes"
	"strings"
)

// routes finds the bucket of a path: the longest prefix that ends at a segment boundary.
//
// fasthttp/router dispatches to /health, /ready and, by its NotFound, to the data plane. Prefixes are not routes of
// its own, because its catch-all parameter copies the path and allocates three times a request, and because it
// matches before percent-decoding: "/%69mg/x" would reach another bucket than "/img/x". A map asked for each segment
// boundary, deepest first, costs one hash per segment of the deepest prefix, whatever the number of buckets.
type routes struct {
	byPrefix map[string]*bucket // "" is the prefix "/"
	depth    int                // segments of the deepest prefix
}

func newRoutes(buckets []*bucket) *routes {
	r := &routes{byPrefix: make(map[string]*bucket, len(buckets))}
	for _, b := range buckets {
		prefix := strings.TrimSuffix(b.config.PathPrefix, "/")
		r.byPrefix[prefix] = b
		r.depth = max(r.depth, strings.Count(prefix, "/"))
	}
	return r
}

// find returns the bucket of a decoded path and the key: what follows the prefix and one slash, byte by byte. It
// returns nil when no prefix matches.
func (r *routes) find(path []byte) (*bucket, []byte) {
	end := boundary(path, r.depth)
	for {
		if b := r.byPrefix[string(path[:end])]; b != nil {
			if end == len(path) {
				return b, nil
			}
			return b, path[end+1:]
		}
		if end == 0 {
			return nil, nil
		}
		end = bytes.LastIndexByte(path[:end], '/')
	}
}

// boundary returns where the first n segments of path end.
func boundary(path []byte, n int) int {
	end := 0
	for ; n > 0 && end < len(path); n-- {
		next := bytes.IndexByte(path[end+1:], '/')
		if next < 0 {
			return len(path)
		}
		end += 1 + next
	}
	return end
}
