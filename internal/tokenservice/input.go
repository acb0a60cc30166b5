package tokenservice

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"token-fetch/internal/rules"
	"token-fetch/internal/template"
)

// input is a value of the client's request that tokens depend on.
type input struct {
	reading reading
	origin  template.Origin
	// jwt brings the token whose claim it is: a header or a cookie. The zero Origin for what is no claim.
	jwt     template.Origin
	missing error // of a request without it, where it is a token to be exchanged
	// allowsMissing: such a request goes on without a token. Tokens do not depend on it.
	allowsMissing bool
}

// is reports whether both are the same value of a request.
func (in input) is(other input) bool {
	in.allowsMissing = other.allowsMissing
	return in == other
}

type reading uint8

const (
	// lines are all of a header's, as they are; there may be none.
	lines reading = iota
	// bearer is a token to be exchanged. There must be one.
	bearer
	// value is what a reference stands for. There must be one.
	value
)

// maxValueBytes limits what a reference brings from a request.
const maxValueBytes = 16 << 10

// header is the request header that has the value, in lower case.
func (in *input) header() string {
	origin := in.origin
	if origin.Kind == template.Claim {
		origin = in.jwt
	}
	switch origin.Kind {
	case template.Cookie:
		return "cookie"
	case template.Query, template.Path:
		return ":path"
	case template.Host:
		return ":authority"
	case template.Method:
		return ":method"
	default:
		return origin.Name
	}
}

// append appends the value, with a number that tells it apart from others.
func (in *input) append(to []byte, number int, headers [][2]string) ([]byte, error) {
	switch in.reading {
	case lines:
		for _, header := range headers {
			if header[0] == in.origin.Name {
				to = appendValue(to, number, header[1])
			}
		}
		return to, nil
	case bearer:
		found, isOne := onlyValue(headers, in.origin)
		text, ok := bearerToken(found, in.origin)
		switch {
		case ok && isOne:
			return appendValue(to, number, text), nil
		case isOne && in.allowsMissing && isAbsent(found, in.origin):
			return nil, ErrAnonymous
		}
		return nil, in.missing
	default:
		text, ok := in.value(headers)
		if err := checkValue(text, ok, in.origin); err != nil {
			return nil, err
		}
		return appendValue(to, number, text), nil
	}
}

// checkValue says whether a call can be made with what a reference has found.
func checkValue(text string, ok bool, o template.Origin) error {
	if !ok || text == "" || len(text) > maxValueBytes {
		return &MissingError{Origin: o}
	}
	return nil
}

// value is what a reference stands for.
func (in *input) value(headers [][2]string) (string, bool) {
	switch in.origin.Kind {
	case template.Header:
		return allHeaders(headers, in.origin.Name)
	case template.Cookie:
		return first(cookieValues(headers, in.origin.Name))
	case template.Query:
		return first(queryValues(headerOf(headers, ":path"), in.origin.Name))
	case template.Host:
		return rules.Host(headerOf(headers, ":authority"))
	case template.Path:
		path, _, _ := strings.Cut(headerOf(headers, ":path"), "?")
		return path, true
	case template.Method:
		return headerOf(headers, ":method"), true
	default:
		found, isOne := onlyValue(headers, in.jwt)
		text, ok := bearerToken(found, in.jwt)
		if !ok || !isOne {
			return "", false
		}
		return claim(text, in.origin.Name)
	}
}

// onlyValue is that of the header, cookie or parameter, "" without one. isOne is false for several: of two tokens one would
// be exchanged, and the upstream could take the other.
func onlyValue(headers [][2]string, o template.Origin) (text string, isOne bool) {
	switch o.Kind {
	case template.Cookie:
		found := cookieValues(headers, o.Name)
		text, _ = first(found)
		return text, len(found) < 2
	case template.Query:
		found := queryValues(headerOf(headers, ":path"), o.Name)
		text, _ = first(found)
		return text, len(found) < 2
	}
	isOne = true
	isFound := false
	for _, header := range headers {
		if header[0] == o.Name {
			text, isOne, isFound = header[1], !isFound, true
		}
	}
	return text, isOne
}

func first(found []string) (text string, ok bool) {
	if len(found) == 0 {
		return "", false
	}
	return found[0], true
}

// cookieValues are those of the request's cookies of that name (RFC 6265 section 5.4).
func cookieValues(headers [][2]string, name string) (found []string) {
	for _, header := range headers {
		if header[0] != "cookie" {
			continue
		}
		for pair := range strings.SplitSeq(header[1], ";") {
			if own, text, _ := strings.Cut(pair, "="); strings.Trim(own, " \t") == name {
				found = append(found, unquoted(strings.Trim(text, " \t")))
			}
		}
	}
	return found
}

// queryValues are those of the parameters of that name, as forms are read. One that can't be decoded is empty.
func queryValues(target, name string) (found []string) {
	_, query, _ := strings.Cut(target, "?")
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.SplitSeq(query, "&") {
		own, text, _ := strings.Cut(pair, "=")
		if own, err := url.QueryUnescape(own); err != nil || own != name {
			continue
		}
		text, err := url.QueryUnescape(text)
		if err != nil {
			text = ""
		}
		found = append(found, text)
	}
	return found
}

// claim is one of a JWT, which is not verified: a text, a number or true or false.
func claim(token, path string) (string, bool) {
	claims, ok := claimsOfJWT(token)
	if !ok {
		return "", false
	}
	switch found := gjson.GetBytes(claims, path); found.Type {
	case gjson.String:
		return found.Str, true
	case gjson.Number, gjson.True, gjson.False:
		return found.Raw, true // a number as it is written, whatever its size
	default:
		return "", false
	}
}

// MissingError is of a request that lacks what the call refers to, or has it in a form that can't be sent on.
type MissingError = template.MissingError

// bearerToken takes the token out of a value: after the scheme Bearer, or the whole value of anything but
// Authorization. What has other characters than a token's (RFC 6750 section 2.1) is none, for example two tokens in one value.
func bearerToken(text string, o template.Origin) (string, bool) {
	scheme, token, hasScheme := strings.Cut(strings.TrimSpace(text), " ")
	switch {
	case hasScheme && strings.EqualFold(scheme, "bearer"):
		token = strings.TrimSpace(token)
	case hasScheme || isAuthorization(o):
		return "", false
	default:
		token = scheme
	}
	return token, len(token) <= maxTokenBytes && bearerBytes.isOf(token)
}

// isAbsent reports whether a value has no token at all, rather than a bad one: none, only the scheme, or
// credentials of another one. So must each part between commas, by which a host joins several lines.
func isAbsent(text string, o template.Origin) bool {
	for part := range strings.SplitSeq(text, ",") {
		scheme, token, hasScheme := strings.Cut(strings.TrimSpace(part), " ")
		isBearer := strings.EqualFold(scheme, "bearer")
		isOther := scheme == "" || hasScheme || isAuthorization(o)
		if isBearer && strings.TrimSpace(token) != "" || !isBearer && !isOther {
			return false
		}
	}
	return true
}

func isAuthorization(o template.Origin) bool {
	return o == template.Origin{Kind: template.Header, Name: "authorization"}
}

var bearerBytes = newByteSet(letters + digits + "-._~+/=")

// addInput has the token depend on one more value.
func (s *Service) addInput(in input) {
	if !slices.ContainsFunc(s.inputs, in.is) {
		s.inputs = append(s.inputs, in)
	}
}
