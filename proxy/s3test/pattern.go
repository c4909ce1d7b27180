package s3test

import (
	"encoding/binary"
	"errors"
	"io"
)

// Pattern is an endless body of pseudo-random bytes that is the same at the
// same position for the same seed. It stands for big objects without holding
// them: each 8-byte word is splitmix64 of its index.
func Pattern(seed uint64) io.ReaderAt {
	return pattern(seed)
}

type pattern uint64

// ReadAt fills p, always.
func (seed pattern) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("cannot read a pattern at a negative offset")
	}
	n := len(p)
	// Splitmix64 steps by the golden ratio. Its start is mixed from the seed,
	// or patterns of near seeds would be shifts of one another.
	state := mix(uint64(seed)) + uint64(off)/8*golden
	var word [8]byte
	if skip := off % 8; skip > 0 {
		binary.LittleEndian.PutUint64(word[:], mix(state))
		p = p[copy(p, word[skip:]):]
		state += golden
	}
	for len(p) >= 32 { // four at once: their mixes run side by side
		a, b := state, state+golden
		c, d := b+golden, b+golden+golden
		binary.LittleEndian.PutUint64(p, mix(a))
		binary.LittleEndian.PutUint64(p[8:], mix(b))
		binary.LittleEndian.PutUint64(p[16:], mix(c))
		binary.LittleEndian.PutUint64(p[24:], mix(d))
		p = p[32:]
		state = d + golden
	}
	for len(p) > 0 {
		binary.LittleEndian.PutUint64(word[:], mix(state))
		p = p[copy(p, word[:]):]
		state += golden
	}
	return n, nil
}

const golden uint64 = 0x9e3779b97f4a7c15

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
