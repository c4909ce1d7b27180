package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes. In the file it is a plain integer, or one with a unit: 10MB is 10^7, 1GiB is 2^30.
type Size int64

// sizeUnits are tried in this order, by parseSize for the longest suffix and by String for the largest unit.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{
	{"TiB", 1 << 40}, {"TB", 1e12},
	{"GiB", 1 << 30}, {"GB", 1e9},
	{"MiB", 1 << 20}, {"MB", 1e6},
	{"KiB", 1 << 10}, {"KB", 1e3},
	{"B", 1},
}

var (
	errSize      = errors.New("is not a size; write a whole number of bytes, or one with a unit, for example 10MB or 1GiB")
	errSizeRange = errors.New("is larger than any memory; write at most 8388607TiB")
	errFraction  = errors.New("is a fraction; write a whole number with a smaller unit, for example 1500MB")
)

// parseSize reads a size as the file writes it. Fractions are refused because 1.1GiB is no whole number of bytes and
// a budget should say what it means; the smaller unit always can.
func parseSize(text string) (Size, error) {
	digits, unit := text, int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			digits, unit = rest, u.bytes
			break
		}
	}
	if whole, part, ok := strings.Cut(digits, "."); ok && isDigits(whole) && isDigits(part) {
		return 0, errFraction
	}
	if !isDecimal(digits) {
		return 0, errSize
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return 0, errSizeRange
	}
	return Size(n * unit), nil
}

// isDigits reports whether text is one or more decimal digits.
func isDigits(text string) bool {
	return text != "" && strings.Trim(text, "0123456789") == ""
}

// isDecimal is isDigits without leading zeros, which YAML 1.1 reads as octal and YAML 1.2 does not.
func isDecimal(text string) bool {
	return isDigits(text) && (text == "0" || text[0] != '0')
}

// String writes the size with the unit that leaves the smallest whole number; parseSize reads it back.
func (s Size) String() string {
	best, suffix := int64(s), ""
	for _, u := range sizeUnits {
		if n := int64(s) / u.bytes; s != 0 && int64(s)%u.bytes == 0 && n < best {
			best, suffix = n, u.suffix
		}
	}
	return strconv.FormatInt(best, 10) + suffix
}
