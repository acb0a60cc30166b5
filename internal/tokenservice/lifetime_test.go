package tokenservice

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

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
		"word":                                  {body: `{"expires_in": "soon"}`, want: time.Minute},
		"NaN":                                   {body: `{"expires_in": "NaN"}`, want: time.Minute},
		"before Cache-Control":                  {headers: header("cache-control", "no-store"), body: `{"expires_in": 60}`, want: 60 * time.Second},
		"max-age":                               {headers: header("cache-control", "private, max-age=20"), want: 20 * time.Second},
		"two of max-age":                        {headers: header("cache-control", "max-age=20, max-age=500"), want: 20 * time.Second},
		"two of max-age, turned around":         {headers: header("cache-control", "max-age=500", "cache-control", "max-age=20"), want: 20 * time.Second},
		"max-age in capitals":                   {headers: header("cache-control", "Max-Age=20"), want: 20 * time.Second},
		"max-age in quotes":                     {headers: header("cache-control", `max-age="20"`), want: 20 * time.Second},
		"max-age and Age":                       {headers: header("cache-control", "max-age=20", "age", "5"), want: 15 * time.Second},
		"max-age used up":                       {headers: header("cache-control", "max-age=20", "age", "25"), want: 0},
		"no-store":                              {headers: header("cache-control", "no-store"), want: 0},
		"no-store beats max-age":                {headers: header("cache-control", "max-age=20", "cache-control", "no-store"), want: 0},
		"no-cache":                              {headers: header("cache-control", "no-cache"), want: 0},
		"bad max-age":                           {headers: header("cache-control", "max-age=x"), want: 300 * time.Second},
		"Expires":                               {headers: header("expires", "Mon, 23 Nov 2026 12:00:40 GMT"), want: 40 * time.Second},
		"Expires and Date":                      {headers: header("expires", "Mon, 23 Nov 2026 13:00:40 GMT", "date", "Mon, 23 Nov 2026 13:00:00 GMT"), want: 40 * time.Second},
		"Expires in the past":                   {headers: header("expires", "Mon, 23 Nov 2026 11:00:00 GMT"), want: 0},
		"max-age beats Expires":                 {headers: header("expires", "0", "cache-control", "max-age=7"), want: 7 * time.Second},
		"JWT":                                   {token: "Bearer " + jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"JWT expired":                           {token: jwt(`{"exp": 1795435100}`), want: 0},
		"JWT of before 1970":                    {token: jwt(`{"exp": -1}`), want: 0},
		"JWT of before all":                     {body: `{"expires_in": 60}`, token: jwt(`{"exp": -1e999}`), want: 0},
		"JWT without exp":                       {token: jwt(`{"sub": "a"}`), want: 300 * time.Second},
		"not a JWT":                             {token: "a.b.c", want: 300 * time.Second},
		"two parts of a JWT":                    {token: strings.TrimSuffix(jwt(`{"exp": 1795435220}`), ".c2ln"), want: 300 * time.Second},
		"a JWE has five":                        {token: jwt(`{"exp": 1795435220}`) + ".a.b", want: 300 * time.Second},
		"Expires before JWT":                    {headers: header("expires", "Mon, 23 Nov 2026 12:00:10 GMT"), token: jwt(`{"exp": 1795435220}`), want: 10 * time.Second},
		"Expires beyond JWT":                    {headers: header("expires", "Mon, 23 Nov 2026 12:00:40 GMT"), token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"expires_in beyond JWT":                 {body: `{"expires_in": 3600000}`, token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"exp of a JWT before ttl":               {token: jwt(`{"exp": 1795438800}`), want: time.Hour},
		"deep JWT":                              {token: "a." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp": 1795435220, "a": `+strings.Repeat("[", 64)+strings.Repeat("]", 64)+"}")) + ".c", want: 300 * time.Second},
		"Expires, RFC 850":                      {headers: header("expires", "Monday, 23-Nov-26 12:00:40 GMT"), want: 40 * time.Second},
		"Expires, RFC 850, of the next century": {headers: header("expires", "Monday, 23-Nov-71 12:00:00 GMT"), want: year10},
		"Expires, RFC 850, too far ahead":       {headers: header("expires", "Tuesday, 23-Nov-77 12:00:00 GMT"), want: 0},
		"Expires, asctime":                      {headers: header("expires", "Mon Nov 23 12:00:40 2026"), want: 40 * time.Second},
		"OAuth with no-store":                   {headers: header("cache-control", "no-store", "expires", "0"), oauth2: true, want: 300 * time.Second},
		"ignoring no-store":                     {headers: header("cache-control", "no-store"), ignores: true, want: 300 * time.Second},
		"ignoring Expires":                      {headers: header("expires", "0"), ignores: true, want: 300 * time.Second},
		"end":                                   {body: `{"end": "2026-11-23T12:00:40Z"}`, want: 40 * time.Second},
		"end with a fraction":                   {body: `{"end": "2026-11-23T12:00:40.5Z"}`, want: 40500 * time.Millisecond},
		"end in small letters":                  {body: `{"end": " 2026-11-23t12:00:40z "}`, want: 40 * time.Second},
		"end without a zone":                    {body: `{"end": "2026-11-23T12:00:40"}`, want: time.Minute},
		"end in the year 9999":                  {body: `{"end": "9999-12-31T23:59:59Z"}`, want: year10},
		"end, no such day":                      {body: `{"end": "2026-02-30T12:00:40Z"}`, want: time.Minute},
		"end, a date of HTTP":                   {body: `{"end": "Mon, 23 Nov 2026 12:00:40 GMT"}`, want: 40 * time.Second},
		"end, +0000":                            {body: `{"end": "2026-11-23T12:00:40+0000"}`, want: 40 * time.Second},
		"end, +08":                              {body: `{"end": "2026-11-23T20:00:40+08"}`, want: 40 * time.Second},
		"end, space and zone":                   {body: `{"end": "2026-11-23 12:00:40 +0000"}`, want: 40 * time.Second},
		"end, UTC":                              {body: `{"end": "2026-11-23 12:00:40 UTC"}`, want: 40 * time.Second},
		"end, +0000 UTC":                        {body: `{"end": "2026-11-23 12:00:40.5 +0000 UTC"}`, want: 40500 * time.Millisecond},
		"end without seconds":                   {body: `{"end": "2026-11-23T12:01Z"}`, want: time.Minute},
		"end, comma and fraction":               {body: `{"end": "2026-11-23T12:00:40,500+0000"}`, want: 40500 * time.Millisecond},
		"end, nanoseconds":                      {body: `{"end": "2026-11-23T12:00:40.500000001Z"}`, want: 40500*time.Millisecond + 1},
		"end, basic form":                       {body: `{"end": "20261123T120040Z"}`, want: 40 * time.Second},
		"end, slashes":                          {body: `{"end": "2026/11/23 12:00:40 +0000"}`, want: 40 * time.Second},
		"end, asctime":                          {body: `{"end": "Mon Nov 23 12:00:40 2026"}`, want: 40 * time.Second},
		"end, RFC 1123 and zone":                {body: `{"end": "Mon, 23 Nov 2026 20:00:40 +0800"}`, want: 40 * time.Second},
		"end, RFC 1123 and a name":              {body: `{"end": "Mon, 23 Nov 2026 12:00:40 PST"}`, want: time.Minute},
		"end of date":                           {body: `{"end": "Mon Nov 23 12:00:40 UTC 2026"}`, want: 40 * time.Second},
		"end of date, elsewhere":                {body: `{"end": "Mon Nov 23 12:00:40 CET 2026"}`, want: time.Minute},
		"end of Java":                           {body: `{"end": "2026-11-23T13:00:40.500+01:00[Europe/Berlin]"}`, want: 40500 * time.Millisecond},
		"end of .NET":                           {body: `{"end": "/Date(1795435240500)/"}`, want: 40500 * time.Millisecond},
		"end in microseconds":                   {body: `{"end": 1795435240500000}`, want: 40500 * time.Millisecond},
		"end by the service's clock":            {headers: header("date", "Mon, 23 Nov 2026 11:53:20 GMT"), body: `{"end": "2026-11-23T11:54:20Z"}`, want: 59 * time.Second},
		"end, Date of a cache":                  {headers: header("date", "Mon, 23 Nov 2026 11:50:00 GMT", "age", "200"), body: `{"end": "2026-11-23T11:54:20Z"}`, want: 59 * time.Second},
		"end, Date of another year":             {headers: header("date", "Thu, 01 Jan 1970 00:00:00 GMT"), body: `{"end": "2026-11-23T12:00:40Z"}`, want: 40 * time.Second},
		"end, same clock":                       {headers: header("date", "Mon, 23 Nov 2026 11:59:59 GMT"), body: `{"end": "2026-11-23T12:00:40Z"}`, want: 40 * time.Second},
		"lifetime, 3600s":                       {body: `{"expires_in": "3600s"}`, want: time.Hour},
		"lifetime, 1h30m":                       {body: `{"expires_in": "1h30m"}`, want: 90 * time.Minute},
		"lifetime, 7d":                          {body: `{"expires_in": "7d"}`, want: 7 * 24 * time.Hour},
		"lifetime, 1 d 12 h":                    {body: `{"expires_in": "1 d 12 h"}`, want: 36 * time.Hour},
		"lifetime, PT1H":                        {body: `{"expires_in": "PT1H"}`, want: time.Hour},
		"lifetime, P1DT1M":                      {body: `{"expires_in": "P1DT1M"}`, want: 24*time.Hour + time.Minute},
		"lifetime, P1M":                         {body: `{"expires_in": "P1M"}`, want: time.Minute},
		"lifetime, 0s":                          {body: `{"expires_in": "0s"}`, want: 0},
		"lifetime, clock":                       {body: `{"expires_in": "01:00:00"}`, want: time.Minute},
		"lifetime, infinite":                    {body: `{"expires_in": "Infinity"}`, want: time.Minute},
		"lifetime is a moment":                  {body: `{"expires_in": 1795438800}`, want: time.Minute},
		"lifetime is a moment in ms":            {body: `{"expires_in": "1795438800000"}`, want: time.Minute},
		"lifetime, 32 bits":                     {body: `{"expires_in": 2147483647}`, want: year10},
		"lifetime, empty":                       {body: `{"expires_in": ""}`, want: 300 * time.Second},
		"unreadable and short":                  {body: `{"end": "soon", "expires_in": 20}`, want: 20 * time.Second},
		"unreadable and long":                   {body: `{"end": "soon", "expires_in": 3600}`, want: time.Minute},
		"unreadable, no-store":                  {headers: header("cache-control", "no-store"), body: `{"end": "soon"}`, want: 0},
		"unreadable and a JWT":                  {body: `{"end": "soon"}`, token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"JWT in milliseconds":                   {token: jwt(`{"exp": 1795435220000}`), want: 300 * time.Second},
		"JWT, issuer behind":                    {headers: header("date", "Mon, 23 Nov 2026 11:53:20 GMT"), token: jwt(`{"exp": 1795435100}`), want: 299 * time.Second},
		"JWT, issuer ahead":                     {headers: header("date", "Mon, 23 Nov 2026 12:06:40 GMT"), token: jwt(`{"exp": 1795435900}`), want: 299 * time.Second},
		"JWT, issuer ahead by iat":              {token: jwt(`{"iat": 1795435600, "exp": 1795435900}`), want: 299 * time.Second},
		"JWT, iat before":                       {token: jwt(`{"iat": 1795434900, "exp": 1795435220}`), want: 20 * time.Second},
		"JWT, iat after exp":                    {token: jwt(`{"iat": 1795435900, "exp": 1795435220}`), want: 20 * time.Second},
		"JWT behind, expires_in":                {body: `{"expires_in": 300}`, token: jwt(`{"exp": 1795435100}`), want: 300 * time.Second},
		"JWT behind, expires_in, iat":           {body: `{"expires_in": 3600}`, token: jwt(`{"iat": 1795434800, "exp": 1795435100}`), want: 300 * time.Second},
		"JWT, expired yesterday":                {body: `{"expires_in": 3600}`, token: jwt(`{"exp": 1795300000}`), want: 0},
		"JWT expired by Date, expires_in":       {headers: header("date", "Mon, 23 Nov 2026 12:00:00 GMT"), body: `{"expires_in": 300}`, token: jwt(`{"exp": 1795435100}`), want: 0},
		"end in seconds":                        {body: `{"end": 1795435240}`, want: 40 * time.Second},
		"end in seconds, with a fraction":       {body: `{"end": 1795435240.5}`, want: 40500 * time.Millisecond},
		"end in milliseconds":                   {body: `{"end": 1795435240500}`, want: 40500 * time.Millisecond},
		"end, the year 9999 in milliseconds":    {body: `{"end": 253402300799000}`, want: year10},
		"end in nanoseconds":                    {body: `{"end": 1795435240000000000}`, want: 40 * time.Second},
		"end beyond a float":                    {body: `{"end": 1e999}`, want: year10},
		"end before all":                        {body: `{"end": -1e999}`, want: 0},
		"end -1":                                {body: `{"end": -1}`, want: 0},
		"end null":                              {body: `{"end": null}`, want: 300 * time.Second},
		"end an object":                         {body: `{"end": {"$date": 1795435240}}`, want: time.Minute},
		"end a word":                            {body: `{"end": "never"}`, want: time.Minute},
		"end before expires_in":                 {body: `{"end": 1795435240, "expires_in": 60}`, want: 40 * time.Second},
		"end that can't be read, expires_in":    {body: `{"end": "soon", "expires_in": 60}`, want: 60 * time.Second},
		"end before Cache-Control":              {headers: header("cache-control", "no-store"), body: `{"end": 1795435240}`, want: 40 * time.Second},
		"end beyond JWT":                        {body: `{"end": 1795435240}`, token: jwt(`{"exp": 1795435220}`), want: 20 * time.Second},
		"capped":                                {body: `{"expires_in": 60}`, maxTTL: 10 * time.Second, want: 10 * time.Second},
		"cap above":                             {body: `{"expires_in": 60}`, maxTTL: 100 * time.Second, want: 60 * time.Second},
		"cap on the configured ttl":             {maxTTL: 10 * time.Second, want: 10 * time.Second},
	}
	if got := time.Unix(1795435200, 0).UTC(); !got.Equal(now) {
		t.Fatalf("the test's own clock: got %s, expected %s", got, now)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			policy := lifetimePolicy{ttl: 300 * time.Second, maxTTL: test.maxTTL, expiresAtPath: "end", expiresInPath: "expires_in", honorsCacheControl: !test.oauth2 && !test.ignores}
			got := policy.lifetimeOf(&Response{Status: 200, Headers: test.headers, Body: []byte(test.body)}, test.token, now)
			if got.length != test.want {
				t.Errorf("got %s, expected %s", got.length, test.want)
			}
			if (got.uncached != "") != (test.want == 0) {
				t.Errorf("got a lifetime of %s and the warning %q", got.length, got.uncached)
			}
		})
	}
}

