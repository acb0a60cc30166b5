package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// lag measures how long this machine has kept the suite's own goroutines and Envoy's
// threads waiting for a core. Answers may be as much later: nothing in the gateway could
// have made them come sooner. What the plugin itself holds up is not in it.
type lag struct {
	stop  chan struct{}
	group sync.WaitGroup

	mu     sync.Mutex // guards pauses
	pauses []pause    // by their ends
}

type pause struct {
	span
	length time.Duration
	envoy  bool
}

const (
	lagProbe    = 2 * time.Millisecond  // how long the suite's goroutine sleeps
	lagInterval = 50 * time.Millisecond // between two looks at Envoy's threads
	leastPause  = 5 * time.Millisecond  // shorter ones are not kept
)

func measureLag(t testing.TB, pid int) *lag {
	t.Helper()
	l := &lag{stop: make(chan struct{})}
	l.group.Add(2)
	go l.probe()
	go l.watch(pid)
	t.Cleanup(func() {
		close(l.stop)
		l.group.Wait()
	})
	return l
}

// probe sleeps and sees how much longer it took.
func (l *lag) probe() {
	defer l.group.Done()
	for !l.isStopped() {
		before := time.Now()
		time.Sleep(lagProbe)
		now := time.Now()
		l.add(pause{span{before, now}, now.Sub(before) - lagProbe, false})
	}
}

func (l *lag) isStopped() bool {
	select {
	case <-l.stop:
		return true
	default:
		return false
	}
}

// watch reads how long each of Envoy's threads was ready to run and had no core: the
// second number of Linux' schedstat.
func (l *lag) watch(pid int) {
	defer l.group.Done()
	before, waited := time.Now(), runDelays(pid)
	for !l.isStopped() {
		time.Sleep(lagInterval)
		now, next := time.Now(), runDelays(pid)
		longest := time.Duration(0)
		for thread, delay := range next {
			longest = max(longest, delay-waited[thread])
		}
		l.add(pause{span{before, now}, longest, true})
		before, waited = now, next
	}
}

// runDelays are empty on a system without schedstat.
func runDelays(pid int) map[string]time.Duration {
	delays := map[string]time.Duration{}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	for _, file := range files {
		text, err := os.ReadFile(file)
		fields := strings.Fields(string(text))
		if err != nil || len(fields) < 2 {
			continue
		}
		if delay, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
			delays[file] = time.Duration(delay)
		}
	}
	return delays
}

func (l *lag) add(p pause) {
	if p.length < leastPause {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := len(l.pauses)
	for at > 0 && l.pauses[at-1].to.After(p.to) {
		at--
	}
	l.pauses = slices.Insert(l.pauses, at, p)
}

// during is what the pauses in that time can have held up.
func (l *lag) during(s span) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := sort.Search(len(l.pauses), func(i int) bool { return !l.pauses[i].to.Before(s.from) })
	sum := time.Duration(0)
	for _, p := range l.pauses[first:] {
		if p.from.After(s.to.Add(time.Second)) {
			break // two goroutines add them, so that their begins are in order only roughly
		}
		if p.overlaps(s) {
			sum += p.length
		}
	}
	return sum
}

// worst are the longest pauses of the suite and of Envoy.
func (l *lag) worst() (suite, envoy time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.pauses {
		if p.envoy {
			envoy = max(envoy, p.length)
		} else {
			suite = max(suite, p.length)
		}
	}
	return suite, envoy
}
