// Package config reads Yatagarasu's YAML file: the schema, strict decoding that reports every problem with its
// place and cure, defaults, validation, and printing with secrets masked. It knows nothing of live state.
package config

import "time"

// The schema's doc comments are the reference page docs/configuration.md, and its tags are what decoding enforces:
//
//	yaml     the key
//	oneof    the values allowed, separated by spaces
//	min, max bounds, written as the field's values are
//	unit     "seconds": a duration that the file writes as plain seconds
//	unbuilt  the feature that is not built yet, so that asking for it is refused
//	implied  "true" on enabled: a section that is written without it means true
//
// A field's default, set in defaults.go, is always allowed.

// Config is one whole configuration file. It is read once and never changed afterwards; a reload makes another.
type Config struct {
	// Server is the data listener: where clients connect.
	Server Server `yaml:"server"`
	// Buckets maps URL path prefixes to S3 buckets. There is at least one.
	Buckets []Bucket `yaml:"buckets"`
	// Metrics is the management listener.
	Metrics Metrics `yaml:"metrics"`
	// Admin is the admin API on the management listener.
	Admin Admin `yaml:"admin"`
	// Logging is the process log and the access log.
	Logging Logging `yaml:"logging"`
}

// Server configures the data listener.
type Server struct {
	// Address is where to listen, host:port; an empty host means every interface, IPv4 and IPv6.
	Address string `yaml:"address"`
	// HTTPS serves TLS on the data listener.
	HTTPS HTTPS `yaml:"https"`
	// TrustedProxies are the CIDRs whose X-Forwarded-For (or PROXY header) is believed.
	TrustedProxies []string `yaml:"trusted_proxies" unbuilt:"trusted proxies"`
	// ProxyProtocol expects a PROXY protocol v1 or v2 header on each connection.
	ProxyProtocol bool `yaml:"proxy_protocol" unbuilt:"the PROXY protocol"`
	// Limits bound what one client can make the server hold.
	Limits Limits `yaml:"limits"`
	// Timeouts bound the phases of a client's connection.
	Timeouts ServerTimeouts `yaml:"timeouts"`
	// RateLimit bounds requests per second and client address.
	RateLimit ServerRateLimit `yaml:"rate_limit"`
}

// HTTPS configures TLS on the data listener.
type HTTPS struct {
	// Enabled turns TLS on.
	Enabled bool `yaml:"enabled" unbuilt:"TLS on the data listener"`
	// CertPath is the PEM file with the certificate chain, leaf first.
	CertPath string `yaml:"cert_path" unbuilt:"TLS on the data listener"`
	// KeyPath is the PEM file with the certificate's private key.
	KeyPath string `yaml:"key_path" unbuilt:"TLS on the data listener"`
	// MinTLSVersion is the oldest protocol version accepted.
	MinTLSVersion string `yaml:"min_tls_version" oneof:"1.2 1.3" unbuilt:"TLS on the data listener"`
	// ClientCAPath is a PEM file of CAs; when it is set, clients must present a certificate signed by one of them.
	ClientCAPath string `yaml:"client_ca_path" unbuilt:"client certificates"`
}

// Limits bound the data listener; 0 means none unless stated otherwise.
type Limits struct {
	// HeaderBytes is the largest request line and header block together; more is answered 431.
	HeaderBytes Size `yaml:"header_bytes" min:"1024" max:"1048576"`
	// URIBytes is the longest request target; more is answered 414. It must be below header_bytes.
	URIBytes Size `yaml:"uri_bytes" min:"64" max:"1048576"`
	// Connections is the most client connections open at once; 0 = none.
	Connections int `yaml:"connections" min:"0" unbuilt:"connection limits"`
	// ConnectionsPerIP is the same per client address; 0 = none.
	ConnectionsPerIP int `yaml:"connections_per_ip" min:"0" unbuilt:"connection limits"`
	// RequestsInFlight is the most requests served at once; 0 = none.
	RequestsInFlight int `yaml:"requests_in_flight" min:"0" unbuilt:"the in-flight limit"`
}

