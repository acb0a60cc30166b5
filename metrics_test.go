package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/higress-group/wasm-go/pkg/test"
)

// A name has what Prometheus allows in one, and Envoy does not split: letters, digits and _.
func TestServiceMetricName(t *testing.T) {
	long := strings.Repeat("a-long-name.", 20)
	tests := map[string]struct{ address, want string }{
		"a service":         {"token-server.static:80", "token_server_static_80"},
		"Nacos":             {"idp.DEFAULT-GROUP.public.nacos:8080", "idp_DEFAULT_GROUP_public_nacos_8080"},
		"a cluster":         {"outbound|443||idp.dns", "outbound_443__idp_dns"},
		"the limit":         {strings.Repeat("x", maxServiceNameLength), strings.Repeat("x", maxServiceNameLength)},
		"beyond it":         {long + "a:80", strings.Repeat("a_long_name_", 20)[:maxServiceNameLength-9] + "_598c727a"},
		"letters elsewhere": {"tökén服务.dns:80", "t_k_n___dns_80"},
		"not UTF-8":         {"a\xff\xfe\x00\n{}\"", "a_______"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := serviceMetricName(test.address); got != test.want {
				t.Errorf("got %q, expected %q", got, test.want)
			}
		})
	}
	if a, b := serviceMetricName(long+"a:80"), serviceMetricName(long+"b:80"); a == b {
		t.Errorf("two names that differ in their end: got %q for both, expected them to differ", a)
	}
}

// Whoever configures ever new services can't fill the host's memory with their metrics.
func TestServicesAreBounded(t *testing.T) {
	v := &vmMetrics{}
	unknown := v.forService("")
	first := v.forService("service-0.dns:80")
	for i := range 10 * maxServices {
		v.forService(fmt.Sprintf("service-%d.dns:80", i))
	}
	if want := maxServices + 2; len(v.services) != want {
		t.Errorf("got %d services, expected %d: the first %d, those of no service and those of all others", len(v.services), want, maxServices)
	}
	last := v.forService("one-more.dns:80")
	if last.name != otherServices || last != v.forService("service-1000.dns:80") {
		t.Errorf("beyond the limit: got %q, expected all to be counted together as %q", last.name, otherServices)
	}
	if v.forService("service-0.dns:80") != first || v.forService("") != unknown {
		t.Error("a service that was known before: got other metrics, expected its own")
	}
}

// testMetricsOfServices: two services are counted apart and together, and the end of a token is shown.
func testMetricsOfServices(t *testing.T) {
	host := start(t, extended(`"cache": {}, "_rules_": [{"_match_domain_": ["b.com"], "serviceName": "other.dns"}]`))
	defer host.Reset()
	host.Tick() // writes what the tests before have counted in this VM
	read := func(name string) uint64 {
		value, err := host.GetCounterMetric(metricPrefix + name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return value
	}
	names := []string{"calls", "denied", "failures_other_status", "cache_misses"}
	before := map[string]uint64{}
	for _, name := range names {
		for _, service := range []string{"", "service.token_dns_8080.", "service.other_dns_8080."} {
			before[service+name] = read(service + name)
		}
	}
	for _, authority := range []string{"a.com", "b.com"} {
		host.InitHttp()
		host.CallOnHttpRequestHeaders([][2]string{{":authority", authority}, {":path", "/"}, {":method", "GET"}})
		status := map[string]string{"a.com": "200", "b.com": "403"}[authority]
		answer(t, host, [][2]string{{":status", status}, {"x-token", "t1"}})
		host.CompleteHttp()
	}
	host.Tick()
	want := map[string]uint64{
		"calls": 2, "service.token_dns_8080.calls": 1, "service.other_dns_8080.calls": 1,
		"cache_misses": 2, "service.token_dns_8080.cache_misses": 1, "service.other_dns_8080.cache_misses": 1,
		"denied": 1, "service.other_dns_8080.denied": 1,
		"failures_other_status": 1, "service.other_dns_8080.failures_other_status": 1,
	}
	for name, value := range before {
		if got := read(name) - value; got != want[name] {
			t.Errorf("%s: got %d more, expected %d", name, got, want[name])
		}
	}
	checkExpiryShown(t, host)
}

// checkExpiryShown: only the token that was obtained has an end.
func checkExpiryShown(t *testing.T, host test.TestHost) {
	t.Helper()
	for name, isShown := range map[string]bool{expiryName: true, "service.token_dns_8080." + expiryName: true, "service.other_dns_8080." + expiryName: false} {
		end, err := host.GetGaugeMetric(metricPrefix + name)
		if err != nil || (end != 0) != isShown {
			t.Errorf("%s: got %d (%v), expected a time: %v", name, end, err, isShown)
		}
	}
}
