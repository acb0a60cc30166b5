package template

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// Origin is where the value of a reference comes from when a call is made. The zero Origin is none: the reference is
// to a variable of the operator's.
type Origin struct {
	Kind Kind
	Name string // of the token, header (in lower case), cookie or parameter; the path of a claim
}

// Kind is what kind of thing a reference refers to.
type Kind uint8

// The kinds of references whose values come when a call is made.
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
)

// forms are how references are written; those that end in a dot need a name. A colon may stand in the place of that dot: Higress' control
// plane takes what has two dots for a placeholder of its own.
var forms = [...]string{
	Token: "token.", Header: "request.header.", Cookie: "request.cookie.", Query: "request.query.",
	Host: "request.host", Path: "request.path", Method: "request.method", Claim: "caller.claim.",
}

// String is the reference as it is written, without ${ and }.
func (o Origin) String() string { return forms[o.Kind] + o.Name }

// IsRequest reports whether the client writes the value: it is from its request.
func (o Origin) IsRequest() bool { return o.Kind > Token }

// parseOrigin reads a reference with a dot. The error says which form was meant, as far as can be told.
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

// NameChars may be in the name of a token.
const NameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func isName(kind Kind, name string) bool {
	switch kind {
	case Token:
		return name != "" && strings.Trim(name, NameChars) == ""
	case Header, Cookie: // RFC 9110 section 5.6.2
		isHost := kind == Header && strings.EqualFold(name, "host") // which is :authority to a gateway
		return name != "" && strings.Trim(name, NameChars+"!#$%&'*+.^`|~") == "" && !isHost
	default:
		return strings.TrimSpace(name) != "" && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
	}
}

// suggestion says what could have been meant. Of the text, no more than a word is told: it could be a secret that has
// lost its way.
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