// ServerTimeouts bound the phases of a client's connection.
type ServerTimeouts struct {
	// Header is the time from a request's first byte to the end of its headers; slower is answered 408.
	Header time.Duration `yaml:"header" min:"1ms"`
	// Idle is how long a keep-alive connection may wait for its next request.
	Idle time.Duration `yaml:"idle" min:"1ms"`
	// WriteStall cuts a client that accepts no byte for this long in the middle of a response.
	WriteStall time.Duration `yaml:"write_stall" min:"1ms"`
	// Shutdown bounds the drain after SIGTERM; transfers still running then are cut.
	Shutdown time.Duration `yaml:"shutdown" min:"0s"`
}

// ServerRateLimit bounds requests per second.
type ServerRateLimit struct {
	// PerIP is requests per second and client address; 0 = off.
	PerIP int `yaml:"per_ip" min:"0" unbuilt:"rate limits"`
	// Burst is how many requests may come at once above the rate.
	Burst int `yaml:"burst" min:"0" unbuilt:"rate limits"`
}

// Bucket maps one URL path prefix to one S3 bucket.
type Bucket struct {
	// Name is required and unique; it labels metrics and log records and names the bucket in the admin API. It has 1 to
	// 63 of a-z, 0-9, _ and -, and begins with a letter or digit.
	Name string `yaml:"name"`
	// PathPrefix is required and unique: the URL path that this bucket answers, percent-decoded, such as /products, or /
	// for all. It is matched at a segment boundary and the longest match wins; a slash at its end means nothing. /health
	// and /ready are the proxy's own.
	PathPrefix string `yaml:"path_prefix"`
	// S3 is the origin.
	S3 S3 `yaml:"s3"`
	// Auth says who may read.
	Auth Auth `yaml:"auth"`
	// Cache keeps hot objects in memory.
	Cache Cache `yaml:"cache"`
	// RateLimit bounds requests to this bucket.
	RateLimit RateLimit `yaml:"rate_limit"`
	// IPFilter admits or refuses client addresses.
	IPFilter IPFilter `yaml:"ip_filter"`
	// CORS lets pages of other origins read this bucket (Fetch standard, section 3.2).
	CORS CORS `yaml:"cors"`
	// Site serves the bucket as a web site.
	Site Site `yaml:"site"`
	// List answers requests for a prefix with its keys.
	List List `yaml:"list"`
	// ExposeHeaders are the origin's response headers to pass on besides the representation headers: names, or
	// patterns with "*" such as "x-amz-meta-*"; a lone "*" means all but Set-Cookie, Server and x-amz-*.
	ExposeHeaders []string `yaml:"expose_headers"`
}

// S3 is a bucket's origin.
type S3 struct {
	// Bucket is required: the S3 bucket's name. AWS, and virtual addressing, want its rules; others may have upper case
	// and . _ : as well.
	Bucket string `yaml:"bucket"`
	// Region is required: what signatures are scoped to, such as us-east-1, or what an S3-compatible server wants.
	Region string `yaml:"region"`
	// Endpoint is an S3-compatible server, http(s)://host[:port] with nothing after it; empty = AWS in the region.
	Endpoint string `yaml:"endpoint"`
	// Addressing puts the bucket's name in the path or in the host name: auto is virtual on AWS (path for names with
	// dots, which no wildcard certificate covers) and path with an endpoint.
	Addressing string `yaml:"addressing" oneof:"auto path virtual"`
	// AccessKey is required: the access key id.
	AccessKey Secret `yaml:"access_key"`
	// SecretKey is required: the secret access key.
	SecretKey Secret `yaml:"secret_key"`
	// SessionToken goes with temporary keys.
	SessionToken Secret `yaml:"session_token"`
	// Credentials names a provider to ask instead of the keys above.
	Credentials Credentials `yaml:"credentials"`
	// Timeouts bound the phases of an origin request; no timeout covers a whole body.
	Timeouts OriginTimeouts `yaml:"timeouts"`
	// Retry repeats failed origin requests.
	Retry Retry `yaml:"retry"`
	// CircuitBreaker stops asking an origin that keeps failing.
	CircuitBreaker CircuitBreaker `yaml:"circuit_breaker"`
	// Replicas are ordered fallbacks.
	Replicas []Replica `yaml:"replicas" unbuilt:"replicas"`
	// MaxConnections bounds the connections to the origin; further requests wait for one within timeouts.connect.
	MaxConnections int `yaml:"max_connections" min:"1" max:"65535"`
	// ForwardQuery are the query parameters that go to S3, signed, and belong to the cache key: for example versionId.
	// X-Amz-* never go.
	ForwardQuery []string `yaml:"forward_query"`
	// ForwardHeaders are the client's request headers that go to S3 besides Range and If-*: names, or patterns with
	// "*". Authorization, Cookie, x-amz-* and hop-by-hop headers never go.
	ForwardHeaders []string `yaml:"forward_headers"`
	// MissingAs is what a 403 of S3 becomes: without ListBucket permission S3 answers 403 for a missing key.
	MissingAs int `yaml:"missing_as" oneof:"403 404"`
}

