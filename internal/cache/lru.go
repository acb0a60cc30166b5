package cache

import (
	"container/list"
	"time"
)

// segment is the reason to keep an entry. Each segment has its own memory quota, so that callers whose tokens are
// refused, or not yet known to be good, never evict a good token.
type segment int

const (
	none     segment = iota // not kept, or the common entry, which is not counted
	pending                 // its first fetch is queued or in flight
	kept                    // it has a token
	refused                 // its caller was refused and must back off
	segments                // the number of segments
)

// limits are in bytes, for all callers of a worker: 64 MiB in total.
var limits = [segments]int{pending: 16 << 20, kept: 40 << 20, refused: 8 << 20}

// entryOverhead is what an entry takes in addition to its caller and token: the struct, its list element, and its share
// of maps that grow by doubling.
const entryOverhead = 752

// Memory bounds what a worker keeps for callers, however many they are and however large their tokens. All caches of
// the VM share one.
type Memory struct {
	used   [segments]int
	caches []*Cache
}

type entryList struct {
	list.List
	bytes int
}

func (m *Memory) add(c *Cache) { m.caches = append(m.caches, c) }

func (m *Memory) hasQuota(seg segment, size int) bool { return m.used[seg]+size <= limits[seg] }

func (m *Memory) remove(c *Cache) {
	for i, other := range m.caches {
		if other == c {
			m.caches = append(m.caches[:i], m.caches[i+1:]...)
			break
		}
	}
	for seg := range segments {
		m.used[seg] -= c.lists[seg].bytes
	}
}

// reserve evicts the oldest entries of the segment, from whichever cache has most in it, until size fits.
func (m *Memory) reserve(seg segment, size int) {
	for !m.hasQuota(seg, size) {
		largest := m.caches[0]
		for _, c := range m.caches {
			if c.lists[seg].bytes > largest.lists[seg].bytes {
				largest = c
			}
		}
		if !largest.dropOldest(seg) {
			return
		}
	}
}

// entrySize is what an entry takes of a segment's quota.
func entrySize(e *Entry, seg segment) int {
	size := entryOverhead
	if seg == refused {
		return size
	}
	size += e.caller.Size()
	if e.token != nil {
		for _, value := range e.token.Values {
			size += len(value)
		}
	}
	return size
}

// move moves an entry to another segment, evicting the oldest entries there if it is full. Pending entries can't be
// evicted: hasQuota must be checked before creating one.
func (c *Cache) move(e *Entry, seg segment) {
	c.release(e)
	if seg == none {
		return
	}
	size := entrySize(e, seg)
	if seg != pending {
		for dropped := true; dropped && c.lists[seg].Len() >= c.policy.MaxEntries; {
			dropped = c.dropOldest(seg)
		}
		c.Memory.reserve(seg, size)
	}
	e.segment, e.size = seg, size
	e.element = c.lists[seg].PushFront(e)
	c.lists[seg].bytes += size
	c.Memory.used[seg] += size
	c.entries[e.key] = e
	if seg == kept {
		c.byValues[e.caller.Values()] = e
	}
}

func (c *Cache) release(e *Entry) {
	if e.segment == none {
		return
	}
	if e.segment == kept {
		delete(c.byValues, e.caller.Values())
	}
	list := &c.lists[e.segment]
	if c.nextToSweep == e.element {
		c.nextToSweep = e.element.Prev()
	}
	list.Remove(e.element)
	list.bytes -= e.size
	c.Memory.used[e.segment] -= e.size
	e.segment, e.element, e.size = none, nil, 0
	delete(c.entries, e.key)
}

// dropOldest evicts the least recently used entry, and reports whether there was one. Entries with a fetch in flight
// stay, as requests may be waiting for it.
func (c *Cache) dropOldest(seg segment) bool {
	for element := c.lists[seg].Back(); element != nil; element = element.Prev() {
		if e := element.Value.(*Entry); e.fetch.state == idle {
			c.release(e)
			return true
		}
	}
	return false
}

// classify moves an entry to the right segment after a change.
func (c *Cache) classify(e *Entry, now time.Duration) {
	if e == c.common || c.isClosed {
		return
	}
	target := none
	switch {
	case e.token.serves(now) || e.rejections.count > 0 && !e.rejections.forgotten(now):
		target = kept
	case e.fetch.state != idle:
		target = pending
	case e.retry.count > 0 && !e.retry.forgotten(now):
		target = refused
	}
	if target != e.segment || target == kept && entrySize(e, kept) != e.size {
		c.move(e, target)
	}
	if target == refused {
		e.caller, e.token = nil, nil
	}
}
