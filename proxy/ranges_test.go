package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestRangeFields(t *testing.T) {
	f := func(field string, want ...rangeSpec) {
		t.Helper()
		if got := parseRange(nil, []byte(field)); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", field, got, want)
		}
	}
	const most = (1<<62 - 1) / 10
	f("bytes=0-0", rangeSpec{0, 0})
	f("bytes=0-", rangeSpec{0, -1})
	f("bytes=-5", rangeSpec{-1, 5})
	f("bytes=-0", rangeSpec{-1, 0})
	f("BYTES=1-2", rangeSpec{1, 2})
	f("bytes=007-010", rangeSpec{7, 10})
	f("bytes=0-1,2-3 ,\t-4", rangeSpec{0, 1}, rangeSpec{2, 3}, rangeSpec{-1, 4})
	f("bytes=,,0-1,,", rangeSpec{0, 1})
	f("bytes=0-99999999999999999999999", rangeSpec{0, most})
	f("bytes=99999999999999999999999-", rangeSpec{most, -1})
	for _, bad := range []string{"", "bytes", "bytes=", "bytes=,", "bytes=-", "bytes=a-b", "bytes=0--1", "bytes=5-2", "bytes=0-1,x",
		"bytes=0-1,5-2", "bytes=+1-2", "bytes=0x1-2", "bytes= 0 - 1", "bytes=0 -1", "bytes =0-1", "items=0-1", "bytes:0-1", "0-1",
		"bytes=1", "bytes=1-2-3", "bytes=１-２", " bytes=0-1"} {
		f(bad)
	}
	sixteen := "bytes=" + strings.TrimSuffix(strings.Repeat("1-2,", maxRanges), ",")
	f(sixteen, slices.Repeat([]rangeSpec{{1, 2}}, maxRanges)...)
	f(sixteen + ",1-2")
}

// specText is a range as a client writes it, and as the origin gets it.
func TestRangesAreWrittenBack(t *testing.T) {
	for _, want := range []string{"bytes=0-0", "bytes=5-", "bytes=-7", "bytes=-0", "bytes=12-345"} {
		specs := parseRange(nil, []byte(want))
		if got := string(specs[0].append(nil)); got != want {
			t.Errorf("%q is written as %q", want, got)
		}
	}
	if got := string(appendContentRange(nil, span{3, 5}, 10)); got != "bytes 3-5/10" {
		t.Errorf("Content-Range: %q", got)
	}
}

// selected is the naive model: which bytes of an object a range names.
func selected(r rangeSpec, size int64) []bool {
	bytes := make([]bool, size)
	for i := range size {
		switch {
		case r.first < 0:
			bytes[i] = i >= size-r.last
		case r.last < 0:
			bytes[i] = i >= r.first
		default:
			bytes[i] = i >= r.first && i <= r.last
		}
	}
	return bytes
}

// tinySpecs are all ranges with numbers up to n.
func tinySpecs(n int64) (all []rangeSpec) {
	for first := int64(0); first <= n; first++ {
		all = append(all, rangeSpec{first, -1}, rangeSpec{-1, first})
		for last := first; last <= n; last++ {
			all = append(all, rangeSpec{first, last})
		}
	}
	return all
}

func TestEveryRangeOfTinyObjects(t *testing.T) {
	for size := range int64(5) {
		for _, r := range tinySpecs(size + 2) {
			want := selected(r, size)
			s, ok := r.resolve(size)
			// Of an empty object a suffix is satisfiable all the same (RFC 9110, section 14.1.2).
			if wantOK := slices.Contains(want, true) || size == 0 && r.first < 0 && r.last > 0; ok != wantOK {
				t.Errorf("%v of %d bytes: satisfiable %v, want %v", r, size, ok, wantOK)
			}
			if !ok {
				continue
			}
			got := make([]bool, size)
			for i := s.first; i <= s.last; i++ {
				got[i] = true
			}
			if !slices.Equal(got, want) || s.length() != s.last-s.first+1 {
				t.Errorf("%v of %d bytes: %v", r, size, s)
			}
		}
	}
}

