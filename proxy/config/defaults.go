package config

import "time"

// Default returns the configuration of an empty file. It has no buckets, so it does not pass validation by itself.
func Default() *Config {
	return &Config{
		Server: Server{
			Address:  "127.0.0.1:8080",
			HTTPS:    HTTPS{MinTLSVersion: "1.2"},
			Limits:   Limits{HeaderBytes: 16e3, URIBytes: 8e3},
			Timeouts: ServerTimeouts{Header: 10 * time.Second, Idle: time.Minute, WriteStall: time.Minute, Shutdown: 30 * time.Second},
		},
		Metrics: Metrics{Enabled: true, Address: "127.0.0.1", Port: 9090, Histograms: "le"},
		Logging: Logging{Level: "info", Format: "json", Access: true, Sample: 1},
	}
}

// DefaultBucket returns what a bucket is before its own keys are read. Retries and the circuit breaker are off.
func DefaultBucket() Bucket {
	return Bucket{
		S3: S3{
			Addressing:     "auto",
			Timeouts:       OriginTimeouts{Connect: 2 * time.Second, FirstByte: 10 * time.Second, Stall: 30 * time.Second},
			Retry:          Retry{MaxAttempts: 1, InitialBackoff: 50 * time.Millisecond, MaxBackoff: time.Second},
			CircuitBreaker: CircuitBreaker{OpenFor: 10 * time.Second, HalfOpenRequests: 3},
			MaxConnections: 512,
			MissingAs:      403,
		},
		Auth: Auth{JWT: JWT{
			Algorithm:   "HS256",
			JWKSRefresh: 5 * time.Minute,
			RequireExp:  true,
			TokenSources: []TokenSource{
				{Type: "header", Name: "Authorization", Prefix: "Bearer "},
				{Type: "query", Name: "token"},
				{Type: "header", Name: "X-Auth-Token"},
			},
		}},
		Cache: Cache{
			TTL:         time.Hour,
			MaxSize:     256e6,
			MaxItemSize: 10e6,
			Ranges:      "stream",
			Refresh:     Refresh{At: 0.8},
			Prewarm:     Prewarm{Concurrency: 10, RateLimit: "100/s", Timeout: 30 * time.Minute},
		},
		RateLimit: RateLimit{Key: "ip"},
	}
}
