package s3test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"time"
)

// Object is what a key holds. Its body is Body, or Size bytes of At.
type Object struct {
	Body []byte
	Size int64
	At   io.ReaderAt

	Header       http.Header // Content-Type, Cache-Control, x-amz-meta-* and so on
	ETag         string      // quoted; when empty the MD5 of Body, or a value that stands for At and Size
	LastModified time.Time   // the time of Put when zero

	Versions map[string]Object // older and newer bodies by versionId
}

// object is an Object made ready to serve. It never changes: an overwrite
// replaces it, so a transfer in progress keeps the body it began with.
type object struct {
	body     body
	etag     string
	modified time.Time
	header   http.Header // as on the wire, ETag and Last-Modified included
	versions map[string]*object
}

type store struct {
	mu      sync.RWMutex
	buckets map[string]*bucket
}

type bucket struct {
	objects map[string]*object
	sorted  []string // the keys in order, for listings; nil after a change
}

// Put stores o, and creates the bucket when it is missing. The caller must not
// change Body or Header afterwards.
func (s *Server) Put(bucketName, key string, o Object) {
	obj := s.prepare(o)
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	b := s.store.create(bucketName)
	if b.objects[key] == nil {
		b.sorted = nil
	}
	b.objects[key] = obj
}

// Delete removes a key; a missing one is fine, as in S3.
func (s *Server) Delete(bucketName, key string) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	if b := s.store.buckets[bucketName]; b != nil {
		delete(b.objects, key)
		b.sorted = nil
	}
}

// CreateBucket makes an empty bucket, or keeps the one there is.
func (s *Server) CreateBucket(bucketName string) {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.create(bucketName)
}

func (st *store) create(name string) *bucket {
	b := st.buckets[name]
	if b == nil {
		b = &bucket{objects: map[string]*object{}}
		if st.buckets == nil {
			st.buckets = map[string]*bucket{}
		}
		st.buckets[name] = b
	}
	return b
}

func (st *store) has(bucketName string) bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.buckets[bucketName] != nil
}

func (st *store) get(bucketName, key string) *object {
	st.mu.RLock()
	defer st.mu.RUnlock()
	if b := st.buckets[bucketName]; b != nil {
		return b.objects[key]
	}
	return nil
}

// keys lists a bucket in S3's order, which is that of the UTF-8 bytes. The
// slice is never changed once made.
func (st *store) keys(bucketName string) []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	b := st.buckets[bucketName]
	if b == nil {
		return nil
	}
	if b.sorted == nil {
		b.sorted = slices.Sorted(maps.Keys(b.objects))
	}
	return b.sorted
}

// bucketOfHost finds the bucket of a virtual-hosted request: the longest
// existing bucket that the host begins with. Bucket names may contain dots.
func (st *store) bucketOfHost(host string) string {
	st.mu.RLock()
	defer st.mu.RUnlock()
	for i := len(host) - 1; i > 0; i-- {
		if host[i] == '.' && st.buckets[host[:i]] != nil {
			return host[:i]
		}
	}
	return ""
}

func (s *Server) prepare(o Object) *object {
	obj := &object{
		body:     body{bytes: o.Body, n: int64(len(o.Body))},
		etag:     o.ETag,
		modified: o.LastModified,
		header:   http.Header{"Content-Type": {"binary/octet-stream"}, "Accept-Ranges": {"bytes"}},
	}
	if o.At != nil {
		obj.body = body{at: o.At, n: o.Size}
	}
	if obj.etag == "" {
		obj.etag = etagOf(o)
	}
	if obj.modified.IsZero() {
		obj.modified = s.now()
	}
	setHeader(obj.header, o.Header)
	obj.header["ETag"] = []string{obj.etag}
	obj.header["Last-Modified"] = []string{obj.modified.UTC().Format(http.TimeFormat)}
	for id, v := range o.Versions {
		if obj.versions == nil {
			obj.versions = map[string]*object{}
		}
		version := s.prepare(v)
		version.header["x-amz-version-id"] = []string{id}
		obj.versions[id] = version
	}
	return obj
}

// etagOf is S3's ETag: the MD5 of the body. For a generated body it is one
// that looks like a multipart upload's, which is no MD5 of anything known.
func etagOf(o Object) string {
	if o.At == nil {
		sum := md5.Sum(o.Body)
		return `"` + hex.EncodeToString(sum[:]) + `"`
	}
	seed, _ := o.At.(pattern)
	sum := md5.Sum(fmt.Appendf(nil, "%d %d", o.Size, seed))
	return fmt.Sprintf(`"%x-%d"`, sum, o.Size>>23+1)
}

// setHeader sets the fields of add in h, spelled as S3 spells them. An empty
// list of values removes the field.
func setHeader(h, add http.Header) {
	for name, values := range add {
		name = wireName(name)
		if len(values) == 0 {
			delete(h, name)
			continue
		}
		h[name] = values
	}
}

// wireName is the spelling of a field on S3's wire: x-amz-* in lower case and
// ETag, neither of which is what net/http calls canonical.
func wireName(name string) string {
	name = textproto.CanonicalMIMEHeaderKey(name)
	if name == "Etag" {
		return "ETag"
	}
	if strings.HasPrefix(name, "X-Amz-") {
		return strings.ToLower(name)
	}
	return name
}

// body is a part of an object: n bytes of a slice or of a reader, from off.
type body struct {
	bytes  []byte
	at     io.ReaderAt
	off, n int64
}

func (b body) section(first, n int64) body {
	b.off += first
	b.n = n
	return b
}

// chunk returns the n bytes at off of the part: the slice itself, or buf filled.
func (b body) chunk(buf []byte, off, n int64) ([]byte, error) {
	off += b.off
	if b.at == nil {
		return b.bytes[off : off+n], nil
	}
	m, err := b.at.ReadAt(buf[:n], off)
	if int64(m) == n {
		err = nil // a ReaderAt may report the end with its last bytes
	}
	return buf[:m], err
}
