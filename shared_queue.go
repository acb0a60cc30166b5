package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm"
)

// sharedQueue is a queue of the host by which a request has its root context run. The zero
// value is none.
type sharedQueue struct {
	name string
	id   uint32
}

// wake reports whether the context will be run.
func (q sharedQueue) wake() bool {
	return q.name != "" && proxywasm.EnqueueSharedQueue(q.id, []byte{1}) == nil
}

// sharedQueues are those of a VM. A host has no way to remove one, so that a configuration leaves its
// queue to the next: registering it again makes it that one's.
type sharedQueues struct {
	unique string // all VMs of the process see all queues, so that names must differ
	count  int
	unused []string // names
}

// take registers a queue for the plugin context that is being run.
func (q *sharedQueues) take(h host) sharedQueue {
	name := q.unusedName()
	id, err := proxywasm.RegisterSharedQueue(name)
	if err != nil {
		h.logf(logWarn, "no queue to start token calls at once: %v; they start a little later", err)
		return sharedQueue{}
	}
	return sharedQueue{name, id}
}

func (q *sharedQueues) unusedName() string {
	if last := len(q.unused) - 1; last >= 0 {
		name := q.unused[last]
		q.unused = q.unused[:last]
		return name
	}
	if q.unique == "" {
		var random [16]byte
		_, _ = rand.Read(random[:])
		q.unique = hex.EncodeToString(random[:])
	}
	q.count++
	return fmt.Sprintf("%s/%s/%d", pluginName, q.unique, q.count)
}

func (q *sharedQueues) giveBack(queue sharedQueue) {
	if queue.name != "" {
		q.unused = append(q.unused, queue.name)
	}
}
