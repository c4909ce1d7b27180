package config

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// FuzzParse holds Parse to its promise: a configuration or problems, never both, neither, or a panic; and what it
// accepts it prints in a form that it reads back.
func FuzzParse(f *testing.F) {
	reference, err := os.ReadFile("../../config.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(reference)
	f.Add([]byte(minimal))
	for _, c := range badFiles {
		f.Add([]byte(c.yaml))
	}
	for _, text := range []string{"", "\x00", "---\n---\n", "a: &a [*a]\n", "<<: {}\n", "? a\n: b\n", "{", "[[[[", "- - -", "!!x", "|\n", "a: \"\\U0010FFFF\"\n"} {
		f.Add([]byte(text))
	}
	env := func(name string) (string, bool) { return "x\ny: " + name, strings.HasPrefix(name, "A") }
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse("f", src, env)
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v and error %v", c, err)
		}
		if err == nil {
			roundTrip(t, c)
			return
		}
		problems, ok := errors.AsType[*Problems](err)
		if !ok || len(*problems) == 0 {
			t.Fatalf("error is %#v", err)
		}
		if lines := strings.Count(err.Error(), "\n") + 1; lines != len(*problems) {
			t.Fatalf("%d lines for %d problems: %q", lines, len(*problems), err)
		}
	})
}

// FuzzSize holds parseSize and Size.String to each other.
func FuzzSize(f *testing.F) {
	for _, text := range []string{"0", "10MB", "1GiB", "9223372036854775807", "8388607TiB", "8388608TiB", "-1", "1.5GB", "B", "1 KB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		size, err := parseSize(text)
		if err != nil {
			return
		}
		if again, err := parseSize(size.String()); size < 0 || again != size || err != nil {
			t.Fatalf("%q is %d, printed %s, read back as %d, %v", text, int64(size), size, int64(again), err)
		}
	})
}
