package tokenservice

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Where in a response the token is.
const (
	tokenInHeader = "header"
	tokenInJSON   = "json"
	tokenInBody   = "body"
	tokenInCookie = "cookie"
)

// coding returns the Content-Encoding if it makes the configured values unreadable. "utf-8" is a harmless mistake;
// base64 is a text encoding that requestHeaders can ask for (Conjur).
func (r *responseReader) coding(resp *Response) (shown string, isCoded bool) {
	if !r.readsBody {
		return "", false
	}
	value, _ := allHeaders(resp.Headers, "content-encoding")
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

// token returns the token with prefix and suffix. If there is none that a header can carry, problem describes what is
// there, without the value. now is when the call was sent, as cookies may have expired.
func (r *responseReader) token(resp *Response, now time.Time) (value, problem string) {
	token, problem := r.bareToken(resp, now)
	token = strings.Trim(token, " ")
	if r.isBare && len(token) > len(bearerPrefix) && strings.EqualFold(token[:len(bearerPrefix)], bearerPrefix) {
		token = strings.Trim(token[len(bearerPrefix):], " ")
	}
	switch {
	case problem != "":
		return "", problem
	case token == "":
		return "", "it is empty " + r.place()
	case len(token) > maxTokenBytes:
		return "", fmt.Sprintf("it has %d bytes %s, and %d are allowed", len(token), r.place(), maxTokenBytes)
	case !IsHeaderValue(token):
		return "", "it has characters " + r.place() + " that no header can carry"
	}
	prefix := r.prefix
	if endsScheme(prefix) && len(token) >= len(prefix) && strings.EqualFold(token[:len(prefix)], prefix) {
		prefix = "" // some services already include the scheme
	}
	return prefix + strings.Clone(token) + r.suffix, "" // a clone, as a substring would keep the whole response in memory
}

// place describes where the token is expected.
func (r *responseReader) place() string {
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

func (r *responseReader) bareToken(resp *Response, now time.Time) (token, problem string) {
	switch r.tokenIn {
	case tokenInHeader:
		token, found := FirstHeader(resp.Headers, r.responseHeader)
		if !found {
			return "", "there is no header " + r.responseHeader
		}
		return token, ""
	case tokenInBody:
		if markup := resp.markup(); markup != "" {
			return "", "the body is " + markup
		}
		return resp.text(), ""
	case tokenInCookie:
		token := r.cookieToken(resp, now)
		if token == "" {
			return "", "there is no cookie " + r.cookies[0] + ", or it is empty or expired"
		}
		return token, ""
	default:
		return r.jsonToken(resp)
	}
}

func (r *responseReader) jsonToken(resp *Response) (token, problem string) {
	value := resp.json(r.tokenPath)
	switch {
	case value.Type == gjson.String:
		return value.Str, ""
	case value.Type == gjson.Number:
		if token = numberText(value); token == "" {
			return "", "there is a number with an exponent " + r.place()
		}
		return token, ""
	case resp.isJSON && value.Raw == "":
		return "", "there is nothing " + r.place()
	case resp.isJSON && value.Type == gjson.Null:
		return "", "there is null " + r.place()
	case resp.isJSON:
		return "", "there is " + shapeOf(value) + " " + r.place()
	case resp.text() == "":
		return "", "the body is empty"
	case resp.markup() != "":
		return "", "the body is " + resp.markup() + ", not JSON"
	default:
		return "", "the body is not JSON"
	}
}

// byteOrderMark precedes the text of some services, though it is meaningless in UTF-8 (RFC 8259 section 8.1).
const byteOrderMark = "\xef\xbb\xbf"

// text returns the body without surrounding whitespace.
func (resp *Response) text() string {
	return strings.TrimSpace(strings.TrimPrefix(string(resp.Body), byteOrderMark))
}

// markup tells an HTML page, such as that of a login or of an intermediate proxy, from XML, which some services answer
// unless the call asks for JSON. It returns "" for anything else.
func (resp *Response) markup() string {
	text := resp.text()
	if !strings.HasPrefix(text, "<") {
		return ""
	}
	media, _ := FirstHeader(resp.Headers, "content-type")
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	if strings.HasPrefix(text, "<?xml") || strings.HasSuffix(strings.TrimSpace(media), "xml") && !strings.Contains(media, "html") {
		return "XML"
	}
	return "HTML"
}

const bearerPrefix = "Bearer "

// hasBearerToken reports whether the token can be used by simply sending it (RFC 6749 section 7.1). Other types, such
// as DPoP, need a proof that the upstream would miss. A token_type that is absent, empty or N_A (RFC 8693 section
// 2.2.1) is accepted, and so is BearerToken, as Apigee calls it unless configured to comply with the RFC.
func (resp *Response) hasBearerToken() bool {
	value := resp.json("token_type")
	return value.Type == gjson.Null || value.Type == gjson.String && (value.Str == "" || value.Str == "N_A" ||
		strings.EqualFold(value.Str, "Bearer") || strings.EqualFold(value.Str, "BearerToken"))
}

func endsScheme(prefix string) bool { return len(prefix) > 1 && strings.HasSuffix(prefix, " ") }
