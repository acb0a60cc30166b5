package tokenservice

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/schema"
)

func jwt(claims string) string {
	return "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestLifetime(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	header := func(pairs ...string) (headers [][2]string) {
		for i := 0; i < len(pairs); i += 2 {
			headers = append(headers, [2]string{pairs[i], pairs[i+1]})
		}
		return headers
	}
	const year10 = schema.MaxSeconds * time.Second
	tests := map[string]struct {
		headers [][2]string
		body    string
		token   string
		maxTTL  time.Duration
		oauth2  bool
		ignores bool // Cache-Control
		want    time.Duration
		noStore bool
	}{
		"nothing said":                          {want: 300 * time.Second},
		"number":                                {body: `{"expires_in": 60}`, want: 60 * time.Second},
		"fraction":                              {body: `{"expires_in": 1.5}`, want: 1500 * time.Millisecond},
		"numeric string":                        {body: `{"expires_in": "60"}`, want: 60 * time.Second},
		"zero":                                  {body: `{"expires_in": 0}`, want: 0},
		"negative":                              {body: `{"expires_in": -5}`, want: 0},
		"absurd":                                {body: `{"expires_in": 1e18}`, want: year10},
		"beyond a float":                        {body: `{"expires_in": 1e999}`, want: year10},
		"null":                                  {body: `{"expires_in": null}`, want: 300 * time.Second},
		"word":                                  {body: `{"expires_in": "soon"}`, want: 300 * time.Second},
		"NaN":                                   {body: `{"expires_in": "NaN"}`, want: 300 * time.Second},
		"boolean":                               {body: `{"expires_in": true}`, want: 300 * time.Second},
		"before Cache-Control":                  {headers: header("cache-control", "no-store"), body: `{"expires_in": 60}`, want: 60 * time.Second},
		"max-age":                               {headers: header("cache-control", "private, max-age=20"), want: 20 * time.Second},
		"max-age in capitals":                   {headers: header("cache-control", "Max-Age=20"), want: 20 * time.Second},
		"max-age in quotes":                     {headers: header("cache-control", `max-age="20"`), want: 20 * time.Second},
		"max-age and Age":                       {headers: header("cache-control", "max-age=20", "age", "5"), want: 15 * time.Second},
		"max-age used up":                       {headers: header("cache-control", "max-age=20", "age", "25"), want: 0},
		"absurd max-age":                        {headers: header("cache-control", "max-age=99999999999999999"), want: year10},
		"no-store":                              {headers: header("cache-control", "no-store"), want: 0, noStore: true},
		"no-store beats max-age":                {headers: header("cache-control", "max-age=20", "cache-control", "no-store"), want: 0, noStore: true},
		"no-cache":                              {headers: header("cache-control", "no-cache"), want: 0, noStore: true},
		"other directive":                       {headers: header("cache-control", "private"), want: 300 * time.Second},
		"bad max-age":                           {headers: header("cache-control", "max-age=x"), want: 300 * time.Second},
		"Expires":                               {headers: header("expires", "Mon, 23 Nov 2026 12:00:40 GMT"), want: 40 * time.Second},
		"Expires and Date":                      {headers: header("expires", "Mon, 23 Nov 2026 13:00:40 GMT", "date", "Mon, 23 Nov 2026 13:00:00 GMT"), want: 40 * time.Second},
		"Expires in the past":                   {headers: header("expires", "Mon, 23 Nov 2026 11:00:00 GMT"), want: 0},
		"Expires 0":                             {headers: header("expires", "0"), want: 0},
		"max-age beats Expires":                 {headers: header("expires", "0", "cache-control", "max-age=7"), want: 7 * time.Second},
		"JWT":                                   {token: "Bearer " + jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"JWT expired":                           {token: jwt(`{"exp": 1795435100}`), want: 0},
		"JWT of before 1970":                    {token: jwt(`{"exp": -1}`), want: 0},
		"JWT of before all":                     {body: `{"expires_in": 60}`, token: jwt(`{"exp": -1e999}`), want: 0},
		"JWT without exp":                       {token: jwt(`{"sub": "a"}`), want: 300 * time.Second},
		"JWT with a text as exp":                {token: jwt(`{"exp": "1795435220"}`), want: 300 * time.Second},
		"not a JWT":                             {token: "a.b.c", want: 300 * time.Second},
		"two parts of a JWT":                    {token: strings.TrimSuffix(jwt(`{"exp": 1795435220}`), ".c2ln"), want: 300 * time.Second},
		"a JWE has five":                        {token: jwt(`{"exp": 1795435220}`) + ".a.b", want: 300 * time.Second},
		"Expires before JWT":                    {headers: header("expires", "Mon, 23 Nov 2026 12:00:10 GMT"), token: jwt(`{"exp": 1795435220}`), want: 10 * time.Second},
		"Expires beyond JWT":                    {headers: header("expires", "Mon, 23 Nov 2026 12:00:40 GMT"), token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"expires_in beyond JWT":                 {body: `{"expires_in": 3600000}`, token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"ttl is not beside JWT":                 {token: jwt(`{"exp": 1795438800}`), want: time.Hour},
		"deep JWT":                              {token: "a." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp": 1795435220, "a": `+strings.Repeat("[", 64)+strings.Repeat("]", 64)+"}")) + ".c", want: 300 * time.Second},
		"Expires, RFC 850":                      {headers: header("expires", "Monday, 23-Nov-26 12:00:40 GMT"), want: 40 * time.Second},
		"Expires, RFC 850, of the next century": {headers: header("expires", "Monday, 23-Nov-71 12:00:00 GMT"), want: year10},
		"Expires, RFC 850, too far ahead":       {headers: header("expires", "Tuesday, 23-Nov-77 12:00:00 GMT"), want: 0},
		"Expires, asctime":                      {headers: header("expires", "Mon Nov 23 12:00:40 2026"), want: 40 * time.Second},
		"OAuth with no-store":                   {headers: header("cache-control", "no-store", "expires", "0"), oauth2: true, want: 300 * time.Second},
		"OAuth with expires_in":                 {headers: header("cache-control", "no-store"), body: `{"expires_in": 60}`, oauth2: true, want: 60 * time.Second},
		"ignoring no-store":                     {headers: header("cache-control", "no-store"), ignores: true, want: 300 * time.Second},
		"ignoring max-age":                      {headers: header("cache-control", "max-age=20"), ignores: true, want: 300 * time.Second},
		"ignoring Expires":                      {headers: header("expires", "0"), ignores: true, want: 300 * time.Second},
		"ignoring max-age, with a JWT":          {headers: header("cache-control", "max-age=5"), ignores: true, token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"ignoring it, with expires_in":          {headers: header("cache-control", "max-age=5"), ignores: true, body: `{"expires_in": 60}`, want: 60 * time.Second},
		"end":                                   {body: `{"end": "2026-11-23T12:00:40Z"}`, want: 40 * time.Second},
		"end with a fraction":                   {body: `{"end": "2026-11-23T12:00:40.5Z"}`, want: 40500 * time.Millisecond},
		"end in another zone":                   {body: `{"end": "2026-11-23T20:00:40+08:00"}`, want: 40 * time.Second},
		"end in small letters":                  {body: `{"end": " 2026-11-23t12:00:40z "}`, want: 40 * time.Second},
		"end with a space":                      {body: `{"end": "2026-11-23 12:00:40Z"}`, want: 40 * time.Second},
		"end without a zone":                    {body: `{"end": "2026-11-23T12:00:40"}`, want: 300 * time.Second},
		"end in the past":                       {body: `{"end": "2026-11-23T11:59:59Z"}`, want: 0},
		"end in the year 9999":                  {body: `{"end": "9999-12-31T23:59:59Z"}`, want: year10},
		"end in the year 0":                     {body: `{"end": "0000-01-01T00:00:00Z"}`, want: 0},
		"end, no such day":                      {body: `{"end": "2026-02-30T12:00:40Z"}`, want: 300 * time.Second},
		"end, a date of HTTP":                   {body: `{"end": "Mon, 23 Nov 2026 12:00:40 GMT"}`, want: 300 * time.Second},
		"end in seconds":                        {body: `{"end": 1795435240}`, want: 40 * time.Second},
		"end in seconds, as text":               {body: `{"end": " 1795435240 "}`, want: 40 * time.Second},
		"end in seconds, with a fraction":       {body: `{"end": 1795435240.5}`, want: 40500 * time.Millisecond},
		"end in milliseconds":                   {body: `{"end": 1795435240500}`, want: 40500 * time.Millisecond},
		"end in milliseconds, as text":          {body: `{"end": "1795435240500"}`, want: 40500 * time.Millisecond},
		"end in seconds, in the past":           {body: `{"end": 1795435199}`, want: 0},
		"end in milliseconds, in the past":      {body: `{"end": 1795435199999}`, want: 0},
		"end, the year 9999 in seconds":         {body: `{"end": 253402300799}`, want: year10},
		"end, the year 9999 in milliseconds":    {body: `{"end": 253402300799000}`, want: year10},
		"end in nanoseconds":                    {body: `{"end": 1795435240000000000}`, want: year10},
		"end beyond a float":                    {body: `{"end": 1e999}`, want: year10},
		"end before all":                        {body: `{"end": -1e999}`, want: 0},
		"end zero":                              {body: `{"end": 0}`, want: 0},
		"end -1":                                {body: `{"end": -1}`, want: 0},
		"end null":                              {body: `{"end": null}`, want: 300 * time.Second},
		"end boolean":                           {body: `{"end": true}`, want: 300 * time.Second},
		"end an object":                         {body: `{"end": {"$date": 1795435240}}`, want: 300 * time.Second},
		"end a word":                            {body: `{"end": "never"}`, want: 300 * time.Second},
		"end NaN":                               {body: `{"end": "NaN"}`, want: 300 * time.Second},
		"end empty":                             {body: `{"end": ""}`, want: 300 * time.Second},
		"end before expires_in":                 {body: `{"end": 1795435240, "expires_in": 60}`, want: 40 * time.Second},
		"end that can't be read, expires_in":    {body: `{"end": "soon", "expires_in": 60}`, want: 60 * time.Second},
		"end before Cache-Control":              {headers: header("cache-control", "no-store"), body: `{"end": 1795435240}`, want: 40 * time.Second},
		"end beyond JWT":                        {body: `{"end": 1795435240}`, token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"end with OAuth":                        {body: `{"end": 1795435240, "expires_in": 60}`, oauth2: true, want: 40 * time.Second},
		"end, capped":                           {body: `{"end": 1795435240}`, maxTTL: 10 * time.Second, want: 10 * time.Second},
		"capped":                                {body: `{"expires_in": 60}`, maxTTL: 10 * time.Second, want: 10 * time.Second},
		"cap above":                             {body: `{"expires_in": 60}`, maxTTL: 100 * time.Second, want: 60 * time.Second},
		"cap on the configured ttl":             {maxTTL: 10 * time.Second, want: 10 * time.Second},
	}
	if got := time.Unix(1795435200, 0).UTC(); !got.Equal(now) {
		t.Fatalf("the test's own clock: got %s, expected %s", got, now)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			policy := lifetimes{ttl: 300 * time.Second, maxTTL: test.maxTTL, expiresAtPath: "end", expiresInPath: "expires_in", heedsCacheControl: !test.oauth2 && !test.ignores}
			got, noStore := policy.of(&Answer{Status: 200, Headers: test.headers, Body: []byte(test.body)}, test.token, now)
			if got != test.want || noStore != test.noStore {
				t.Errorf("got %s and no-store %v, expected %s and %v", got, noStore, test.want, test.noStore)
			}
		})
	}
}

// A rule inherits how lifetimes are read, changes it, and takes it away.
func TestLifetimeOfARule(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	const global = `{"serviceName": "a.dns", "requestPath": "/", "tokenHeader": "X-Token", "cache": {"expiresAtPath": "end", "ignoreCacheControl": true}}`
	tests := map[string]struct {
		rule, body string
		want       time.Duration
	}{
		"inherited end":              {`{}`, `{"end": "2026-11-23T12:00:40Z", "until": 1795435260}`, 40 * time.Second},
		"another end":                {`{"cache": {"expiresAtPath": "until"}}`, `{"end": "2026-11-23T12:00:40Z", "until": 1795435260}`, time.Minute},
		"no end":                     {`{"cache": {"expiresAtPath": null}}`, `{"end": "2026-11-23T12:00:40Z", "expires_in": 50}`, 50 * time.Second},
		"inherited, ignoring":        {`{}`, `{}`, 300 * time.Second},
		"not ignoring":               {`{"cache": {"ignoreCacheControl": false}}`, `{}`, 20 * time.Second},
		"null":                       {`{"cache": {"ignoreCacheControl": null}}`, `{}`, 20 * time.Second},
		"a cache that inherits none": {`{"cache": null}`, `{"end": "2026-11-23T12:00:40Z"}`, 0},
	}
	for name, test := range tests {
		root := &schema.Key{Kind: schema.Object, Keys: append([]*schema.Key{keyCache}, Keys...)}
		s := schema.Parse([]byte(global), root, environment).Over(gjson.Parse(test.rule))
		service := Read(s, Part{Enabled: true, Cache: s.Object(keyCache), IsCached: s.Has(keyCache)})
		a := &Answer{Status: 200, Headers: [][2]string{{"x-token", "t1"}, {"cache-control", "max-age=20"}}, Body: []byte(test.body)}
		grant, failed := service.Grant(a, nil, now)
		if s.Err() != nil || failed != nil || grant.Lifetime != test.want {
			t.Errorf("%s: got %s (%v, %v), expected %s", name, grant.Lifetime, s.Err(), failed, test.want)
		}
	}
}
