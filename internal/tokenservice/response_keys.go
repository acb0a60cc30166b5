package tokenservice

import (
	"strings"

	"token-fetch/internal/schema"
)

// responseReader reads the keys that say where in the response the token is.
func (r reader) responseReader(token string, auth *oauth2, upstream []upstreamHeader, conditions []condition) responseReader {
	in := r.tokenIn(auth != nil)
	a := responseReader{
		statuses:       r.statuses(auth != nil),
		tokenIn:        in,
		tokenPath:      r.tokenPath(in, auth != nil),
		responseHeader: strings.ToLower(r.responseHeader(in, token)),
		cookies:        r.tokenCookies(in),
		wrapping:       r.wrapping(""),
		isBearer:       auth != nil && !r.Has(keyTokenPrefix),
		upstream:       upstream,
		conditions:     conditions,
		refusals:       r.refusals(),
		hasSubject:     auth != nil && len(auth.form.tokens) > 0,
		isEncoded:      auth != nil && auth.isEncoded,
	}
	a.asCookies = in == tokenInCookie && strings.EqualFold(token, "Cookie")
	switch {
	case r.isNamed:
		a.wrapping, a.isBearer, a.isBare = wrapping{}, false, true
	case a.isBearer && !a.asCookies && !a.isBasic:
		a.prefix = bearerPrefix
	}
	r.checkWrapping(a)
	isText := in == tokenInJSON || in == tokenInBody // a header may have its scheme
	if isText && r.isEnabled && auth == nil && !r.isNamed && !a.isBasic && !r.Has(keyTokenPrefix) && strings.EqualFold(token, "Authorization") {
		r.Suspect(keyTokenHeader, "the token goes upstream without a scheme (set "+keyTokenPrefix.Name+` to "Bearer " with its space, or to "" if the token has one)`)
	}
	return a
}

// wrapping reads what is put around the token.
func (r reader) wrapping(prefix string) wrapping {
	w := wrapping{prefix: prefix, suffix: r.String(keyTokenSuffix), isBasic: r.Bool(keyBasicAuth)}
	if r.Has(keyTokenPrefix) || w.isBasic {
		w.prefix = r.String(keyTokenPrefix)
	}
	return w
}

// checkWrapping checks what is put around the token.
func (r reader) checkWrapping(a responseReader) {
	switch {
	case r.isNamed && r.Has(keyBasicAuth):
		r.Unused(keyBasicAuth, "a reference stands for the token without it")
	case a.asCookies && a.isBasic:
		r.InvalidKey(keyBasicAuth, "false where "+keyTokenHeader.Name+" is Cookie")
	case r.Bool(keyBasicAuth) && len(r.String(keyTokenPrefix)) >= 6 && strings.EqualFold(r.String(keyTokenPrefix)[:6], "Basic "):
		r.InvalidKey(keyTokenPrefix, "it without Basic, which "+keyBasicAuth.Name+" adds")
	}
	for _, k := range []*schema.Key{keyTokenPrefix, keyTokenSuffix} {
		text := r.String(k)
		switch {
		case !IsHeaderValue(text):
			r.InvalidKey(k, WantHeaderValue)
		case r.isNamed && r.Has(k):
			r.Unused(k, "a reference stands for the token without it")
		case text != "" && a.asCookies:
			r.InvalidKey(k, "none where "+keyTokenHeader.Name+" is Cookie, in which the token goes as NAME=value")
		}
	}
	if len(a.cookies) > 1 && !a.asCookies {
		r.Unused(keyTokenCookie, "except for the first cookie: further ones are only sent if "+keyTokenHeader.Name+" is Cookie")
	}
}

// statuses reads the statuses of a successful response; nil: any 2xx.
func (r reader) statuses(isOAuth2 bool) []int {
	if !r.Has(keySuccessStatus) {
		if isOAuth2 {
			return nil
		}
		return []int{200}
	}
	statuses := r.Ints(keySuccessStatus)
	if len(statuses) == 0 {
		r.InvalidKey(keySuccessStatus, keySuccessStatus.Want+" that is not empty")
	}
	return statuses
}

// tokenIn reads where the token is, or derives it from other keys.
func (r reader) tokenIn(isOAuth2 bool) string {
	switch {
	case r.Has(keyTokenIn):
		return r.String(keyTokenIn)
	case r.Has(keyTokenPath), isOAuth2 && !r.Has(keyResponseHeader):
		return tokenInJSON
	default:
		return tokenInHeader
	}
}

