package abi

// requests finds open requests by context ID. The host assigns ascending IDs, so the low bits of an ID nearly always
// select a free slot: a map would cost more than everything else the plugin does for a request with a cached token.
type requests struct {
	slots    [1 << 10]slot
	overflow map[uint32]Request // requests whose slot was taken, for example by one that streams for hours
}

type slot struct {
	id      uint32
	request Request // nil: free
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

// find returns nil if there is no request with this ID.
func (o *requests) find(id uint32) Request {
	if s := o.slot(id); s.request != nil && s.id == id {
		return s.request
	}
	return o.overflow[id]
}

// remove returns the same as find.
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
