package e2e_test

// What a client is told of its own token (RFC 6750 section 3).
const (
	missingToken = `Bearer realm="token-fetch"`
	invalidToken = `Bearer realm="token-fetch", error="invalid_token"`
)
