package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"yatagarasu/proxy"
	"yatagarasu/proxy/admin"
	"yatagarasu/proxy/config"
)

type options struct {
	config string
	dev    bool
}

// serve runs the proxy until ctx ends, then drains it.
func serve(ctx context.Context, hup <-chan os.Signal, o options, stdout, stderr io.Writer) int {
	env := os.LookupEnv
	if o.dev {
		samples, err := startSamples()
		if err != nil {
			fmt.Fprintln(stderr, "cannot start the sample origin:", err)
			return exitFailed
		}
		defer samples.Close()
		env = samples.env(env)
	}
	load := func() (*config.Config, error) { return config.Load(o.config, env) }
	c, err := load()
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitUsage
	}
	access := proxy.NewAccessLog(stdout, c.Logging.Format == "console")
	defer access.Close()
	log := newLog(c.Logging.Level, access.Writer())
	server, err := proxy.New(c, log, access)
	if err != nil {
		log.Error().Err(err).Msg("cannot start")
		return exitFailed
	}
	ln, management, err := listenAll(c)
	if err != nil {
		log.Error().Err(err).Msg("cannot listen")
		return exitFailed
	}
	failed := make(chan error, 2)
	if management != nil {
		a := admin.New(admin.Options{Health: server.Health, Ready: server.Ready, WriteMetrics: server.WriteMetrics, Panicked: server.Panicked})
		go func() { failed <- a.Serve(management) }()
		defer a.Shutdown()
		log.Info().Str("address", management.Addr().String()).Msg("management listener is up")
	}
	go func() { failed <- server.Serve(ln) }()
	log.Info().Str("address", ln.Addr().String()).Str("version", buildVersion()).Int("buckets", len(c.Buckets)).Msg("serving")
	if o.dev {
		printHints(stdout, ln, management)
	}
	for {
		select {
		case <-hup:
			reload(server, load, log)
		case err := <-failed:
			log.Error().Err(err).Msg("a listener failed")
			server.Shutdown()
			return exitFailed
		case <-ctx.Done():
			return drain(server, log)
		}
	}
}

// reload swaps in the file as it is now; a bad one changes nothing.
func reload(server *proxy.Server, load func() (*config.Config, error), log zerolog.Logger) {
	began := time.Now()
	c, err := load()
	if err != nil {
		server.ReloadFailed()
	} else {
		err = server.Reload(c)
	}
	if err != nil {
		log.Error().Err(err).Msg("reload failed; the old configuration stays in force")
		return
	}
	log.Info().Int64("generation", server.Generation()).Dur("took", time.Since(began)).Msg("configuration reloaded")
}

// drain lets transfers in flight end.
func drain(server *proxy.Server, log zerolog.Logger) int {
	began := time.Now()
	log.Info().Msg("draining: no new connections; transfers in flight go on")
	cut := server.Shutdown()
	e := log.Info()
	if cut > 0 {
		e = log.Warn()
	}
	e.Int("connections_cut", cut).Dur("took", time.Since(began)).Msg("stopped")
	return exitFine
}

// listenAll opens the data listener and, where it is enabled, the management listener.
func listenAll(c *config.Config) (data, management net.Listener, err error) {
	if data, err = listen(c.Server.Address, "server.address"); err != nil || !c.Metrics.Enabled {
		return data, nil, err
	}
	address := net.JoinHostPort(c.Metrics.Address, strconv.Itoa(c.Metrics.Port))
	if management, err = listen(address, "metrics.address and metrics.port"); err != nil {
		data.Close()
		return nil, nil, err
	}
	return data, management, nil
}

// listen names the key to change when an address cannot be had.
func listen(address, key string) (net.Listener, error) {
	config := net.ListenConfig{Control: tune}
	ln, err := config.Listen(context.Background(), "tcp", address)
	switch {
	case err == nil:
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is in use by another process; end that one or change %s", address, key)
	default:
		return nil, fmt.Errorf("cannot listen on %s (%s): %w", address, key, err)
	}
}

func newLog(level string, w io.Writer) zerolog.Logger {
	parsed, err := zerolog.ParseLevel(level)
	if err != nil {
		parsed = zerolog.InfoLevel // the configuration allows zerolog's own names only
	}
	return zerolog.New(w).Level(parsed).With().Timestamp().Logger()
}
