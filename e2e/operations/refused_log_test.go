package operations_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"token-fetch/e2e/harness"
)

// TestRefusedSubjectsAreSummedUp has hundreds of clients whose tokens are refused: they may not
// fill the gateway's log.
func TestRefusedSubjectsAreSummedUp(t *testing.T) {
	t.Parallel()
	const clients = 300
	gateway := harness.StartTraced(t, harness.Options{
		Config:  harness.ByHost(map[string]map[string]any{"plain": harness.OAuth2Config("/plain", harness.Exchange, nil)}),
		WasmLog: "info",
	})
	refusal, exchanged := harness.Refusal(400, "invalid_grant"), harness.JSON(200, `{"access_token":"s3cr3t","expires_in":3600}`)
	gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if strings.HasSuffix(r.PostForm.Get("subject_token"), "-good") {
			exchanged(w, r)
			return
		}
		refusal(w, r)
	})
	logged := len(gateway.Log())
	for i := range clients { // in turn with others, whose exchanges succeed
		subject := fmt.Sprintf("Authorization: Bearer %s-%d", harness.SecretMark, i)
		if harness.CheckRefusedSubject(t, gateway.Get(t, "/", "Host: plain", subject)); t.Failed() {
			break
		}
		harness.CheckStatus(t, gateway.Get(t, "/", "Host: plain", subject+"-good"), 200)
	}
	said := func() []string {
		return slices.DeleteFunc(strings.Split(gateway.Log()[logged:], "\n"), func(line string) bool { return !strings.Contains(line, "wasm log") })
	}
	// A line each ten seconds.
	harness.Eventually(t, 12*time.Second, func() error {
		if len(said()) == 0 {
			return errors.New("the plugin has written no line about refused clients")
		}
		return nil
	})
	if lines := said(); len(lines) > 3 {
		t.Errorf("%d refused clients made the plugin write %d lines, want one for all, and little more:\n%s", clients, len(lines), strings.Join(lines, "\n"))
	}
}
