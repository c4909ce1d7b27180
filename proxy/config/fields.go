package config

import (
	"reflect"
	"strings"
)

// fieldOf finds the field of a schema struct that a key of the file fills.
func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("yaml") == name {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// suggest says what to write instead of a key that a section does not have.
func suggest(name string, t reflect.Type) string {
	var keys []string
	best, least := "", len(name)/3+1
	for f := range t.Fields() {
		k := f.Tag.Get("yaml")
		keys = append(keys, k)
		if n := distance(strings.ToLower(name), k); n < least {
			best, least = k, n
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	return "its keys are " + strings.Join(keys, ", ")
}

// distance is the Levenshtein distance between two words, in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
