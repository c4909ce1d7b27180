package config

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

var (
	labelName  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	regionName = regexp.MustCompile(`^[a-z0-9-]+$`)
	perTime    = regexp.MustCompile(`^[1-9][0-9]*/[smh]$`)
)

// validateBucket checks one bucket by itself.
func validateBucket(b *Bucket, path string, r *report) {
	switch {
	case b.Name == "":
		r.wrong(key(path, "name"), "is empty; give the bucket a name, which labels its metrics and logs")
	case !labelName.MatchString(b.Name):
		r.wrong(key(path, "name"), "is not a label; use 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit")
	}
	b.PathPrefix = validatePrefix(b.PathPrefix, key(path, "path_prefix"), r)
	validateS3(&b.S3, key(path, "s3"), r)
	validateCache(&b.Cache, key(path, "cache"), r)
	validateCORS(&b.CORS, key(path, "cors"), r)
	validateSite(&b.Site, key(path, "site"), r)
	headerNames(b.ExposeHeaders, key(path, "expose_headers"), neverExposed, r)
}

// validatePrefix returns the prefix in its one form, without a slash at the end, or "" if it cannot be one.
func validatePrefix(prefix, path string, r *report) string {
	cure := ""
	trimmed := strings.TrimSuffix(prefix, "/")
	switch {
	case prefix == "":
		cure = `is empty; write the URL path that the bucket answers, for example /products, or / for all`
	case prefix[0] != '/':
		cure = `must begin with a slash; write for example /products`
	case prefix == "/":
		return prefix
	case strings.Contains(prefix, "//"):
		cure = `has an empty segment; write single slashes`
	case strings.Contains(prefix+"/", "/./") || strings.Contains(prefix+"/", "/../"):
		cure = `has a dot segment, which requests never match; write the path without . and ..`
	case strings.ContainsAny(prefix, `?#%{}\`) || strings.ContainsFunc(prefix, unicode.IsControl):
		cure = `has a character that a path prefix cannot have: ? # % { } \ or a control character; write the decoded path`
	case trimmed == "/health" || trimmed == "/ready":
		cure = `is answered by the proxy itself; choose another prefix`
	default:
		return trimmed
	}
	r.wrong(path, "%s", cure)
	return ""
}

// validateS3 checks a bucket's origin.
func validateS3(s *S3, path string, r *report) {
	if cure := badEndpoint(s.Endpoint); s.Endpoint != "" && cure != "" {
		r.wrong(key(path, "endpoint"), "%s", cure)
	}
	// Only a bucket that is addressed by path at an endpoint of its own may have a name that is not a DNS label.
	dns := s.Endpoint == "" || s.Addressing == "virtual"
	switch {
	case s.Bucket == "":
		r.wrong(key(path, "bucket"), "is empty; give the S3 bucket's name")
	case dns && !isBucketName(s.Bucket):
		r.wrong(key(path, "bucket"), "is not an S3 bucket name; use 3 to 63 of a-z, 0-9, - and ., beginning and ending with a letter or digit")
	case !legacyBucketName.MatchString(s.Bucket):
		r.wrong(key(path, "bucket"), "is not a bucket name; use letters, digits and . _ : -, beginning with a letter or digit")
	}
	switch {
	case s.Region == "":
		r.wrong(key(path, "region"), "is empty; give the bucket's region, for example us-east-1")
	case !regionName.MatchString(s.Region):
		r.wrong(key(path, "region"), "is not a region; use a-z, 0-9 and -, for example us-east-1 or auto")
	}
	validateKey(s.AccessKey, key(path, "access_key"), "give the access key id", r)
	validateKey(s.SecretKey, key(path, "secret_key"), "give the secret access key", r)
	if s.SessionToken != "" {
		validateKey(s.SessionToken, key(path, "session_token"), "", r)
	}
	seen := map[string]string{}
	for i, name := range s.ForwardQuery {
		at := item(key(path, "forward_query"), i)
		switch {
		case name == "":
			r.wrong(at, "is empty; name a query parameter, for example versionId")
		case strings.HasPrefix(strings.ToLower(name), "x-amz-"):
			r.wrong(at, "is a parameter of the signature, which the proxy makes itself; remove it")
		}
		unique(seen, name, at, r)
	}
	headerNames(s.ForwardHeaders, key(path, "forward_headers"), neverForwarded, r)
}

// validateKey checks one part of the S3 credentials: they go into headers, where a space or line break would split them.
func validateKey(secret Secret, path, cure string, r *report) {
	switch text := secret.Reveal(); {
	case text == "":
		r.wrong(path, "is empty; %s (reading without keys is not built yet)", cure)
	case strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }):
		r.wrong(path, "has a space, a line break or another character that keys do not have; correct it")
	}
}

// validateCache checks what is written under cache, whether it is enabled or not.
func validateCache(c *Cache, path string, r *report) {
	if c.MaxItemSize > c.MaxSize {
		r.wrong(key(path, "max_item_size"), "is more than max_size; lower it or raise max_size")
	}
	for i, rule := range c.Rules {
		if rule.Pattern == "" {
			r.wrong(key(item(key(path, "rules"), i), "pattern"), `is empty; write a glob over the key, for example "*.html"`)
		}
	}
	if !perTime.MatchString(c.Prewarm.RateLimit) {
		r.wrong(key(key(path, "prewarm"), "rate_limit"), "is not a rate; write a number per s, m or h, for example 100/s")
	}
}

// validateCORS checks origins and header names.
func validateCORS(c *CORS, path string, r *report) {
	seen := map[string]string{}
	for i, origin := range c.AllowedOrigins {
		at := item(key(path, "allowed_origins"), i)
		if origin != "*" && !isOrigin(origin) {
			r.wrong(at, `is not an origin; write scheme://host[:port] in lower case with nothing after it, for example https://app.example, or "*"`)
		}
		unique(seen, origin, at, r)
	}
	headerNames(c.AllowedHeaders, key(path, "allowed_headers"), nil, r)
	headerNames(c.ExposedHeaders, key(path, "exposed_headers"), nil, r)
}

// validateSite checks the keys of documents: S3 keys, relative to the bucket.
func validateSite(s *Site, path string, r *report) {
	document := func(name, path string) {
		if strings.HasPrefix(name, "/") {
			r.wrong(path, "begins with a slash; write the key as S3 has it, for example index.html")
		}
	}
	document(s.Index, key(path, "index"))
	document(s.Fallback, key(path, "fallback"))
	for status, page := range s.ErrorPages {
		at := key(key(path, "error_pages"), fmt.Sprint(status))
		if status < 400 || status > 599 {
			r.wrong(at, "is not an error status; use 400 to 599")
		}
		if page == "" {
			r.wrong(at, "is empty; give the key of the page")
		}
		document(page, at)
	}
}
