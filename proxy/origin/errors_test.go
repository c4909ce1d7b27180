package origin

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestCodes(t *testing.T) {
	f := func(document, want string) {
		t.Helper()
		if got := Code([]byte(document)); got != want {
			t.Errorf("%q: %q, want %q", document, got, want)
		}
	}
	f("<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code><Message>x</Message></Error>", "NoSuchKey")
	f("<Error><Code>SlowDown</Code", "")
	f("<Error><Code>SlowDown</Code>", "SlowDown") // cut short after it
	f("<Code>First</Code><Code>Second</Code>", "First")
	f("<Code>Code2</Code>", "Code2")
	f("<Code>"+strings.Repeat("a", 64)+"</Code>", strings.Repeat("a", 64))
	for _, none := range []string{"", "nothing", "<Code>", "<Code></Code>", "<code>X</code>", "<Code>No Such</Code>", "<Code>a\nb</Code>",
		"<Code><b>x</b></Code>", "<Code>é</Code>", "<Code>" + strings.Repeat("a", 65) + "</Code>"} {
		f(none, "")
	}
}

func TestReasonsOfAnswers(t *testing.T) {
	f := func(status int, code string, want Reason) {
		t.Helper()
		if got, fault := ReasonOf(status, code); !fault || got != want {
			t.Errorf("%d %s: %s, %v; want %s", status, code, got, fault, want)
		}
	}
	for _, code := range []string{"SignatureDoesNotMatch", "InvalidAccessKeyId", "ExpiredToken", "InvalidToken", "TokenRefreshRequired",
		"RequestTimeTooSkewed", "AuthorizationHeaderMalformed"} {
		f(403, code, ReasonCredentials)
		f(400, code, ReasonCredentials)
	}
	f(403, "AccessDenied", ReasonAccessDenied)
	f(403, "", ReasonAccessDenied)
	f(401, "", ReasonAccessDenied)
	f(404, "NoSuchBucket", ReasonNoSuchBucket)
	f(400, "InvalidBucketName", ReasonNoSuchBucket)
	f(503, "SlowDown", ReasonSlowDown)
	f(429, "", ReasonSlowDown)
	f(500, "InternalError", ReasonServerError)
	f(503, "", ReasonServerError)
	f(599, "", ReasonServerError)
	f(301, "PermanentRedirect", ReasonRedirect)
	f(307, "", ReasonRedirect)
	f(400, "", ReasonUnexpected)
	f(409, "", ReasonUnexpected)
	none := func(status int, code string) {
		t.Helper()
		if got, fault := ReasonOf(status, code); fault {
			t.Errorf("%d %s: %s, want no fault", status, code, got)
		}
	}
	for _, status := range []int{304, 404, 412, 416} {
		none(status, "")
	}
	none(404, "NoSuchKey")
	none(404, "NoSuchVersion")
	none(400, "KeyTooLongError")
}

func TestReasonNames(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		name := r.String()
		if name == "" || seen[name] || strings.ToLower(name) != name || strings.ContainsAny(name, ` "{}`) {
			t.Errorf("reason %d is named %q", r, name)
		}
		seen[name] = true
		if want := name == "first_byte_timeout" || name == "stall"; r.Timeout() != want {
			t.Errorf("%s: timeout is %v", name, r.Timeout())
		}
	}
	if len(seen) != int(reasonCount) {
		t.Errorf("%d reasons, want %d", len(seen), reasonCount)
	}
	err := fmt.Errorf("outer: %w", fail(ReasonStall, io.ErrClosedPipe))
	if !errors.Is(err, io.ErrClosedPipe) || err.Error() != "outer: origin: stall: "+io.ErrClosedPipe.Error() {
		t.Errorf("%v", err)
	}
	if got := (&StatusError{404, "NoSuchKey"}).Error(); got != "S3 answered 404 NoSuchKey" {
		t.Errorf("%q", got)
	}
}
