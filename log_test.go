package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

const answered500 = "requests that have no token are answered 500"

func TestFailureLog(t *testing.T) {
	h := newFakeHost()
	l := failureLog{service: "token.dns:80"}
	fail := func(count int) {
		for range count {
			l.failed(h, "answered 503", answered500)
			h.pass(10 * time.Millisecond)
		}
	}
	tests := []struct {
		name string
		do   func()
		want []string
	}{
		{"the first failure", func() { fail(1) }, []string{
			"token service token.dns:80 answered 503; requests that have no token are answered 500"}},
		{"ten seconds of them", func() { fail(1000) }, []string{
			"token service token.dns:80 answered 503, and 999 failures more since the last line; requests that have no token are answered 500"}},
		{"the end", func() { l.succeeded(h); l.succeeded(h) }, []string{
			"token service token.dns:80 recovered after 1001 failures in 10.01s"}},
		{"good and bad by turns", func() {
			for range 400 {
				fail(1)
				l.succeeded(h)
			}
		}, nil},
		{"and the sum of it", func() { h.pass(lineInterval); l.tick(h); l.tick(h) }, []string{
			"token service token.dns:80 answered 503, and 399 failures more since the last line; it has recovered since"}},
		{"quiet, then a failure", func() { h.pass(time.Hour); fail(1) }, []string{
			"token service token.dns:80 answered 503; requests that have no token are answered 500"}},
	}
	for _, test := range tests {
		h.lines = nil
		test.do()
		if !slices.Equal(h.lines, test.want) {
			t.Errorf("%s: got %q, expected %q", test.name, h.lines, test.want)
		}
	}
}

func TestRefusalLog(t *testing.T) {
	h := newFakeHost()
	l := refusalLog{service: "token.dns:80"}
	for range 100 {
		l.refused(h, "answered 400 (invalid_grant)")
	}
	h.pass(lineInterval)
	l.tick(h)
	want := []string{
		"token service token.dns:80 answered 400 (invalid_grant): rejected a caller's token; answering 401",
		"token service token.dns:80 answered 400 (invalid_grant): rejected a caller's token, and 98 more since the last line; answering 401",
	}
	if !slices.Equal(h.lines, want) {
		t.Errorf("got %s, expected %s", fmt.Sprintf("%q", h.lines), fmt.Sprintf("%q", want))
	}
}

// Redis that fails for many rules is one failure.
func TestRedisLog(t *testing.T) {
	p, h := &pluginContext{}, newFakeHost()
	var logs []*redisLog
	for range 1000 {
		l := p.redisLogOf("redis.dns:6379")
		l.host = h
		logs = append(logs, l)
	}
	fail := func() {
		for _, l := range logs {
			l.RedisFailed(errors.New("answered with the error OOM"))
		}
	}
	fail()
	h.pass(lineInterval)
	fail()
	for _, l := range logs {
		l.RedisWorks()
	}
	const alone = "; fetching tokens directly until Redis recovers"
	want := []string{
		"Redis redis.dns:6379 answered with the error OOM" + alone,
		"Redis redis.dns:6379 answered with the error OOM, and 999 failures more since the last line" + alone,
		"Redis redis.dns:6379 recovered: sharing tokens with the fleet again",
	}
	if !slices.Equal(h.lines, want) {
		t.Errorf("got the lines %q, expected %q", h.lines, want)
	}
	if p.redisLogOf("other.dns:6379") == logs[0] {
		t.Error("another Redis has the same log, expected one of its own")
	}
}
