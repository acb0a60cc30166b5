package tokenservice

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"token-fetch/internal/rules"
)

// broughtBy has the source of each reference's value, and the part of the value that the reference yields: "" if none.
var broughtBy = map[string]struct {
	reference string
	headers   func(value string) [][2]string // nil: a named token has it
	found     func(value string) string
}{
	"token":  {"${token.login}", nil, asItIs},
	"header": {"${request.header.X-In}", func(v string) [][2]string { return [][2]string{{"x-in", v}} }, atMost16K},
	"cookie": {"${request.cookie.session}", func(v string) [][2]string { return [][2]string{{"cookie", "a=b; session=" + v + "; c=d"}} }, func(v string) string {
		v, _, _ = strings.Cut(v, ";")
		return atMost16K(unquoted(strings.Trim(v, " \t")))
	}},
	"query": {"${request.query.in}", func(v string) [][2]string {
		return [][2]string{{":path", "/p?a=b&in=" + url.QueryEscape(v) + "&in=second"}}
	}, atMost16K},
	"host": {"${request.host}", func(v string) [][2]string { return [][2]string{{":authority", v}} }, func(v string) string {
		host, ok := rules.Host(v)
		if !ok {
			return ""
		}
		return atMost16K(host)
	}},
	"path": {"${request.path}", func(v string) [][2]string { return [][2]string{{":path", v}} }, func(v string) string {
		v, _, _ = strings.Cut(v, "?")
		return atMost16K(v)
	}},
	"method": {"${request.method}", func(v string) [][2]string { return [][2]string{{":method", v}} }, atMost16K},
	"caller": {"${caller.token}", func(v string) [][2]string { return [][2]string{{"authorization", "Bearer " + v}} }, func(v string) string {
		if v = strings.TrimSpace(v); strings.Trim(v, letters+digits+"-._~+/=") != "" {
			return ""
		}
		return atMost16K(v)
	}},
	"claim": {"${caller.claim.org}", func(v string) [][2]string {
		token, _ := json.Marshal(map[string]string{"org": v})
		return [][2]string{{"authorization", "Bearer e30." + base64.RawURLEncoding.EncodeToString(token) + ".c2ln"}}
	}, func(v string) string {
		if token, _ := json.Marshal(map[string]string{"org": v}); len(token) > 12_200 {
			return "" // of the whole token, 16 KiB are read
		}
		return atMost16K(string([]rune(v)))
	}},
}

func asItIs(value string) string { return value }

func atMost16K(value string) string {
	if len(value) > 16<<10 {
		return ""
	}
	return value
}

