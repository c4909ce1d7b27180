package main

import (
	"fmt"
	"io"
	"net"

	"yatagarasu/proxy/s3test"
)

// samples is the embedded S3 of -dev: on loopback, with objects to try, and keys that are no secret.
type samples struct{ s3test.Server }

func startSamples() (*samples, error) {
	s := &samples{}
	s.AccessKey, s.SecretKey, s.Region = "sample-access-key", "sample-secret-key", "us-east-1"
	s3test.Samples(&s.Server)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		return nil, err
	}
	return s, nil
}

// env lets the configuration find the sample origin, whatever port it got.
func (s *samples) env(next func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		switch name {
		case "SAMPLE_S3_ENDPOINT":
			return s.URL(), true
		case "SAMPLE_S3_ACCESS_KEY":
			return s.AccessKey, true
		case "SAMPLE_S3_SECRET_KEY":
			return s.SecretKey, true
		}
		return next(name)
	}
}

// printHints prints command lines that work as pasted. management may be nil.
func printHints(w io.Writer, data, management net.Listener) {
	fmt.Fprintf(w, `
Yatagarasu serves sample objects from an embedded S3. Try:

  curl -i %[1]s/sample/                              # a web page
  curl -o sunrise.png %[1]s/sample/sunrise.png       # an image
  curl -o big.bin %[1]s/files/big.bin                # 50 MB, streamed
  curl -r 0-9,49999990- %[1]s/files/big.bin | cat -v # its two ends, as multipart
  curl -H 'Accept: application/json' %[1]s/files/    # a listing
`, "http://"+data.Addr().String())
	if management != nil {
		fmt.Fprintf(w, "  curl http://%s/metrics                     # what it counts\n", management.Addr())
	}
	fmt.Fprint(w, "\nCtrl-C drains and stops.\n\n")
}
