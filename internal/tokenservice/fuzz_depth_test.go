package tokenservice

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/fuzzing"
	"token-fetch/internal/schema"
)

// What counts as JSON is what the standard library takes for it, and nests at most 64 deep.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, ` {"a": [1, -2.5e3, "\u0041\ud800\n", true, false, null]} `, "\xef\xbb\xbf{}", "\"\x80\x7f\"", `01`, `1.`, `[1,]`, `{"a":1} {}`,
		`"[[[[{{{{"`, `["\\"]`, `["\""]`, `["\\\"[["]`, `{"a":"\\","b":[[]]}`, `[]]`, `{]`, `"\`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
		strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64), strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65),
		strings.Repeat("[", 12000), strings.Repeat(`[{"":`, 6000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got bool
		fuzzing.InTime(t, len(text), func() { got = schema.ValidJSON(text) })
		depth, valid := fuzzing.Depth(text)
		if want := valid && depth <= schema.MaxDepth; got != want {
			t.Errorf("JSON %t, expected %t: it is valid by encoding/json: %t, and nests %d deep: %.200q", got, want, valid, depth, text)
		}
	})
}

// A text of any size and depth, made of parts that are repeated, at every place where JSON comes in.
func FuzzRepeatedJSON(f *testing.F) {
	f.Add("[", "", "", uint32(12_000))
	f.Add("[", "1", "]", uint32(64))
	f.Add("[", "1", "]", uint32(65))
	f.Add(`{"access_token":`, `"t1"`, "}", uint32(10_001))
	f.Add(`{"exp":`, `1`, "}", uint32(300_000))
	f.Add(`{"a":1,`, `"b":2}`, "", uint32(100_000))
	f.Add(`"\\`, `"`, "", uint32(300_000))
	f.Add(`{"_rules_":[`, `{}`, "]}", uint32(32))
	f.Add(`{"cache":`, `{}`, "}", uint32(100_000))
	f.Add(" ", `{"token": "t1", "expires_in": 1e400}`, "\n", uint32(500_000))
	f.Fuzz(func(t *testing.T, before, middle, after string, count uint32) {
		size := len(before) + len(after) + 1
		times := int(count) % max((MaxResponseBytes-len(middle))/size, 1)
		text := []byte(strings.Repeat(before, times) + middle + strings.Repeat(after, times))
		checkPlacesOfJSON(t, text)
	})
}

// checkPlacesOfJSON holds against the standard library what the plugin makes of a text.
func checkPlacesOfJSON(t *testing.T, text []byte) {
	t.Helper()
	depth, valid := fuzzing.Depth(text)
	readable := valid && depth <= schema.MaxDepth
	reader := responseReader{tokenIn: tokenInJSON, tokenPath: "access_token", wrapping: wrapping{prefix: bearerPrefix}, isBearer: true,
		upstream: []upstreamHeader{{name: "a", path: "a.b"}}, conditions: []condition{{path: "code", equals: []string{"0"}}},
		refusals: []refusal{{condition: condition{path: "active", equals: []string{"false"}}}}}
	policy := lifetimePolicy{ttl: time.Second, expiresInPath: "expires_in"}
	fuzzing.InTime(t, len(text), func() {
		a := &Response{Status: 200, Body: append([]byte(byteOrderMark), text...)}
		_, _ = reader.read(a, fuzzNow)
		if a.json("@this").Exists() != readable {
			t.Errorf("the answer is JSON: %t, expected %t (depth %d, %.100q)", !readable, readable, depth, text)
		}
		_ = policy.lifetimeOf(a, "t1", fuzzNow)
		_ = oauthError(&Response{Status: 400, Body: text})
	})
	token := "a." + base64.RawURLEncoding.EncodeToString(text) + ".c"
	fuzzing.InTime(t, len(token), func() {
		if _, found := jwtExpiry(token); found && !readable {
			t.Errorf("claims that nest %d deep have an exp, expected none (%.100q)", depth, text)
		}
	})
	fuzzing.InTime(t, len(text), func() {
		_, err := read(string(text))
		if err == nil && !readable {
			t.Errorf("a configuration that nests %d deep is taken, expected an error (%.100q)", depth, text)
		}
		if notJSON := err != nil && strings.Contains(err.Error(), "not JSON"); notJSON && readable && len(bytes.TrimSpace(text)) > 0 {
			t.Errorf("got %v, expected it to be JSON (%.100q)", err, text)
		}
	})
}
