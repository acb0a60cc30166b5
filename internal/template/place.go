package template

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// place is where in a text a value stands.
type place int

const (
	asIs       place = iota
	inJSON           // but in no string of it
	inString         // of JSON
	inForm           //
	inPath           //
	inQuery          //
	inElements       // of XML
	inLine           // of a text
)

// scanner goes along a text and knows what comes next stands in.
type scanner struct {
	syntax    Syntax
	isString  bool // of JSON
	isEscaped bool // the next character of it
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

// What may stand in a URL (RFC 3986 section 3.3).
const (
	unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	subDelims  = "!$&'()*+,;="
)

// takes reports whether a value from outside can stand in the place, in whatever form, and be read as it was.
func (p place) takes(value string) bool {
	switch p {
	case inString: // RFC 8259 section 8.1: readers would each make something else of what is not UTF-8
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

// encode writes a value for the place. One of the operator's may have several segments of a path.
func (p place) encode(value string, isFromOutside bool) string {
	switch p {
	case inString:
		return escapeJSON(value)
	case inForm:
		return url.QueryEscape(value)
	case inQuery:
		return percentEncode(value, unreserved)
	case inPath:
		if isFromOutside {
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
	"\t", "&#9;", "\n", "&#10;", "\r", "&#13;") // which readers would take for spaces

// escapeJSON leaves the operator's bytes that are not UTF-8 as they are: the service may know what they mean.
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

// BodySyntax is what a body is by its Content-Type, or by itself: a text that is JSON when its references
// have values is JSON, whatever it is called.
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
	at := scanner{syntax: JSON}
	for _, p := range t.parts {
		if p.reference != nil && !at.isString {
			text.WriteString("0")
		}
		at.scan(p.text)
		text.WriteString(p.text)
	}
	found := strings.TrimSpace(text.String())
	return found != "" && strings.IndexByte(`{["`, found[0]) >= 0 && json.Valid([]byte(found))
}
