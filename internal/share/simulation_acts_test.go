package share

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"token-fetch/internal/tokentest"
)

func pick[T any](s *simulation, list []T) T { return list[s.random.IntN(len(list))] }

// acts are the possible events with their relative frequencies.
var acts = []struct {
	often int
	do    func(*simulation)
}{
	{400, (*simulation).ask},
	{200, func(s *simulation) { pick(s, s.workers).Scheduler.RunBatch() }},
	{200, func(s *simulation) { pick(s, s.workers).watch() }},
	{250, (*simulation).answer},
	{60, (*simulation).reject},
	{40, (*simulation).leave},
	{20, (*simulation).writeAnything},
	{3, (*simulation).replace},
	{1, func(s *simulation) {
		s.clock.Date = s.clock.Date.Add(time.Duration(s.random.IntN(7200)-3600) * time.Second)
	}},
	{150, (*simulation).pass},
	{2, (*simulation).leap},
}

func (s *simulation) step() {
	n := s.random.IntN(1326)
	for _, act := range acts {
		if n -= act.often; n < 0 {
			act.do(s)
			return
		}
	}
}

// pass lets a little time go by, after which every worker ticks, as they do.
func (s *simulation) pass() {
	d := time.Duration(s.random.IntN(int(simulatedTick)))
	s.clock.Pass(d)
	s.paced += d
	s.tick()
}

func (s *simulation) leap() {
	s.clock.Pass(time.Duration(s.random.IntN(60)) * time.Second)
	s.paced += simulatedTick
	s.tick()
}

func (s *simulation) ask() {
	w, r := pick(s, s.workers), &simulated{caller: pick(s, s.callers), askedAt: s.paced}
	if e := w.find(r.caller); e != nil {
		if t := w.Fresh(e, s.clock.Now); t != nil {
			s.checkToken(r.caller, t)
			return
		}
	}
	_, reply := w.Ask(r.caller, r)
	switch {
	case reply.Waiting:
		r.ticket = reply.Ticket
		s.waiting = append(s.waiting, r)
	case reply.Token != nil:
		s.checkToken(r.caller, reply.Token)
		s.adopted++
	default:
		s.refused++
	}
}

// answer ends a fetch, or never does.
func (s *simulation) answer() {
	w := pick(s, s.workers)
	if len(w.Fetches) == 0 {
		return
	}
	i := s.random.IntN(len(w.Fetches))
	f := w.Fetches[i]
	what := s.random.IntN(20)
	if what == 5 {
		return // it never ends, so that the client gives it up
	}
	w.Fetches = slices.Delete(w.Fetches, i, i+1)
	s.tokens++
	token := fmt.Sprint(nameOf(f.Caller), "#", s.tokens)
	switch what {
	case 0:
		f.Done(unavailable())
	case 1, 2:
		f.Done(refusal())
	case 3:
		f.Done(good(token, 0))
	case 4:
		f.Done(result{Err: tokentest.ErrInternal})
	case 6:
		f.Done(good(token+strings.Repeat("x", 12_000), time.Minute))
	default:
		f.Done(good(token, time.Duration(1+s.random.IntN(30))*time.Second))
	}
}

func (s *simulation) reject() {
	pick(s, s.workers).reject(pick(s, s.callers))
}

func (s *simulation) leave() {
	if len(s.waiting) == 0 {
		return
	}
	i := s.random.IntN(len(s.waiting))
	if r := s.waiting[i]; r.Told == 0 {
		r.ticket.Cancel()
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
}

// writeAnything is another plugin: it cuts, mixes and repeats what it has read, and writes it anywhere.
func (s *simulation) writeAnything() {
	var keys []string
	for key := range s.cells.data {
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return
	}
	slices.Sort(keys)
	s.past = append(s.past, s.cells.data[pick(s, keys)])
	if len(s.past) > 50 {
		s.past = s.past[1:]
	}
	data := slices.Clone(pick(s, s.past))
	cut := s.random.IntN(len(data) + 1)
	switch s.random.IntN(5) {
	case 0:
		data = data[:cut]
	case 1:
		data = append(data[:cut], pick(s, s.past)...)
	case 2:
		other := pick(s, s.past)
		data = append(data[:min(cut, len(other))], other[min(cut, len(other)):]...)
	case 3:
		for range min(3, len(data)) {
			data[s.random.IntN(len(data))] ^= byte(1 << s.random.IntN(8))
		}
	case 4: // as it was
	}
	key := pick(s, keys)
	s.cells.CompareAndSwap(key, data, s.cells.versions[key])
}

// replace is an update of the configuration: the worker's requests have ended before, and its fetches end nowhere.
func (s *simulation) replace() {
	i := s.random.IntN(len(s.workers))
	s.workers[i].run()
	if s.workers[i].shared.IsWaiting() || len(s.workers[i].Fetches) > 0 {
		return
	}
	s.elsewhere += s.workers[i].stats.Coalesced
	s.workers[i].Close()
	s.workers[i] = s.newWorker()
}