// Credentials names a provider of S3 credentials.
type Credentials struct {
	// Provider is where credentials come from.
	Provider string `yaml:"provider" oneof:"env profile imds ecs web_identity assume_role anonymous" unbuilt:"credential providers"`
}

// OriginTimeouts bound the phases of an origin request.
type OriginTimeouts struct {
	// Connect bounds name resolution, TCP and TLS handshakes, and the wait for a free connection.
	Connect time.Duration `yaml:"connect" min:"1ms"`
	// FirstByte bounds the time from the request's last byte to the response's headers.
	FirstByte time.Duration `yaml:"first_byte" min:"1ms"`
	// Stall bounds each silence within a body.
	Stall time.Duration `yaml:"stall" min:"1ms"`
}

// Retry repeats failed origin requests.
type Retry struct {
	// MaxAttempts counts the first attempt too.
	MaxAttempts int `yaml:"max_attempts" min:"1" max:"10" unbuilt:"retries"`
	// InitialBackoff is the upper bound of the first random wait.
	InitialBackoff time.Duration `yaml:"initial_backoff" min:"0s" unbuilt:"retries"`
	// MaxBackoff is the upper bound of any random wait.
	MaxBackoff time.Duration `yaml:"max_backoff" min:"0s" unbuilt:"retries"`
}

// CircuitBreaker stops asking an origin that keeps failing.
type CircuitBreaker struct {
	// FailureThreshold is how many failures in a row open the breaker; 0 = off.
	FailureThreshold int `yaml:"failure_threshold" min:"0" unbuilt:"the circuit breaker"`
	// OpenFor is how long an open breaker refuses before it probes.
	OpenFor time.Duration `yaml:"open_for" min:"0s" unbuilt:"the circuit breaker"`
	// HalfOpenRequests is how many probes must succeed to close it.
	HalfOpenRequests int `yaml:"half_open_requests" min:"0" unbuilt:"the circuit breaker"`
}

// Replica is an ordered fallback of a bucket's origin.
type Replica struct {
	// Name labels the replica in metrics.
	Name string `yaml:"name"`
	// Bucket is the S3 bucket's name.
	Bucket string `yaml:"bucket"`
	// Region is the AWS region that signatures are scoped to.
	Region string `yaml:"region"`
	// Endpoint is an S3-compatible server, http(s)://host[:port]; empty = AWS in the region.
	Endpoint string `yaml:"endpoint"`
	// AccessKey is the access key id.
	AccessKey Secret `yaml:"access_key"`
	// SecretKey is the secret access key.
	SecretKey Secret `yaml:"secret_key"`
	// Priority orders the replicas; the lowest is asked first.
	Priority int `yaml:"priority" min:"0"`
}

// Auth says who may read a bucket.
type Auth struct {
	// Enabled turns authentication on; a file that has anything else under auth and leaves this out means true.
	Enabled bool `yaml:"enabled" implied:"true" unbuilt:"authentication"`
	// JWT checks a JSON Web Token (RFC 7519).
	JWT JWT `yaml:"jwt"`
}

