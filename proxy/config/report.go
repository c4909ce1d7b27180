package config

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// report collects problems while a file is decoded and validated. It knows where each value stands in the file, so
// that validation can speak of paths alone.
type report struct {
	problems Problems
	places   map[string]*token.Token // path → the value, or the key of a mapping, list or missing value
	failed   map[string]bool         // paths already reported as values
}

// problemAt places a problem at a token.
func problemAt(tk *token.Token, message string) *Problem {
	return &Problem{Line: tk.Position.Line, Column: tk.Position.Column, Message: oneLine(message)}
}

// add reports a problem at a token of its own, such as a key that should not be there.
func (r *report) add(tk *token.Token, path, format string, args ...any) {
	p := problemAt(tk, fmt.Sprintf(format, args...))
	p.Path = path
	r.problems = append(r.problems, *p)
}

// wrong reports the value at path, once: a value that did not decode is not validated as well. A key that is not in
// the file is placed at its nearest parent.
func (r *report) wrong(path, format string, args ...any) {
	var place *token.Token
	for p := path; p != ""; p = parent(p) {
		if r.failed[p] {
			return
		}
		if place == nil {
			place = r.places[p]
		}
	}
	r.failed[path] = true
	r.add(place, path, format, args...)
}

// parent drops the last step of a path: $.buckets[0].s3 → $.buckets[0] → $.buckets → $ → "".
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}

// key is the path of a mapping's key. Keys that the schema does not know may hold anything, so they are quoted.
func key(path, name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		name = quote(name)
	}
	return path + "." + name
}

// item is the path of a list's element.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// quote shows text from the file in a message: on one line and not too long.
func quote(text string) string {
	const most = 40
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return fmt.Sprintf("%q", text)
}

// oneLine keeps a problem on one line whatever the YAML parser says about the file's own characters.
func oneLine(message string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, message)
}
