package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

// document is a YAML or JSON document.
type document struct {
	line  int    // where it begins
	json  []byte // nil for an element of a List
	value any
}

var (
	// separator starts the next document. kubectl splits files at the same lines.
	separator = regexp.MustCompile(`(?m)^---[ \t]*(#.*)?\r?$`)
	// blank matches documents with nothing but comments and directives.
	blank = regexp.MustCompile(`^(\s|#.*|%.*)*$`)
)

// readDocuments reads all documents that are not blank. Numbers stay as written.
func readDocuments(data []byte) ([]document, error) {
	if err := checkEncoding(data); err != nil {
		return nil, err
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if trimmed := bytes.TrimSpace(data); json.Valid(trimmed) && bytes.HasPrefix(trimmed, []byte("{")) {
		d, err := newDocument(1, data) // unchanged: the plugin reports duplicate keys
		return []document{d}, err
	}
	var documents []document
	begin := 0
	for _, next := range append(separator.FindAllIndex(data, -1), []int{len(data), len(data)}) {
		text, at := data[begin:next[0]], begin
		isWhole := begin == 0 && next[0] == len(data)
		begin = next[1]
		if blank.Match(text) {
			continue
		}
		if len(documents) == maxDocuments {
			return nil, fmt.Errorf("the file has too many documents (want at most %d)", maxDocuments)
		}
		d, err := readYAML(text, bytes.Count(data[:at], []byte("\n")))
		if err != nil && isWhole && bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
			d, err = document{line: 1, json: data}, nil // JSON with a syntax error: the plugin says where
		}
		if err != nil {
			return nil, err
		}
		documents = append(documents, d)
	}
	return documents, nil
}

// checkEncoding rejects encodings that YAML parsers and gateways read differently.
func checkEncoding(data []byte) error {
	isUTF16 := bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff})
	switch {
	case isUTF16 || bytes.IndexByte(data, 0) >= 0:
		return errors.New("the file is UTF-16, or no text (want UTF-8, for example by iconv -f UTF-16 -t UTF-8, or Out-File -Encoding utf8 in PowerShell)")
	case !utf8.Valid(data):
		return errors.New("the file is not UTF-8 (want UTF-8, for example by iconv -f ISO-8859-1 -t UTF-8)")
	}
	return nil
}

// maxDocuments prevents a file full of separators from taking minutes.
const maxDocuments = 1000

// readYAML reads a document that starts after so many lines. The same number of line breaks is put before it, so that the
// parser's errors have the file's line numbers.
func readYAML(text []byte, before int) (document, error) {
	converted, err := yaml.YAMLToJSONStrict(append(bytes.Repeat([]byte("\n"), before), text...))
	if err != nil {
		return document{}, yamlError(err)
	}
	return newDocument(1+before+bytes.Count(leading.Find(text), []byte("\n")), converted)
}

// leading matches the empty lines and comments before a document's first line.
var leading = regexp.MustCompile(`^([ \t]*(#.*)?\r?\n)*`)

func newDocument(line int, data []byte) (document, error) {
	d := document{line: line, json: data}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&d.value); err != nil {
		return document{}, errors.New("it is nested too deep")
	}
	return d, nil
}

var (
	// These match the parser's messages.
	duplicateKey = regexp.MustCompile(`line (\d+): key "?(.*?)"? already set in map`)
	shownValue   = regexp.MustCompile("`[^`]*`")
)

// yamlError says where the YAML is invalid, without showing values, which may be secret.
func yamlError(err error) error {
	text := err.Error()
	if match := duplicateKey.FindStringSubmatch(text); match != nil {
		return fmt.Errorf("line %s: duplicate key %s", match[1], match[2])
	}
	switch {
	case strings.Contains(text, "excessive aliasing"):
		return errors.New("not YAML that a gateway takes: its aliases expand to too much")
	case strings.Contains(text, "unknown anchor"):
		return errors.New("not YAML: unknown anchor (a value that begins with * needs quotes)")
	case strings.Contains(text, "map key"):
		return errors.New("not YAML that a gateway takes: a key is null, a list or a map (a value that begins with { or [ needs quotes)")
	}
	if at := strings.LastIndex(text, "yaml: "); at >= 0 {
		text = text[at+len("yaml: "):]
	}
	return fmt.Errorf("not YAML: %s", strings.Join(strings.Fields(shownValue.ReplaceAllString(text, "…")), " "))
}