// JWT checks a JSON Web Token.
type JWT struct {
	// Algorithm is the only one that may verify (RFC 7518, RFC 8037).
	Algorithm string `yaml:"algorithm" oneof:"HS256 HS384 HS512 RS256 RS384 RS512 ES256 ES384 ES512 PS256 PS384 PS512 EdDSA"`
	// Secret is the key of an HS algorithm.
	Secret Secret `yaml:"secret"`
	// PublicKeyFile is a PEM file with the key of an RS, PS, ES or EdDSA algorithm.
	PublicKeyFile string `yaml:"public_key_file"`
	// JWKSURL is where the issuer publishes its keys.
	JWKSURL string `yaml:"jwks_url"`
	// JWKSRefresh is how often they are fetched again.
	JWKSRefresh time.Duration `yaml:"jwks_refresh" min:"1s"`
	// Issuer is what iss must be; empty = not checked.
	Issuer string `yaml:"issuer"`
	// Audience is what aud must contain; empty = not checked.
	Audience string `yaml:"audience"`
	// Leeway is the clock difference that exp and nbf are granted.
	Leeway time.Duration `yaml:"leeway" min:"0s" max:"10m"`
	// RequireExp refuses tokens without exp.
	RequireExp bool `yaml:"require_exp"`
	// TokenSources are tried in this order.
	TokenSources []TokenSource `yaml:"token_sources"`
	// ClaimsVerification must all hold.
	ClaimsVerification []ClaimRule `yaml:"claims_verification"`
}

// TokenSource is a place in the request where a token may be.
type TokenSource struct {
	// Type is where to look.
	Type string `yaml:"type" oneof:"header query"`
	// Name is the header's or parameter's name.
	Name string `yaml:"name"`
	// Prefix comes before the token in a header's value.
	Prefix string `yaml:"prefix"`
}

// ClaimRule is one condition on a claim.
type ClaimRule struct {
	// Claim is the claim's name; dots reach into nested claims.
	Claim string `yaml:"claim"`
	// Operator is how the claim is compared with the value.
	Operator string `yaml:"operator" oneof:"equals contains in gt lt gte lte"`
	// Value is what the claim is compared with: a scalar, or a list for in.
	Value any `yaml:"value"`
}

// Cache keeps hot objects in memory.
type Cache struct {
	// Enabled turns the cache on; a file that has anything else under cache and leaves this out means true.
	Enabled bool `yaml:"enabled" implied:"true" unbuilt:"the cache"`
	// TTL is the freshness in seconds of objects that say nothing; 0 = only what the origin allows.
	TTL time.Duration `yaml:"ttl" unit:"seconds" min:"0s"`
	// ClientDirectives honours Cache-Control of requests.
	ClientDirectives bool `yaml:"client_directives"`
	// MaxSize is the memory budget, metadata included.
	MaxSize Size `yaml:"max_size" min:"1048576"`
	// MaxItemSize is the largest object kept; bigger ones always stream. It is at most max_size.
	MaxItemSize Size `yaml:"max_item_size" min:"1"`
	// Ranges says whether ranges stream from S3 or are answered from, and fill, cached chunks.
	Ranges string `yaml:"ranges" oneof:"stream cache"`
	// Grace serves stale objects this long while the origin fails.
	Grace time.Duration `yaml:"grace" min:"0s"`
	// NegativeTTL keeps 404s this long.
	NegativeTTL time.Duration `yaml:"negative_ttl" min:"0s"`
	// Rules set the ttl by key; the first match wins.
	Rules []CacheRule `yaml:"rules"`
	// Refresh revalidates in the background.
	Refresh Refresh `yaml:"refresh"`
	// Prewarm fills the cache ahead of requests.
	Prewarm Prewarm `yaml:"prewarm"`
}

// CacheRule sets the ttl of the keys that match.
type CacheRule struct {
	// Pattern is a glob over the key.
	Pattern string `yaml:"pattern"`
	// TTL is their freshness in seconds; 0 = only what the origin allows.
	TTL time.Duration `yaml:"ttl" unit:"seconds" min:"0s"`
}

// Refresh revalidates in the background.
type Refresh struct {
	// Auto turns it on.
	Auto bool `yaml:"auto"`
	// At is the share of the ttl after which it happens.
	At float64 `yaml:"at" min:"0.1" max:"1"`
}

