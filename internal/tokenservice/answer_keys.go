package tokenservice

import (
	"strings"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

// answerReader reads the keys that say where in the token service's answer the token is.
func (r reader) answerReader(token string, auth *oauth2, upstream []upstreamHeader, conditions []condition) answerReader {
	a := answerReader{
		any2xx:         auth != nil,
		tokenPath:      r.JSONPath(keyTokenPath),
		responseHeader: strings.ToLower(r.responseHeader(token)),
		prefix:         r.String(keyTokenPrefix),
		isBearer:       auth != nil && !r.Has(keyTokenPrefix),
		upstream:       upstream,
		conditions:     conditions,
		hasSubject:     auth != nil && auth.exchange != nil,
	}
	if auth != nil && a.tokenPath == "" && !r.Has(keyResponseHeader) {
		a.tokenPath = "access_token"
	}
	if a.isBearer {
		a.prefix = bearerPrefix
	}
	if !IsHeaderValue(a.prefix) {
		r.Wrong(keyTokenPrefix, WantHeaderValue)
	}
	return a
}

func (r reader) responseHeader(tokenHeader string) string {
	if !r.Has(keyResponseHeader) {
		return tokenHeader
	}
	name := r.String(keyResponseHeader)
	switch {
	case !isToken(name):
		r.Wrong(keyResponseHeader, "the name of a response header")
	case r.Has(keyTokenPath):
		r.Unused(keyResponseHeader, "the token comes from "+keyTokenPath.Name)
	}
	return name
}

// upstreamHeaders reads the map of header names to header:NAME or body:PATH.
func (r reader) upstreamHeaders(tokenHeader string) []upstreamHeader {
	var headers []upstreamHeader
	for _, member := range r.Members(keyUpstreamHeaders) {
		at := r.Name(keyUpstreamHeaders, member.Name)
		kind, source, _ := strings.Cut(member.Value, ":")
		header := upstreamHeader{name: member.Name}
		switch {
		case !IsSettableHeader(member.Name):
			r.WrongMember(keyUpstreamHeaders, member.Name, WantSettableHeader)
		case strings.EqualFold(member.Name, tokenHeader):
			r.Fail("invalid %s in config: that is the %s", at, keyTokenHeader.Name)
		case source == "" || kind != "header" && kind != "body" || kind == "header" && !isToken(source):
			r.Fail("invalid %s in config: %s (want header:NAME or body:PATH)", at, schema.Shown(member.Written))
		case kind == "header":
			header.header = strings.ToLower(source)
		default:
			header.path = source
		}
		headers = append(headers, header)
	}
	return headers
}

func (r reader) conditions() []condition {
	value, ok := r.Value(keySuccessWhen)
	if !ok {
		return nil
	}
	if !value.IsArray() {
		r.Wrong(keySuccessWhen, string(keySuccessWhen.Kind))
		return nil
	}
	var conditions []condition
	for i, entry := range value.Array() {
		if !entry.IsObject() {
			r.Fail("invalid %s[%d] in config (want %s)", r.Name(keySuccessWhen), i, keySuccessWhen.Kind)
			return nil
		}
		conditions = append(conditions, readCondition(r.Element(keySuccessWhen, i, entry)))
	}
	return conditions
}

func readCondition(s schema.Section) condition {
	c := condition{header: strings.ToLower(s.String(keyConditionHeader)), path: s.JSONPath(keyConditionPath)}
	if (c.header == "") == (c.path == "") {
		s.WrongWhole("one of header and path")
	}
	if c.header != "" && !isToken(c.header) {
		s.Wrong(keyConditionHeader, "the name of a response header")
	}
	value, ok := s.Value(keyConditionEquals)
	if !ok || value.IsArray() && len(value.Array()) == 0 {
		s.Missing(keyConditionEquals)
		return c
	}
	values := []gjson.Result{value}
	if value.IsArray() {
		values = value.Array()
	}
	for _, allowed := range values {
		// A number or true is taken as its text: that is how YAML has "200" without its quotes.
		if allowed.IsObject() || allowed.IsArray() || allowed.Type == gjson.Null {
			s.Invalid(keyConditionEquals, allowed, string(keyConditionEquals.Kind))
		}
		c.equals = append(c.equals, s.Expand(keyConditionEquals.Name, allowed.String()))
	}
	return c
}
