package main

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// answerReader reads the keys that say where in the token service's answer the token is.
func (s section) answerReader(of *scope, oauth2 *oauth2) answerReader {
	r := answerReader{
		any2xx:         oauth2 != nil,
		tokenPath:      s.jsonPath(keyTokenPath),
		responseHeader: strings.ToLower(s.responseHeader(of)),
		prefix:         s.text(keyTokenPrefix),
		prefixFromType: oauth2 != nil && !s.has(keyTokenPrefix),
		upstream:       s.upstreamHeaders(of),
		conditions:     s.conditions(),
	}
	if oauth2 != nil && r.tokenPath == "" && !s.has(keyResponseHeader) {
		r.tokenPath = "access_token"
	}
	if !isHeaderValue(r.prefix) {
		s.wrong(keyTokenPrefix, wantHeaderValue)
	}
	r.needsBody = r.tokenPath != "" || oauth2 != nil || s.has(keyCache)
	for _, header := range r.upstream {
		r.needsBody = r.needsBody || header.path != ""
	}
	for _, condition := range r.conditions {
		r.needsBody = r.needsBody || condition.path != ""
	}
	return r
}

func (s section) responseHeader(of *scope) string {
	name := s.text(keyResponseHeader)
	switch {
	case !s.has(keyResponseHeader):
		return of.tokenHeader
	case name == "" || strings.ContainsFunc(name, isNoTokenRune):
		s.wrong(keyResponseHeader, "the name of a response header")
	case s.has(keyTokenPath):
		s.warn(keyResponseHeader, "the token comes from "+keyTokenPath.name)
	}
	return name
}

// upstreamHeaders reads the map of header names to header:NAME or body:PATH.
func (s section) upstreamHeaders(of *scope) []upstreamHeader {
	var headers []upstreamHeader
	for _, member := range s.textMap(keyUpstreamHeaders) {
		at := s.prefix + keyUpstreamHeaders.name + "." + printable(member.name)
		kind, source, _ := strings.Cut(member.value, ":")
		header := upstreamHeader{name: member.name}
		switch {
		case !isSettableHeader(member.name):
			s.reader.fail("invalid %s in config (want %s)", at, wantSettableHeader)
		case strings.EqualFold(member.name, of.tokenHeader):
			s.reader.fail("invalid %s in config: that is the %s", at, keyTokenHeader.name)
		case source == "" || kind != "header" && kind != "body" || kind == "header" && strings.ContainsFunc(source, isNoTokenRune):
			s.reader.fail("invalid %s in config: %s (want header:NAME or body:PATH)", at, shown(member.written))
		case kind == "header":
			header.header = strings.ToLower(source)
		default:
			header.path = source
		}
		headers = append(headers, header)
	}
	return headers
}

func (s section) conditions() []condition {
	value, ok := s.value(keySuccessWhen)
	if !ok {
		return nil
	}
	if !value.IsArray() {
		s.invalid(keySuccessWhen, value, string(keySuccessWhen.kind))
		return nil
	}
	var conditions []condition
	for i, entry := range value.Array() {
		prefix := fmt.Sprintf("%s%s[%d].", s.prefix, keySuccessWhen.name, i)
		if !entry.IsObject() {
			s.reader.fail("invalid %s in config (want %s)", strings.TrimSuffix(prefix, "."), keySuccessWhen.kind)
			return nil
		}
		conditions = append(conditions, newSection(keySuccessWhen, prefix, entry, section{}, s.reader).condition())
	}
	return conditions
}

func (s section) condition() condition {
	c := condition{header: strings.ToLower(s.text(keyConditionHeader)), path: s.jsonPath(keyConditionPath)}
	if (c.header == "") == (c.path == "") {
		s.reader.fail("invalid %s in config (want one of header and path)", strings.TrimSuffix(s.prefix, "."))
	}
	value, ok := s.value(keyConditionEquals)
	if !ok {
		s.reader.fail("missing %s%s in config", s.prefix, keyConditionEquals.name)
		return c
	}
	values := []gjson.Result{value}
	if value.IsArray() {
		values = value.Array()
	}
	for _, allowed := range values {
		// A number or true is taken as its text: that is how YAML has "200" without its quotes.
		if allowed.IsObject() || allowed.IsArray() || allowed.Type == gjson.Null {
			s.invalid(keyConditionEquals, allowed, string(keyConditionEquals.kind))
		}
		c.equals = append(c.equals, s.expand(keyConditionEquals.name, allowed.String()))
	}
	return c
}
