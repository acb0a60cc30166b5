package e2e_test

import (
	"net/http"

	"token-fetch/e2e/harness"
)

// subjectRefusals are refusals of the client's own token.
var subjectRefusals = map[string]http.HandlerFunc{
	"invalid_grant":            harness.Refusal(400, "invalid_grant"),
	"invalid_request":          harness.Refusal(400, "invalid_request"),
	"invalid_token":            harness.Refusal(400, "invalid_token"),
	"invalid_grant with 401":   harness.Refusal(401, "invalid_grant"),
	"invalid_request with 401": harness.Refusal(401, "invalid_request"),
	"invalid_token with 401":   harness.Refusal(401, "invalid_token"),
	"content type of its own":  typedRefusal("text/html", `{"error":"invalid_grant"}`),
}

// otherRefusals are errors that are not the caller's fault, or not said to be.
var otherRefusals = map[string]http.HandlerFunc{
	"invalid_client":              harness.Refusal(401, "invalid_client"),
	"invalid_client with 400":     harness.Refusal(400, "invalid_client"),
	"unauthorized_client":         harness.Refusal(400, "unauthorized_client"),
	"invalid_scope":               harness.Refusal(400, "invalid_scope"),
	"invalid_target":              harness.Refusal(400, "invalid_target"),
	"unsupported_grant_type":      harness.Refusal(400, "unsupported_grant_type"),
	"code in another case":        harness.Refusal(400, "Invalid_Grant"),
	"403 with invalid_grant":      harness.Refusal(403, "invalid_grant"),
	"500 with invalid_grant":      harness.Refusal(500, "invalid_grant"),
	"200 with invalid_grant":      harness.Refusal(200, "invalid_grant"),
	"302 with invalid_grant":      harness.Refusal(302, "invalid_grant"),
	"429 with invalid_grant":      harness.Refusal(429, "invalid_grant"),
	"400 without a code":          harness.JSON(400, `{"error_description":"l3ak"}`),
	"code is a list":              harness.JSON(400, `{"error":["invalid_grant"]}`),
	"code in an object":           harness.JSON(400, `{"error":{"code":"invalid_grant"}}`),
	"400 that is not JSON":        harness.JSON(400, `error=invalid_grant`),
	"400 that is cut":             harness.JSON(400, `{"error":"invalid_grant"`),
	"401 with no body":            harness.Status(401),
	"503":                         harness.Status(503),
	"reset":                       harness.Reset(),
	"challenge, but no such code": challenging,
}

func typedRefusal(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(body))
	}
}

// challenging refuses the token as RFC 6750 has it, which is not how a token endpoint does.
func challenging(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="`+harness.Leak+`", error="invalid_token"`)
	w.WriteHeader(http.StatusUnauthorized)
}
