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
	mu     sync.Mutex // guards pauses
	pauses []pause    // by their ends
}

type pause struct {
	span
	length time.Duration
}

const (
	lagProbe    = 2 * time.Millisecond  // how long the suite's goroutine sleeps
	lagInterval = 50 * time.Millisecond // between two looks at Envoy's threads
	leastPause  = 5 * time.Millisecond  // shorter ones are not kept
)

// measureLag goes on until the test ends.
func measureLag(t testing.TB, pid int) *lag {
	t.Helper()
	l := &lag{}
	go func() {
		for t.Context().Err() == nil {
			before := time.Now()
			time.Sleep(lagProbe)
			l.add(before, time.Since(before)-lagProbe)
		}
	}()
	go func() {
		for waited := runDelays(pid); t.Context().Err() == nil; {
			before := time.Now()
			time.Sleep(lagInterval)
			next, longest := runDelays(pid), time.Duration(0)
			for thread, delay := range next {
				longest = max(longest, delay-waited[thread])
			}
			l.add(before, longest)
			waited = next
		}
	}()
	return l
}

// runDelays are how long each of a process' threads was ready to run and had no core: the second number of Linux'
// schedstat. They are empty on another system.
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

// add enters a pause of that length, somewhere between then and now.
func (l *lag) add(from time.Time, length time.Duration) {
	if length < leastPause {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pauses = append(l.pauses, pause{span{from, time.Now()}, length})
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

// worst is the longest pause.
func (l *lag) worst() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.pauses) == 0 {
		return 0
	}
	return slices.MaxFunc(l.pauses, func(a, b pause) int { return int(a.length - b.length) }).length
}
