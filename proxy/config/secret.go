package config

import (
	"fmt"
	"io"
)

// mask is what stands for a secret wherever one is printed.
const mask = "***"

// Secret is text that never prints: every fmt verb and every encoder shows *** in its place, or nothing when it is
// empty, so that a printed configuration still tells a secret that is set from one that is not.
type Secret string

// Reveal returns the text itself, for the one place that must send or compare it.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// GoString implements fmt.GoStringer.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Format implements fmt.Formatter: verbs such as %x and %d would reach past String otherwise.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'q' || verb == 'v' && f.Flag('#') {
		text = s.GoString()
	}
	_, _ = io.WriteString(f, text)
}

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(s.GoString()), nil }

// MarshalYAML implements the YAML package's InterfaceMarshaler.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }
