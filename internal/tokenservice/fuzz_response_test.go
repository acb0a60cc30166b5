package tokenservice

import (
	"strconv"
	"strings"
	"testing"

	"token-fetch/internal/token"
)

// Whatever a token service answers, the result is values that a header can carry, the token first, or a
// failure whose text has nothing of the answer but error codes.
func FuzzReadAnswer(f *testing.F) {
	f.Add(200, "t1", []byte(`{"token": "t1", "token_type": "bearer"}`), "token")
	f.Add(200, "", []byte(`{"token": {"a": ["b"]}}`), "token.a.#(b==1)#|@reverse")
	f.Add(200, "Bearer t1", []byte(`{"token": "Bearer t1\n"}`), "token")
	f.Add(200, " \x00\x7f\xff ", []byte(`{"token": 12345678901234567890, "token_type": "DPoP"}`), "token")
	f.Add(200, "a, b", []byte(`{"error": "invalid_grant", "error_description": "s3cr3t"}`), "token")
	f.Add(401, "a\nb", []byte(`{"error": "invalid_client"}`), "..#.a")
	f.Add(502, "", []byte("<html>Bad Gateway</html>"), "@this")
	f.Add(401, "a", []byte(`{"error": "invalid_client", "error_codes": [7000222], "code": "s3cr3t"}`), "code")
	f.Add(200, "a", []byte("token=t%0a1&a&=&%zz=%00"), "token")
	f.Add(200, strings.Repeat("a", 16<<10+1), []byte(`{"token": "\ud800", "token": "t2"}`), "token")
	f.Fuzz(func(t *testing.T, status int, header string, body []byte, path string) {
		reader := responseReader{tokenIn: tokenInJSON, tokenPath: path, responseHeader: "x-token", wrapping: wrapping{prefix: bearerPrefix}, isBearer: true,
			upstream:   []upstreamHeader{{name: "a", path: path}, {name: "b", header: "x-token"}},
			conditions: []condition{{header: "x-token", equals: []string{header}}}}
		for _, hasSubject := range []bool{false, true} {
			reader.hasSubject = hasSubject
			headers := [][2]string{{"x-token", header}}
			if hasSubject {
				reader.refusals = []refusal{{statuses: []int{401}, condition: condition{path: path, equals: []string{header}}}}
				headers = append(headers, [2]string{"content-type", formType})
			}
			values, failed := reader.read(&Response{Status: status, Headers: headers, Body: body}, fuzzNow)
			if (failed == nil) != (len(values) == 3 && values[0] != "") {
				t.Fatalf("got %q and %v", values, failed)
			}
			for _, value := range values {
				checkHeaderValue(t, value)
			}
			if failed != nil {
				failed.Detail = strings.ReplaceAll(failed.Detail, strconv.QuoteToASCII(path), "") // which is the operator's
				checkFailure(t, failed, status, hasSubject)
			}
		}
	})
}

func checkHeaderValue(t *testing.T, value string) {
	t.Helper()
	if most := maxTokenBytes + len(bearerPrefix); len(value) > most {
		t.Errorf("a value of %d bytes, expected at most %d", len(value), most)
	}
	for i := range len(value) {
		if value[i] < ' ' || value[i] == 0x7f {
			t.Errorf("%q is no header value (RFC 9110 section 5.5)", value)
			return
		}
	}
}

// checkFailure allows in a reason the plugin's own words, which have no characters but these, and an error
// code. A stale token serves, and all callers are held back, only when the service can't answer; a caller is
// blamed only where it brought a token.
func checkFailure(t *testing.T, failed *token.Error, status int, hasSubject bool) {
	t.Helper()
	reason := failed.Detail
	const words = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,:()-_"
	if len(reason) > 200 || strings.Trim(reason, words) != "" {
		t.Errorf("reason %q has more than the plugin's words", reason)
	}
	if want := status == 0 || status == 429 || status >= 500 && status <= 599; failed.Reason.IsUnavailable() != want {
		t.Errorf("status %d: unavailable is %t, expected %t", status, failed.Reason.IsUnavailable(), want)
	}
	if failed.Reason == token.SubjectRefused && (!hasSubject || status != 400 && status != 401) {
		t.Errorf("status %d: the subject is refused, expected that of no such answer (has one: %t)", status, hasSubject)
	}
}
