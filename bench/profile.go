//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// profileTime is how long the CPU of the server is profiled.
const profileTime = 20 * time.Second

// profile writes a CPU profile of this server under queries, with which a release is compiled: what is hot is inlined further.
// https://go.dev/doc/pgo
func (b *bench) profile(ctx context.Context, path string) error {
	server, admin, err := b.startWithAdmin(ctx)
	if err != nil {
		return err
	}
	defer server.stop()
	requests := make([]request, len(b.callers))
	for n, c := range b.callers {
		requests[n] = post(server.address, c.es256, meDocument, c)
	}
	load := startLoad(ctx, server.address, requests, mainConns)
	if err := load.wait(ctx, warmUp); err != nil {
		return err
	}
	progress("profiling for %s", profileTime)
	fetched := make(chan error, 1)
	go func() {
		fetched <- download(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%.0f", admin, profileTime.Seconds()), path)
	}()
	if err := load.finish(ctx, profileTime); err != nil {
		return err
	}
	return <-fetched
}

func (b *bench) startWithAdmin(ctx context.Context) (_ *running, admin string, err error) {
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	admin = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	c := contenders[0]
	c.env = append(c.env[:len(c.env):len(c.env)], "ADMIN_ADDR="+admin)
	command, err := c.build(ctx, b.dir)
	if err != nil {
		return nil, "", err
	}
	server, err := b.start(ctx, &score{contender: c, command: command}, databaseName)
	return server, admin, err
}

func download(ctx context.Context, url, path string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New("the server gives no profile: " + response.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}
