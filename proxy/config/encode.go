package config

import (
	"bytes"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Encode writes the effective configuration as YAML that Parse reads back, with *** for each secret that is set.
// Every text is in double quotes, so that none of it can be taken for anything else.
func (c *Config) Encode(w io.Writer) error {
	var b bytes.Buffer
	encodeSection(&b, reflect.ValueOf(c).Elem(), "", "")
	_, err := w.Write(b.Bytes())
	return err
}

// encodeSection writes a struct as a block mapping, one key per line. lead is the first line's indent, where a list's
// dash goes.
func encodeSection(b *bytes.Buffer, v reflect.Value, lead, indent string) {
	for f, value := range v.Fields() {
		if value.Kind() == reflect.Interface && value.IsNil() {
			continue // there is no way to write it
		}
		b.WriteString(lead + f.Tag.Get("yaml") + ":")
		lead = indent
		switch {
		case value.Kind() == reflect.Struct:
			b.WriteString("\n")
			encodeSection(b, value, indent+"  ", indent+"  ")
		case value.Kind() == reflect.Slice && value.Len() > 0 && value.Type().Elem().Kind() == reflect.Struct:
			b.WriteString("\n")
			for _, element := range value.Seq2() {
				encodeSection(b, element, indent+"  - ", indent+"    ")
			}
		default:
			b.WriteString(" " + encodeValue(value, f.Tag) + "\n")
		}
	}
}

// encodeValue writes anything but a struct on one line.
func encodeValue(v reflect.Value, tag reflect.StructTag) string {
	switch x := v.Interface().(type) {
	case Size:
		return x.String()
	case Secret:
		return x.GoString()
	case time.Duration:
		if tag.Get("unit") == "seconds" {
			return strconv.FormatInt(int64(x/time.Second), 10)
		}
		return shortDuration(x)
	case float64:
		return encodeFloat(x)
	}
	switch v.Kind() {
	case reflect.Interface:
		return encodeValue(v.Elem(), "")
	case reflect.String:
		// What looks like a variable here is literal text by now.
		return strconv.Quote(strings.ReplaceAll(v.String(), "${", "$${"))
	case reflect.Slice:
		var items []string
		for _, element := range v.Seq2() {
			items = append(items, encodeValue(element, ""))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Map:
		var items []string
		for k, element := range v.Seq2() {
			items = append(items, fmt.Sprintf("%v: %s", k, encodeValue(element, "")))
		}
		slices.Sort(items)
		return "{" + strings.Join(items, ", ") + "}"
	default:
		return fmt.Sprint(v)
	}
}

// shortDuration drops the zero units that time.Duration.String ends with: 30m0s becomes 30m.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// encodeFloat keeps the decimal point, without which a claim's 1.0 would come back as a whole number.
func encodeFloat(f float64) string {
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}
