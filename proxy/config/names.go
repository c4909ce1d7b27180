package config

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	// hostName is RFC 1123, and underscores, which container networks use.
	hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$`)
	// headerToken is RFC 9110, section 5.6.2. The wildcard * is a token character itself.
	headerToken = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")
	// bucketName is the AWS rule for buckets made since 2018; legacyBucketName is what other servers have.
	bucketName       = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	legacyBucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,254}$`)
	originScheme     = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)
)

// hopByHop are the headers of one connection (RFC 9110, section 7.6.1); Proxy-* go with them.
var hopByHop = []string{"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-"}

var (
	neverForwarded = append([]string{"authorization", "cookie", "host", "content-length", "x-amz-"}, hopByHop...)
	neverExposed   = append([]string{"set-cookie", "server"}, hopByHop...)
)

// headerNames checks a list of header names or patterns. A name in never, or one that begins with an entry that ends
// in a hyphen, is refused: it would be dropped anyway, and a list should not promise otherwise.
func headerNames(names []string, path string, never []string, r *report) {
	seen := map[string]string{}
	for i, name := range names {
		at, lower := item(path, i), strings.ToLower(name)
		switch {
		case !headerToken.MatchString(name):
			r.wrong(at, "is not a header name; write a name such as x-request-id, or a pattern with *")
		case slices.ContainsFunc(never, func(n string) bool {
			return lower == n || strings.HasSuffix(n, "-") && strings.HasPrefix(lower, n)
		}):
			r.wrong(at, "is a header that the proxy never passes on; remove it")
		}
		unique(seen, lower, at, r)
	}
}

// isHost reports whether host is an IP address or a host name.
func isHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return len(host) <= 253 && hostName.MatchString(host)
}

// isHostPort reports whether text is a host, in brackets if it is IPv6, and perhaps a port other than 0.
func isHostPort(text string) bool {
	u := url.URL{Host: text}
	host, port := u.Hostname(), u.Port()
	canonical := host
	if strings.Contains(host, ":") {
		canonical = "[" + host + "]"
	}
	if port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
		canonical += ":" + port
	}
	// An IPv6 zone (after %) means an interface of one machine, and is not written this way in a URL.
	return text == canonical && isHost(host) && !strings.Contains(text, "%")
}

// badEndpoint says what is wrong with an S3 endpoint, or "".
func badEndpoint(endpoint string) string {
	scheme, rest, _ := strings.Cut(endpoint, "://")
	switch {
	case scheme != "http" && scheme != "https":
		return "must begin with http:// or https://; write for example http://127.0.0.1:9000"
	case strings.Contains(rest, "@"):
		return "has user information; write the keys under access_key and secret_key"
	case strings.ContainsAny(rest, "/?#"):
		return "has something after host and port; end it there, without a slash"
	case !isHostPort(rest):
		return "is not scheme://host[:port]; write for example http://127.0.0.1:9000 or https://[::1]:9000"
	}
	return ""
}

// isOrigin reports whether text is an origin as browsers send it (RFC 6454, section 6.2).
func isOrigin(text string) bool {
	scheme, host, ok := strings.Cut(text, "://")
	return ok && originScheme.MatchString(scheme) && isHostPort(host) && host == strings.ToLower(host)
}

// isBucketName reports whether name follows the AWS rules for general purpose buckets.
func isBucketName(name string) bool {
	_, err := netip.ParseAddr(name)
	return bucketName.MatchString(name) && !strings.Contains(name, "..") && err != nil
}