func (r reader) tokenPath(in string, isOAuth2 bool) string {
	path := r.JSONPath(keyTokenPath)
	_, isOwn := r.Own(keyTokenPath.Name)
	switch {
	case in == tokenInJSON && path == "" && isOAuth2:
		return "access_token"
	case in == tokenInJSON && path == "" && r.isEnabled:
		r.Fail("missing %s in config (%s %s needs it)", r.Name(keyTokenPath), keyTokenIn.Name, tokenInJSON)
	case in != tokenInJSON && isOwn:
		r.Unused(keyTokenPath, "the token is in the answer's "+in)
	}
	return path
}

func (r reader) responseHeader(in, tokenHeader string) string {
	if !r.Has(keyResponseHeader) {
		if r.isNamed && in == tokenInHeader && r.isEnabled {
			r.Fail("missing %s in config (want it, or %s for a token in a JSON answer)", r.Name(keyResponseHeader), keyTokenPath.Name)
		}
		return tokenHeader
	}
	name := r.String(keyResponseHeader)
	_, isOwn := r.Own(keyResponseHeader.Name)
	switch {
	case !isToken(name):
		r.InvalidKey(keyResponseHeader, "the name of a response header")
	case in == tokenInJSON && r.Has(keyTokenPath):
		r.Unused(keyResponseHeader, "the token comes from "+keyTokenPath.Name)
	case in != tokenInHeader && isOwn:
		r.Unused(keyResponseHeader, "the token is in the answer's "+in)
	}
	return name
}

// upstreamHeaders reads the map from header names to header:NAME or body:PATH.
func (r reader) upstreamHeaders(tokenHeader string) []upstreamHeader {
	var headers []upstreamHeader
	for _, member := range r.Members(keyUpstreamHeaders) {
		name := r.Name(keyUpstreamHeaders, member.Name)
		kind, source, _ := strings.Cut(member.Value, ":")
		header := upstreamHeader{name: member.Name}
		switch {
		case !IsSettableHeader(member.Name):
			r.InvalidMember(keyUpstreamHeaders, member.Name, WantSettableHeader)
		case strings.EqualFold(member.Name, tokenHeader):
			r.Fail("invalid %s in config: that is the %s", name, keyTokenHeader.Name)
		case source == "" || kind != "header" && kind != "body" || kind == "header" && !isToken(source):
			r.Fail("invalid %s in config: %s (want header:NAME or body:PATH)", name, schema.Shown(member.Written))
		case kind == "header":
			header.header = strings.ToLower(source)
		default:
			header.path = source
			if meant := schema.PathMeant(source); meant != source {
				r.Warn(name + " is body:" + source + ": nothing may be found there (did you mean body:" + meant + "?)")
			}
		}
		headers = append(headers, header)
	}
	return headers
}

func (r reader) conditions() []condition {
	var conditions []condition
	for _, entry := range r.Objects(keySuccessWhen) {
		conditions = append(conditions, readCondition(entry))
	}
	return conditions
}

// refusals reads refusedWhen.
func (r reader) refusals() []refusal {
	var refusals []refusal
	for _, entry := range r.Objects(keyRefusedWhen) {
		f := refusal{statuses: entry.Ints(keyRefusedStatus)}
		switch looksAt := entry.Has(keyConditionHeader) || entry.Has(keyConditionPath); {
		case looksAt && !entry.Has(keyRefusedEquals):
			entry.Missing(keyRefusedEquals)
		case looksAt:
			f.condition = readCondition(entry)
		case entry.Has(keyRefusedEquals):
			entry.InvalidKey(keyRefusedEquals, "it with header or path")
		case len(f.statuses) == 0:
			entry.InvalidSection(keyRefusedWhen.Want)
		}
		refusals = append(refusals, f)
	}
	return refusals
}

func readCondition(s schema.Section) condition {
	c := condition{header: strings.ToLower(s.String(keyConditionHeader)), path: s.JSONPath(keyConditionPath)}
	if (c.header == "") == (c.path == "") {
		s.InvalidSection("one of header and path")
	}
	if c.header != "" && !isToken(c.header) {
		s.InvalidKey(keyConditionHeader, "the name of a response header")
	}
	c.equals = s.Scalars(keyConditionEquals)
	return c
}