// Prewarm fills the cache ahead of requests.
type Prewarm struct {
	// OnStartup starts a task at start.
	OnStartup bool `yaml:"on_startup"`
	// OnSchedule starts a task by cron expression.
	OnSchedule string `yaml:"on_schedule"`
	// Paths are the key prefixes to walk.
	Paths []string `yaml:"paths"`
	// IncludePatterns are globs of the keys to fetch; empty = all.
	IncludePatterns []string `yaml:"include_patterns"`
	// ExcludePatterns are globs of the keys to leave out.
	ExcludePatterns []string `yaml:"exclude_patterns"`
	// Concurrency is how many objects are fetched at once.
	Concurrency int `yaml:"concurrency" min:"1" max:"1000"`
	// RateLimit is a number of objects per s, m or h, such as 100/s.
	RateLimit string `yaml:"rate_limit"`
	// Timeout ends a task.
	Timeout time.Duration `yaml:"timeout" min:"1s"`
}

// RateLimit bounds requests to one bucket.
type RateLimit struct {
	// RequestsPerSecond is the rate; 0 = off.
	RequestsPerSecond int `yaml:"requests_per_second" min:"0" unbuilt:"rate limits"`
	// Burst is how many requests may come at once above the rate.
	Burst int `yaml:"burst" min:"0" unbuilt:"rate limits"`
	// Key is what is counted.
	Key string `yaml:"key" oneof:"ip subject bucket" unbuilt:"rate limits"`
}

// IPFilter admits or refuses client addresses.
type IPFilter struct {
	// Allow are CIDRs; when there are any, others are refused.
	Allow []string `yaml:"allow" unbuilt:"IP filters"`
	// Deny are CIDRs that are refused first.
	Deny []string `yaml:"deny" unbuilt:"IP filters"`
}

// CORS lets pages of other origins read a bucket.
type CORS struct {
	// AllowedOrigins are origins as browsers send them, scheme://host[:port] in lower case, such as
	// https://app.example; or "*".
	AllowedOrigins []string `yaml:"allowed_origins"`
	// AllowedHeaders are the request headers a page may send; "*" = any.
	AllowedHeaders []string `yaml:"allowed_headers"`
	// ExposedHeaders are the response headers a page may read.
	ExposedHeaders []string `yaml:"exposed_headers"`
	// MaxAge is how long a browser may keep a preflight's answer.
	MaxAge time.Duration `yaml:"max_age" min:"0s"`
}

// Site serves a bucket as a web site.
type Site struct {
	// Index is the document for the prefix itself and for keys that end in "/": for example index.html. It goes before
	// a listing where list.enabled is true as well.
	Index string `yaml:"index"`
	// Fallback is the key served with 200 when an object is missing: the entry page of a single-page application.
	Fallback string `yaml:"fallback"`
	// ErrorPages maps a status from 400 to 599 to the key of the page that is sent with it: {404: errors/404.html}.
	ErrorPages map[int]string `yaml:"error_pages"`
}

// List answers requests for a prefix with its keys.
type List struct {
	// Enabled turns listings on for the prefix itself and for keys that end in "/".
	Enabled bool `yaml:"enabled"`
}

// Metrics is the management listener: /metrics, /health, /ready, and later /admin and /debug.
type Metrics struct {
	// Enabled opens the management listener.
	Enabled bool `yaml:"enabled"`
	// Address is the interface to listen on; empty = every interface.
	Address string `yaml:"address"`
	// Port is the TCP port, not that of server.address; 0 lets the system choose one, which the log names.
	Port int `yaml:"port" min:"0" max:"65535"`
	// Histograms chooses le buckets (Prometheus and VictoriaMetrics) or VictoriaMetrics' own vmrange.
	Histograms string `yaml:"histograms" oneof:"le vmrange"`
}

// Admin is the admin API on the management listener.
type Admin struct {
	// Enabled turns it on; it needs auth_token.
	Enabled bool `yaml:"enabled" unbuilt:"the admin API"`
	// AuthToken is the bearer token that callers must present.
	AuthToken Secret `yaml:"auth_token" unbuilt:"the admin API"`
	// Pprof serves /debug/pprof.
	Pprof bool `yaml:"pprof" unbuilt:"pprof"`
}

// Logging is the process log and the access log, on standard output.
type Logging struct {
	// Level is the least severe level written.
	Level string `yaml:"level" oneof:"debug info warn error"`
	// Format is how records are written: json for machines, console for people.
	Format string `yaml:"format" oneof:"json console"`
	// Access writes one record per request.
	Access bool `yaml:"access"`
	// Sample writes one access record in this many; errors (status 500 and above, and aborts) are always written.
	Sample int `yaml:"sample" min:"1"`
}
