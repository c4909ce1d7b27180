package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"yatagarasu/proxy/origin"
	"yatagarasu/sigv4"
)

// listing is what a client sees of a page of keys.
type listing struct {
	Prefix   string       `json:"prefix"`
	Prefixes []string     `json:"prefixes"`
	Objects  []listedItem `json:"objects"`
	Next     string       `json:"next,omitempty"` // the query of the next page, to be put behind "?"

	base string // from the request's path to the listed prefix, as a relative reference
}

type listedItem struct {
	Key          string    `json:"key"`
	Size         int64     `json:"size"`
	LastModified time.Time `json:"last_modified"`
	ETag         string    `json:"etag"`
}

// list answers with the keys below x.key, one level deep: a page for people, or JSON where Accept prefers it. The
// next page is asked for by ?continuation-token=…, a page's size is set by ?max-keys=….
func (x *exchange) list() error {
	ask := origin.ListRequest{Prefix: string(x.key), Delimiter: "/", Gone: x.gone}
	maxKeys, err := x.listQuery(&ask)
	if err != nil {
		return err
	}
	began := time.Now()
	page, err := x.bucket.origin.List(ask)
	took := time.Since(began)
	x.origin += took
	if err != nil {
		return x.listFailed(err, took, ask.Token != "")
	}
	x.bucket.metrics.originAnswered(fasthttp.StatusOK, took)
	if len(page.Objects)+len(page.Prefixes) == 0 && len(x.key) > 0 && ask.Token == "" {
		return errMissing
	}
	l := listing{Prefix: string(x.key), Prefixes: page.Prefixes, Objects: []listedItem{}, base: "./"}
	if segment := x.target.raw[bytes.LastIndexByte(x.target.raw, '/')+1:]; len(segment) > 0 {
		l.base += string(segment)
		if len(x.key) == 0 {
			l.base += "/" // asked for as /prefix; with a key the slash is there, escaped
		}
	}
	if l.Prefixes == nil {
		l.Prefixes = []string{}
	}
	for _, o := range page.Objects {
		l.Objects = append(l.Objects, listedItem{o.Key, o.Size, o.LastModified, o.ETag})
	}
	if page.Next != "" {
		next := url.Values{"continuation-token": {page.Next}}
		if maxKeys != "" {
			next.Set("max-keys", maxKeys)
		}
		l.Next = next.Encode()
	}
	return x.writeListing(&l)
}

// listQuery reads the two parameters of a listing.
func (x *exchange) listQuery(ask *origin.ListRequest) (maxKeys string, err error) {
	b := bucket{query: []string{"continuation-token", "max-keys"}}
	params, err := b.forwardedQuery(nil, x.target.query)
	if err != nil {
		return "", err
	}
	for _, p := range params {
		if p.Name == "continuation-token" {
			ask.Token = p.Value
			continue
		}
		n, err := strconv.Atoi(p.Value)
		if err != nil || n < 1 {
			e := badRequest("max-keys must be a number from 1")
			e.unread = false
			return "", e
		}
		ask.MaxKeys, maxKeys = min(n, 1000), p.Value // S3's own bound
	}
	return maxKeys, nil
}

func (x *exchange) listFailed(err error, took time.Duration, continued bool) error {
	var answered *origin.StatusError
	if !errors.As(err, &answered) {
		x.bucket.metrics.originFailed(err, took)
		return originError(err)
	}
	x.bucket.metrics.originAnswered(answered.Status, took)
	if reason, fault := origin.ReasonOf(answered.Status, answered.Code); fault {
		x.bucket.metrics.originErrors[reason].Inc()
	}
	switch {
	case answered.Status == 400 && continued && origin.NoSuchName(answered.Code): // a token that S3 does not know
		e := badRequest("the listing cannot be continued from there").because(err)
		e.unread = false
		return e
	case answered.Status == 404, answered.Status == 400 && origin.NoSuchName(answered.Code):
		return errMissing.because(err)
	case answered.Status == 401, answered.Status == 403:
		return errForbidden.because(err)
	default:
		return errOrigin.because(err)
	}
}

