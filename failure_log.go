package main

import "time"

// failureLogInterval is the time between two lines about a token service that
// goes on failing.
const failureLogInterval = 10 * time.Second

// failureLog writes about the failures of one token service: the first at once,
// then a sum from time to time, and a line when it is over. A gateway under load would
// otherwise write thousands of lines a second.
type failureLog struct {
	service  string // for the lines
	since    time.Duration
	logged   time.Duration // when the last line was written
	total    int           // failures since the last success
	unsaid   int           // of these, since the last line
	debugged time.Duration // when the last line about a good call was written
}

// failed takes a failure and what becomes of requests because of it.
func (l *failureLog) failed(host host, f failure, consequence string) {
	now := host.monotonic()
	if l.total == 0 {
		l.since = now
	}
	l.total++
	l.unsaid++
	if l.total > 1 && now < l.logged+failureLogInterval {
		return
	}
	if l.unsaid == 1 {
		host.logf(logError, "token service %s %s; %s", l.service, f.reason, consequence)
	} else {
		host.logf(logError, "token service %s %s, and %d failures more since the last line; %s", l.service, f.reason, l.unsaid-1, consequence)
	}
	l.logged, l.unsaid = now, 0
}

// debug writes about a good call, at most once a second.
func (l *failureLog) debug(host host, now time.Duration, status int, took time.Duration) {
	if l.debugged == 0 || now >= l.debugged+time.Second {
		l.debugged = now
		host.logf(logDebug, "token service %s answered %d with a token in %d ms", l.service, status, took.Milliseconds())
	}
}

func (l *failureLog) succeeded(host host) {
	if l.total == 0 {
		return
	}
	lasted := (host.monotonic() - l.since).Round(time.Millisecond)
	host.logf(logInfo, "token service %s gives tokens again, after %d failures in %s", l.service, l.total, lasted)
	l.total, l.unsaid = 0, 0
}
