package tokenservice

import (
	"encoding/base64"
	"fmt"
	"slices"
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

// harmlessCodings leave a body as it is. Servers that name a charset or "none" mean no coding.
var harmlessCodings = []string{"", "identity", "none", "utf-8", "utf8"}

// coding returns the Content-Encoding if it makes the configured values unreadable. base64 is a text encoding that
// requestHeaders can ask for (Conjur).
func (r *responseReader) coding(resp *Response) (shown string, isCoded bool) {
	if !r.readsBody {
		return "", false
	}
	value, _ := allHeaders(resp.Headers, "content-encoding")
	for coding := range strings.SplitSeq(value, ",") {
		switch coding = strings.ToLower(strings.TrimSpace(coding)); {
		case slices.Contains(harmlessCodings, coding), coding == "base64" && strings.Contains(r.ownCodings, coding):
		case len(coding) > 20 || !isToken(coding):
			return "of another kind", true
		default:
			return coding, true
		}
	}
	return "", false
}

// token returns the token with what is put around it. If there is none that a header can carry, problem describes what is
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
	if r.isBasic && !strings.Contains(r.prefix+token+r.suffix, ":") {
		return "", "it has no colon " + r.place() + " between user and password (put it in " + keyTokenPrefix.Name + " or " + keyTokenSuffix.Name + ")"
	}
	resp.token = token
	return r.around(token), ""
}

// wrapping is what is put around a token to make a header's value of it.
type wrapping struct {
	prefix, suffix string
	isBasic        bool // the whole is credentials of the scheme Basic (RFC 7617)
}

// around returns the header's value. It shares no memory with the token, which would keep the whole response.
func (w wrapping) around(token string) string {
	switch {
	case w.isBasic:
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(w.prefix+token+w.suffix))
	case endsScheme(w.prefix) && len(token) >= len(w.prefix) && strings.EqualFold(token[:len(w.prefix)], w.prefix):
		return strings.Clone(token) + w.suffix // some services already include the scheme
	default:
		return w.prefix + strings.Clone(token) + w.suffix
	}
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
		return resp.wholeToken(), ""
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
	case resp.document != nil && value.Raw == "":
		return "", "there is nothing " + r.place()
	case value.Raw != "" && value.Type == gjson.Null:
		return "", "there is null " + r.place()
	case resp.document != nil:
		return "", "there is " + shapeOf(value) + " " + r.place()
	case resp.text() == "":
		return "", "the body is empty"
	}
	if markup := resp.markup(); markup != "" {
		return "", "the body is " + markup + ", not JSON"
	}
	return "", "the body is not JSON"
}

// byteOrderMark precedes the text of some services, though it is meaningless in UTF-8 (RFC 8259 section 8.1).
const byteOrderMark = "\xef\xbb\xbf"

// text returns the body without surrounding whitespace.
func (resp *Response) text() string {
	return strings.TrimSpace(strings.TrimPrefix(string(resp.Body), byteOrderMark))
}

// wholeToken returns the body as a token. Frameworks that answer everything in JSON put it in quotes (Magento, vSphere,
// ASP.NET).
func (resp *Response) wholeToken() string {
	text := resp.text()
	if !strings.HasPrefix(text, `"`) {
		return text
	}
	if value := resp.json("@this"); value.Type == gjson.String {
		return strings.TrimSpace(value.Str)
	}
	return text
}

// markup tells an HTML page, such as that of a login or of an intermediate proxy, from XML, which some services answer
// unless the call asks for JSON. It returns "" for anything else.
func (resp *Response) markup() string {
	text := resp.text()
	start := strings.ToLower(text[:min(len(text), 512)])
	switch {
	case !strings.HasPrefix(start, "<"):
		return ""
	case strings.Contains(start, "<html"), strings.Contains(start, "<!doctype html"):
		return "HTML"
	case strings.HasPrefix(start, "<?xml"), strings.Contains(resp.contentType(), "xml"):
		return "XML"
	default:
		return "HTML"
	}
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
