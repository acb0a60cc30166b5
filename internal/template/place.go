package template

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// place is where in a text a value appears.
type place int

const (
	asIs     place = iota
	inJSON         // outside its strings
	inString       // a JSON string
	inForm
	inPath
	inQuery
	inElements // XML
	inLine     // a line of text
)

// scanner moves along a text and tracks the place of what comes next.
type scanner struct {
	syntax    Syntax
	isString  bool // inside a JSON string
	isEscaped bool // the next character is escaped
	isQuery   bool
}

func (s *scanner) scan(text string) {
	switch s.syntax {
	case Target:
		s.isQuery = s.isQuery || strings.Contains(text, "?")
	case JSON:
		for i := range len(text) {
			switch {
			case s.isEscaped:
				s.isEscaped = false
			case text[i] == '"':
				s.isString = !s.isString
			case text[i] == '\\':
				s.isEscaped = s.isString
			}
		}
	default:
	}
}

func (s *scanner) place() place {
	switch {
	case s.syntax == JSON && s.isString:
		return inString
	case s.syntax == JSON:
		return inJSON
	case s.syntax == Form:
		return inForm
	case s.syntax == Target && s.isQuery:
		return inQuery
	case s.syntax == Target:
		return inPath
	case s.syntax == XML:
		return inElements
	case s.syntax == Text:
		return inLine
	default:
		return asIs
	}
}

// Characters allowed in a URL (RFC 3986 section 3.3).
const (
	unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	subDelims  = "!$&'()*+,;="
)

// accepts reports whether the place can carry an untrusted value, encoded or not, so that readers get it unchanged.
func (p place) accepts(value string) bool {
	switch p {
	case inString: // RFC 8259 section 8.1: readers disagree about invalid UTF-8
		return utf8.ValidString(value)
	case inElements: // XML 1.0 section 2.2
		return utf8.ValidString(value) && !strings.ContainsFunc(value, func(r rune) bool {
			return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == '\uFFFE' || r == '\uFFFF'
		})
	case inLine:
		return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
	default:
		return true
	}
}

// encode encodes a value for the place. Only the operator's values may span several path segments.
func (p place) encode(value string, isUntrusted bool) string {
	switch p {
	case inString:
		return escapeJSON(value)
	case inForm:
		return url.QueryEscape(value)
	case inQuery:
		return percentEncode(value, unreserved)
	case inPath:
		if isUntrusted {
			return percentEncode(value, unreserved)
		}
		return percentEncode(value, unreserved+subDelims+":@/")
	case inElements:
		return escapeXML.Replace(value)
	default:
		return value
	}
}

var escapeXML = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;",
	"\t", "&#9;", "\n", "&#10;", "\r", "&#13;") // readers would normalize these to spaces

// escapeJSON keeps the operator's invalid UTF-8 as it is: the service may know what it means.
func escapeJSON(value string) string {
	var escaped strings.Builder
	for i := range len(value) {
		switch c := value[i]; {
		case c == '"' || c == '\\':
			escaped.WriteByte('\\')
			escaped.WriteByte(c)
		case c < ' ':
			fmt.Fprintf(&escaped, `\u%04x`, c)
		default:
			escaped.WriteByte(c)
		}
	}
	return escaped.String()
}

func percentEncode(value, kept string) string {
	var encoded strings.Builder
	for i := range len(value) {
		if strings.IndexByte(kept, value[i]) >= 0 {
			encoded.WriteByte(value[i])
		} else {
			fmt.Fprintf(&encoded, "%%%02X", value[i])
		}
	}
	return encoded.String()
}

// BodySyntax detects a body's syntax by its Content-Type or its content: text that is JSON once its references have
// values is JSON, whatever its type.
func (t Template) BodySyntax(contentType string) Syntax {
	media, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	media = strings.TrimSpace(media)
	switch {
	case media == "application/x-www-form-urlencoded":
		return Form
	case strings.HasSuffix(media, "json") || t.isJSON():
		return JSON
	case strings.HasSuffix(media, "xml"):
		return XML
	case media == "text/plain" && len(t.parts) > 1:
		return Text
	default:
		return Plain
	}
}

func (t Template) isJSON() bool {
	var text strings.Builder
	s := scanner{syntax: JSON}
	for _, p := range t.parts {
		if p.reference != nil && !s.isString {
			text.WriteString("0")
		}
		s.scan(p.text)
		text.WriteString(p.text)
	}
	found := strings.TrimSpace(text.String())
	return found != "" && strings.IndexByte(`{["`, found[0]) >= 0 && json.Valid([]byte(found))
}
