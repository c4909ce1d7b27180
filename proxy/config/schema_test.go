package config

import (
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"
	"time"
)

// leaf is a key of the schema that holds a value, not a section.
type leaf struct {
	path    string       // $.buckets[0].s3.region
	section reflect.Type // the struct that has the field
	field   reflect.StructField
	value   reflect.Value            // the default
	wrap    func(yaml string) string // a file with nothing but this key
}

// leaves walks the schema; the first element stands for each list of sections.
func leaves(v reflect.Value, path string, wrap func(string) string) iter.Seq[leaf] {
	return func(yield func(leaf) bool) {
		for f, value := range v.Fields() {
			name := f.Tag.Get("yaml")
			at, inside := path+"."+name, func(yaml string) string { return wrap(name + ": " + yaml) }
			elements := f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct
			switch {
			case f.Type.Kind() == reflect.Struct:
				leaves(value, at, func(yaml string) string { return inside("{" + yaml + "}") })(yield)
				continue
			case elements:
				leaves(elementDefault(f.Type.Elem()), at+"[0]", func(yaml string) string { return inside("[{" + yaml + "}]") })(yield)
				if f.Tag.Get("unbuilt") == "" {
					continue
				}
			}
			if !yield(leaf{at, v.Type(), f, value, inside}) {
				return
			}
		}
	}
}

func schema() iter.Seq[leaf] {
	return leaves(reflect.ValueOf(Default()).Elem(), "$", func(yaml string) string { return yaml + "\n" })
}

// problemsAt parses one key by itself and returns what is wrong with it.
func problemsAt(l leaf, yaml string) string {
	_, err := Parse("f", []byte(l.wrap(yaml)), noEnv)
	var at []string
	for line := range strings.Lines(fmt.Sprint(err)) {
		if strings.Contains(line, " "+l.path+": ") {
			at = append(at, line)
		}
	}
	return strings.Join(at, "")
}

func TestEveryChoice(t *testing.T) {
	seen := 0
	for l := range schema() {
		choices := strings.Fields(l.field.Tag.Get("oneof"))
		if len(choices) == 0 {
			continue
		}
		seen++
		for _, choice := range choices {
			if got := problemsAt(l, choice); strings.Contains(got, "choice") || strings.Contains(got, "is not a") {
				t.Errorf("%s: %s", choice, got)
			}
		}
		if got := problemsAt(l, "123"); !strings.Contains(got, "write one of "+strings.Join(choices, ", ")) {
			t.Errorf("%s: 123 is accepted: %s", l.path, got)
		}
	}
	if seen < 12 {
		t.Errorf("walked %d choices only", seen)
	}
}

func TestEveryBound(t *testing.T) {
	seen := 0
	for l := range schema() {
		for tag, step := range map[string]int64{"min": -1, "max": 1} {
			text := l.field.Tag.Get(tag)
			if text == "" {
				continue
			}
			seen++
			at := bound(l.field.Type, text)
			beyond := reflect.New(at.Type()).Elem()
			if at.CanFloat() {
				beyond.SetFloat(at.Float() + float64(step))
			} else {
				beyond.SetInt(at.Int() + step)
			}
			if got := problemsAt(l, encodeValue(beyond, "")); got == "" {
				t.Errorf("%s: %v is accepted", l.path, beyond)
			}
			if got := problemsAt(l, encodeValue(at, l.field.Tag)); strings.Contains(got, "too ") {
				t.Errorf("%s: %v is refused: %s", l.path, at, got)
			}
		}
	}
	if seen < 30 {
		t.Errorf("walked %d bounds only", seen)
	}
}

// Whatever is not built yet is refused when a file asks for it, and accepted in a section that is off.
func TestEveryUnbuiltKey(t *testing.T) {
	seen := 0
	for l := range schema() {
		feature := l.field.Tag.Get("unbuilt")
		if feature == "" {
			continue
		}
		seen++
		yaml := another(l)
		if got := problemsAt(l, yaml); !strings.Contains(got, "asks for "+feature+", not built yet; ") {
			t.Errorf("%s: %s is accepted: %s", l.path, yaml, got)
		}
		if _, ok := fieldOf(l.section, "enabled"); !ok || l.field.Tag.Get("yaml") == "enabled" {
			continue
		}
		if got := problemsAt(l, yaml+", enabled: false"); got != "" {
			t.Errorf("%s: refused though off: %s", l.path, got)
		}
	}
	if seen < 20 {
		t.Errorf("walked %d keys only", seen)
	}
}

// another is a value that differs from the leaf's default.
func another(l leaf) string {
	if choices := strings.Fields(l.field.Tag.Get("oneof")); len(choices) > 0 {
		return choices[len(choices)-1]
	}
	switch x := l.value.Interface().(type) {
	case bool:
		return fmt.Sprint(!x)
	case int:
		return fmt.Sprint(x + 1)
	case time.Duration:
		return (x + time.Second).String()
	case []string:
		return "[x]"
	case []Replica:
		return "[{}]"
	default:
		return "x"
	}
}
