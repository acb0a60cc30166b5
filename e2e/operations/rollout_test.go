package operations_test

import (
	"errors"
	"net/http"
	"testing"

	"token-fetch/e2e/harness"
)

// A token in a header that the upstream does not read leaves requests as they are, whether there is a token or not.
func TestShadowToken(t *testing.T) {
	t.Parallel()
	gateway := harness.Start(t, harness.Options{Config: harness.OAuth2Config("/token", nil, harness.Config{
		"tokenHeader": "X-Shadow-Token", "failure": harness.Config{"mode": "allow"}, "cache": harness.Config{"backoff": 1}})})
	send := func() string {
		harness.CheckStatus(t, gateway.Get(t, "/", "Authorization: Basic own"), http.StatusOK)
		gateway.Upstream.CheckHeader(t, "Authorization", "Basic own")
		return gateway.Upstream.Last(t).Header.Get("X-Shadow-Token")
	}
	gateway.Token.Handle(harness.Status(http.StatusInternalServerError))
	if got := send(); got != "" {
		t.Errorf("got the token %q, expected none", got)
	}
	gateway.Token.Handle(harness.JSON(http.StatusOK, `{"access_token": "t1", "expires_in": 3600}`))
	harness.Eventually(t, harness.Limit, func() error {
		if send() != "Bearer t1" {
			return errors.New("no token in the shadow header")
		}
		return nil
	})
}
