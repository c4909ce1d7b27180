package config

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// decoder fills the schema's structs from a YAML tree and goes on after each problem. It is our own walk because the
// YAML package stops at the first problem, and because variables are to be expanded between parsing and typing.
type decoder struct {
	*report
	env func(string) (string, bool)
	// unbuilt are problems with keys of features that are not built yet. A section that is written with
	// "enabled: false" withdraws its own.
	unbuilt Problems
}

// decode fills c, which holds the defaults, from the document.
func decode(root ast.Node, c *Config, env func(string) (string, bool)) *report {
	r := &report{places: map[string]*token.Token{"$": placeOf(root)}, failed: map[string]bool{}}
	d := &decoder{report: r, env: env}
	d.value(root, reflect.ValueOf(c).Elem(), "$", "")
	r.problems = append(r.problems, d.unbuilt...)
	return r
}

// placeOf is where a reader looks for a node: a block mapping begins at its first key, not at that key's colon.
func placeOf(n ast.Node) *token.Token {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return n.GetToken()
}

// value decodes one node into one field, list element or map value.
func (d *decoder) value(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) {
	switch n.(type) {
	case *ast.NullNode:
		d.wrong(path, "has no value; write one, or remove the key to keep its default")
		return
	case *ast.AnchorNode, *ast.AliasNode:
		d.wrong(path, "uses a YAML anchor or alias, which are not supported; write the value out")
		return
	case *ast.TagNode:
		d.wrong(path, "uses a YAML tag, which are not supported; remove the tag")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.section(n, v, path)
	case reflect.Slice:
		d.list(n, v, path)
	case reflect.Map:
		d.intMap(n, v, path)
	case reflect.Interface:
		d.free(n, v, path)
	default:
		d.scalar(n, v, path, tag)
	}
}

// entry is one key of a mapping.
type entry struct {
	name  string
	key   *token.Token
	value ast.Node
}

// entries returns a mapping's keys after reporting those that no mapping may have.
func (d *decoder) entries(n ast.Node, path string) []entry {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		d.wrong(path, "is %s; write a mapping of keys to values", kind(n))
		return nil
	}
	var entries []entry
	first := map[string]*token.Token{}
	for _, kv := range m.Values {
		tk := kv.Key.GetToken()
		switch kv.Key.(type) {
		case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode:
		default:
			d.add(tk, path, "has a key that is not plain text; write name: value, without merge keys, anchors, tags or ?")
			continue
		}
		if before := first[tk.Value]; before != nil {
			d.add(tk, key(path, tk.Value), "is written twice, first on line %d; remove one", before.Position.Line)
			continue
		}
		first[tk.Value] = tk
		entries = append(entries, entry{tk.Value, tk, kv.Value})
		d.locate(key(path, tk.Value), tk, kv.Value)
	}
	return entries
}

// locate remembers where the value at path stands: itself if it is a scalar, else its key.
func (d *decoder) locate(path string, key *token.Token, value ast.Node) {
	d.places[path] = key
	if _, scalar := value.(ast.ScalarNode); scalar && value.Type() != ast.NullType {
		d.places[path] = value.GetToken()
	}
}

// section decodes a mapping into a struct.
func (d *decoder) section(n ast.Node, v reflect.Value, path string) {
	entries := d.entries(n, path)
	withheld := len(d.unbuilt)
	written := map[string]bool{}
	for _, e := range entries {
		f, ok := fieldOf(v.Type(), e.name)
		if !ok {
			d.add(e.key, key(path, e.name), "is not a key of this section; %s", suggest(e.name, v.Type()))
			continue
		}
		written[e.name] = true
		d.field(e, v.FieldByIndex(f.Index), key(path, e.name), f.Tag)
	}
	enabled, ok := fieldOf(v.Type(), "enabled")
	if !ok || d.failed[key(path, "enabled")] {
		return
	}
	switch on := v.FieldByIndex(enabled.Index); {
	case written["enabled"] && !on.Bool():
		d.unbuilt = d.unbuilt[:withheld]
	case !written["enabled"] && len(entries) > 0 && enabled.Tag.Get("implied") != "":
		on.SetBool(true)
		d.notBuilt(path, enabled.Tag, "remove this section, or write enabled: false in it")
	}
}

// field decodes one key of a section and refuses what is not built yet: a key is never ignored.
func (d *decoder) field(e entry, v reflect.Value, path string, tag reflect.StructTag) {
	before := reflect.New(v.Type()).Elem()
	before.Set(v)
	d.value(e.value, v, path, tag)
	if !reflect.DeepEqual(before.Interface(), v.Interface()) {
		d.notBuilt(path, tag, "remove this key")
	}
}

// notBuilt reports a written value of a feature that is not built yet.
func (d *decoder) notBuilt(path string, tag reflect.StructTag, cure string) {
	if feature := tag.Get("unbuilt"); feature != "" {
		p := problemAt(d.places[path], fmt.Sprintf("asks for %s, not built yet; %s", feature, cure))
		p.Path = path
		d.unbuilt = append(d.unbuilt, *p)
	}
}

// list decodes a sequence. What is written replaces a default list; an empty one is nil.
func (d *decoder) list(n ast.Node, v reflect.Value, path string) {
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.wrong(path, "is %s; write a list, for example [a, b]", kind(n))
		return
	}
	v.SetZero()
	for i, element := range seq.Values {
		d.places[item(path, i)] = placeOf(element)
		v.Set(reflect.Append(v, elementDefault(v.Type().Elem())))
		d.value(element, v.Index(i), item(path, i), "")
	}
}

// elementDefault is what a list's element is before its own keys are read.
func elementDefault(t reflect.Type) reflect.Value {
	if t == reflect.TypeFor[Bucket]() {
		return reflect.ValueOf(DefaultBucket())
	}
	return reflect.Zero(t)
}

// intMap decodes a mapping from whole numbers.
func (d *decoder) intMap(n ast.Node, v reflect.Value, path string) {
	for _, e := range d.entries(n, path) {
		number, err := strconv.Atoi(e.name)
		if err != nil {
			d.add(e.key, key(path, e.name), "is not a whole number; write for example 404: error.html")
			continue
		}
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(e.value, value, key(path, e.name), "")
		v.SetMapIndex(reflect.ValueOf(number), value)
	}
}

// kind names a node's type in a message.
func kind(n ast.Node) string {
	switch n.Type() {
	case ast.MappingType:
		return "a mapping"
	case ast.SequenceType:
		return "a list"
	default:
		return "a single value"
	}
}

var (
	sizeType     = reflect.TypeFor[Size]()
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
)
