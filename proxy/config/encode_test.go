package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// everything sets what has an unusual form.
const everything = `
server: {address: ":8080", https: {enabled: false, cert_path: a.pem}, limits: {header_bytes: 65536}, timeouts: {idle: 1h30m, header: 90s, write_stall: 1.5s}}
buckets:
  - name: a
    path_prefix: /a/
    s3: {bucket: abc, region: auto, access_key: AKIAHUNTER2, secret_key: hunter2, session_token: hunter2-too, forward_query: [versionId, "a: b"]}
    auth:
      enabled: false
      jwt:
        secret: hunter2
        token_sources: [{type: query, name: "t"}]
        claims_verification: [{claim: "$${x}", operator: in, value: [1, -2, 1.0, 1.5e300, true, "true", "\"\n\u2028\x01'", "$${HOME}"]}, {claim: none}]
    cache: {enabled: false, ttl: 1h, max_size: 3GiB, max_item_size: 1000001, rules: [{pattern: "*.html", ttl: 0}]}
    cors: {allowed_origins: [https://a.example], max_age: 24h}
    site: {index: "é\ta", error_pages: {404: a, 500: "b: c"}}
admin: {enabled: false, auth_token: hunter2}
`

func TestRoundTrip(t *testing.T) {
	roundTrip(t, parse(t, minimal, noEnv))
	roundTrip(t, parse(t, everything, noEnv))
}

// roundTrip prints a configuration, reads it back, and compares all but the secrets.
func roundTrip(t *testing.T, c *Config) {
	t.Helper()
	var printed bytes.Buffer
	if err := c.Encode(&printed); err != nil {
		t.Fatal(err)
	}
	again := parse(t, printed.String(), noEnv)
	maskSecrets(reflect.ValueOf(c).Elem())
	if !reflect.DeepEqual(c, again) {
		t.Fatalf("got\n%#v\nwant\n%#v\nfrom\n%s", again, c, &printed)
	}
}

// maskSecrets puts *** in place of every secret that is set, as printing does.
func maskSecrets(v reflect.Value) {
	switch {
	case v.Type() == secretType:
		v.SetString(v.Interface().(Secret).String())
	case v.Kind() == reflect.Struct:
		for _, field := range v.Fields() {
			maskSecrets(field)
		}
	case v.Kind() == reflect.Slice:
		for _, element := range v.Seq2() {
			maskSecrets(element)
		}
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestEncodeReportsTheWriter(t *testing.T) {
	if err := Default().Encode(brokenWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

func TestSecretsNeverPrint(t *testing.T) {
	c := parse(t, everything, noEnv)
	var printed bytes.Buffer
	if err := c.Encode(&printed); err != nil {
		t.Fatal(err)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{printed.String(), string(asJSON), string(asYAML)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, *c), fmt.Sprintf(verb, c.Buckets[0].S3.SecretKey))
	}
	for _, out := range outputs {
		if !strings.Contains(out, mask) || strings.Contains(strings.ToLower(out), "hunter2") || strings.Contains(out, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("shows a secret, or not that there is one: %s", out)
		}
	}
}

func TestSecretForms(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	text := func(s Secret) string {
		b, err := s.MarshalText()
		return fmt.Sprint(string(b), err)
	}
	f(Secret("a").Reveal(), "a")
	f(fmt.Sprintf("%s %v %q %#v", Secret("a"), Secret("a"), Secret("a"), Secret("a")), `*** *** "***" "***"`)
	f(fmt.Sprintf("%s %v %q %#v", Secret(""), Secret(""), Secret(""), Secret("")), `  "" ""`)
	f(text("a"), "***<nil>")
	f(text(""), "<nil>")
}

// What a variable held stays out of problems even where the field is no secret: a secret may be there by mistake.
func TestVariablesNeverShowInProblems(t *testing.T) {
	bad := `
server: {address: "${S}", timeouts: {idle: "${S}"}, limits: {uri_bytes: "${S}"}}
metrics: {port: "${S}", enabled: "${S}", histograms: "${S}", address: "${S}"}
buckets:
  - {name: "${S}", path_prefix: "${S}", s3: {bucket: "${S}", region: "${S}", endpoint: "${S}", access_key: "${S}", secret_key: "${S}", forward_headers: ["${S}"]},
     cors: {allowed_origins: ["${S}"]}, cache: {enabled: false, ttl: "${S}", refresh: {at: "${S}"}, prewarm: {rate_limit: "${S}"}}}
`
	_, err := Parse("f", []byte(bad), env("S", "hunter2 secret"))
	if problems, ok := errors.AsType[*Problems](err); !ok || len(*problems) != 19 || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %d problems: %v", len(*problems), err)
	}
}
