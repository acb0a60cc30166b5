package bench

import (
	"fmt"
	"strings"
)

// writeMethod says how the numbers came about.
func (r *Report) writeMethod(page *strings.Builder) {
	page.WriteString("\n## Method\n\n")
	for _, sentence := range []string{
		"One Envoy process with one worker has a listener for each candidate; they differ in one HTTP filter. Token service and upstream are a second Envoy that answers by `direct_response`. Load comes from fortio's fast HTTP client. All of it runs on the one machine, over loopback.",
		fmt.Sprintf("Every request brings a bearer token of %d bytes and the header `%s`, whichever candidate it goes to.", len(bearerToken()), userHeader),
		"The measured Envoy has one route for all candidates; where there are rules, theirs are the names and domains of others, and the last rule's are those of the request. Each rule has a token of its own.",
		"Before anything is measured, one request through each candidate is checked: the upstream must have got the token or header.",
		fmt.Sprintf("Each candidate is warmed up; then every round measures all candidates in turn, each with %d connections that send their next request when the last one is answered (closed loop), for %s after %s of settling.",
			r.Options.Connections, r.Options.Duration, settle),
		"CPU is what the kernel's scheduler counted for all threads of the measured Envoy process, divided by the requests answered in that time; background work, such as the compiler of V8, is in it. The token service's and the upstream's CPU is not.",
		fmt.Sprintf("The latency part sends requests at a given rate (open loop), half of the median of `%s`, at random intervals as those of independent clients (Poisson), the same for both candidates of a round; a request whose connection is still busy counts from when it was due. p50 and p99 are those of windows of %s, of which the median counts: on a virtual machine that loses its cores for moments, the p99 of a whole round is about the requests that piled up then.", cached, latencyWindow),
		fmt.Sprintf("*sample* is a plugin written the way the gateway's guide shows it (`e2e/plugins/sample`); *%s* is the least that a plugin on wasm-go does (`e2e/plugins/hello`). Envoy writes log lines of Wasm code from `warn` on, as a gateway in production does.", hello),
		fmt.Sprintf("`%s` asks a metadata server for the identity token of its audience; here the metadata server is the local token service. `%s` sends its own header, `Authorization`.", gcpAuthn, credentialInjector),
		fmt.Sprintf("Ready time is from the start of the Envoy process until `/ready` says LIVE, with this plugin alone. Memory per further worker is the difference of the resident memory of Envoy with %d workers and with one, after requests to each, divided by %d. With rules, each has a token and so a cache of its own.", moreWorkers, moreWorkers-1),
	} {
		page.WriteString("- " + sentence + "\n")
	}
}
