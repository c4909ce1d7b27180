package config

import (
	"cmp"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md")

const referencePage = "../../docs/configuration.md"

// TestReferencePage keeps docs/configuration.md equal to what the schema says: go test ./proxy/config -update.
func TestReferencePage(t *testing.T) {
	preface, err := os.ReadFile("testdata/preface.md")
	if err != nil {
		t.Fatal(err)
	}
	page := &reference{comments: schemaComments(t)}
	page.Write(preface)
	page.section(reflect.ValueOf(Default()).Elem(), "", "")
	if *update {
		if err := os.WriteFile(referencePage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(referencePage); err != nil || string(got) != page.String() {
		t.Errorf("docs/configuration.md is not what schema.go says (%v); run go test ./proxy/config -update", err)
	}
}

// schemaComments returns the doc comments of schema.go by type and by Type.Field, without line breaks.
func schemaComments(t *testing.T) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "schema.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	text := func(group *ast.CommentGroup) string { return strings.Join(strings.Fields(group.Text()), " ") }
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE {
			continue
		}
		spec := d.Specs[0].(*ast.TypeSpec)
		comments[spec.Name.Name] = text(d.Doc)
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			comments[spec.Name.Name+"."+field.Names[0].Name] = text(field.Doc)
		}
	}
	return comments
}

// reference is the page being written.
type reference struct {
	strings.Builder
	comments map[string]string
}

// section writes a struct's own keys as a table, then its sections. v holds the defaults; unbuilt is the feature of the
// section that it is part of.
func (p *reference) section(v reflect.Value, path, unbuilt string) {
	if enabled, ok := fieldOf(v.Type(), "enabled"); ok {
		unbuilt = enabled.Tag.Get("unbuilt")
	}
	if path != "" {
		fmt.Fprintf(p, "\n### `%s`\n\n%s\n", path, sentence(p.comments[v.Type().Name()], v.Type().Name()))
	}
	if unbuilt != "" {
		p.WriteString("\n**Not built yet.**\n")
	}
	var rows []string
	for f, value := range v.Fields() {
		if sectionOf(f.Type) == nil {
			rows = append(rows, p.row(v.Type(), f, value, unbuilt == ""))
		}
	}
	if len(rows) > 0 {
		p.WriteString("\n| key | type | default | meaning |\n|---|---|---|---|\n" + strings.Join(rows, ""))
	}
	for f, value := range v.Fields() {
		at := strings.TrimPrefix(path+"."+f.Tag.Get("yaml"), ".")
		switch t := sectionOf(f.Type); {
		case t == nil:
		case f.Type.Kind() == reflect.Slice:
			p.section(elementDefault(t), at+"[]", cmp.Or(unbuilt, f.Tag.Get("unbuilt")))
		default:
			p.section(value, at, unbuilt)
		}
	}
}

// sectionOf is the struct that a field, or each element of it, is; nil for values.
func sectionOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		return t
	}
	return nil
}

// row is one key of a section that is built, or is not.
func (p *reference) row(parent reflect.Type, f reflect.StructField, value reflect.Value, built bool) string {
	meaning := []string{sentence(p.comments[parent.Name()+"."+f.Name], f.Name)}
	if choices := strings.Fields(f.Tag.Get("oneof")); len(choices) > 0 {
		meaning = append(meaning, "One of `"+strings.Join(choices, "`, `")+"`.")
	}
	for _, limit := range []struct{ tag, words string }{{"min", "At least"}, {"max", "At most"}} {
		if text := f.Tag.Get(limit.tag); text != "" && !bound(f.Type, text).IsZero() {
			meaning = append(meaning, fmt.Sprintf("%s %s.", limit.words, encodeValue(bound(f.Type, text), "")))
		}
	}
	if built && f.Tag.Get("unbuilt") != "" {
		meaning = append(meaning, "**Not built yet.**")
	}
	fallback := "–"
	if value.Kind() != reflect.Interface {
		fallback = "`" + encodeValue(value, f.Tag) + "`"
	}
	cell := strings.ReplaceAll(strings.Join(meaning, " "), "|", "\\|")
	return fmt.Sprintf("| `%s` | %s | %s | %s |\n", f.Tag.Get("yaml"), typeName(f), fallback, cell)
}

// sentence drops the Go name that a doc comment begins with: "Name is a label." becomes "A label."
func sentence(comment, goName string) string {
	text := strings.TrimPrefix(comment, goName+" ")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "is "), "are ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// typeName says what is written for a field.
func typeName(f reflect.StructField) string {
	switch {
	case f.Type == sizeType:
		return "size"
	case f.Type == secretType:
		return "secret text"
	case f.Tag.Get("unit") == "seconds":
		return "seconds"
	case f.Type == durationType:
		return "duration"
	}
	switch f.Type.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "text"
	case reflect.Slice:
		return "list of text"
	case reflect.Map:
		return "status: key"
	case reflect.Interface:
		return "text, number, boolean, or a list of them"
	default:
		return "number"
	}
}