// standsIn is where a reference stands, how whoever gets the call reads the value out of it again, and for which values there may be no call.
var standsIn = map[string]struct {
	config  string // REF is the reference
	read    func(c Call) (string, error)
	refuses func(value string) bool // nil: none
}{
	"path": {withKey(`"requestPath": "/v1/REF/x?y=1"`), func(c Call) (string, error) {
		path, query, _ := strings.Cut(headerOf(c.Headers, ":path"), "?")
		segments := strings.Split(path, "/")
		if len(segments) != 4 || segments[1] != "v1" || segments[3] != "x" || query != "y=1" || !isVisible(path) {
			return "", errors.New("other segments, or another query")
		}
		return url.PathUnescape(segments[2])
	}, func(v string) bool { return strings.Contains(v, ".") }},
	"query": {withKey(`"requestPath": "/v1/x?y=1&in=REF"`), func(c Call) (string, error) {
		path, query, _ := strings.Cut(headerOf(c.Headers, ":path"), "?")
		if path != "/v1/x" || !isVisible(query) {
			return "", errors.New("another path")
		}
		return inForm("in", query, "y=1")
	}, nil},
	"header": {extended(`"requestHeaders": {"X-Out": "a REF", "X-Other": "b"}`), func(c Call) (string, error) {
		value, hasPrefix := strings.CutPrefix(headerOf(c.Headers, "x-out"), "a ")
		if !hasPrefix || !IsHeaderValue(value) {
			return "", errors.New("no such header value")
		}
		return value, nil
	}, func(v string) bool { return !IsHeaderValue(v) || strings.Trim(v, " \t") != v }},
	"JSON": {extended(`"requestBody": "{\"a\": [\"x\\\\\"], \"in\": \"REF\"}"`), func(c Call) (string, error) {
		var body struct {
			A  []string
			In string
		}
		decoder := json.NewDecoder(strings.NewReader(string(c.Body)))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&body); err != nil || decoder.More() || !slices.Equal(body.A, []string{`x\`}) {
			return "", fmt.Errorf("another body: %w", err)
		}
		return body.In, nil
	}, isNoUTF8},
	"form": {extended(`"requestBody": "a=b&in=REF", "requestHeaders": {"Content-Type": "application/x-www-form-urlencoded"}`),
		func(c Call) (string, error) { return inForm("in", string(c.Body), "a=b") }, nil},
	"XML": {extended(`"requestBody": "<a b='c'><in>REF</in></a>", "requestHeaders": {"Content-Type": "text/xml"}`), func(c Call) (string, error) {
		var body struct {
			B  string   `xml:"b,attr"`
			In []string `xml:"in"`
			Or []string `xml:",any"`
		}
		if err := xml.Unmarshal(c.Body, &body); err != nil || len(body.In) != 1 || len(body.Or) > 0 || body.B != "c" {
			return "", fmt.Errorf("another body: %w", err)
		}
		return body.In[0], nil
	}, func(v string) bool {
		return isNoUTF8(v) || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r >= '\ufffe' && r <= '\uffff' })
	}},
	"text": {extended(`"requestBody": "a\nin: REF\n", "requestHeaders": {"Content-Type": "text/plain"}`), func(c Call) (string, error) {
		if strings.Count(string(c.Body), "\n") != 2 {
			return "", errors.New("more lines")
		}
		return strings.TrimSuffix(strings.TrimPrefix(string(c.Body), "a\nin: "), "\n"), nil
	}, func(v string) bool { return !IsHeaderValue(v) }},
	"whole": {extended(`"requestBody": "REF"`), func(c Call) (string, error) { return string(c.Body), nil }, nil},
	"param": {oauth2Config(`"clientId": "id", "clientSecret": "s", "params": {"a": "b", "in": "REF"}`, ""), func(c Call) (string, error) {
		return inForm("in", string(c.Body), "grant_type=client_credentials&a=b")
	}, nil},
	"scope": {oauth2Config(`"clientId": "id", "clientSecret": "s", "scopes": ["read", "t:REF"]`, ""), func(c Call) (string, error) {
		scope, err := inForm("scope", string(c.Body), "grant_type=client_credentials")
		value, hasPrefix := strings.CutPrefix(scope, "read t:")
		if !hasPrefix || strings.Contains(value, " ") {
			return "", fmt.Errorf("other scopes: %q, %w", scope, err)
		}
		return value, err
	}, func(v string) bool {
		return strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' })
	}},
	"audience": {oauth2Config(`"clientId": "id", "clientSecret": "s", "audience": "REF"`, ""), func(c Call) (string, error) {
		return inForm("audience", string(c.Body), "grant_type=client_credentials")
	}, nil},
	"resource": {oauth2Config(`"clientId": "id", "clientSecret": "s", "resource": ["https://a", "REF"]`, ""), func(c Call) (string, error) {
		form, err := url.ParseQuery(string(c.Body))
		if err != nil || len(form) != 2 || len(form["resource"]) < 1 {
			return "", fmt.Errorf("another form: %v, %w", form, err)
		}
		i := slices.IndexFunc(form["resource"], func(v string) bool { return v != "https://a" })
		return form["resource"][max(i, 0)], nil
	}, nil},
	"client assertion": {oauth2Config(`"clientId": "id", "authStyle": "client_assertion", "clientAssertion": "REF"`, ""), func(c Call) (string, error) {
		return inForm("client_assertion", string(c.Body), "grant_type=client_credentials&client_id=id&client_assertion_type="+url.QueryEscape(assertionType))
	}, nil},
	"claims": {`{"tokenHeader": "X-Token", "jwt": {"secret": "` + strings.Repeat("s", 32) + `", "claims": {"a": [{"in": "REF"}], "iat": 1, "exp": 2, "jti": "x"}}}`, func(c Call) (string, error) {
		var claims struct {
			A        []struct{ In string }
			Iat, Exp int
			Jti      string
		}
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(headerOf(c.Headers, "signed"), ".")[1])
		decoder := json.NewDecoder(strings.NewReader(string(payload)))
		decoder.DisallowUnknownFields()
		if err := errors.Join(err, decoder.Decode(&claims)); err != nil || len(claims.A) != 1 || claims.Iat != 1 || claims.Exp != 2 || claims.Jti != "x" {
			return "", fmt.Errorf("other claims: %s, %w", payload, err)
		}
		return claims.A[0].In, nil
	}, func(v string) bool { return isNoUTF8(v) || len(v) > 2000 }}, // whose token could have more than 16 KiB
}

func isNoUTF8(v string) bool { return !utf8.ValidString(v) }

// inForm takes a field out of a form that has nothing else but the rest.
func inForm(field, text, rest string) (string, error) {
	form, err := url.ParseQuery(text)
	want, _ := url.ParseQuery(rest)
	if err != nil || len(form[field]) != 1 {
		return "", fmt.Errorf("another form: %v, %w", form, err)
	}
	value := form.Get(field)
	delete(form, field)
	if !maps.EqualFunc(form, want, slices.Equal) {
		return "", fmt.Errorf("the rest of the form is %v, expected %v", form, want)
	}
	return value, nil
}

// hostileCall is the call for a request that brings a value to a reference in a place. What is signed is in a header.
func hostileCall(t testing.TB, by, in, value string) (Call, error) {
	t.Helper()
	service := mustRead(t, strings.ReplaceAll(standsIn[in].config, "REF", broughtBy[by].reference))
	var named []string
	if broughtBy[by].headers == nil {
		named = []string{value}
		service = service.Link([]*Service{mustRead(t, sampleJSON)})
	}
	var c *Caller
	if service.DependsOnCaller() {
		values, err := service.AppendCaller(nil, broughtBy[by].headers(value))
		if err != nil {
			return Call{}, err
		}
		c = service.Caller(values)
	}
	if service.IsSigned() {
		token, err := service.Sign(c, named, now)
		return Call{Headers: [][2]string{{"signed", strings.TrimPrefix(strings.Join(token.Values, ""), "Bearer ")}}}, err
	}
	return service.Call(c, named, nil, now)
}

// checkReference: the call contains exactly the value in its place; or there is no call, and an error says so.
func checkReference(t *testing.T, by, in, value string) {
	t.Helper()
	call, err := hostileCall(t, by, in, value)
	found, place := broughtBy[by].found(value), standsIn[in]
	if missing := (*MissingError)(nil); err != nil {
		if by == "token" && len(value) > 2000 {
			return // signed, it is too long
		}
		if by == "caller" && found == "" && errors.Is(err, ErrNoSubjectToken) {
			return // answered 401
		}
		if !errors.As(err, &missing) || "${"+missing.Origin.String()+"}" != strings.Replace(broughtBy[by].reference, "X-In", "x-in", 1) {
			t.Fatalf("%.100q by %s in %s: got %v, expected that the reference is named", value, by, in, err)
		}
		if found != "" && (place.refuses == nil || !place.refuses(found)) {
			t.Errorf("%.100q by %s in %s: got %v, expected a call", value, by, in, err)
		}
		return
	}
	got, err := place.read(call)
	if err != nil || got != found || found == "" && by != "token" {
		t.Errorf("%.100q by %s in %s: got %.100q, %v, expected %.100q in %q, %.300q", value, by, in, got, err, found, call.Headers, call.Body)
	}
	other, err := hostileCall(t, by, in, "a")
	if err != nil {
		t.Fatal(err)
	}
	isSame := func(a, b [2]string) bool {
		return a[0] == b[0] && (a[1] == b[1] || a[0] == ":path" || a[0] == "x-out" || a[0] == "signed")
	}
	if !slices.EqualFunc(call.Headers, other.Headers, isSame) {
		t.Errorf("%.100q by %s in %s: got the headers %q, expected no others than in %q", value, by, in, call.Headers, other.Headers)
	}
}

var hostileValues = []string{
	"a", `"`, `\`, `\"`, `","admin":true,"x":"`, "%", "%00", "%2e%2e%2f", "%zz", "&", "&admin=true", "a&in=b", "+", "=", ";", "; Path=/", ",", " ", " a ", "a b",
	"a\r\nX-Admin: true", "\r", "\n", "a\tb", "\x00", "\x7f", "\x1b[2J", "é", "密码", "🔑", "\u2028", "\ufeff", "a\xffb", "\xc0\xa2", "\xed\xa0\x80", "{", "}", "{}", "${x}", "${token.login}", "$${", "${request.header.x:raw}",
	".", "..", "...", "../", "../../admin", "..%2f", "%2e%2e/", `..\`, "./", "/", "//", "//evil.example", "http://evil.example/", "?", "?a=b", "#", "#a", ":", "@", "*", "~", "'", "<", "</in><in>", "]]>", "<!--", "&amp;", "&#60;",
	"a.example:8080", "[::1]:80", "A.Example", "a@b", "null", "true", "0", "-1", "1e400", strings.Repeat("a", 12_000), strings.Repeat("\"", 12_000), strings.Repeat("a", 16<<10), strings.Repeat("a", 16<<10+1), strings.Repeat("/..", 1000),
}

// Every value, by every reference, in every place.
func TestHostileValues(t *testing.T) {
	for by := range broughtBy {
		for in := range standsIn {
			for _, value := range hostileValues {
				checkReference(t, by, in, value)
			}
		}
	}
}

// What is exchanged is a token and nothing else, wherever it comes from.
func TestHostileSubjects(t *testing.T) {
	for field, config := range map[string]string{
		"subject_token": exchange + `, "subjectToken": "REF"`, "assertion": jwtBearer + `, "assertion": "REF"`, "actor_token": exchange + `, "actorToken": "REF"`,
	} {
		for _, by := range []string{"token", "header", "cookie", "query"} {
			of := broughtBy[by]
			service := mustRead(t, strings.ReplaceAll(oauth2Config(config, ""), "REF", of.reference))
			service = service.Link(slices.Repeat([]*Service{mustRead(t, sampleJSON)}, len(service.Links())))
			for _, value := range hostileValues {
				headers := [][2]string{{"authorization", "Bearer t1"}}
				if of.headers != nil {
					headers = append(headers, of.headers(value)...)
				}
				values, err := service.AppendCaller(nil, headers)
				found := strings.TrimSpace(of.found(value))
				if of.headers != nil && (err == nil) != (bearerBytes.contains(found) && by != "query") { // which has a second value
					t.Errorf("%.100q by %s as %s: got %v", value, by, field, err)
				}
				if err != nil {
					continue
				}
				call, err := service.Call(service.Caller(values), []string{value}, nil, now)
				if err != nil {
					t.Fatalf("%.100q by %s as %s: %v", value, by, field, err)
				}
				form, err := url.ParseQuery(string(call.Body))
				if got := form[field]; err != nil || len(got) != 1 || got[0] != found && got[0] != value || len(form["grant_type"]) != 1 {
					t.Errorf("%.100q by %s as %s: got %v, %v", value, by, field, form, err)
				}
			}
		}
	}
}

func FuzzReferences(f *testing.F) {
	bys, ins := slices.Sorted(maps.Keys(broughtBy)), slices.Sorted(maps.Keys(standsIn))
	for i, value := range hostileValues {
		f.Add(value, uint8(i), uint8(i/len(bys)))
	}
	f.Fuzz(func(t *testing.T, value string, by, in uint8) {
		checkReference(t, bys[int(by)%len(bys)], ins[int(in)%len(ins)], value)
	})
}
