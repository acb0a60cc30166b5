package abi

// requests finds those that are under way by their context ids. The host counts
// ids up, so that the last bits of an id nearly always find a free slot: a map would
// cost more than all else that the plugin does for a request with a cached token.
type requests struct {
	slots    [1 << 10]slot
	overflow map[uint32]Request // whose slot another had, such as one that streams for hours
}

type slot struct {
	id      uint32
	request Request // nil: the slot is free
}

func (o *requests) add(id uint32, r Request) {
	s := o.slot(id)
	if s.request == nil {
		*s = slot{id, r}
		return
	}
	if o.overflow == nil {
		o.overflow = map[uint32]Request{}
	}
	o.overflow[id] = r
}

// find returns nil for an id that is not there.
func (o *requests) find(id uint32) Request {
	if s := o.slot(id); s.request != nil && s.id == id {
		return s.request
	}
	return o.overflow[id]
}

// remove returns what find does.
func (o *requests) remove(id uint32) Request {
	s := o.slot(id)
	if r := s.request; r != nil && s.id == id {
		*s = slot{}
		return r
	}
	r := o.overflow[id]
	delete(o.overflow, id)
	return r
}

func (o *requests) slot(id uint32) *slot { return &o.slots[id%uint32(len(o.slots))] }
