package faults

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// resetStreams opens streams and resets each right after its headers, all in one write
// on a connection of its own: Envoy cuts one that has reset hundreds.
func resetStreams(l *load, requests []*request, random *rand.Rand) {
	var wire, block bytes.Buffer
	wire.WriteString(http2.ClientPreface)
	framer, encoder := http2.NewFramer(&wire, nil), hpack.NewEncoder(&block)
	must(framer.WriteSettings())
	for i, r := range requests {
		stream := uint32(2*i + 1)
		block.Reset()
		for _, field := range [][2]string{{":method", http.MethodPost}, {":scheme", "http"}, {":path", r.path()}, {":authority", r.rule.name}} {
			must(encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
		}
		for name, values := range r.header(random) {
			must(encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(name), Value: values[0]}))
		}
		writeHeaders(framer, stream, block.Bytes())
		must(framer.WriteRSTStream(stream, http2.ErrCodeCancel))
		r.leaves = true
		l.sending(r)
	}
	l.connected(requests[0], func(c *rawConnection) {
		_, err := c.Write(wire.Bytes())
		if err == nil {
			time.Sleep(time.Duration(random.IntN(100)) * time.Millisecond)
		}
	})
	now := time.Now()
	l.ledger.change(func() {
		for _, r := range requests {
			r.answeredAt = now
		}
	})
}

// writeHeaders writes a header block, which may need more than one frame.
func writeHeaders(framer *http2.Framer, stream uint32, block []byte) {
	const frame = 16 << 10
	first := block[:min(len(block), frame)]
	rest := block[len(first):]
	must(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndHeaders: len(rest) == 0}))
	for len(rest) > 0 {
		part := rest[:min(len(rest), frame)]
		rest = rest[len(part):]
		must(framer.WriteContinuation(stream, len(rest) == 0, part))
	}
}

// must is for writes into memory.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
