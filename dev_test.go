package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// What `make run` prints works as pasted, on the configuration that it uses.
func TestHintsWorkAsPasted(t *testing.T) {
	reference, err := os.ReadFile("config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// The same file on free ports: the fixed ones may be somebody's.
	yaml := strings.NewReplacer("127.0.0.1:8080", "127.0.0.1:0", "port: 9090", "port: 0").Replace(string(reference))
	ctx, cancel := context.WithCancel(t.Context())
	exited, log := make(chan struct{}), newLogBuffer()
	go func() {
		defer close(exited)
		if code := run(ctx, nil, []string{"-dev", "-config", writeConfig(t, yaml)}, log, log); code != exitFine {
			t.Errorf("exit code %d:\n%s", code, log.text())
		}
	}()
	defer func() { cancel(); <-exited }()
	lines := regexp.MustCompile(`(?m)^  (curl .*)$`)
	log.wait(exited, func(text string) bool { return strings.Contains(text, "Ctrl-C") })
	hints := lines.FindAllStringSubmatch(log.text(), -1)
	if len(hints) != 6 {
		t.Fatalf("%d hints:\n%s", len(hints), log.text())
	}
	dir := t.TempDir()
	for _, hint := range hints {
		// -f: an error status is an error; -sS: no progress meter.
		cmd := exec.Command("sh", "-c", "set -e; "+strings.Replace(hint[1], "curl ", "curl -fsS ", 1))
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || len(out) == 0 && !strings.Contains(hint[1], " -o ") {
			t.Errorf("%s: %v, %d bytes of output", hint[1], err, len(out))
		}
	}
	for name, size := range map[string]int64{"big.bin": 50_000_000, "sunrise.png": 1} {
		if info, err := os.Stat(dir + "/" + name); err != nil || info.Size() < size {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}