func TestEveryPairOfRangesOfTinyObjects(t *testing.T) {
	for size := range int64(6) {
		specs := tinySpecs(size + 1)
		for _, a := range specs {
			for _, b := range specs {
				checkMerged(t, []rangeSpec{a, b}, size)
			}
		}
	}
}

// checkMerged tells whether the spans of specs are what they must be: inside, ascending, not touching, and of just the
// bytes that were asked for.
func checkMerged(t *testing.T, specs []rangeSpec, size int64) {
	t.Helper()
	spans := resolveAll(specs, size)
	previous := int64(-2)
	for _, s := range spans {
		if s.first <= previous+1 || s.last < s.first || s.last >= size || s.first < 0 {
			t.Fatalf("%v of %d bytes: %v", specs, size, spans)
		}
		previous = s.last
	}
	if size > 64 {
		return
	}
	want, got := make([]bool, size), make([]bool, size)
	for _, r := range specs {
		for i, in := range selected(r, size) {
			want[i] = want[i] || in
		}
	}
	for _, s := range spans {
		for i := s.first; i <= s.last; i++ {
			got[i] = true
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%v of %d bytes: %v", specs, size, spans)
	}
	if anySatisfiable(specs, size) != (len(spans) > 0) && size > 0 {
		t.Errorf("%v of %d bytes: %v, yet satisfiable %v", specs, size, spans, anySatisfiable(specs, size))
	}
}

func FuzzRanges(f *testing.F) {
	for _, seed := range []string{"bytes=0-0,-1", "bytes=5-,0-9,12-", "bytes=,", "bytes=0-99999999999999999999,3-3", "x"} {
		f.Add([]byte(seed), int64(10))
	}
	f.Fuzz(func(t *testing.T, field []byte, size int64) {
		if size < 0 {
			return // no object has such a size
		}
		specs := parseRange(nil, field)
		if len(specs) > maxRanges || specs != nil && len(specs) == 0 {
			t.Errorf("%q: %d ranges", field, len(specs))
		}
		checkMerged(t, specs, size)
		if len(specs) == 1 {
			again := parseRange(nil, specs[0].append(nil))
			if !slices.Equal(again, specs) {
				t.Errorf("%q: %v is read back as %v", field, specs, again)
			}
		}
	})
}

func TestContentRanges(t *testing.T) {
	f := func(field string, want span, size int64) {
		t.Helper()
		if got, n, ok := parseContentRange([]byte(field)); !ok || got != want || n != size {
			t.Errorf("%q: %v of %d, %v", field, got, n, ok)
		}
	}
	f("bytes 0-0/1", span{0, 0}, 1)
	f("bytes 5-9/10", span{5, 9}, 10)
	for _, bad := range []string{"", "bytes", "bytes ", "bytes */10", "bytes 0-1/*", "bytes 1-0/2", "bytes 0-2/2", "bytes 0-0/0", "bytes 0-1",
		"bytes=0-1/2", "items 0-1/2", "bytes -1/2", "bytes 0-/2", "bytes 0-1/", "bytes 0-1/2/3", "bytes a-b/c", "bytes  0-1/2"} {
		if got, n, ok := parseContentRange([]byte(bad)); ok {
			t.Errorf("%q is read as %v of %d", bad, got, n)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	f.Add([]byte("bytes 0-4/5"))
	f.Add([]byte("bytes */5"))
	f.Fuzz(func(t *testing.T, field []byte) {
		s, size, ok := parseContentRange(field)
		if !ok {
			return
		}
		if s.first < 0 || s.last < s.first || s.last >= size {
			t.Errorf("%q: %v of %d", field, s, size)
		}
		text := appendContentRange(nil, s, size)
		if again, n, ok := parseContentRange(text); !ok || again != s || n != size {
			t.Errorf("%q is written as %q", field, text)
		}
	})
}

func TestParsingRangesDoesNotAllocate(t *testing.T) {
	var space [maxRanges]rangeSpec
	field := []byte("bytes=0-1,5-6,-7")
	allocs := testing.AllocsPerRun(100, func() {
		if specs := parseRange(space[:0], field); len(specs) != 3 {
			panic(fmt.Sprint(specs))
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}
