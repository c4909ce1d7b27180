package proxy

import (
	"errors"
	"strconv"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/origin"
)

// httpError is a refusal or failure as the client sees it, kept apart from its cause, which only the log sees.
type httpError struct {
	status  int
	message string // for the client: never an endpoint, bucket, path, XML or Go error
	cause   error  // for the log; may be nil
	// unread is set where the connection must not be used again: its next bytes may not be a request.
	unread bool
	// size is the length N of the object where the status is 416, for "Content-Range: bytes */N".
	size int64
	// retryAfter in seconds, 0 = none.
	retryAfter int
}

func (e *httpError) Error() string {
	if e.cause != nil {
		return e.message + ": " + e.cause.Error()
	}
	return e.message
}

func (e *httpError) Unwrap() error { return e.cause }

var (
	errMethod     = &httpError{status: fasthttp.StatusMethodNotAllowed, message: "only GET, HEAD and OPTIONS are allowed", unread: true}
	errNoRoute    = &httpError{status: fasthttp.StatusNotFound, message: "no bucket is mapped to this path"}
	errNoKey      = &httpError{status: fasthttp.StatusNotFound, message: "this path names no object"}
	errMissing    = &httpError{status: fasthttp.StatusNotFound, message: "no such object"}
	errForbidden  = &httpError{status: fasthttp.StatusForbidden, message: "access to this object is denied"}
	errFailedCond = &httpError{status: fasthttp.StatusPreconditionFailed, message: "a precondition of the request does not hold"}
	errOrigin     = &httpError{status: fasthttp.StatusBadGateway, message: "the origin could not be reached or gave no valid answer"}
	errTooSlow    = &httpError{status: fasthttp.StatusGatewayTimeout, message: "the origin did not answer in time"}
	errURILong    = &httpError{status: fasthttp.StatusRequestURITooLong, message: "the request target is too long", unread: true}
	errBusy       = &httpError{status: fasthttp.StatusServiceUnavailable, message: "too many requests wait for the origin", retryAfter: 1}
	// errGone is for the log alone, by nginx's convention: nobody is there to read it.
	errGone  = &httpError{status: 499, message: "the client left", unread: true}
	errPanic = &httpError{status: fasthttp.StatusInternalServerError, message: "internal error", unread: true}
)

func badRequest(message string) *httpError {
	return &httpError{status: fasthttp.StatusBadRequest, message: message, unread: true}
}

// because returns e with a cause for the log.
func (e *httpError) because(cause error) *httpError {
	with := *e
	with.cause = cause
	return &with
}

// originError turns a failed origin exchange into what the client sees.
func originError(err error) *httpError {
	var failed *origin.Error
	errors.As(err, &failed)
	switch {
	case failed == nil:
		return errPanic.because(err)
	case failed.Reason.Timeout():
		return errTooSlow.because(err)
	case failed.Reason == origin.ReasonPool:
		return errBusy.because(err)
	case failed.Reason == origin.ReasonClientGone:
		return errGone.because(err)
	default:
		return errOrigin.because(err)
	}
}

// asHTTPError returns err as an httpError; what is none is a bug of ours and shows as 500.
func asHTTPError(err error) *httpError {
	var e *httpError
	if errors.As(err, &e) {
		return e
	}
	return errPanic.because(err)
}

// writeError answers with the error as JSON (PRODUCT: "error", "message", "request_id"). Whatever an earlier step
// put into the response goes.
func (x *exchange) writeError(e *httpError) {
	resp := &x.ctx.Response
	resp.ResetBody()
	resp.Header.Reset()
	resp.Header.SetContentType("application/json")
	resp.SetBody(x.appendErrorJSON(nil, e))
	x.bodySize = int64(len(resp.Body()))
	x.applyError(e)
}

// applyError sets what belongs to an error whatever its body.
func (x *exchange) applyError(e *httpError) {
	resp := &x.ctx.Response
	resp.SetStatusCode(e.status)
	resp.Header.Set("Cache-Control", "no-store")
	switch e.status {
	case fasthttp.StatusMethodNotAllowed:
		resp.Header.Set("Allow", allowedMethods)
	case fasthttp.StatusRequestedRangeNotSatisfiable:
		resp.Header.Set("Content-Range", "bytes */"+strconv.FormatInt(e.size, 10))
	}
	if e.retryAfter > 0 {
		resp.Header.Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	if e.unread {
		resp.SetConnectionClose()
	}
	x.err = e
}

// appendErrorJSON needs no escaping: messages are our own constants and the id is hex.
func (x *exchange) appendErrorJSON(dst []byte, e *httpError) []byte {
	dst = append(dst, `{"error":"`...)
	dst = append(dst, fasthttp.StatusMessage(e.status)...)
	dst = append(dst, `","message":"`...)
	dst = append(dst, e.message...)
	dst = append(dst, `","request_id":"`...)
	dst = append(dst, x.id[:]...)
	return append(dst, "\"}\n"...)
}
