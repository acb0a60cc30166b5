package template

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Origin is where the value of a reference comes from when a call is made. The zero Origin means none: the reference
// names one of the operator's variables.
type Origin struct {
	Kind Kind
	Name string // of a token, header (in lower case), cookie or query parameter; path of a claim
}

// Kind is the kind of thing that a reference refers to.
type Kind uint8

// The kinds of references that are resolved when a call is made.
const (
	None   Kind = iota
	Token       // ${token.NAME}
	Header      // ${request.header.NAME}
	Cookie      // ${request.cookie.NAME}
	Query       // ${request.query.NAME}
	Host        // ${request.host}
	Path        // ${request.path}
	Method      // ${request.method}
	Claim       // ${caller.claim.PATH}
	Bearer      // ${caller.token}
)

// forms are how references are written; those that end in a dot need a name. A colon may replace that dot: Higress's
// control plane takes text with two dots for a placeholder.
var forms = [...]string{
	Token: "token.", Header: "request.header.", Cookie: "request.cookie.", Query: "request.query.",
	Host: "request.host", Path: "request.path", Method: "request.method", Claim: "caller.claim.", Bearer: "caller.token",
}

// String is the reference as written, without ${ and }.
func (o Origin) String() string { return forms[o.Kind] + o.Name }

// IsRequest reports whether the client controls the value: it comes from its request.
func (o Origin) IsRequest() bool { return o.Kind > Token }

// parseOrigin parses a reference with a dot. The error suggests what was meant, if that can be guessed.
func parseOrigin(text string) (Origin, error) {
	for kind, form := range forms {
		name, found := strings.CutPrefix(text, form)
		if end, needsName := strings.CutSuffix(form, "."); needsName && !found {
			name, found = strings.CutPrefix(text, end+":")
		}
		switch {
		case form == "" || !found:
		case !strings.HasSuffix(form, ".") && name == "":
			return Origin{Kind: Kind(kind)}, nil
		case strings.HasSuffix(form, ".") && isName(Kind(kind), name):
			if Kind(kind) == Header {
				name = strings.ToLower(name)
			}
			return Origin{Kind(kind), name}, nil
		}
	}
	return Origin{}, errors.New(suggestion(text))
}

// NameChars are the characters allowed in a token's name.
const NameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func isName(kind Kind, name string) bool {
	switch kind {
	case Token:
		return name != "" && strings.Trim(name, NameChars) == ""
	case Header, Cookie: // RFC 9110 section 5.6.2
		isHost := kind == Header && strings.EqualFold(name, "host") // to a gateway this is :authority
		return name != "" && strings.Trim(name, NameChars+"!#$%&'*+.^`|~") == "" && !isHost
	default:
		return strings.TrimSpace(name) != "" && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
	}
}

// suggestion guesses what was meant. It quotes at most one word of the text, which could be a secret in the wrong
// place.
func suggestion(text string) string {
	var written []string
	for _, form := range forms[Token:] {
		if strings.HasSuffix(form, ".") {
			form += "NAME"
		}
		written = append(written, "${"+form+"}")
	}
	want := "(want " + strings.Join(written, ", ") + ", or $${ for a literal ${)"
	head, name, _ := strings.Cut(text, ".")
	kind, name, hasName := strings.Cut(name, ".")
	meant := ""
	switch singular := strings.TrimSuffix(kind, "s"); {
	case strings.HasPrefix(head, "token"):
		meant = "token.NAME"
	case head == "caller" && (strings.HasPrefix(kind, "token") || strings.HasPrefix(kind, "bearer")):
		meant = "caller.token"
	case strings.HasPrefix(head, "caller") || strings.HasPrefix(kind, "claim") || head == "jwt":
		meant = "caller.claim.PATH"
	case singular == "header" && strings.EqualFold(name, "host"):
		meant = "request.host"
	case singular == "header" || singular == "cookie" || singular == "query" || kind == "queries" || kind == "param":
		if singular != "header" && singular != "cookie" {
			singular = "query"
		}
		meant = "request." + singular + ".NAME"
		if isName(Header, name) && hasName && len(name) <= 64 {
			meant = "request." + singular + "." + name
		}
	case kind == "authority" || kind == "domain":
		meant = "request.host"
	case kind == "host" || kind == "path" || kind == "method":
		meant = "request." + kind
	}
	if meant == "" {
		return "an unknown ${…} with dots " + want
	}
	return fmt.Sprintf("an unknown ${…} with dots (did you mean ${%s}?)", meant)
}
