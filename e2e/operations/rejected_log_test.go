package operations_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// An upstream that goes on answering 401 is in the log at once and then in sums, with the rule and the client whose tokens it
// rejects. Nothing else is, but one line about the start of all workers.
func TestUpstreamThatRejectsTokens(t *testing.T) {
	t.Parallel()
	const workers, interval = 2, 10 * time.Second // between two lines of one worker
	client := func(id string) harness.Config {
		return harness.OAuth2Config("/token", harness.Config{"clientId": id}, harness.Config{"_match_domain_": []string{id}})
	}
	gateway := harness.Start(t, harness.Options{Workers: workers, WasmLog: "info", Config: harness.WithRules(harness.Config{}, client("good"), client("rejected"))})
	gateway.Token.Handle(harness.JSON(http.StatusOK, `{"access_token": "s3cr3t", "expires_in": 3600}`))
	gateway.Upstream.Respond(func(r *http.Request) int {
		return map[string]int{"good": http.StatusOK, "rejected": http.StatusUnauthorized}[r.Host]
	})
	began := time.Now()
	harness.Eventually(t, interval+10*time.Second, func() error {
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: good"), http.StatusOK)
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: rejected"), http.StatusUnauthorized)
		if log := gateway.Log(); !strings.Contains(log, " more since the last line; fetching a new token") {
			return fmt.Errorf("no line sums up:\n%s", log)
		}
		return nil
	})
	rejections, others := 0, []string{}
	for line := range strings.Lines(gateway.Log()) {
		switch {
		case strings.Contains(line, "upstream answered 401 to a request with a token of token service token.static:80 (rule 2, client rejected)"):
			rejections++
		case strings.Contains(line, "[token-fetch]"):
			others = append(others, line)
		}
	}
	if most := workers * (1 + int(time.Since(began)/interval)); rejections < 2 || rejections > most {
		t.Errorf("got %d lines about rejections, expected 2 to %d:\n%s", rejections, most, gateway.Log())
	}
	if len(others) != 1 || !strings.Contains(others[0], "starts with 2 rules") {
		t.Errorf("got the other lines %q, expected one about the start", others)
	}
}
