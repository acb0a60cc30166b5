package main

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// lookupEnv finds an environment variable of the VM; os.LookupEnv in the gateway.
type lookupEnv func(name string) (string, bool)

// section reads one object of the configuration. Its layers are the object of a
// rule and, below it, the global one: a key is taken from the first layer that
// has it, objects are merged key by key, and null takes an inherited key away
// (RFC 7396).
//
// The first error is kept and later reads return zero values, so that a parser
// reads all its keys and asks once.
type section struct {
	spec   *key
	prefix string // of its keys in errors, for example "cache."
	layers []map[string]gjson.Result
	reader *reader // shared by the sections of one configuration
}

type reader struct {
	env      lookupEnv
	err      error    // the first one
	warnings []string // about what is allowed but probably not meant
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

// newSection checks that every key of the object is known and named once.
func newSection(spec *key, prefix string, object gjson.Result, below section, r *reader) section {
	layer := map[string]gjson.Result{}
	object.ForEach(func(name, value gjson.Result) bool {
		if _, twice := layer[name.String()]; twice {
			r.fail("duplicate key %s%s in config", prefix, printable(name.String()))
		}
		layer[name.String()] = value
		checkKnown(spec, prefix, name.String(), r)
		return r.err == nil
	})
	layers := append([]map[string]gjson.Result{layer}, below.layers...)
	return section{spec: spec, prefix: prefix, layers: layers, reader: r}
}

func checkKnown(spec *key, prefix, name string, r *reader) {
	if belongsToGateway(name) && prefix == "" {
		return
	}
	for _, known := range spec.keys {
		if known.name == name {
			return
		}
	}
	if nearest := spec.nearest(name); nearest != "" {
		r.fail("unknown key %s%s in config (did you mean %s%s?)", prefix, printable(name), prefix, nearest)
		return
	}
	r.fail("unknown key %s%s in config", prefix, printable(name))
}

// belongsToGateway tells the gateway's own keys, such as _rules_ and _plugin_id_.
func belongsToGateway(name string) bool { return strings.HasPrefix(name, "_") }

// own returns what the section itself says, without what it inherits; ok is false when the name is absent
// or null.
func (s section) own(name string) (value gjson.Result, ok bool) {
	if len(s.layers) == 0 {
		return gjson.Result{}, false
	}
	value, ok = s.layers[0][name]
	return value, ok && value.Type != gjson.Null
}

// value returns what the key is set to; ok is false when it is absent or null.
func (s section) value(k *key) (value gjson.Result, ok bool) {
	for _, layer := range s.layers {
		if value, set := layer[k.name]; set {
			return value, value.Type != gjson.Null
		}
	}
	return gjson.Result{}, false
}

func (s section) has(k *key) bool {
	_, ok := s.value(k)
	return ok
}

// invalid reports a bad value: the key, the value unless it may be a secret, and what is allowed.
func (s section) invalid(k *key, value gjson.Result, want string) {
	s.invalidAt(k, k.name, value, want)
}

// wrong is invalid for the value that stands in the configuration.
func (s section) wrong(k *key, want string) {
	value, _ := s.value(k)
	s.invalid(k, value, want)
}

// warn tells that a key has no effect, and why.
func (s section) warn(k *key, why string) {
	s.reader.warnings = append(s.reader.warnings, s.prefix+k.name+" is not used: "+why)
}

func (s section) invalidAt(k *key, name string, value gjson.Result, want string) {
	if k.secret {
		s.reader.fail("invalid %s%s in config (want %s)", s.prefix, name, want)
		return
	}
	s.reader.fail("invalid %s%s in config: %s (want %s)", s.prefix, name, shown(value), want)
}

// shown is a value as an error may print it: as it was written, before variables are expanded.
func shown(value gjson.Result) string {
	switch {
	case value.IsObject():
		return "an object"
	case value.IsArray():
		return "a list"
	case value.Type == gjson.String:
		text, query, hasQuery := strings.Cut(value.String(), "?")
		if hasQuery && query != "" {
			text += "?…" // a query may hold a key
		}
		return strconv.Quote(printable(text))
	default:
		return printable(value.Raw)
	}
}

// printable keeps an error one short line, whatever the configuration has in its place.
func printable(text string) string {
	const limit = 100
	shortened := ""
	if len(text) > limit {
		text, shortened = strings.ToValidUTF8(text[:limit], ""), "…"
	}
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return utf8.RuneError
		}
		return r
	}, text) + shortened
}

// text returns a string with its variables expanded, the key's default when it is absent.
func (s section) text(k *key) string {
	value, ok := s.value(k)
	if !ok {
		fallback, _ := k.fallback.(string)
		return fallback
	}
	if value.Type != gjson.String {
		s.invalid(k, value, string(kindText))
		return ""
	}
	text := s.expand(k.name, value.String())
	if len(k.oneOf) > 0 && !contains(k.oneOf, text) {
		s.invalid(k, value, strings.Join(k.oneOf, ", "))
	}
	return text
}

func contains[T comparable](list []T, wanted T) bool {
	for _, element := range list {
		if element == wanted {
			return true
		}
	}
	return false
}

func (s section) boolean(k *key) bool {
	value, ok := s.value(k)
	if !ok {
		return k.fallback.(bool)
	}
	if !value.IsBool() {
		s.invalid(k, value, string(kindBoolean))
	}
	return value.Type == gjson.True
}

// integer returns the value, or the key's default when it is absent. A fraction,
// a number in quotes and one beyond the key's limits are errors.
func (s section) integer(k *key) int {
	value, ok := s.value(k)
	if !ok {
		fallback, _ := k.fallback.(int)
		return fallback
	}
	n, isInteger := wholeNumber(value)
	if !isInteger || n < k.min || n > k.max {
		s.invalid(k, value, fmt.Sprintf("%d to %d", k.min, k.max))
		return 0
	}
	return int(n)
}

// wholeNumber reads an integer exactly: gjson's own accessors round silently. 80.0 and 8e1 are 80.
func wholeNumber(value gjson.Result) (int64, bool) {
	if value.Type != gjson.Number || value.Num != float64(int64(value.Num)) {
		return 0, false
	}
	return int64(value.Num), true
}
