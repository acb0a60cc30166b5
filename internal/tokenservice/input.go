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
	// jwt is the header or cookie with the token that has the claim. It is zero if origin is not a claim.
	jwt     template.Origin
	missing error // the error for a request without a token to be exchanged
	// allowsMissing: such a request is forwarded without a token. Tokens do not depend on this.
	allowsMissing bool
}

// is reports whether both are the same value of a request.
func (in input) is(other input) bool {
	in.allowsMissing = other.allowsMissing
	return in == other
}

type reading uint8

const (
	// lines are all values of a header, unchanged; there may be none.
	lines reading = iota
	// bearer is a token to be exchanged. It is required.
	bearer
	// value is the value of a reference. It is required.
	value
)

// maxValueBytes limits a value that a reference takes from a request.
const maxValueBytes = 16 << 10

// header is the request header that contains the value, in lower case.
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

// append appends the value, tagged with the input's index.
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

// checkValue reports whether a reference's value can be used in a call.
func checkValue(text string, ok bool, o template.Origin) error {
	if !ok || text == "" || len(text) > maxValueBytes {
		return &MissingError{Origin: o}
	}
	return nil
}

// value returns the value of a reference.
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

// onlyValue returns the value of the header, cookie or parameter, or "" if absent. isOne is false if there are several:
// the plugin would exchange one token, and the upstream might use another.
func onlyValue(headers [][2]string, o template.Origin) (text string, isOne bool) {
	switch o.Kind {
	case template.Cookie:
		found := cookieValues(headers, o.Name)
		text, _ = first(found)
		return text, len(found) < 2 && len(found) == possibleCookies(headers, o.Name)
	case template.Query:
		target := headerOf(headers, ":path")
		found := queryValues(target, o.Name)
		text, _ = first(found)
		// Some servers also separate parameters by semicolons (Rack 2).
		return text, len(found) < 2 && len(found) == len(queryValues(strings.ReplaceAll(target, ";", "&"), o.Name))
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

// cookieValues returns the values of the request's cookies with that name (RFC 6265 section 5.4).
func cookieValues(headers [][2]string, name string) (found []string) {
	for _, header := range headers {
		if header[0] != "cookie" {
			continue
		}
		for pair := range strings.SplitSeq(header[1], ";") {
			if key, text, _ := strings.Cut(pair, "="); strings.Trim(key, " \t") == name {
				found = append(found, unquoted(strings.Trim(text, " \t")))
			}
		}
	}
	return found
}

// possibleCookies is the number of the request's cookies that some server could take for the one with that name.
func possibleCookies(headers [][2]string, name string) (count int) {
	for _, header := range headers {
		if header[0] != "cookie" {
			continue
		}
		for _, possible := range possibleNames(header[1]) {
			if strings.EqualFold(possible, name) {
				count++
			}
		}
	}
	return count
}

// queryValues returns the values of the query parameters with that name, form-decoded. Those that can't be decoded are
// empty.
func queryValues(target, name string) (found []string) {
	_, query, _ := strings.Cut(target, "?")
	query, _, _ = strings.Cut(query, "#")
	for pair := range strings.SplitSeq(query, "&") {
		key, text, _ := strings.Cut(pair, "=")
		if key, err := url.QueryUnescape(key); err != nil || key != name {
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

// claim returns an unverified claim of a JWT: a string, number or boolean.
func claim(token, path string) (string, bool) {
	claims, ok := claimsOfJWT(token)
	if !ok {
		return "", false
	}
	switch found := gjson.GetBytes(claims, path); found.Type {
	case gjson.String:
		return found.Str, true
	case gjson.Number, gjson.True, gjson.False:
		return found.Raw, true // numbers as written, whatever their size
	default:
		return "", false
	}
}

// MissingError is for a request without a value that the call refers to, or with one that can't be sent.
type MissingError = template.MissingError

// bearerToken extracts the token: after the scheme Bearer or, except in Authorization, the whole value. Characters that
// tokens can't have (RFC 6750 section 2.1) make it invalid, for example two tokens in one value.
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
	return token, len(token) <= maxTokenBytes && bearerBytes.contains(token)
}

// isAbsent reports whether there is no token at all, rather than an invalid one: no value, the scheme alone, or
// credentials of another scheme. If a host joined several lines with commas, this must be true of each.
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

// addInput makes tokens depend on one more value.
func (s *Service) addInput(in input) {
	if !slices.ContainsFunc(s.inputs, in.is) {
		s.inputs = append(s.inputs, in)
	}
}
