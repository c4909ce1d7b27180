package proxy

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
)

// maxRanges is how many ranges one request may ask for; with more it gets the whole object (RFC 9110, section 14.2,
// lets a server ignore ranges that look like an attack).
const maxRanges = 16

// rangeSpec is one range as it was asked for: first-last, first- (last < 0), or the last n bytes (first < 0, last = n).
type rangeSpec struct{ first, last int64 }

// span is a range of an object of known size: both ends included.
type span struct{ first, last int64 }

func (s span) length() int64 { return s.last - s.first + 1 }

// parseRange reads a Range field (RFC 9110, section 14.1.2) into dst. It returns nil when the field is to be ignored:
// another unit, anything malformed, or too many ranges.
func parseRange(dst []rangeSpec, v []byte) []rangeSpec {
	const unit = "bytes="
	if len(v) < len(unit) || !bytes.EqualFold(v[:len(unit)], []byte(unit)) {
		return nil
	}
	dst = dst[:0]
	for part := range bytes.SplitSeq(v[len(unit):], []byte(",")) {
		part = bytes.Trim(part, " \t")
		if len(part) == 0 {
			continue // empty list elements are allowed (RFC 9110, section 5.6.1.2)
		}
		spec, ok := parseSpec(part)
		if !ok || len(dst) == maxRanges {
			return nil
		}
		dst = append(dst, spec)
	}
	if len(dst) == 0 {
		return nil
	}
	return dst
}

func parseSpec(part []byte) (rangeSpec, bool) {
	from, to, found := bytes.Cut(part, []byte("-"))
	if !found {
		return rangeSpec{}, false
	}
	first, okFirst := parseDigits(from)
	last, okLast := parseDigits(to)
	switch {
	case len(from) == 0:
		return rangeSpec{-1, last}, okLast
	case len(to) == 0:
		return rangeSpec{first, -1}, okFirst
	default:
		return rangeSpec{first, last}, okFirst && okLast && first <= last
	}
}

// parseDigits reads 1*DIGIT; a number too large for an object stands for the largest one.
func parseDigits(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	const most = 1<<62 - 1
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if n = n*10 + int64(c-'0'); n > most/10 {
			n = most / 10
		}
	}
	return n, true
}

// resolve applies a range to an object of a size. It returns false when the range is unsatisfiable.
func (r rangeSpec) resolve(size int64) (span, bool) {
	switch {
	case r.first < 0: // a suffix is satisfiable unless it is empty
		return span{max(size-r.last, 0), size - 1}, r.last > 0
	case r.first >= size:
		return span{}, false
	case r.last < 0 || r.last >= size:
		return span{r.first, size - 1}, true
	default:
		return span(r), true
	}
}

// append writes the range as it goes to the origin.
func (r rangeSpec) append(dst []byte) []byte {
	dst = append(dst, "bytes="...)
	if r.first >= 0 {
		dst = strconv.AppendInt(dst, r.first, 10)
	}
	dst = append(dst, '-')
	if r.last >= 0 {
		dst = strconv.AppendInt(dst, r.last, 10)
	}
	return dst
}

// resolveAll applies ranges to an object of a size and merges those that overlap or touch, so that no byte is sent
// twice (RFC 9110, section 15.3.7.2, allows it). The result is in ascending order.
func resolveAll(specs []rangeSpec, size int64) []span {
	var spans []span
	for _, r := range specs {
		if s, ok := r.resolve(size); ok && s.length() > 0 {
			spans = append(spans, s)
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.first, b.first) })
	merged := spans[:0]
	for _, s := range spans {
		if n := len(merged); n > 0 && s.first <= merged[n-1].last+1 {
			merged[n-1].last = max(merged[n-1].last, s.last)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

// parseContentRange reads "bytes first-last/size" of a 206 answer.
func parseContentRange(v []byte) (s span, size int64, ok bool) {
	rest, found := bytes.CutPrefix(v, []byte("bytes "))
	spanText, sizeText, found2 := bytes.Cut(rest, []byte("/"))
	from, to, found3 := bytes.Cut(spanText, []byte("-"))
	first, ok1 := parseDigits(from)
	last, ok2 := parseDigits(to)
	size, ok3 := parseDigits(sizeText)
	ok = found && found2 && found3 && ok1 && ok2 && ok3 && first <= last && last < size
	return span{first, last}, size, ok
}

// appendContentRange writes a Content-Range value.
func appendContentRange(dst []byte, s span, size int64) []byte {
	dst = append(dst, "bytes "...)
	dst = strconv.AppendInt(dst, s.first, 10)
	dst = append(dst, '-')
	dst = strconv.AppendInt(dst, s.last, 10)
	dst = append(dst, '/')
	return strconv.AppendInt(dst, size, 10)
}
