package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/higress-group/wasm-go/pkg/matcher"
	"github.com/tidwall/gjson"
)

// config is a plugin configuration that has been found good: the global part
// and the rules in their order.
type config struct {
	global   *scope // nil when requests that match no rule are left alone
	rules    rules
	warnings []string
}

// scope is what the global part or one rule says about its requests.
type scope struct {
	enabled        bool // false: its requests are left alone
	overwrite      bool // false: a client's own token header goes on upstream
	tokenHeader    string
	protected      []string // the headers that only the plugin may set: the token header, then those of upstreamHeaders
	call           tokenCall
	answer         answerReader
	forwardHeaders []string // lower-case
	exchange       *subjectToken
	cache          *cachePolicy // nil: a token call for every request
	failure        failurePolicy
	identity       identity
}

// parseConfig reads what the gateway has configured. The error names the first
// key that is wrong, wherever it stands, and never a secret's value.
func parseConfig(data []byte, env lookupEnv) (*config, error) {
	whole, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	parsed := &config{}
	r := &reader{env: env}
	global := newSection(keyRoot, "", whole, section{}, r)
	listed, hasRules := global.own(matcher.RULES_KEY)
	if hasOwnKeys(global) || !hasRules {
		parsed.global = global.scope()
	}
	if r.err == nil && hasRules {
		parsed.rules = parseRules(listed, global, r)
	}
	parsed.warnings = r.warnings
	if r.err != nil {
		return nil, r.err
	}
	return parsed, nil
}

// dependsOnCaller tells whether requests need tokens of their own.
func (s *scope) dependsOnCaller() bool { return len(s.forwardHeaders) > 0 || s.exchange != nil }

func hasOwnKeys(s section) bool {
	for name := range s.layers[0] {
		if !belongsToGateway(name) {
			return true
		}
	}
	return false
}

// parseJSON says where the JSON is broken but shows none of it, as it holds secrets.
func parseJSON(data []byte) (gjson.Result, error) {
	if !nestsWithin(data, maxJSONDepth) {
		return gjson.Result{}, fmt.Errorf("invalid config: it is nested too deep (want at most %d levels)", maxJSONDepth)
	}
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		var syntax *json.SyntaxError
		if len(data) == 0 || !errors.As(err, &syntax) {
			return gjson.Result{}, errors.New("invalid config: it is empty (want a JSON object)")
		}
		// Offset counts the byte that is wrong, which may be a line break itself.
		before := data[:max(int(syntax.Offset)-1, 0)]
		line := 1 + bytes.Count(before, []byte("\n"))
		column := len(before) - bytes.LastIndexByte(before, '\n')
		return gjson.Result{}, fmt.Errorf("invalid config: not JSON at line %d, column %d", line, column)
	}
	whole := gjson.ParseBytes(data)
	if !whole.IsObject() {
		return gjson.Result{}, errors.New("invalid config: not a JSON object")
	}
	return whole, nil
}

// scope reads one scope, with what it inherits.
func (s section) scope() *scope {
	_, isSet := s.own(keyEnabled.name)
	parsed := &scope{
		// enabled is the one key that a rule does not inherit: with a global
		// false, the global part is only what the rules inherit.
		enabled:   !isSet || s.boolean(keyEnabled),
		overwrite: s.boolean(keyOverwrite),
	}
	oauth2 := s.oauth2(parsed)
	parsed.tokenHeader = s.tokenHeader(parsed, oauth2)
	parsed.call = s.tokenCall(parsed, oauth2)
	parsed.answer = s.answerReader(parsed, oauth2)
	parsed.protected = append([]string{parsed.tokenHeader}, parsed.answer.upstreamNames()...)
	parsed.answer.hasSubject = parsed.exchange != nil
	s.forwarded(parsed)
	parsed.cache = s.cachePolicy(oauth2)
	parsed.failure = s.failurePolicy(parsed.cache != nil)
	parsed.identity = identify(parsed)
	return parsed
}

// required is a string that must be there and not be empty, but in a scope that is switched off.
func (s section) required(k *key, of *scope) string {
	text := s.text(k)
	if text == "" && of.enabled {
		s.reader.fail("missing %s%s in config", s.prefix, k.name)
	}
	return text
}

func (s section) tokenHeader(of *scope, oauth2 *oauth2) string {
	if oauth2 != nil && !s.has(keyTokenHeader) {
		return "Authorization"
	}
	name := s.required(keyTokenHeader, of)
	if name != "" && !isSettableHeader(name) {
		s.wrong(keyTokenHeader, wantSettableHeader)
	}
	return name
}

// servicePort also takes a number in quotes, as the guide's sample did; 0 is the default.
func (s section) servicePort() int {
	value, ok := s.value(keyServicePort)
	if !ok {
		return s.integer(keyServicePort)
	}
	if n, err := strconv.Atoi(value.String()); err == nil && value.Type == gjson.String {
		value = gjson.Result{Type: gjson.Number, Num: float64(n), Raw: value.Raw}
	}
	n, isInteger := wholeNumber(value)
	switch {
	case isInteger && n == 0:
		return keyServicePort.fallback.(int)
	case !isInteger || n < keyServicePort.min || n > keyServicePort.max:
		s.invalid(keyServicePort, value, fmt.Sprintf("%d to %d", keyServicePort.min, keyServicePort.max))
	}
	return int(n)
}

func (s section) milliseconds(k *key) time.Duration {
	return time.Duration(s.integer(k)) * time.Millisecond
}

func (s section) seconds(k *key) time.Duration {
	return time.Duration(s.integer(k)) * time.Second
}

// forwarded reads forwardHeaders. They are kept in lower case, as Envoy hands headers out.
func (s section) forwarded(of *scope) {
	written, _ := s.value(keyForwardHeaders)
	for i, name := range s.texts(keyForwardHeaders) {
		if !isSettableHeader(name) {
			s.invalid(keyForwardHeaders, written.Array()[i], wantSettableHeader)
		}
		if _, set := firstHeader(of.call.headers, strings.ToLower(name)); set {
			s.invalid(keyForwardHeaders, written.Array()[i], "headers that the token call does not set itself")
		}
		if name := strings.ToLower(name); !contains(of.forwardHeaders, name) {
			of.forwardHeaders = append(of.forwardHeaders, name)
		}
	}
}
