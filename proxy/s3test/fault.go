package s3test

import (
	"fmt"
	"net/http"
	"time"
)

// Fault is one way to misbehave; the zero value behaves well. Fields combine:
// an answer is held, then made, then distorted, then sent badly.
type Fault struct {
	// Before the answer.
	Hold              <-chan struct{} // answer when this channel is closed or gives a value
	DelayFor          time.Duration   // then wait this long; tests prefer Hold
	DropBeforeHeaders bool            // close the connection without an answer
	RawResponse       []byte          // write exactly these bytes, then close
	Garbage           bool            // answer with bytes that are no HTTP, then close
	Continue100       int             // this many interim 1xx responses first

	// The answer.
	Status                 int    // an S3 error with this status
	Code, Message          string // the error's code (the usual one when empty) and text
	ForceStatus200ForRange bool   // ignore Range
	Force206               bool   // answer 206 even without Range
	Force304               bool   // answer 304 whatever was asked
	NoETag                 bool
	ETag                   string      // instead of the object's
	ContentRange           string      // instead of the true one
	ContentLength          string      // instead of the true one, longer, shorter or no number; the connection is closed after the body
	ExtraHeader            http.Header // set in the answer; a field without values is removed

	// Its framing.
	NoContentLength bool // the end of the connection ends the body, as in HTTP/1.0
	Chunked         bool // Transfer-Encoding: chunked without Content-Length
	BreakChunk      bool // a malformed chunk after TruncateAt bytes, then close

	// Its body.
	BodyHold   <-chan struct{} // after HoldAt bytes wait for this channel
	HoldAt     int64
	DripBytes  int // send this many bytes each DripEvery
	DripEvery  time.Duration
	Truncate   bool  // promise everything, send TruncateAt bytes, close (FIN)
	Reset      bool  // the same with RST, which may overtake the last bytes; with DropBeforeHeaders, RST without an answer
	TruncateAt int64 // for Truncate, Reset and BreakChunk

	// Afterwards.
	CloseAfter bool // say Connection: close
	CloseIdle  bool // close without saying so, as a server whose idle time is over
}

// wellBehaved is the fault of a request that has none.
var wellBehaved Fault

// cutsBody says that the body ends at TruncateAt.
func (f *Fault) cutsBody() bool {
	return f.Truncate || f.Reset || f.BreakChunk
}

// needsWire says that net/http would not let us send this.
func (f *Fault) needsWire() bool {
	return f.cutsBody() || f.ContentLength != "" || f.CloseIdle
}

// silent says that no well-formed answer is sent at all.
func (f *Fault) silent() bool {
	return f.DropBeforeHeaders || f.Garbage || f.RawResponse != nil
}

// distort changes a well-formed answer as the fault says.
func (f *Fault) distort(rep *reply) {
	h := rep.header
	if f.Force206 && rep.status == http.StatusOK {
		rep.status = http.StatusPartialContent
		h["Content-Range"] = []string{fmt.Sprintf("bytes 0-%d/%d", rep.body.n-1, rep.body.n)}
	}
	if f.NoETag {
		delete(h, "ETag")
	}
	if f.ETag != "" {
		h["ETag"] = []string{f.ETag}
	}
	if f.ContentRange != "" {
		h["Content-Range"] = []string{f.ContentRange}
	}
	if f.CloseAfter {
		h["Connection"] = []string{"close"}
	}
	setHeader(h, f.ExtraHeader)
	switch {
	case f.NoContentLength:
		rep.framing = byClose
	case f.Chunked || f.BreakChunk:
		rep.framing = byChunks
	}
}
