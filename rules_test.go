package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"yatagarasu/proxy/config"
)

// These are the repository's own rules. docs/architecture.md says why.

// mayImport is which of our packages each package may import: downward only.
var mayImport = map[string][]string{
	".":            {"proxy", "proxy/admin", "proxy/config", "proxy/s3test"},
	"proxy":        {"proxy/config", "proxy/origin", "proxy/socket", "sigv4"},
	"proxy/admin":  {},
	"proxy/config": {},
	"proxy/origin": {"proxy/socket", "sigv4"},
	"proxy/s3test": {},
	"proxy/socket": {},
	"sigv4":        {},
	"bench/sigv4":  {"sigv4"},
}

// confined says in which packages alone a library may be used.
var confined = map[string][]string{
	"github.com/goccy/go-yaml":           {"proxy/config"},
	"github.com/VictoriaMetrics/metrics": {"proxy"},
	"github.com/rs/zerolog":              {".", "proxy"},
	"github.com/fasthttp/router":         {"proxy", "proxy/admin"},
	"github.com/valyala/fasthttp":        {"proxy", "proxy/admin", "proxy/origin"},
	"github.com/aws/":                    {"bench/sigv4"},
	"net/http":                           {"proxy/s3test", "proxy/origin"}, // proxy/origin: httputil's chunked reader alone
}

// goFiles parses every Go file of the repository and calls f with its package's folder.
func goFiles(t *testing.T, f func(dir, path string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != ".":
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		f(filepath.ToSlash(filepath.Dir(path)), path, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsGoDownward(t *testing.T) {
	goFiles(t, func(dir, path string, file *ast.File) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		allowed, known := mayImport[dir]
		if !known {
			t.Errorf("%s: package %s is not in the import graph of rules_test.go", path, dir)
		}
		for _, spec := range file.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if ours, ok := strings.CutPrefix(name, "yatagarasu/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s; %s may import only %q", path, ours, dir, allowed)
			}
			for library, where := range confined {
				if (name == library || strings.HasPrefix(name, strings.TrimSuffix(library, "/")+"/")) && !slices.Contains(where, dir) {
					t.Errorf("%s imports %s, which belongs to %q alone", path, name, where)
				}
			}
		}
	})
}

func TestEveryPackageHasAComment(t *testing.T) {
	commented := map[string]bool{}
	goFiles(t, func(dir, _ string, file *ast.File) {
		commented[dir] = commented[dir] || file.Doc != nil
	})
	for dir, ok := range commented {
		if !ok {
			t.Errorf("package %s has no comment that says what it is for", dir)
		}
	}
	for dir := range mayImport {
		if _, there := commented[dir]; !there {
			t.Errorf("rules_test.go speaks of %s, which is not there", dir)
		}
	}
}

func TestConfigurationExamplesAreValid(t *testing.T) {
	env := func(name string) (string, bool) {
		if strings.HasPrefix(name, "SAMPLE_") {
			return "", false // they have defaults
		}
		return "value-of-" + name, true
	}
	check := func(name string, src []byte) {
		if _, err := config.Parse(name, src, env); err != nil {
			t.Errorf("%v", err)
		}
	}
	src, err := os.ReadFile("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	check("config.yaml", src)
	found := 0
	for _, name := range documents(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(text, -1) {
			if bytes.Contains(block[1], []byte("buckets:")) {
				found++
				check(name, block[1])
			}
		}
	}
	if found == 0 {
		t.Error("no document has a configuration")
	}
}

// documents are the README and the pages under docs.
func documents(t *testing.T) []string {
	t.Helper()
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	return append(pages, "README.md", "CHANGELOG.md")
}

func TestDocumentLinksLeadSomewhere(t *testing.T) {
	for _, name := range documents(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`).FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), string(link[1]))); err != nil {
				t.Errorf("%s links to %s, which is not there", name, link[1])
			}
		}
	}
}

// Each direct dependency has a line that says why this one; each line still has its dependency.
func TestDependenciesAreExplained(t *testing.T) {
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := map[string]bool{}
	for _, mod := range []string{"go.mod", "bench/go.mod"} {
		text, err := os.ReadFile(mod)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if fields := strings.Fields(line); len(fields) == 2 && strings.Contains(fields[0], ".") || len(fields) == 3 && fields[0] == "require" {
				direct[fields[len(fields)-2]] = true
			}
		}
	}
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllSubmatch(page, -1) {
		explained[string(m[1])] = true
	}
	delete(direct, "yatagarasu")
	if !maps.Equal(direct, explained) {
		t.Errorf("go.mod requires %v\ndocs/dependencies.md explains %v", slices.Sorted(maps.Keys(direct)), slices.Sorted(maps.Keys(explained)))
	}
}

// The README's two commands exist, and what it says of -dev is what the program prints.
func TestMakeTargetsExist(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range documents(t) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("(?m)^ *make ([a-z-]+)|`make ([a-z-]+)`").FindAllSubmatch(text, -1) {
			target := string(m[1]) + string(m[2])
			if !regexp.MustCompile(`(?m)^` + target + `:`).Match(makefile) {
				t.Errorf("%s speaks of make %s, which the Makefile does not have", name, target)
			}
		}
	}
}
