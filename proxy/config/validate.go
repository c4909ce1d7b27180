package config

import (
	"net"
	"slices"
	"strconv"
)

// validate checks what types and tags cannot say, and brings path prefixes into their one form.
func validate(c *Config, r *report) {
	validateListeners(c, r)
	if c.Server.Limits.URIBytes >= c.Server.Limits.HeaderBytes {
		r.wrong("$.server.limits.uri_bytes", "must be below header_bytes, which counts the request line as well; lower it or raise header_bytes")
	}
	if len(c.Buckets) == 0 {
		r.wrong("$.buckets", "needs at least one bucket; write one with name, path_prefix and s3")
	}
	names, prefixes := map[string]string{}, map[string]string{}
	for i := range c.Buckets {
		b, path := &c.Buckets[i], item("$.buckets", i)
		validateBucket(b, path, r)
		unique(names, b.Name, key(path, "name"), r)
		unique(prefixes, b.PathPrefix, key(path, "path_prefix"), r)
	}
}

// unique reports a value that another path has already; seen maps values to paths.
func unique(seen map[string]string, value, path string, r *report) {
	if value == "" {
		return
	}
	if first, taken := seen[value]; taken {
		r.wrong(path, "is the same as %s; make it unique", first)
		return
	}
	seen[value] = path
}

// validateListeners checks the two listening addresses, apart and against each other.
func validateListeners(c *Config, r *report) {
	host, port, err := net.SplitHostPort(c.Server.Address)
	number, notNumber := strconv.ParseUint(port, 10, 16)
	if err != nil || notNumber != nil || host != "" && !isHost(host) {
		r.wrong("$.server.address", "is not host:port; write for example 127.0.0.1:8080, [::1]:8080, or :8080 for every interface")
	}
	if c.Metrics.Address != "" && !isHost(c.Metrics.Address) {
		r.wrong("$.metrics.address", "is not an address to listen on; write for example 127.0.0.1, and the port under port")
	}
	samePort := number != 0 && int(number) == c.Metrics.Port
	if c.Metrics.Enabled && samePort && overlap(host, c.Metrics.Address) {
		r.wrong("$.metrics.port", "is the port of server.address; choose another for the management listener")
	}
}

// overlap reports whether two listeners on one port would collide: an unspecified address takes every interface.
func overlap(a, b string) bool {
	every := []string{"", "0.0.0.0", "::"}
	local := func(host string) string {
		if host == "localhost" {
			return "127.0.0.1"
		}
		return host
	}
	return local(a) == local(b) || slices.Contains(every, a) || slices.Contains(every, b)
}
