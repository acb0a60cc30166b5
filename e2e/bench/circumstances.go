package bench

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// circumstances are under which Envoy was measured.
type circumstances struct {
	Options  Options
	Machine  machine
	Began    time.Time
	Separate bool // the measured Envoy had a core of its own
}

// measuredApart starts an Envoy with the candidates and gives it a core of its own, where there are enough; end stops
// it and gives the core back.
func (b *bench) measuredApart(ctx context.Context, candidates []candidate) (s *stage, c circumstances, end func(), err error) {
	if s, err = b.ready(ctx, candidates); err != nil {
		return nil, c, nil, err
	}
	restore, separate := separateCores(s.PID(), b.backend.PID())
	end = func() { restore(); _ = s.Stop() }
	c = circumstances{Options: b.Options, Began: b.began, Separate: separate}
	if c.Machine, err = describeMachine(s.Process); err != nil {
		end()
		return nil, c, nil, err
	}
	return s, c, end, nil
}

func (c circumstances) write(page *strings.Builder) {
	cores := "on a core of its own"
	if !c.Separate {
		cores = "sharing its cores with client and upstream"
	}
	m := c.Machine
	fmt.Fprintf(page, "Envoy %s, one worker, %s; %s, %d cores, %s; Go %s; %s; `%s`.\n\n",
		m.EnvoyVersion, cores, orUnknown(m.CPU), m.Cores, m.System, m.Go, c.Began.UTC().Format("2006-01-02"), c.Options.Command)
}
