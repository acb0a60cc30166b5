package operations_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"token-fetch/e2e/harness"
)

var codeSpan = regexp.MustCompile("`([^`]+)`")

// Each log line that the troubleshooting table of docs/operations.md names is written when its cause is there.
func TestTroubleshootingLines(t *testing.T) {
	t.Parallel()
	inJSON := harness.Config{"cache": harness.Config{}, "tokenPath": "t"}
	configs := map[string]harness.Config{
		"allowed":    harness.PlainConfig(harness.Config{"failure": harness.Config{"mode": "allow"}}),
		"rejected":   harness.PlainConfig(inJSON),
		"text":       harness.PlainConfig(inJSON),
		"xml":        harness.PlainConfig(inJSON),
		"created":    harness.PlainConfig(nil),
		"no-store":   harness.PlainConfig(inJSON),
		"301":        harness.PlainConfig(nil),
		"302":        harness.PlainConfig(nil),
		"slow":       harness.PlainConfig(harness.Config{"timeout": 500}),
		"no-cluster": harness.PlainConfig(harness.Config{"serviceName": "nowhere.dns"}),
		"no-host":    harness.PlainConfig(harness.Config{"serviceName": harness.EmptyName}),
		"down":       harness.PlainConfig(harness.Config{"serviceName": harness.DeadName, "servicePort": harness.DeadPort}),
		"refused":    harness.OAuth2Config("", harness.Exchange, nil),
	}
	answers := map[string]http.HandlerFunc{
		"allowed": harness.Status(500), "301": harness.Status(301), "302": harness.Status(302), "slow": harness.Hang(),
		"text": harness.JSON(200, "sorry"), "xml": harness.JSON(200, "<?xml version='1.0'?><a/>"), "created": harness.Status(201),
		"rejected": harness.JSON(200, `{"t": "t1"}`), "refused": harness.Refusal(400, "invalid_grant"),
		"no-store": harness.Both(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Cache-Control", "no-store") }, harness.JSON(200, `{"t": "t1"}`)),
	}
	for host, answer := range map[string]http.HandlerFunc{
		"client": harness.JSON(401, `{"error": "invalid_client"}`), "scope": harness.JSON(400, `{"error": "invalid_scope"}`),
		"target": harness.JSON(400, `{"error": "invalid_target"}`), "unauthorized": harness.JSON(400, `{"error": "unauthorized_client"}`),
		"dpop":  harness.JSON(400, `{"error": "invalid_dpop_proof"}`), // and codes of the services' own:
		"entra": harness.JSON(401, `{"error": "invalid_client", "error_codes": [7000222]}`), "ibm": harness.JSON(400, `{"errorCode": "BXNIM0415E"}`),
	} {
		configs[host], answers[host] = harness.OAuth2Config("", nil, nil), answer
	}
	for host, config := range configs {
		config["requestPath"] = "/" + host
	}
	gateway := harness.Start(t, harness.Options{Config: harness.ByHost(configs)})
	gateway.Token.Handle(harness.ByPath(answers, harness.Status(http.StatusNotFound)))
	gateway.Upstream.Respond(func(r *http.Request) int {
		return map[bool]int{true: http.StatusUnauthorized, false: http.StatusOK}[r.Host == "rejected"]
	})
	for host := range configs {
		gateway.Get(t, "/", "Host: "+host, "Authorization: Bearer "+harness.SecretMark)
	}
	page := string(harness.ReadProjectFile(t, "docs", "operations.md"))
	_, table, _ := strings.Cut(page, "\n## Troubleshooting\n")
	table, _, _ = strings.Cut(table, "\n## ")
	named := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if len(cells) < 4 || !strings.Contains(cells[1], "log: ") && !strings.Contains(cells[1], "level debug: ") {
			continue
		}
		for _, span := range codeSpan.FindAllStringSubmatch(cells[1], -1) {
			if strings.HasPrefix(span[1], "token_fetch.") || !strings.Contains(span[1], " ") && !strings.HasPrefix(span[1], "(") {
				continue // a detail, or a metric
			}
			named++
			pattern := strings.ReplaceAll(regexp.QuoteMeta(span[1]), "…", ".*")
			harness.Eventually(t, harness.Limit, func() error {
				if !regexp.MustCompile(pattern).MatchString(gateway.Log()) {
					return fmt.Errorf("no line has %q, expected one", span[1])
				}
				return nil
			})
		}
	}
	if named < 15 {
		t.Errorf("the table names %d lines, expected those of all its causes", named)
	}
}
