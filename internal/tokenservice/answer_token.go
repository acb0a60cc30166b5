package tokenservice

import (
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Where in an answer the token is.
const (
	tokenInHeader = "header"
	tokenInJSON   = "json"
	tokenInBody   = "body"
	tokenInCookie = "cookie"
)

// coding is the answer's Content-Encoding where it keeps from reading what is configured. UTF-8 is a mistake that does
// no harm, and base64 a form of the text that requestHeaders can ask for (Conjur).
func (r *answerReader) coding(a *Answer) (shown string, isCoded bool) {
	value, _ := allHeaders(a.Headers, "content-encoding")
	if !r.readsBody {
		return "", false
	}
	for coding := range strings.SplitSeq(value, ",") {
		switch coding = strings.ToLower(strings.TrimSpace(coding)); {
		case coding == "", coding == "identity", coding == "utf-8", coding == "base64" && strings.Contains(r.ownCodings, coding):
		case len(coding) > 20 || !isToken(coding):
			return "of another kind", true
		default:
			return coding, true
		}
	}
	return "", false
}

// token returns the token with its prefix and suffix, "" when there is none that a header can carry. now is when the call
// was sent: a cookie may have ended.
func (r *answerReader) token(a *Answer, now time.Time) string {
	token := strings.Trim(r.bareToken(a, now), " ")
	if token == "" || len(token) > maxTokenBytes || !IsHeaderValue(token) {
		return ""
	}
	prefix := r.prefix
	if endsScheme(prefix) && len(token) >= len(prefix) && strings.EqualFold(token[:len(prefix)], prefix) {
		prefix = "" // some services answer with "Bearer …" already
	}
	return prefix + strings.Clone(token) + r.suffix // not a part of the answer, which would be kept as long
}

func (r *answerReader) bareToken(a *Answer, now time.Time) string {
	switch r.tokenIn {
	case tokenInHeader:
		token, _ := FirstHeader(a.Headers, r.responseHeader)
		return token
	case tokenInBody:
		return a.bodyToken()
	case tokenInCookie:
		return r.cookieToken(a, now)
	}
	switch value := a.json(r.tokenPath); value.Type {
	case gjson.String:
		return value.Str
	case gjson.Number:
		return numberText(value)
	default:
		return ""
	}
}

// byteOrderMark is what some services have before their text, although it says nothing in UTF-8 (RFC 8259 section 8.1).
const byteOrderMark = "\xef\xbb\xbf"

// bodyToken is the whole body, without the space around it. A page for people is none, such as that of a login or of a
// proxy on the way.
func (a *Answer) bodyToken() string {
	token := strings.TrimSpace(strings.TrimPrefix(string(a.Body), byteOrderMark))
	if strings.HasPrefix(token, "<") {
		return ""
	}
	return token
}

const bearerPrefix = "Bearer "

// hasBearerToken reports whether whoever has the token may use it (RFC 6749 section 7.1). One of another type, such as
// DPoP, also needs a proof that the upstream would miss. A token_type of N_A (RFC 8693 section 2.2.1) says nothing
// about that, and so does none, or an empty one.
func (a *Answer) hasBearerToken() bool {
	value := a.json("token_type")
	return value.Type == gjson.Null || value.Type == gjson.String && (value.Str == "" || strings.EqualFold(value.Str, "Bearer") || value.Str == "N_A")
}

func endsScheme(prefix string) bool { return len(prefix) > 1 && strings.HasSuffix(prefix, " ") }
