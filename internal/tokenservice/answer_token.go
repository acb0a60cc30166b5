package tokenservice

import (
	"fmt"
	"strconv"
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

// token returns the token with its prefix and suffix or, when there is none that a header can carry, what there is in its
// place, without its value. now is when the call was sent: a cookie may have ended.
func (r *answerReader) token(a *Answer, now time.Time) (value, instead string) {
	token, instead := r.bareToken(a, now)
	token = strings.Trim(token, " ")
	if r.isBare && len(token) > len(bearerPrefix) && strings.EqualFold(token[:len(bearerPrefix)], bearerPrefix) {
		token = strings.Trim(token[len(bearerPrefix):], " ")
	}
	switch {
	case instead != "":
		return "", instead
	case token == "":
		return "", "it is empty " + r.place()
	case len(token) > maxTokenBytes:
		return "", fmt.Sprintf("it has %d bytes %s, and %d are allowed", len(token), r.place(), maxTokenBytes)
	case !IsHeaderValue(token):
		return "", "it has characters " + r.place() + " that no header can carry"
	}
	prefix := r.prefix
	if endsScheme(prefix) && len(token) >= len(prefix) && strings.EqualFold(token[:len(prefix)], prefix) {
		prefix = "" // some services answer with "Bearer …" already
	}
	return prefix + strings.Clone(token) + r.suffix, "" // not a part of the answer, which would be kept as long
}

// place is where the token is expected.
func (r *answerReader) place() string {
	switch r.tokenIn {
	case tokenInHeader:
		return "in the header " + r.responseHeader
	case tokenInBody:
		return "in the body"
	case tokenInCookie:
		return "in the cookie " + r.cookies[0]
	default:
		return "at " + strconv.QuoteToASCII(r.tokenPath)
	}
}

func (r *answerReader) bareToken(a *Answer, now time.Time) (token, instead string) {
	switch r.tokenIn {
	case tokenInHeader:
		token, found := FirstHeader(a.Headers, r.responseHeader)
		if !found {
			return "", "there is no header " + r.responseHeader
		}
		return token, ""
	case tokenInBody:
		if a.isPage() {
			return "", "the body is HTML"
		}
		return a.text(), ""
	case tokenInCookie:
		token := r.cookieToken(a, now)
		if token == "" {
			return "", "there is no cookie " + r.cookies[0] + ", or an empty one, or one that has ended"
		}
		return token, ""
	default:
		return r.jsonToken(a)
	}
}

func (r *answerReader) jsonToken(a *Answer) (token, instead string) {
	value := a.json(r.tokenPath)
	switch {
	case value.Type == gjson.String:
		return value.Str, ""
	case value.Type == gjson.Number:
		if token = numberText(value); token == "" {
			return "", "there is a number with an exponent " + r.place()
		}
		return token, ""
	case a.isJSON && value.Raw == "":
		return "", "there is nothing " + r.place()
	case a.isJSON && value.Type == gjson.Null:
		return "", "there is null " + r.place()
	case a.isJSON:
		return "", "there is " + shapeOf(value) + " " + r.place()
	case a.text() == "":
		return "", "the body is empty"
	case a.isPage():
		return "", "the body is HTML, not JSON"
	default:
		return "", "the body is not JSON"
	}
}

// byteOrderMark is what some services have before their text, although it says nothing in UTF-8 (RFC 8259 section 8.1).
const byteOrderMark = "\xef\xbb\xbf"

// text is the whole body, without the space around it.
func (a *Answer) text() string {
	return strings.TrimSpace(strings.TrimPrefix(string(a.Body), byteOrderMark))
}

// isPage reports whether the body is a page for people, such as that of a login or of a proxy on the way.
func (a *Answer) isPage() bool { return strings.HasPrefix(a.text(), "<") }

const bearerPrefix = "Bearer "

// hasBearerToken reports whether whoever has the token may use it (RFC 6749 section 7.1). One of another type, such as
// DPoP, also needs a proof that the upstream would miss. A token_type of N_A (RFC 8693 section 2.2.1) says nothing
// about that, and so does none, or an empty one.
func (a *Answer) hasBearerToken() bool {
	value := a.json("token_type")
	return value.Type == gjson.Null || value.Type == gjson.String && (value.Str == "" || strings.EqualFold(value.Str, "Bearer") || value.Str == "N_A")
}

func endsScheme(prefix string) bool { return len(prefix) > 1 && strings.HasSuffix(prefix, " ") }
