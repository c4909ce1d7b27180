package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// minimal is the smallest configuration that loads. Its lines 2 to 8 are a bucket; more may be appended to it.
const minimal = `buckets:
  - name: products
    path_prefix: /products
    s3:
      bucket: my-products
      region: us-east-1
      access_key: AKIAEXAMPLE
      secret_key: hunter2secret
`

// The cases below are minimal with one line more, which is line 9, or with one line changed.
func top(line string) string    { return minimal + line + "\n" }
func bucket(line string) string { return minimal + "    " + line + "\n" }
func origin(line string) string { return minimal + "      " + line + "\n" }
func with(old, changed string) string {
	if strings.Count(minimal, old) != 1 {
		panic("not once in minimal: " + old)
	}
	return strings.Replace(minimal, old, changed, 1)
}

// badFiles have one problem each.
var badFiles = []struct {
	yaml  string
	place string // line:column, and the path if there is one
	cure  string
}{
	// The file as YAML.
	{"", "", "is empty; write at least one bucket"},
	{"# nothing\n", "", "is empty; write at least one bucket"},
	{"a: \xff\n", "", "save it as UTF-8"},
	{top("a:\n\tb: 1"), "10:1", "correct the indentation"},
	{top(`a: "b`), "9:4", "correct the indentation or quoting here"},
	{top(" a: 1"), "9:2", "correct the indentation or quoting here"},
	{top("---\na: 1"), "9:1", "keep one document"},
	{top("---"), "9:1", "keep one document"},
	{top("...\na: 1"), "10:2", "keep one document"},
	{"%YAML 1.2\n---\n" + minimal, "1:1", "remove this line"},
	{strings.Repeat("[", 1e5), "1:65", "nests too deep"},
	{"a: " + strings.Repeat("- ", 1e5), "1:132", "nests too deep"},
	{"- a\n", "1:1 $", "is a list; write a mapping"},
	{"hello\n", "1:1 $", "is a single value; write a mapping"},

	// Keys.
	{top("servers: {}"), "9:1 $.servers", "did you mean server?"},
	{top("whatever: 1"), "9:1 $.whatever", "its keys are server, buckets, metrics, admin, logging"},
	{top("Server: {}"), `9:1 $."Server"`, "did you mean server?"},
	{top("server: {adress: x}"), "9:10 $.server.adress", "did you mean address?"},
	{origin("access-key: x"), `9:7 $.buckets[0].s3."access-key"`, "did you mean access_key?"},
	{top(`"a\nb": 1`), `9:1 $."a\nb"`, "is not a key"},
	{top("server: {}\nserver: {}"), "10:1 $.server", "is written twice, first on line 9; remove one"},
	{origin("region: x"), "9:7 $.buckets[0].s3.region", "first on line 6; remove one"},
	{top("logging: {sample: 5, sample: x}"), "9:22 $.logging.sample", "is written twice"},
	{top("? server\n: {}"), "9:1 $", "write name: value"},
	{top("server: {<<: {}}"), "9:10 $.server", "without merge keys"},

	// Types.
	{top("server: [a]"), "9:1 $.server", "is a list; write a mapping of keys"},
	{top("server:"), "9:1 $.server", "has no value"},
	{top("server: ~"), "9:1 $.server", "has no value"},
	{bucket("cors: null"), "9:5 $.buckets[0].cors", "remove the key to keep its default"},
	{bucket("expose_headers: x-a"), "9:21 $.buckets[0].expose_headers", "is a single value; write a list, for example [a, b]"},
	{bucket("expose_headers: [[x]]"), "9:22 $.buckets[0].expose_headers[0]", "is a list; write text"},
	{bucket("expose_headers:\n    - x\n    -"), "11:7 $.buckets[0].expose_headers[1]", "has no value"},
	{top("server: &a {}"), "9:9 $.server", "write the value out"},
	{top("server: *a"), "9:9 $.server", "write the value out"},
	{top("logging: !!map {}"), "9:10 $.logging", "remove the tag"},
	{top("logging: {access: yes}"), "9:19 $.logging.access", `"yes" is text in YAML 1.2; write true`},
	{top("logging: {access: Off}"), "9:19 $.logging.access", "is text in YAML 1.2; write false"},
	{top("logging: {access: 1}"), "9:19 $.logging.access", "write true or false"},
	{top(`logging: {access: "true"}`), "9:19 $.logging.access", "write true or false without quotes"},
	{top("logging: {access: {}}"), "9:11 $.logging.access", "is a mapping; write true or false"},
	{top("logging: {sample: 1.5}"), "9:19 $.logging.sample", `"1.5" is not a whole number`},
	{top("logging: {sample: 0x10}"), "9:19 $.logging.sample", "write decimal digits"},
	{top("logging: {sample: 010}"), "9:19 $.logging.sample", "write decimal digits"},
	{top(`logging: {sample: "5"}`), "9:19 $.logging.sample", "write a number without quotes"},
	{top("logging:\n  sample: |-\n    5"), "10:11 $.logging.sample", "write a number without quotes"},
	{top("logging: {sample: [5]}"), "9:11 $.logging.sample", "is a list; write a number"},
	{top("logging: {sample: 99999999999999999999}"), "9:19 $.logging.sample", "write a smaller number"},
	{top("logging: {sample: 0}"), "9:19 $.logging.sample", "write at least 1"},
	{top("metrics: {port: 65536}"), "9:17 $.metrics.port", "write at most 65535"},
	{top("logging: {level: true}"), "9:18 $.logging.level", "put it in quotes"},
	{top("logging: {level: loud}"), "9:18 $.logging.level", `"loud" is not a choice here; write one of debug, info, warn, error`},
	{top("logging: {level: " + strings.Repeat("é", 41) + "}"), "9:18 $.logging.level", `"` + strings.Repeat("é", 40) + `…" is not a choice`},
	{bucket("cache: {enabled: false, refresh: {at: high}}"), "9:43 $.buckets[0].cache.refresh.at", "write for example 0.8"},
	{bucket("cache: {enabled: false, refresh: {at: .nan}}"), "9:43 $.buckets[0].cache.refresh.at", "write for example 0.8"},
	{bucket("cache: {enabled: false, refresh: {at: 1.5}}"), "9:43 $.buckets[0].cache.refresh.at", "write at most 1"},
	{top("server: {timeouts: {idle: 60}}"), "9:27 $.server.timeouts.idle", "a number with its unit"},
	{top("server: {timeouts: {idle: 0s}}"), "9:27 $.server.timeouts.idle", "write at least 1ms"},
	{top("server: {timeouts: {shutdown: -1s}}"), "9:31 $.server.timeouts.shutdown", "write at least 0s"},
	{top("server: {timeouts: {idle: []}}"), "9:21 $.server.timeouts.idle", "write a duration, for example 30s"},
	{bucket("cache: {enabled: false, ttl: 1500ms}"), "9:34 $.buckets[0].cache.ttl", "write whole seconds"},
	{bucket("cache: {enabled: false, ttl: 0.5}"), "9:34 $.buckets[0].cache.ttl", "write whole seconds"},
	{bucket("cache: {enabled: false, ttl: 9223372037}"), "9:34 $.buckets[0].cache.ttl", "write fewer seconds"},
	{bucket("cache: {enabled: false, ttl: {}}"), "9:29 $.buckets[0].cache.ttl", "write seconds, for example 3600"},
	{top("server: {limits: {uri_bytes: 1.5KB}}"), "9:30 $.server.limits.uri_bytes", "smaller unit"},
	{top("server: {limits: {uri_bytes: 1.xKB}}"), "9:30 $.server.limits.uri_bytes", "for example 10MB or 1GiB"},
	{top("server: {limits: {uri_bytes: 8k}}"), "9:30 $.server.limits.uri_bytes", "for example 10MB or 1GiB"},
	{top("server: {limits: {uri_bytes: 9999999TiB}}"), "9:30 $.server.limits.uri_bytes", "write at most"},
	{top("server: {limits: {header_bytes: 1KB}}"), "9:33 $.server.limits.header_bytes", "write at least 1KiB"},
	{top("server: {limits: {uri_bytes: []}}"), "9:19 $.server.limits.uri_bytes", "write a size, for example 10MB"},
	{bucket("site: {error_pages: {oops: a}}"), "9:26 $.buckets[0].site.error_pages.oops", "write for example 404: error.html"},
	{bucket("site: {error_pages: [a]}"), "9:12 $.buckets[0].site.error_pages", "write a mapping"},

	// Variables.
	{with("us-east-1", "${REGION}"), "6:15 $.buckets[0].s3.region", "set it, or write ${REGION:-default}"},
	{with("us-east-1", "${REGION"), "6:15 $.buckets[0].s3.region", "close it"},
	{with("us-east-1", "${}"), "6:15 $.buckets[0].s3.region", "$${ for a literal ${"},
	{with("us-east-1", "${A B}"), "6:15 $.buckets[0].s3.region", "names no variable"},
	{with("us-east-1", "${A:-${B}}"), "6:15 $.buckets[0].s3.region", "write plain text as the default"},
	{with("us-east-1", "${BINARY}"), "6:15 $.buckets[0].s3.region", "not UTF-8"},

	// What is not built yet.
	{bucket("auth: {jwt: {secret: x}}"), "9:5 $.buckets[0].auth", "authentication, not built yet; remove this section, or write enabled: false"},
	{bucket("auth: {enabled: true}"), "9:21 $.buckets[0].auth.enabled", "authentication, not built yet; remove this key"},
	{bucket("cache: {ttl: 60}"), "9:5 $.buckets[0].cache", "the cache, not built yet; remove this section"},
	{top("server: {proxy_protocol: true}"), "9:26 $.server.proxy_protocol", "not built yet; remove this key"},
	{origin("credentials: {provider: env}"), "9:31 $.buckets[0].s3.credentials.provider", "not built yet; remove this key"},
	{origin("replicas: [{name: a}]"), "9:7 $.buckets[0].s3.replicas", "not built yet; remove this key"},

	// Listeners.
	{top("server: {address: localhost}"), "9:19 $.server.address", "write for example 127.0.0.1:8080"},
	{top("server: {address: '[::1:8080'}"), "9:19 $.server.address", "is not host:port"},
	{top("server: {address: 'a b:80'}"), "9:19 $.server.address", "is not host:port"},
	{top("server: {address: ':http'}"), "9:19 $.server.address", "is not host:port"},
	{top("server: {address: ':65536'}"), "9:19 $.server.address", "is not host:port"},
	{top("metrics: {address: '127.0.0.1:9090'}"), "9:20 $.metrics.address", "the port under port"},
	{top("metrics: {port: 8080}"), "9:17 $.metrics.port", "choose another"},
	{top("metrics: {port: 8080, address: ''}"), "9:17 $.metrics.port", "choose another"},
	{top("metrics: {port: 8080, address: localhost}"), "9:17 $.metrics.port", "choose another"},
	{top("server: {address: ':9090'}"), "1:1 $.metrics.port", "choose another"},
	{top("server: {limits: {uri_bytes: 16KB}}"), "9:30 $.server.limits.uri_bytes", "raise header_bytes"},

	// Buckets.
	{"buckets: []\n", "1:1 $.buckets", "write one with name, path_prefix and s3"},
	{"server: {}\n", "1:1 $.buckets", "needs at least one bucket"},
	{with("name: products", "name: Products"), "2:11 $.buckets[0].name", "is not a label; use 1 to 63"},
	{with("name: products", "name: "+strings.Repeat("a", 64)), "2:11 $.buckets[0].name", "use 1 to 63"},
	{with("name: products\n    ", ""), "2:5 $.buckets[0].name", "give the bucket a name"},
	{with("path_prefix: /products", "path_prefix: ''"), "3:18 $.buckets[0].path_prefix", "or / for all"},
	{with("path_prefix: /products", "path_prefix: products"), "3:18 $.buckets[0].path_prefix", "must begin with a slash"},
	{with("path_prefix: /products", "path_prefix: /a//b"), "3:18 $.buckets[0].path_prefix", "write single slashes"},
	{with("path_prefix: /products", "path_prefix: /a/../b"), "3:18 $.buckets[0].path_prefix", "without . and .."},
	{with("path_prefix: /products", "path_prefix: /."), "3:18 $.buckets[0].path_prefix", "without . and .."},
	{with("path_prefix: /products", "path_prefix: /a%20b"), "3:18 $.buckets[0].path_prefix", "write the decoded path"},
	{with("path_prefix: /products", "path_prefix: /a?b"), "3:18 $.buckets[0].path_prefix", "write the decoded path"},
	{with("path_prefix: /products", "path_prefix: '/a#b'"), "3:18 $.buckets[0].path_prefix", "write the decoded path"},
	{with("path_prefix: /products", "path_prefix: '/{a}'"), "3:18 $.buckets[0].path_prefix", "write the decoded path"},
	{with("path_prefix: /products", `path_prefix: "/a\x7f"`), "3:18 $.buckets[0].path_prefix", "a control character"},
	{with("path_prefix: /products", "path_prefix: /health"), "3:18 $.buckets[0].path_prefix", "choose another prefix"},
	{with("path_prefix: /products", "path_prefix: /ready/"), "3:18 $.buckets[0].path_prefix", "choose another prefix"},
	{minimal + strings.TrimPrefix(with("/products", "/other"), "buckets:\n"), "9:11 $.buckets[1].name", "is the same as $.buckets[0].name; make it unique"},
	{minimal + strings.TrimPrefix(strings.Replace(with("name: products", "name: b"), "/products", "/products/", 1), "buckets:\n"), "10:18 $.buckets[1].path_prefix", "make it unique"},

	// Origins.
	{with("bucket: my-products", "bucket: ''"), "5:15 $.buckets[0].s3.bucket", "give the S3 bucket's name"},
	{with("bucket: my-products", "bucket: My_Products"), "5:15 $.buckets[0].s3.bucket", "use 3 to 63 of a-z"},
	{with("bucket: my-products", "bucket: 192.168.5.4"), "5:15 $.buckets[0].s3.bucket", "is not an S3 bucket name"},
	{with("bucket: my-products", "bucket: a..b"), "5:15 $.buckets[0].s3.bucket", "is not an S3 bucket name"},
	{with("bucket: my-products", "bucket: a/b\n      endpoint: http://s3"), "5:15 $.buckets[0].s3.bucket", "use letters, digits"},
	{with("bucket: my-products", "bucket: A_b\n      endpoint: http://s3\n      addressing: virtual"), "5:15 $.buckets[0].s3.bucket", "is not an S3 bucket name"},
	{with("      region: us-east-1\n", ""), "4:5 $.buckets[0].s3.region", "give the bucket's region, for example us-east-1"},
	{with("us-east-1", "US East"), "6:15 $.buckets[0].s3.region", "is not a region"},
	{with("      access_key: AKIAEXAMPLE\n", ""), "4:5 $.buckets[0].s3.access_key", "give the access key id"},
	{with("hunter2secret", "''"), "8:19 $.buckets[0].s3.secret_key", "give the secret access key"},
	{with("hunter2secret", `"hunter2\r\nsecret"`), "8:19 $.buckets[0].s3.secret_key", "a line break"},
	{with("AKIAEXAMPLE", "AKIA EXAMPLE"), "7:19 $.buckets[0].s3.access_key", "has a space"},
	{origin(`session_token: "a\tb"`), "9:22 $.buckets[0].s3.session_token", "correct it"},
	{origin("endpoint: s3.example"), "9:17 $.buckets[0].s3.endpoint", "must begin with http:// or https://"},
	{origin("endpoint: ftp://s3.example"), "9:17 $.buckets[0].s3.endpoint", "must begin with http:// or https://"},
	{origin("endpoint: http://s3.example/"), "9:17 $.buckets[0].s3.endpoint", "without a slash"},
	{origin("endpoint: http://s3.example?x"), "9:17 $.buckets[0].s3.endpoint", "something after host and port"},
	{origin("endpoint: http://me:hunter2secret@s3.example"), "9:17 $.buckets[0].s3.endpoint", "under access_key and secret_key"},
	{origin("endpoint: http://"), "9:17 $.buckets[0].s3.endpoint", "is not scheme://host[:port]"},
	{origin("endpoint: http://s3:0"), "9:17 $.buckets[0].s3.endpoint", "is not scheme://host[:port]"},
	{origin("endpoint: http://s3:99999"), "9:17 $.buckets[0].s3.endpoint", "is not scheme://host[:port]"},
	{origin("endpoint: 'http://s3:'"), "9:17 $.buckets[0].s3.endpoint", "is not scheme://host[:port]"},
	{origin("endpoint: http://::1:9000"), "9:17 $.buckets[0].s3.endpoint", "https://[::1]:9000"},
	{origin("endpoint: http://[fe80::1%eth0]:9000"), "9:17 $.buckets[0].s3.endpoint", "is not scheme://host[:port]"},
	{origin("forward_query: ['']"), "9:23 $.buckets[0].s3.forward_query[0]", "for example versionId"},
	{origin("forward_query: [X-Amz-Credential]"), "9:23 $.buckets[0].s3.forward_query[0]", "remove it"},
	{origin("forward_query: [a, b, a]"), "9:29 $.buckets[0].s3.forward_query[2]", "is the same as $.buckets[0].s3.forward_query[0]"},
	{origin("forward_headers: ['a b']"), "9:25 $.buckets[0].s3.forward_headers[0]", "a pattern with *"},
	{origin("forward_headers: [X-A, x-a]"), "9:30 $.buckets[0].s3.forward_headers[1]", "make it unique"},

	// The rest of a bucket.
	{bucket("expose_headers: [Set-Cookie]"), "9:22 $.buckets[0].expose_headers[0]", "never passes on; remove it"},
	{bucket("expose_headers: [Server]"), "9:22 $.buckets[0].expose_headers[0]", "never passes on; remove it"},
	{bucket("cors: {allowed_origins: [app.example]}"), "9:30 $.buckets[0].cors.allowed_origins[0]", "scheme://host[:port]"},
	{bucket("cors: {allowed_origins: [https://app.example/]}"), "9:30 $.buckets[0].cors.allowed_origins[0]", "nothing after it"},
	{bucket("cors: {allowed_origins: [https://App.example]}"), "9:30 $.buckets[0].cors.allowed_origins[0]", "in lower case"},
	{bucket("cors: {allowed_origins: ['*', '*']}"), "9:35 $.buckets[0].cors.allowed_origins[1]", "make it unique"},
	{bucket("cors: {allowed_headers: ['a:b']}"), "9:30 $.buckets[0].cors.allowed_headers[0]", "is not a header name"},
	{bucket("cors: {exposed_headers: ['']}"), "9:30 $.buckets[0].cors.exposed_headers[0]", "is not a header name"},
	{bucket("site: {index: /index.html}"), "9:19 $.buckets[0].site.index", "for example index.html"},
	{bucket("site: {fallback: /index.html}"), "9:22 $.buckets[0].site.fallback", "write the key as S3 has it"},
	{bucket("site: {error_pages: {200: a.html}}"), "9:31 $.buckets[0].site.error_pages.200", "use 400 to 599"},
	{bucket("site: {error_pages: {404: ''}}"), "9:31 $.buckets[0].site.error_pages.404", "give the key of the page"},
	{bucket("site: {error_pages: {404: /a}}"), "9:31 $.buckets[0].site.error_pages.404", "begins with a slash"},
	{bucket("cache: {enabled: false, max_size: 1MiB}"), "9:5 $.buckets[0].cache.max_item_size", "raise max_size"},
	{bucket("cache: {enabled: false, rules: [{ttl: 1}]}"), "9:37 $.buckets[0].cache.rules[0].pattern", `for example "*.html"`},
	{bucket("cache: {enabled: false, prewarm: {rate_limit: fast}}"), "9:51 $.buckets[0].cache.prewarm.rate_limit", "for example 100/s"},
	{bucket("auth: {enabled: false, jwt: {claims_verification: [{value: {}}]}}"), "9:57 $.buckets[0].auth.jwt.claims_verification[0].value", "a single value or a list"},
	{bucket("auth: {enabled: false, jwt: {claims_verification: [{value: [[{}]]}]}}"), "9:66 $.buckets[0].auth.jwt.claims_verification[0].value[0][0]", "a single value or a list"},
	{bucket("auth: {enabled: false, jwt: {claims_verification: [{value: 0x1f}]}}"), "9:64 $.buckets[0].auth.jwt.claims_verification[0].value", "write decimal digits"},
	{bucket("auth: {enabled: false, jwt: {secret: true}}"), "9:42 $.buckets[0].auth.jwt.secret", "put it in quotes"},
}

