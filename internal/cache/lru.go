package cache

import (
	"container/list"
	"time"
)

// segment is why an entry is held. Each kind has room of its own, so that callers whose tokens are
// refused, or are not yet known to be good, never push a good token out.
type segment int

const (
	none     segment = iota // not held; or the one entry that is the same for all, which needs no room
	pending                 // its first fetch is wanted or under way
	kept                    // it has a token
	refused                 // its caller was refused, and must wait
	segments                // their number
)

// limits are in bytes for all callers of a worker: 64 MiB together.
var limits = [segments]int{pending: 16 << 20, kept: 40 << 20, refused: 8 << 20}

// entryOverhead is what an entry takes beside its caller and its token: the entry, its list
// element, its places in maps that grow by doubling.
const entryOverhead = 752

// Memory bounds what a worker keeps for callers, whatever their number and the size of
// their tokens. It is one for all caches of the VM.
type Memory struct {
	used   [segments]int
	caches []*Cache
}

type entryList struct {
	list.List
	bytes int
}

func (m *Memory) add(c *Cache) { m.caches = append(m.caches, c) }

func (m *Memory) hasQuota(h segment, size int) bool { return m.used[h]+size <= limits[h] }

func (m *Memory) remove(c *Cache) {
	for i, other := range m.caches {
		if other == c {
			m.caches = append(m.caches[:i], m.caches[i+1:]...)
			break
		}
	}
	for h := range segments {
		m.used[h] -= c.lists[h].bytes
	}
}

// reserve drops the oldest entries of the cache that has most of that kind, until size fits.
func (m *Memory) reserve(h segment, size int) {
	for !m.hasQuota(h, size) {
		largest := m.caches[0]
		for _, c := range m.caches {
			if c.lists[h].bytes > largest.lists[h].bytes {
				largest = c
			}
		}
		if !largest.dropOldest(h) {
			return
		}
	}
}

// entrySize is what an entry takes of the room of a segment.
func entrySize(e *Entry, h segment) int {
	size := entryOverhead
	if h == refused {
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

// move moves an entry to another segment, and drops the oldest ones there that are too many. Those
// that are pending can't be dropped: there must be room before one is made.
func (c *Cache) move(e *Entry, h segment) {
	c.release(e)
	if h == none {
		return
	}
	size := entrySize(e, h)
	if h != pending {
		for room := true; room && c.lists[h].Len() >= c.policy.MaxEntries; {
			room = c.dropOldest(h)
		}
		c.Memory.reserve(h, size)
	}
	e.segment, e.size = h, size
	e.element = c.lists[h].PushFront(e)
	c.lists[h].bytes += size
	c.Memory.used[h] += size
	c.entries[e.key] = e
	if h == kept {
		c.found[e.caller.Values()] = e
	}
}

func (c *Cache) release(e *Entry) {
	if e.segment == none {
		return
	}
	if e.segment == kept {
		delete(c.found, e.caller.Values())
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

// dropOldest drops the entry that was used least recently, and reports whether there was one. One
// with a fetch under way stays: requests may wait for it.
func (c *Cache) dropOldest(h segment) bool {
	for element := c.lists[h].Back(); element != nil; element = element.Prev() {
		if e := element.Value.(*Entry); e.fetch.state == idle {
			c.release(e)
			return true
		}
	}
	return false
}

// classify moves an entry to the segment where it belongs, after something has happened to it.
func (c *Cache) classify(e *Entry, now time.Duration) {
	if e == c.common || c.isClosed {
		return
	}
	belongs := none
	switch {
	case e.token.serves(now) || e.rejections.count > 0 && !e.rejections.forgotten(now):
		belongs = kept
	case e.fetch.state != idle:
		belongs = pending
	case e.retry.count > 0 && !e.retry.forgotten(now):
		belongs = refused
	}
	if belongs != e.segment || belongs == kept && entrySize(e, kept) != e.size {
		c.move(e, belongs)
	}
	if belongs == refused {
		e.caller, e.token = nil, nil
	}
}
