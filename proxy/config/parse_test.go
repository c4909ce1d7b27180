package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func noEnv(string) (string, bool) { return "", false }

// env is an environment of name, value pairs.
func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// parse parses what must be right.
func parse(t *testing.T, yaml string, env func(string) (string, bool)) *Config {
	t.Helper()
	c, err := Parse("f.yaml", []byte(yaml), env)
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	return c
}

func TestMinimal(t *testing.T) {
	want := Default()
	b := DefaultBucket()
	b.Name, b.PathPrefix = "products", "/products"
	b.S3.Bucket, b.S3.Region, b.S3.AccessKey, b.S3.SecretKey = "my-products", "us-east-1", "AKIAEXAMPLE", "hunter2secret"
	want.Buckets = []Bucket{b}
	for _, yaml := range []string{minimal, strings.ReplaceAll(minimal, "\n", "\r\n"), "\uFEFF" + minimal, "---\n" + minimal + "...\n"} {
		if got := parse(t, yaml, noEnv); !reflect.DeepEqual(got, want) {
			t.Errorf("got\n%#v\nwant\n%#v", got, want)
		}
	}
}

// The defaults that PRODUCT.md promises, as the file writes them: what is not built yet is off.
func TestDefaults(t *testing.T) {
	var out strings.Builder
	if err := parse(t, minimal, noEnv).Encode(&out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimLeft(line, " -")
	}
	flat := strings.Join(lines, "\n")
	for _, want := range []string{
		"server:\naddress: \"127.0.0.1:8080\"\nhttps:\nenabled: false\n", "min_tls_version: \"1.2\"\n",
		"header_bytes: 16KB\nuri_bytes: 8KB\nconnections: 0\n", "header: 10s\nidle: 1m\nwrite_stall: 1m\nshutdown: 30s\n",
		"addressing: \"auto\"\n", "connect: 2s\nfirst_byte: 10s\nstall: 30s\n",
		"max_attempts: 1\ninitial_backoff: 50ms\nmax_backoff: 1s\n",
		"failure_threshold: 0\nopen_for: 10s\nhalf_open_requests: 3\n", "max_connections: 512\n", "missing_as: 403\n",
		"auth:\nenabled: false\n", "jwks_refresh: 5m\n", "leeway: 0s\nrequire_exp: true\n",
		"type: \"header\"\nname: \"Authorization\"\nprefix: \"Bearer \"\ntype: \"query\"\nname: \"token\"\nprefix: \"\"\ntype: \"header\"\nname: \"X-Auth-Token\"\n",
		"cache:\nenabled: false\nttl: 3600\n", "max_size: 256MB\nmax_item_size: 10MB\nranges: \"stream\"\n", "at: 0.8\n",
		"concurrency: 10\nrate_limit: \"100/s\"\ntimeout: 30m\n", "key: \"ip\"\n", "list:\nenabled: false\n",
		"metrics:\nenabled: true\naddress: \"127.0.0.1\"\nport: 9090\nhistograms: \"le\"\n",
		"admin:\nenabled: false\n", "level: \"info\"\nformat: \"json\"\naccess: true\nsample: 1\n",
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
}

// What is right, in forms that are easily taken for wrong.
func TestAccepted(t *testing.T) {
	f := func(yaml string, get func(*Config) any, want any) {
		t.Helper()
		if got := get(parse(t, yaml, noEnv)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %#v, want %#v", yaml, got, want)
		}
	}
	f(with("path_prefix: /products", "path_prefix: /products/"), func(c *Config) any { return c.Buckets[0].PathPrefix }, "/products")
	f(with("path_prefix: /products", "path_prefix: /"), func(c *Config) any { return c.Buckets[0].PathPrefix }, "/")
	f(with("path_prefix: /products", "path_prefix: /health/x"), func(c *Config) any { return c.Buckets[0].PathPrefix }, "/health/x")
	f(with("path_prefix: /products", "path_prefix: /a b+é..c"), func(c *Config) any { return c.Buckets[0].PathPrefix }, "/a b+é..c")
	f(with("bucket: my-products", "bucket: My_Products\n      endpoint: https://[::1]:9000"), func(c *Config) any { return c.Buckets[0].S3.Endpoint }, "https://[::1]:9000")
	f(with("hunter2secret", "0123"), func(c *Config) any { return c.Buckets[0].S3.SecretKey.Reveal() }, "0123")
	f(with("hunter2secret", "a~!"), func(c *Config) any { return c.Buckets[0].S3.SecretKey.Reveal() }, "a~!")
	f(with("hunter2secret", "1e3"), func(c *Config) any { return c.Buckets[0].S3.SecretKey.Reveal() }, "1e3")
	f(with("hunter2secret", "|-\n        a$$b"), func(c *Config) any { return c.Buckets[0].S3.SecretKey.Reveal() }, "a$$b")
	f(origin("credentials: {}"), func(c *Config) any { return c.Buckets[0].S3.Credentials.Provider }, "")
	f(origin("retry: {max_attempts: 1}"), func(c *Config) any { return c.Buckets[0].S3.Retry.MaxAttempts }, 1)
	f(origin("missing_as: 404"), func(c *Config) any { return c.Buckets[0].S3.MissingAs }, 404)
	f(origin("forward_headers: ['*', x-request-*]"), func(c *Config) any { return c.Buckets[0].S3.ForwardHeaders }, []string{"*", "x-request-*"})
	f(origin("forward_query: []"), func(c *Config) any { return c.Buckets[0].S3.ForwardQuery }, []string(nil))
	f(bucket("expose_headers: [x-amz-meta-*]"), func(c *Config) any { return c.Buckets[0].ExposeHeaders }, []string{"x-amz-meta-*"})
	f(bucket("expose_headers:"+manyHeaders(100)), func(c *Config) any { return len(c.Buckets[0].ExposeHeaders) }, 100)
	f(bucket("cors: {allowed_origins: ['*', 'https://a.example:8443', 'http://[::1]']}"), func(c *Config) any { return len(c.Buckets[0].CORS.AllowedOrigins) }, 3)
	f(bucket("site: {error_pages: {400: a.html, 599: b.html}}"), func(c *Config) any { return c.Buckets[0].Site.ErrorPages }, map[int]string{400: "a.html", 599: "b.html"})
	f(bucket("auth: {}"), func(c *Config) any { return c.Buckets[0].Auth.Enabled }, false)
	f(bucket("cache: {enabled: false, ttl: 5m}"), func(c *Config) any { return c.Buckets[0].Cache.TTL }, 5*time.Minute)
	f(bucket("cache: {enabled: false, ttl: 60}"), func(c *Config) any { return c.Buckets[0].Cache.TTL }, time.Minute)
	f(bucket("cache: {enabled: false, ttl: 9223372036}"), func(c *Config) any { return c.Buckets[0].Cache.TTL }, 9223372036*time.Second)
	f(bucket("cache: {ttl: 0, enabled: FALSE}"), func(c *Config) any { return c.Buckets[0].Cache.TTL }, time.Duration(0))
	f(bucket("cache: {enabled: false, max_size: 2MiB, max_item_size: 2097152}"), func(c *Config) any { return c.Buckets[0].Cache.MaxItemSize }, Size(2<<20))
	f(bucket("cache: {enabled: false, refresh: {auto: True, at: 1}}"), func(c *Config) any { return c.Buckets[0].Cache.Refresh }, Refresh{Auto: true, At: 1})
	f(bucket("auth: {enabled: false, jwt: {token_sources: []}}"), func(c *Config) any { return c.Buckets[0].Auth.JWT.TokenSources }, []TokenSource(nil))
	f(bucket("auth: {enabled: false, jwt: {claims_verification: [{claim: a, operator: in, value: [1, 1.0, true, x, '2']}]}}"),
		func(c *Config) any { return c.Buckets[0].Auth.JWT.ClaimsVerification[0].Value }, []any{int64(1), 1.0, true, "x", "2"})
	f(top("server: {https: {enabled: false, cert_path: a.pem, min_tls_version: 1.3}}"), func(c *Config) any { return c.Server.HTTPS.MinTLSVersion }, "1.3")
	f(top("admin: {auth_token: x, enabled: false}"), func(c *Config) any { return c.Admin.AuthToken.Reveal() }, "x")
	f(top("server: {address: ':0'}\nmetrics: {port: 0}"), func(c *Config) any { return c.Server.Address }, ":0")
	f(top("server: {address: 'localhost:9090'}\nmetrics: {enabled: false}"), func(c *Config) any { return c.Metrics.Enabled }, false)
	f(top("server: {address: '127.0.0.2:9090'}"), func(c *Config) any { return c.Metrics.Port }, 9090)
}

// manyHeaders is a block list of n header names.
func manyHeaders(n int) string {
	var list strings.Builder
	for i := range n {
		fmt.Fprintf(&list, "\n    - x-%d", i)
	}
	return list.String()
}

// A section of rules that does not say whether it is on is on: who writes them does not expect them to be off.
func TestImpliedEnabled(t *testing.T) {
	f := func(section string, get func(Bucket) bool, want bool) {
		t.Helper()
		root, problem := syntax([]byte(bucket(section)))
		if problem != nil {
			t.Fatal(problem)
		}
		c := Default()
		decode(root, c, noEnv)
		if got := get(c.Buckets[0]); got != want {
			t.Errorf("%s: enabled is %v", section, got)
		}
	}
	auth := func(b Bucket) bool { return b.Auth.Enabled }
	cache := func(b Bucket) bool { return b.Cache.Enabled }
	f("auth: {jwt: {}}", auth, true)
	f("auth: {enabled: false, jwt: {}}", auth, false)
	f("auth: {}", auth, false)
	f("cache: {ttl: 60}", cache, true)
	f("cache: {ttl: 60, enabled: false}", cache, false)
	f("list: {}", func(b Bucket) bool { return b.List.Enabled }, false)

	// An "enabled" that is not understood turns nothing off.
	_, err := Parse("f", []byte(top("server: {https: {enabled: no, cert_path: a.pem}}")), noEnv)
	if problems, ok := errors.AsType[*Problems](err); !ok || len(*problems) != 2 {
		t.Errorf("got %v", err)
	}
}

// A variable's value stays inside the scalar that names it, whatever it holds.
func TestExpansion(t *testing.T) {
	f := func(text, want string, pairs ...string) {
		t.Helper()
		c := parse(t, bucket("site: {fallback: "+text+"}"), env(pairs...))
		if got := c.Buckets[0].Site.Fallback; got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	f(`"${A}"`, "a\nadmin: {enabled: true}\n", "A", "a\nadmin: {enabled: true}\n")
	f(`"${A}"`, "a # b", "A", "a # b")
	f(`"${A}"`, `"a' \n`, "A", `"a' \n`)
	f(`'${A}'`, "[x]", "A", "[x]")
	f(`"<${A}|${B}>"`, "<a|b>", "A", "a", "B", "b")
	f(`"${A}"`, "", "A", "")
	f(`"${A}"`, "${B}", "A", "${B}", "B", "never")
	f(`"${A:-b:-c d}"`, "b:-c d")
	f(`"${A:-b}"`, "b", "A", "")
	f(`"${A:-b}"`, "a", "A", "a")
	f(`"${A:-}"`, "")
	f(`"$${A} $A $ $$"`, "${A} $A $ $$", "A", "never")

	yaml := `
metrics: {enabled: "${ON}", port: "${PORT}"}
server: {timeouts: {idle: "${IDLE}"}, limits: {header_bytes: "${SIZE}"}}`
	c := parse(t, top(yaml), env("ON", "false", "PORT", "7", "IDLE", "5s", "SIZE", "32KiB"))
	if c.Metrics.Enabled || c.Metrics.Port != 7 || c.Server.Timeouts.Idle != 5*time.Second || c.Server.Limits.HeaderBytes != 32<<10 {
		t.Errorf("got %+v %+v", c.Metrics, c.Server)
	}
	if _, err := Parse("f", []byte("${A}: 1\n"), env("A", "server")); err == nil || !strings.Contains(err.Error(), "is not a key") {
		t.Errorf("a key was expanded: %v", err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	f := func(name, content, want string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, path, want)
	}
	t.Setenv("YATAGARASU_TEST_REGION", "eu-west-1")
	f("good.yaml", with("us-east-1", "${YATAGARASU_TEST_REGION}"), "")
	f("empty.yaml", "", "empty.yaml: is empty; write at least one bucket under buckets")
	f("bad.yaml", with("us-east-1", "${YATAGARASU_TEST_UNSET}"), "bad.yaml:6:15: $.buckets[0].s3.region: needs")
	f("full.yaml", minimal+strings.Repeat("#", maxFile-len(minimal)), "")
	f("huge.yaml", minimal+strings.Repeat("#", maxFile-len(minimal)+1), "huge.yaml: is larger than 1 MiB; name a configuration file with -config")
	check(t, filepath.Join(dir, "none.yaml"), "none.yaml: cannot open the file: no such file or directory; name it with -config")
	check(t, dir, "cannot read the file: is a directory; name a readable one")
}

// check loads path and wants the error to contain want, or none.
func check(t *testing.T, path, want string) {
	t.Helper()
	c, err := Load(path, os.LookupEnv)
	if want == "" {
		if err != nil || c.Buckets[0].Name != "products" {
			t.Errorf("%s: %v", path, err)
		}
		return
	}
	if _, ok := errors.AsType[*Problems](err); !ok || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want %s", path, err, want)
	}
}

func TestSizes(t *testing.T) {
	f := func(text string, want Size, printed string) {
		t.Helper()
		got, err := parseSize(text)
		if err != nil || got != want || got.String() != printed {
			t.Errorf("%s: got %d, printed %s, %v", text, int64(got), got, err)
		}
	}
	f("0", 0, "0")
	f("1", 1, "1")
	f("512B", 512, "512")
	f("1000", 1000, "1KB")
	f("10MB", 10e6, "10MB")
	f("1GiB", 1<<30, "1GiB")
	f("2048", 2048, "2KiB")
	f("16KB", 16e3, "16KB")
	f("3MiB", 3<<20, "3MiB")
	f("5GB", 5e9, "5GB")
	f("7TB", 7e12, "7TB")
	f("8388607TiB", 8388607<<40, "8388607TiB")
	f("9223372036854775807", 9223372036854775807, "9223372036854775807")
	for _, text := range []string{"", "B", "MB", "-1", "-1MB", "+1", "1.5GB", "1 MB", "1mb", "1M", "1KiBB", "010", "1e3", "0x10", "9223372036854775808", "8388608TiB", "1MBMB"} {
		if size, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, int64(size))
		}
	}
}

// The repository's own configuration loads with any environment and says what it is: the reference.
func TestReferenceConfiguration(t *testing.T) {
	src, err := os.ReadFile("../../config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(src), env("SAMPLE_S3_ENDPOINT", "http://s3.test:1"))
	if c.Buckets[0].S3.Endpoint != "http://s3.test:1" || c.Buckets[1].S3.SecretKey.Reveal() != "sample-secret-key" {
		t.Errorf("got %+v", c.Buckets)
	}
	for l := range schema() {
		if name := l.field.Tag.Get("yaml"); !strings.Contains(string(src), name+":") {
			t.Errorf("config.yaml does not show the key %s", l.path)
		}
	}
	// Outside the buckets every key has its default.
	c.Buckets = nil
	if want := Default(); !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant the defaults\n%+v", c, want)
	}
}
