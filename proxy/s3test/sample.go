package s3test

import (
	"bytes"
	"embed"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed sample
var samplePages embed.FS

// Samples fills the buckets that yatagarasu -dev serves: sample, a small web
// site, and files, which has a big file and keys that are hard to spell.
func Samples(s *Server) {
	s.CreateBucket("sample")
	err := fs.WalkDir(samplePages, "sample", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := samplePages.ReadFile(name)
		if err != nil {
			return err
		}
		s.Put("sample", strings.TrimPrefix(name, "sample/"), Object{Body: data, Header: typed(name)})
		return nil
	})
	if err != nil {
		panic(err) // what was embedded can be read
	}
	s.Put("sample", "sunrise.png", Object{Body: sunrise(960, 540), Header: http.Header{
		"Content-Type":  {"image/png"},
		"Cache-Control": {"max-age=86400"},
	}})

	s.Put("files", "big.bin", Object{At: Pattern(8), Size: 50_000_000})
	for _, key := range []string{
		"readme.txt",
		"with space.txt",
		"1+1=2.txt",
		"100%.txt",
		"a/b.txt",
		"a//b.txt",
		"日本/三本足の烏.txt",
		"emoji 🐦‍⬛.txt",
		"reports/2026/summary.txt",
	} {
		s.Put("files", key, Object{Body: []byte("This is " + key + "\n"), Header: typed(key)})
	}
}

// typed is the metadata of a sample file.
func typed(name string) http.Header {
	kinds := map[string]string{ // the machine's MIME table may lack or change some
		".html": "text/html; charset=utf-8",
		".css":  "text/css; charset=utf-8",
		".svg":  "image/svg+xml",
		".txt":  "text/plain; charset=utf-8",
	}
	return http.Header{"Content-Type": {kinds[path.Ext(name)]}, "Cache-Control": {"max-age=60"}, "x-amz-meta-origin": {"sample"}}
}

// sunrise draws a red sun over the sea, its glitter on the waves below.
func sunrise(w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	horizon, radius := h*2/3, h/4
	cx, cy := w/2, horizon-radius/3
	for y := range h {
		for x := range w {
			c := blend(color.RGBA{250, 236, 205, 255}, color.RGBA{240, 150, 110, 255}, y, horizon)
			dx, dy := x-cx, y-cy
			switch {
			case y >= horizon:
				c = blend(color.RGBA{92, 40, 60, 255}, color.RGBA{20, 22, 40, 255}, y-horizon, h-horizon)
				width := (y - horizon) / 2
				if wave := (y*7919 + y*y*31) % 40; dx > -width-wave && dx < width+wave && y%5 < 2 {
					c = color.RGBA{224, 96, 80, 255}
				}
			case dx*dx+dy*dy < radius*radius:
				c = color.RGBA{200, 16, 46, 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // only a writer can fail, and this one cannot
	}
	return b.Bytes()
}

// blend is the colour at of the way from a to b.
func blend(a, b color.RGBA, at, of int) color.RGBA {
	mix := func(x, y uint8) uint8 { return uint8((int(x)*(of-at) + int(y)*at) / of) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}