func (x *exchange) writeListing(l *listing) error {
	out := &x.ctx.Response
	var body bytes.Buffer
	var err error
	if prefersJSON(x.ctx.Request.Header.Peek("Accept")) {
		out.Header.SetContentType("application/json")
		err = json.NewEncoder(&body).Encode(l)
	} else {
		out.Header.SetContentType("text/html; charset=utf-8")
		out.Header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'")
		err = listPage.Execute(&body, l)
	}
	if err != nil {
		return err
	}
	out.Header.Set("Vary", "Accept")
	out.Header.Set("Cache-Control", "no-cache")
	out.Header.Set("X-Content-Type-Options", "nosniff")
	out.SetBodyRaw(body.Bytes())
	x.bodySize = int64(body.Len())
	return nil
}

// prefersJSON tells whether Accept prefers application/json to text/html (RFC 9110, section 12.5.1). Where it rates
// them alike, the one that it names wins, and a page where it names neither.
func prefersJSON(accept []byte) bool {
	json, namedJSON := quality(accept, "application/json", "application/*")
	html, namedHTML := quality(accept, "text/html", "text/*")
	return json > html || json == html && json > 0 && namedJSON && !namedHTML
}

// quality returns the weight that an Accept field gives a media type, by its most specific range, and whether it
// names the type itself.
func quality(accept []byte, full, family string) (q float64, named bool) {
	specific := 0
	for part := range strings.SplitSeq(strings.ToLower(string(accept)), ",") {
		media, params, _ := strings.Cut(part, ";")
		rank := map[string]int{"*/*": 1, family: 2, full: 3}[strings.TrimSpace(media)]
		if rank <= specific {
			continue
		}
		specific, q = rank, 1
		for param := range strings.SplitSeq(params, ";") {
			if v, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
				if q, _ = strconv.ParseFloat(v, 64); q < 0 || q > 1 {
					q = 0
				}
			}
		}
	}
	return q, specific == 3
}

// below returns what of a key lies below the listing's prefix.
func (l *listing) below(key string) string { return strings.TrimPrefix(key, l.Prefix) }

// link returns a relative reference to a key. "./" keeps a colon in the first segment from being a scheme (RFC 3986,
// section 4.2), and encoding by S3's rules leaves nothing that a browser would rewrite but dot segments, which no
// request can name anyway.
func (l *listing) link(key string) template.URL {
	return template.URL(l.base + string(sigv4.AppendPath(nil, l.below(key)))) // #nosec G203 -- encoded just here
}

var listPage = template.Must(template.New("list").Funcs(template.FuncMap{
	"below": (*listing).below,
	"link":  (*listing).link,
	"query": func(s string) template.URL { return template.URL("?" + s) }, // #nosec G203 -- url.Values.Encode's
}).Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>/{{.Prefix}}</title>
<style>
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{padding:.25rem .5rem;text-align:left;border-bottom:1px solid #8884}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td{overflow-wrap:anywhere}
</style></head><body>
<h1>/{{.Prefix}}</h1>
<table><thead><tr><th>Name</th><th class="n">Bytes</th><th>Last modified</th></tr></thead><tbody>
{{$l := .}}{{if .Prefix}}<tr><td><a href="../">../</a></td><td class="n"></td><td></td></tr>
{{end}}{{range .Prefixes}}<tr><td><a href="{{link $l .}}">{{below $l .}}</a></td><td class="n"></td><td></td></tr>
{{end}}{{range .Objects}}{{if below $l .Key}}<tr><td><a href="{{link $l .Key}}">{{below $l .Key}}</a></td><td class="n">{{.Size}}</td><td>{{.LastModified.Format "2006-01-02 15:04:05Z"}}</td></tr>
{{end}}{{end}}</tbody></table>
{{if .Next}}<p><a rel="next" href="{{query .Next}}">Next page</a></p>
{{end}}</body></html>
`))
