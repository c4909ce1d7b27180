// Yatagarasu is a read-only edge proxy for S3. This file wires it: flags and subcommands, signals, exit codes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"yatagarasu/proxy/config"
)

// Exit codes: what a supervisor acts on.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2 // bad configuration or usage
)

// version is set by the release build; otherwise the module's build information tells.
var version = ""

func main() {
	// Registered before anything is read, so that an early signal is not lost, nor fatal.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	ctx, drain := context.WithCancel(context.Background())
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-end
		signal.Reset(syscall.SIGTERM, syscall.SIGINT) // the first one drains, a second one kills
		drain()
	}()
	os.Exit(run(ctx, hup, os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `usage:
  yatagarasu [-config config.yaml] [-dev]   serve; -dev adds an embedded S3 with sample objects
  yatagarasu check -config config.yaml      check a configuration and print it in effect, secrets masked
  yatagarasu version                        print the version
`

// run is the program: it returns the exit code. ctx ends it; each value on hup reloads.
func run(ctx context.Context, hup <-chan os.Signal, args []string, stdout, stderr io.Writer) int {
	command := ""
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		command, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("yatagarasu", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	path := flags.String("config", "config.yaml", "")
	dev := false
	if command == "" {
		flags.BoolVar(&dev, "dev", false, "")
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitFine
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "unexpected argument %q\n%s", flags.Arg(0), usage)
		return exitUsage
	}
	switch command {
	case "":
		return serve(ctx, hup, options{config: *path, dev: dev}, stdout, stderr)
	case "check":
		return check(*path, stdout, stderr)
	case "version":
		fmt.Fprintln(stdout, "yatagarasu", buildVersion())
		return exitFine
	default:
		fmt.Fprintf(stderr, "unknown command %q\n%s", command, usage)
		return exitUsage
	}
}

// check reads a configuration as serving would, and prints what is in effect.
func check(path string, stdout, stderr io.Writer) int {
	c, err := config.Load(path, os.LookupEnv)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	if err := c.Encode(stdout); err != nil {
		fmt.Fprintln(stderr, "cannot print the configuration:", err)
		return exitFailed
	}
	return exitFine
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
