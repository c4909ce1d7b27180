package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces ${VAR} and ${VAR:-default} in one scalar's text. The default stands in for a variable that is unset
// or empty, as in a shell. What a variable holds is taken as it is: it is not expanded again, and having been put in
// after parsing it cannot add keys or comments. $${ writes a literal ${, and any other $ is itself.
func expand(text string, env func(string) (string, bool)) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			out.WriteString(text)
			return out.String(), nil
		}
		if literal, ok := strings.CutSuffix(before, "$"); ok {
			out.WriteString(literal + "${")
			text = rest
			continue
		}
		inside, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", errors.New("has a ${ without its }; close it, or write $${ for a literal ${")
		}
		value, err := variable(inside, env)
		if err != nil {
			return "", err
		}
		out.WriteString(before + value)
		text = after
	}
}

// variable resolves what stands between ${ and }.
func variable(inside string, env func(string) (string, bool)) (string, error) {
	name, fallback, hasFallback := strings.Cut(inside, ":-")
	if !variableName.MatchString(name) {
		return "", errors.New("has a ${…} that names no variable; write ${NAME} or ${NAME:-default}, or $${ for a literal ${")
	}
	if strings.Contains(fallback, "${") {
		return "", fmt.Errorf("has a ${…} inside the default of ${%s}; write plain text as the default", name)
	}
	value, set := env(name)
	switch {
	case hasFallback && value == "":
		return fallback, nil
	case !set:
		return "", fmt.Errorf("needs the environment variable %s; set it, or write ${%s:-default}", name, name)
	case !utf8.ValidString(value):
		return "", fmt.Errorf("gets text that is not UTF-8 from the environment variable %s; correct the variable", name)
	}
	return value, nil
}
