package main

// openRequests finds the requests that are under way by their context ids. The host counts
// ids up, so that the last bits of an id nearly always find a free slot: a map would
// cost more than all else that the plugin does for a request with a cached token.
type openRequests struct {
	slots    [1 << 10]*requestContext
	overflow map[uint32]*requestContext // whose slot another had, such as one that streams for hours
}

func (o *openRequests) add(r *requestContext) {
	slot := o.slot(r.id)
	if *slot == nil {
		*slot = r
		return
	}
	if o.overflow == nil {
		o.overflow = map[uint32]*requestContext{}
	}
	o.overflow[r.id] = r
}

// find returns nil for an id that is not there.
func (o *openRequests) find(id uint32) *requestContext {
	if r := *o.slot(id); r != nil && r.id == id {
		return r
	}
	return o.overflow[id]
}

// remove returns what find does.
func (o *openRequests) remove(id uint32) *requestContext {
	slot := o.slot(id)
	if r := *slot; r != nil && r.id == id {
		*slot = nil
		return r
	}
	r := o.overflow[id]
	delete(o.overflow, id)
	return r
}

func (o *openRequests) slot(id uint32) **requestContext {
	return &o.slots[id%uint32(len(o.slots))]
}
