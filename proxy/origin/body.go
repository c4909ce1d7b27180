package origin

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// readChunked reads a body in chunked encoding (RFC 9112, section 7.1).
func (r *Response) readChunked(p []byte) (int, error) {
	n, err := r.chunked.Read(p)
	r.read += int64(n)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		if err = r.readTrailer(); err == nil {
			r.left = 0
			if n == 0 {
				err = io.EOF // else the next Read says so
			}
		}
	case r.broken == io.EOF:
		err = fail(ReasonTruncated, io.ErrUnexpectedEOF)
	case r.broken != nil:
		err = r.broken
	default:
		err = fail(ReasonMalformed, err)
	}
	return n, err
}

// readTrailer reads what follows the last chunk to the empty line that ends the message (RFC 9112, section 7.1), so
// that the connection can serve again. Trailer fields are dropped.
func (r *Response) readTrailer() error {
	for range 64 {
		line, err := r.br.ReadSlice('\n')
		switch {
		case err == nil && len(bytes.TrimRight(line, "\r\n")) == 0:
			return nil
		case err == nil:
		case r.broken == io.EOF:
			return fail(ReasonTruncated, io.ErrUnexpectedEOF)
		case r.broken != nil:
			return r.broken
		default:
			return fail(ReasonMalformed, err)
		}
	}
	return fail(ReasonMalformed, errors.New("too many trailer fields"))
}

// ReadDocument reads the rest of the body whole, if it is at most limit bytes and comes within the time for a first
// byte: error documents and listings. What came is returned beside an error. The result is valid until Close.
func (r *Response) ReadDocument(limit int) ([]byte, error) {
	r.scratch = r.scratch[:0]
	r.until = time.Now().Add(r.client.firstByte)
	for {
		r.scratch = slices.Grow(r.scratch, 512)
		n, err := r.Read(r.scratch[len(r.scratch):cap(r.scratch)])
		r.scratch = r.scratch[:len(r.scratch)+n]
		switch {
		case len(r.scratch) > limit:
			return nil, fail(ReasonMalformed, fmt.Errorf("document is larger than %d bytes", limit))
		case err == io.EOF:
			return r.scratch, nil
		case err != nil:
			return r.scratch, err
		}
	}
}
