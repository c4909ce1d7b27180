package proxy

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// options answers an OPTIONS request, a CORS preflight included (Fetch standard, section 3.2.2). No origin request
// is made: what may be asked is the same for every object.
func (x *exchange) options() error {
	out := &x.ctx.Response
	out.SetStatusCode(fasthttp.StatusNoContent)
	out.Header.Set("Allow", allowedMethods)
	if x.bucket == nil {
		return nil
	}
	h := &x.ctx.Request.Header
	cors := &x.bucket.config.CORS
	if len(h.Peek("Access-Control-Request-Method")) == 0 || allowOrigin(cors.AllowedOrigins, h.Peek("Origin")) == "" {
		return nil
	}
	out.Header.Set("Access-Control-Allow-Methods", allowedMethods)
	if allowed := allowedHeaders(cors.AllowedHeaders, h.Peek("Access-Control-Request-Headers")); allowed != "" {
		out.Header.Set("Access-Control-Allow-Headers", allowed)
	}
	if cors.MaxAge > 0 {
		out.Header.Set("Access-Control-Max-Age", strconv.Itoa(int(cors.MaxAge.Seconds())))
	}
	return nil
}

// applyCORS lets the page that asks read the response, where the bucket allows its origin. Errors carry it too, so
// that a page can tell a 404 from a network failure.
func (x *exchange) applyCORS(out *fasthttp.ResponseHeader) {
	cors := &x.bucket.config.CORS
	if len(cors.AllowedOrigins) == 0 {
		return
	}
	allowed := allowOrigin(cors.AllowedOrigins, x.ctx.Request.Header.Peek("Origin"))
	if allowed != "*" {
		// The answer depends on who asks, even when nobody did (Fetch standard, section 3.2.5).
		out.Add("Vary", "Origin")
	}
	if allowed == "" {
		return
	}
	out.Set("Access-Control-Allow-Origin", allowed)
	if x.method != methodOptions && len(cors.ExposedHeaders) > 0 {
		out.Set("Access-Control-Expose-Headers", strings.Join(cors.ExposedHeaders, ", "))
	}
}

// allowOrigin returns the Access-Control-Allow-Origin for an Origin, or "".
func allowOrigin(allowed []string, origin []byte) string {
	if slices.Contains(allowed, "*") {
		return "*"
	}
	for _, o := range allowed {
		if o == string(origin) {
			return o
		}
	}
	return ""
}

// allowedHeaders returns those of the header names that a preflight asks for and the bucket allows.
func allowedHeaders(allowed []string, asked []byte) string {
	var names []string
	for name := range bytes.SplitSeq(asked, []byte(",")) {
		name := string(bytes.TrimSpace(name))
		ok := slices.ContainsFunc(allowed, func(a string) bool { return a == "*" || strings.EqualFold(a, name) })
		if ok && name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
