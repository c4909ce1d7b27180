package s3test

import (
	"fmt"
	"net/http"
	"strings"
)

// s3Error is an answer in S3's error form:
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
type s3Error struct {
	status  int
	code    string
	message string
	detail  []string // further elements: name, value, name, value
}

func (e *s3Error) xml(requestID, hostID string) []byte {
	var b strings.Builder
	b.WriteString(xmlDeclaration + "<Error>")
	element(&b, "Code", e.code)
	element(&b, "Message", e.message)
	for i := 0; i+1 < len(e.detail); i += 2 {
		element(&b, e.detail[i], e.detail[i+1])
	}
	element(&b, "RequestId", requestID)
	element(&b, "HostId", hostID)
	b.WriteString("</Error>")
	return []byte(b.String())
}

const xmlDeclaration = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

func element(b *strings.Builder, name, value string) {
	b.WriteString("<" + name + ">")
	escape(b, value)
	b.WriteString("</" + name + ">")
}

// escape writes character data as S3 does. Control bytes become references
// that XML 1.0 forbids, which is why S3 has encoding-type=url for listings.
func escape(b *strings.Builder, s string) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '&':
			b.WriteString("&amp;")
		case c == '<':
			b.WriteString("&lt;")
		case c == '>':
			b.WriteString("&gt;")
		case c == '"':
			b.WriteString("&quot;")
		case c < 0x20 && c != '\n' && c != '\t':
			fmt.Fprintf(b, "&#x%x;", c)
		default:
			b.WriteByte(c)
		}
	}
}

func noSuchKey(key string) *s3Error {
	return &s3Error{404, "NoSuchKey", "The specified key does not exist.", []string{"Key", key}}
}

func noSuchBucket(bucket string) *s3Error {
	return &s3Error{404, "NoSuchBucket", "The specified bucket does not exist", []string{"BucketName", bucket}}
}

func noSuchVersion(key, version string) *s3Error {
	return &s3Error{404, "NoSuchVersion", "The specified version does not exist.", []string{"Key", key, "VersionId", version}}
}

func notImplemented(what string) *s3Error {
	return &s3Error{501, "NotImplemented", "A header you provided implies functionality that is not implemented", []string{"Resource", what}}
}

func invalidArgument(message, name, value string) *s3Error {
	return &s3Error{400, "InvalidArgument", message, []string{"ArgumentName", name, "ArgumentValue", value}}
}

func accessDenied(message string, detail ...string) *s3Error {
	return &s3Error{403, "AccessDenied", message, detail}
}

func preconditionFailed(condition string) *s3Error {
	return &s3Error{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold", []string{"Condition", condition}}
}

var errInvalidURI = &s3Error{400, "InvalidURI", "Couldn't parse the specified URI.", nil}

// usualCodes name the error that S3 most often means by a status, for faults
// that give the status only.
var usualCodes = map[int]string{
	301: "PermanentRedirect",
	307: "TemporaryRedirect",
	400: "InvalidRequest",
	403: "AccessDenied",
	404: "NoSuchKey",
	405: "MethodNotAllowed",
	412: "PreconditionFailed",
	416: "InvalidRange",
	429: "SlowDown",
	500: "InternalError",
	503: "SlowDown",
}

// faultError is the error that a fault asks for.
func faultError(f *Fault) *s3Error {
	e := &s3Error{f.Status, f.Code, f.Message, nil}
	if e.code == "" {
		e.code = usualCodes[f.Status]
	}
	if e.code == "" {
		e.code = "InternalError"
	}
	if e.message == "" {
		e.message = http.StatusText(f.Status)
	}
	return e
}