func binaryEnv(name string) (string, bool) { return "\xff", name == "BINARY" }

func TestBadFiles(t *testing.T) {
	for _, c := range badFiles {
		_, err := Parse("f.yaml", []byte(c.yaml), binaryEnv)
		problems, ok := errors.AsType[*Problems](err)
		if !ok || len(*problems) != 1 {
			t.Errorf("%.300q: want one problem, got\n%v", c.yaml, err)
			continue
		}
		p := (*problems)[0]
		place := strings.TrimSpace(fmt.Sprintf("%d:%d %s", p.Line, p.Column, p.Path))
		if p.Line == 0 {
			place = ""
		}
		if place != c.place || p.File != "f.yaml" || !strings.Contains(p.Message, c.cure) {
			t.Errorf("%.300q:\n got %v\nwant %s … %s", c.yaml, p, c.place, c.cure)
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n") {
			t.Errorf("shows a secret or takes two lines: %v", err)
		}
	}
}

// Headers that never go to S3 are refused by name and by pattern, in any case of letters.
func TestHeadersThatNeverGo(t *testing.T) {
	for name := range strings.FieldsSeq(`Authorization cookie x-amz-acl X-Amz-* host connection keep-alive te trailer
		transfer-encoding Upgrade proxy-authorization proxy-* content-length`) {
		_, err := Parse("f", []byte(origin("forward_headers: ['"+name+"']")), binaryEnv)
		if err == nil || !strings.Contains(err.Error(), "forward_headers[0]: is a header that the proxy never passes on") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const tenProblems = `server:
  address: nowhere
  limits: {header_bytes: 16kb}
  timeouts: {idle: 60}
metrics: {port: -1, histograms: linear}
buckets:
  - name: a b
    path_prefix: a
    s3: {bucket: my-products, endpoint: s3, access_key: "${UNSET}", secret_key: x}
    cors: 5
    colour: red
`

func TestAllProblemsAtOnce(t *testing.T) {
	want := []string{
		"f.yaml:2:12: $.server.address: is not host:port",
		`f.yaml:3:26: $.server.limits.header_bytes: "16kb" is not a size`,
		`f.yaml:4:20: $.server.timeouts.idle: "60" is not a duration`,
		`f.yaml:5:17: $.metrics.port: "-1" is too small; write at least 0`,
		`f.yaml:5:33: $.metrics.histograms: "linear" is not a choice here; write one of le, vmrange`,
		"f.yaml:7:11: $.buckets[0].name: is not a label",
		"f.yaml:8:18: $.buckets[0].path_prefix: must begin with a slash",
		"f.yaml:9:5: $.buckets[0].s3.region: is empty",
		"f.yaml:9:41: $.buckets[0].s3.endpoint: must begin with",
		"f.yaml:9:57: $.buckets[0].s3.access_key: needs the environment variable UNSET",
		"f.yaml:10:11: $.buckets[0].cors: is a single value",
		"f.yaml:11:5: $.buckets[0].colour: is not a key of this section",
	}
	_, err := Parse("f.yaml", []byte(tenProblems), noEnv)
	got := strings.Split(fmt.Sprint(err), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %d problems, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %s\nwant %s", got[i], want[i])
		}
	}
}
