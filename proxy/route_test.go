package proxy

import (
	"strings"
	"testing"

	"yatagarasu/proxy/config"
)

// routesOf makes routes whose buckets are named by their prefixes.
func routesOf(prefixes ...string) *routes {
	var buckets []*bucket
	for _, p := range prefixes {
		buckets = append(buckets, &bucket{config: config.Bucket{Name: p, PathPrefix: p}})
	}
	return newRoutes(buckets)
}

func TestRoutes(t *testing.T) {
	some := routesOf("/products", "/products/images", "/a/b/c/d", "/日本", "/slash/")
	all := routesOf("/", "/products")
	none := routesOf()
	f := func(r *routes, path, prefix, key string) {
		t.Helper()
		b, got := r.find([]byte(path))
		name := "none"
		if b != nil {
			name = b.config.Name
		}
		if name != prefix || string(got) != key {
			t.Errorf("%q: bucket %s, key %q; want %s, %q", path, name, got, prefix, key)
		}
	}
	f(some, "/products/x", "/products", "x")
	f(some, "/products", "/products", "")
	f(some, "/products/", "/products", "")
	f(some, "/products//", "/products", "/")
	f(some, "/products//x", "/products", "/x")
	f(some, "/products/x//y/", "/products", "x//y/")
	f(some, "/products-secret/x", "none", "")
	f(some, "/product", "none", "")
	f(some, "/products/images", "/products/images", "")
	f(some, "/products/images/x", "/products/images", "x")
	f(some, "/products/imagesx", "/products", "imagesx")
	f(some, "/products/images-x/y", "/products", "images-x/y")
	f(some, "/products//images/x", "/products", "/images/x")
	f(some, "//products/x", "none", "")
	f(some, "/Products/x", "none", "")
	f(some, "/a/b/c/d/e", "/a/b/c/d", "e")
	f(some, "/a/b/c", "none", "")
	f(some, "/a/b/c/dd/e", "none", "")
	f(some, "/日本/烏", "/日本", "烏")
	f(some, "/日", "none", "")
	f(some, "/slash/x", "/slash/", "x")
	f(some, "/slash", "/slash/", "")
	f(some, "/", "none", "")
	f(all, "/", "/", "")
	f(all, "/x", "/", "x")
	f(all, "//x", "/", "/x")
	f(all, "//", "/", "/")
	f(all, "/productsx", "/", "productsx")
	f(all, "/products/x", "/products", "x")
	f(all, "/x/products/y", "/", "x/products/y")
	f(none, "/x", "none", "")
	f(none, "/", "none", "")
}

func TestRoutesDoNotAllocate(t *testing.T) {
	r := routesOf("/", "/products", "/products/images/of/the/year")
	path := []byte("/products/images/of/the/cat.png")
	if allocs := testing.AllocsPerRun(100, func() { r.find(path) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// naiveFind tries each prefix, and keeps the longest.
func naiveFind(prefixes []string, path string) (prefix, key string, ok bool) {
	for _, p := range prefixes {
		base := strings.TrimSuffix(p, "/")
		if path != base && !strings.HasPrefix(path, base+"/") || ok && len(p) <= len(prefix) {
			continue
		}
		prefix, key, ok = p, strings.TrimPrefix(strings.TrimPrefix(path, base), "/"), true
	}
	return prefix, key, ok
}

func FuzzRoutes(f *testing.F) {
	for _, seed := range []string{"/", "//", "/a", "/a/b", "/a/bb", "/a//b", "/ab/c/d", "/a/b/c/d/e"} {
		f.Add(seed)
	}
	sets := [][]string{{"/a", "/a/b", "/a/b/c/d", "/ab"}, {"/", "/a", "/a/b"}, {"/b/a/a"}, {"/"}}
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, "/") {
			return // no target has such a path
		}
		for _, set := range sets {
			b, key := routesOf(set...).find([]byte(path))
			prefix, want, ok := naiveFind(set, path)
			if ok != (b != nil) || ok && (b.config.PathPrefix != prefix || string(key) != want) {
				t.Errorf("%q in %q: bucket %v, key %q; want %q, %q", path, set, b != nil, key, prefix, want)
			}
		}
	})
}
