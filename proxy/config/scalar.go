package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// written is a scalar as it stands in the file, and as it is after its variables are expanded.
type written struct {
	source, text string
	quoted       bool // in quotes or a block, hence text, unless a variable supplies it
	boolean      bool
}

// read returns the scalar of a node; ok is false when it is not one, or a variable in it has a problem.
func (d *decoder) read(n ast.Node, path, wanted string) (w written, ok bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		w.source = n.Value
		w.quoted = n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		w.source, w.quoted = n.Value.Value, true
	case ast.ScalarNode:
		// The text itself, not the parser's reading of it: 1.20 stays 1.20 for a string, and 010 is not octal.
		w.source = n.GetToken().Value
		w.boolean = n.Type() == ast.BoolType
	default:
		d.wrong(path, "is %s; write %s", kind(n), wanted)
		return w, false
	}
	text, err := expand(w.source, d.env)
	if err != nil {
		d.wrong(path, "%v", err)
		return w, false
	}
	w.text = text
	w.quoted = w.quoted && !strings.Contains(w.source, "${")
	return w, true
}

// scalar decodes a single value. Messages show what the file says, never what a variable held, and of a secret nothing.
func (d *decoder) scalar(n ast.Node, v reflect.Value, path string, tag reflect.StructTag) {
	w, ok := d.read(n, path, example(v.Type(), tag))
	if !ok {
		return
	}
	value := reflect.New(v.Type()).Elem()
	err := set(value, w, tag)
	if err == nil && !value.Equal(v) {
		err = allowed(value, tag)
	}
	switch {
	case err == nil:
		v.Set(value)
	case v.Type() == secretType:
		d.wrong(path, "%v", err)
	default:
		d.wrong(path, "%s %v", quote(w.source), err)
	}
}

// set types a scalar by the field that it is for.
func set(v reflect.Value, w written, tag reflect.StructTag) error {
	switch v.Type() {
	case sizeType:
		size, err := parseSize(w.text)
		v.SetInt(int64(size))
		return err
	case durationType:
		duration, err := parseDuration(w.text, tag.Get("unit") == "seconds")
		v.SetInt(int64(duration))
		return err
	}
	if v.Kind() == reflect.String {
		if w.boolean {
			return errors.New("is a boolean; put it in quotes if it is meant as text")
		}
		v.SetString(w.text)
		return nil
	}
	if w.quoted {
		return fmt.Errorf("is text; write %s without quotes", example(v.Type(), tag))
	}
	switch v.Kind() {
	case reflect.Bool:
		return setBool(v, w.text)
	case reflect.Float64:
		f, err := strconv.ParseFloat(w.text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return errors.New("is not a number; write for example 0.8")
		}
		v.SetFloat(f)
	default:
		n, err := parseInt(w.text)
		if err != nil {
			return err
		}
		v.SetInt(n)
	}
	return nil
}

// setBool accepts the booleans of YAML 1.2 (section 10.3.2) and explains those of YAML 1.1.
func setBool(v reflect.Value, text string) error {
	switch text {
	case "true", "True", "TRUE":
		v.SetBool(true)
		return nil
	case "false", "False", "FALSE":
		v.SetBool(false)
		return nil
	}
	switch strings.ToLower(text) {
	case "yes", "y", "on":
		return errors.New("is text in YAML 1.2; write true")
	case "no", "n", "off":
		return errors.New("is text in YAML 1.2; write false")
	}
	return errors.New("is not a boolean; write true or false")
}

// parseInt reads a decimal number.
func parseInt(text string) (int64, error) {
	if !isDecimal(strings.TrimPrefix(text, "-")) {
		return 0, errors.New("is not a whole number; write decimal digits, for example 10")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("is too large; write a smaller number")
	}
	return n, nil
}

// parseDuration reads 30s or 1m30s. Where seconds is set plain seconds are meant, but a duration of whole seconds is
// understood as well.
func parseDuration(text string, seconds bool) (time.Duration, error) {
	if seconds && isDecimal(text) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n > int64(math.MaxInt64/time.Second) {
			return 0, errors.New("is too large; write fewer seconds")
		}
		return time.Duration(n) * time.Second, nil
	}
	duration, err := time.ParseDuration(text)
	switch {
	case seconds && (err != nil || duration%time.Second != 0):
		return 0, errors.New("is not a number of seconds; write whole seconds, for example 3600")
	case err != nil:
		return 0, errors.New("is not a duration; write a number with its unit (ms, s, m, h), for example 30s or 1m30s")
	}
	return duration, nil
}

// allowed checks a value against its field's oneof, min and max. A field's default is always allowed: it may mean
// "not set", which is outside the range.
func allowed(v reflect.Value, tag reflect.StructTag) error {
	if choices := strings.Fields(tag.Get("oneof")); len(choices) > 0 && !slices.Contains(choices, fmt.Sprint(v)) {
		return fmt.Errorf("is not a choice here; write one of %s", strings.Join(choices, ", "))
	}
	if least := tag.Get("min"); least != "" && compare(v, bound(v.Type(), least)) < 0 {
		return fmt.Errorf("is too small; write at least %v", bound(v.Type(), least))
	}
	if most := tag.Get("max"); most != "" && compare(v, bound(v.Type(), most)) > 0 {
		return fmt.Errorf("is too large; write at most %v", bound(v.Type(), most))
	}
	return nil
}

// bound is a min or max tag as a value of the field's type. A tag that does not parse is a bug of the schema.
func bound(t reflect.Type, text string) reflect.Value {
	v := reflect.New(t).Elem()
	if err := set(v, written{text: text}, ""); err != nil {
		panic(fmt.Sprintf("bad bound %q of a %v: %v", text, t, err))
	}
	return v
}

// compare orders two numbers of one type.
func compare(a, b reflect.Value) int {
	if a.CanFloat() {
		return cmp.Compare(a.Float(), b.Float())
	}
	return cmp.Compare(a.Int(), b.Int())
}

// example says what a field wants, for messages about other things found in its place.
func example(t reflect.Type, tag reflect.StructTag) string {
	switch {
	case t == sizeType:
		return "a size, for example 10MB"
	case t == durationType && tag.Get("unit") == "seconds":
		return "seconds, for example 3600"
	case t == durationType:
		return "a duration, for example 30s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	default:
		return "a number"
	}
}

// free decodes a value that may be any scalar or a list of scalars: what a claim is compared with.
func (d *decoder) free(n ast.Node, v reflect.Value, path string) {
	if seq, ok := n.(*ast.SequenceNode); ok {
		list := make([]any, len(seq.Values))
		for i, element := range seq.Values {
			d.places[item(path, i)] = placeOf(element)
			d.value(element, reflect.ValueOf(&list[i]).Elem(), item(path, i), "")
		}
		v.Set(reflect.ValueOf(list))
		return
	}
	w, ok := d.read(n, path, "a single value or a list of them")
	if !ok {
		return
	}
	typed := reflect.ValueOf(&w.text).Elem()
	switch n.Type() {
	case ast.BoolType:
		typed = reflect.New(reflect.TypeFor[bool]()).Elem()
	case ast.IntegerType:
		typed = reflect.New(reflect.TypeFor[int64]()).Elem()
	case ast.FloatType:
		typed = reflect.New(reflect.TypeFor[float64]()).Elem()
	}
	if typed.Kind() != reflect.String {
		if err := set(typed, w, ""); err != nil {
			d.wrong(path, "%s %v", quote(w.source), err)
			return
		}
	}
	v.Set(typed)
}