// What is written to the log about an answer, as it stands there after the service's address.
func TestLifetimeWarnings(t *testing.T) {
	const (
		calls  = ": every request makes a token call (set "
		ignore = calls + "cache.ignoreCacheControl to true, if its tokens live longer)"
		kept   = ", which can't be read as a lifetime: its tokens are cached for at most 1m0s (set cache."
	)
	date := [2]string{"date", "Mon, 23 Nov 2026 12:00:00 GMT"}
	for name, test := range map[string]struct {
		headers              [][2]string
		body, token          string
		uncached, unreadable string
	}{
		"good":                {body: `{"expires_in": 60}`},
		"no-store":            {headers: [][2]string{{"cache-control", "no-store"}}, uncached: "forbids caching its tokens (Cache-Control)" + ignore},
		"max-age":             {headers: [][2]string{{"cache-control", "max-age=0, private, must-revalidate"}}, uncached: "answers with a max-age in Cache-Control that leaves no time" + ignore},
		"max-age and Age":     {headers: [][2]string{{"cache-control", "max-age=60"}, {"age", "60"}}, uncached: "answers with a max-age in Cache-Control that leaves no time" + ignore},
		"Expires":             {headers: [][2]string{{"expires", "0"}}, uncached: "answers with an Expires that has passed" + ignore},
		"expires_in":          {body: `{"expires_in": 0}`, uncached: "answers with a lifetime of 0 at expires_in" + calls + "cache.expiresInPath to where the lifetime is, or to a path that does not exist if cache.ttl should apply)"},
		"end":                 {body: `{"end": 3600}`, uncached: "answers with an end at end that has passed" + calls + "cache.expiresAtPath to where the token's end is, and compare the clocks)"},
		"exp":                 {token: jwt(`{"exp": 1795435100}`), uncached: "answers with a token whose exp has passed by the gateway's clock, as the answer has no Date: every request makes a token call (compare the clocks of both)"},
		"exp and Date":        {headers: [][2]string{date}, token: jwt(`{"exp": 1795435100}`), uncached: "answers with a token whose exp has passed by the Date of the answer: every request makes a token call (compare the clocks of both)"},
		"date of another way": {body: `{"end": "11/23/2026 12:00:40 PM"}`, unreadable: `answers with "99/99/9999 99:99:99 AA" at end` + kept + "expiresAtPath to the path of a date with its zone, or of a number since 1970)"},
		"a secret":            {body: `{"end": "s3cr3t_Ünd"}`, unreadable: `answers with "a9aa9a??aa" at end` + kept + "expiresAtPath to the path of a date with its zone, or of a number since 1970)"},
		"a token":             {body: `{"end": "` + strings.Repeat("s3cr3t", 10) + `"}`, unreadable: `answers with a text of 60 bytes at end` + kept + "expiresAtPath to the path of a date with its zone, or of a number since 1970)"},
		"an object":           {body: `{"end": {"s3cr3t": 1}}`, unreadable: `answers with an object at end` + kept + "expiresAtPath to the path of a date with its zone, or of a number since 1970)"},
		"a list":              {body: `{"end": []}`, unreadable: `answers with a list at end` + kept + "expiresAtPath to the path of a date with its zone, or of a number since 1970)"},
		"true":                {body: `{"expires_in": true}`, unreadable: `answers with true or false at expires_in` + kept + "expiresInPath to the path of a number of seconds, or cache.expiresAtPath to that of an end)"},
		"a moment":            {body: `{"expires_in": 1795438800}`, unreadable: `answers with "9999999999" at expires_in` + kept + "expiresInPath to the path of a number of seconds, or cache.expiresAtPath to that of an end)"},
		"both":                {body: `{"end": "soon", "expires_in": 0}`, uncached: "answers with a lifetime of 0 at expires_in" + calls + "cache.expiresInPath to where the lifetime is, or to a path that does not exist if cache.ttl should apply)", unreadable: `answers with "aaaa" at end` + kept + "expiresAtPath to the path of a date with its zone, or of a number since 1970)"},
	} {
		policy := lifetimePolicy{ttl: time.Hour, expiresAtPath: "end", expiresInPath: "expires_in", honorsCacheControl: true}
		got := policy.lifetimeOf(&Response{Status: 200, Headers: test.headers, Body: []byte(test.body)}, test.token, now)
		if got.uncached != test.uncached || got.unreadable != test.unreadable {
			t.Errorf("%s:\ngot      %q and %q\nexpected %q and %q", name, got.uncached, got.unreadable, test.uncached, test.unreadable)
		}
	}
}
