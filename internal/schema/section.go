// Package schema reads JSON by declared keys, in layers: a rule's object above the global one.
//
// Packages declare their keys and read them from a Section; internal/config composes the keys and begins:
//
//	internal/config ──> Parse ──> Section ──> Over     a rule, which inherits key by key (RFC 7396)
//	tokenservice, cache, fleet ──> String, Int, …      a key's value: its own, inherited, or the default
//	internal/config <── Err, Warnings                  all that is wrong, once everything is read
//
// It owns every error text about a configuration, and the rule of what may stand in ${…}.
//
// What must stay true:
//   - No text shows the value of a secret key, of a variable, or of credentials in an address (TestShown,
//     TestErrorTexts; FuzzSecrets of internal/config).
//   - All errors are told at once, in a line that a log can hold, and none that only follows from another
//     (TestErrorsAreBounded, TestErrorsThatFollowFromOthers).
//   - Whatever a configuration holds, it can't exhaust the stack (TestJSONDepth) or the time of a start.
//   - An identity differs exactly if a key differs that tokens depend on (TestIdentity).
package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// LookupEnv finds an environment variable of the VM; os.LookupEnv in the gateway.
type LookupEnv func(name string) (string, bool)

// Section reads one object of the configuration. Its layers are the object of a
// rule and, below it, the global one: a key is taken from the first layer that
// has it, objects are merged key by key, and null takes an inherited key away
// (RFC 7396).
//
// Errors are collected, and what can't be read has its zero value, so that a parser
// reads all its keys and asks once, at the end.
type Section struct {
	spec   *Key
	at     string          // its rule in errors, for example "_rules_[3]: "
	prefix string          // of its keys in errors, for example "cache."
	tokens map[string]bool // to which references may be
	layers []map[string]gjson.Result
	reader *reader // shared by the sections of one configuration
}

type reader struct {
	env       LookupEnv
	referring []string // keys that may have references
	errors    errorLog
	warnings  []string // about what is allowed but probably not meant
	warned    map[string]bool
	once      map[readOnce]any
}

// readOnce is a value of a key that has been read.
type readOnce struct {
	key   *Key
	value string
}

// Parse begins to read a configuration whose keys are those of root. What is wrong with it shows in Err.
func Parse(data []byte, root *Key, env LookupEnv) Section {
	s := Section{spec: root, reader: &reader{env: env, referring: referring(root, ""), errors: newErrorLog(), warned: map[string]bool{}, once: map[readOnce]any{}}}
	whole, err := parseJSON(data)
	if err != nil {
		s.report("", "", err.Error())
		s.reader.errors.isBroken = true
		return s
	}
	return s.with(whole, nil)
}

// with is the section of an object, above the layers that it inherits. It checks that every key is known and named once.
func (s Section) with(object gjson.Result, below []map[string]gjson.Result) Section {
	layer := map[string]gjson.Result{}
	object.ForEach(func(name, value gjson.Result) bool {
		if _, twice := layer[name.String()]; twice {
			s.Fail("duplicate key %s in config", s.prefix+printable(name.String()))
		}
		layer[name.String()] = value
		s.checkKnown(name.String())
		return !s.reader.errors.isFull()
	})
	s.layers = append([]map[string]gjson.Result{layer}, below...)
	return s
}

func (s Section) checkKnown(name string) {
	if belongsToGateway(name) && s.prefix == "" {
		return
	}
	for _, known := range s.spec.Keys {
		if known.Name == name {
			return
		}
	}
	at := s.prefix + printable(name)
	nearest := s.spec.nearest(strings.Trim(name, typographicQuotes))
	if nearest == "" {
		s.Fail("unknown key %s in config", at)
		return
	}
	s.Fail("unknown key %s in config (did you mean %s%s?)", at, s.prefix, nearest)
	s.reader.errors.meant[s.at+s.prefix+nearest] = true
}

// belongsToGateway reports whether a key is the gateway's own, such as _rules_ and _plugin_id_.
func belongsToGateway(name string) bool { return strings.HasPrefix(name, "_") }

// Over is a rule above the section: what it does not say itself, it inherits.
func (s Section) Over(rule gjson.Result) Section {
	return s.with(rule, s.layers)
}

// Element is the section of an object that is an element of the key's list. at names it in errors.
func (s Section) Element(k *Key, index int, object gjson.Result) Section {
	s.spec, s.prefix = k, fmt.Sprintf("%s%s[%d].", s.prefix, k.Name, index)
	return s.with(object, nil)
}

// Object returns the section of a key whose value is an object. It is empty when the key is absent or no object.
func (s Section) Object(k *Key) Section {
	child := Section{spec: k, at: s.at, prefix: s.prefix + k.Name + ".", tokens: s.tokens, reader: s.reader}
	for _, layer := range slices.Backward(s.layers) {
		value, set := layer[k.Name]
		switch {
		case !set:
		case value.Type == gjson.Null:
			child.layers = nil
		case !value.IsObject():
			s.Invalid(k, value, string(Object))
		default:
			child = child.with(value, child.layers)
		}
	}
	return child
}

// HasOwnKeys reports whether the section says anything itself that is not for the gateway.
func (s Section) HasOwnKeys() bool {
	if len(s.layers) == 0 {
		return false
	}
	for name := range s.layers[0] {
		if !belongsToGateway(name) {
			return true
		}
	}
	return false
}

// Own returns what the section itself says, without what it inherits; ok is false when the name is absent
// or null.
func (s Section) Own(name string) (value gjson.Result, ok bool) {
	if len(s.layers) == 0 {
		return gjson.Result{}, false
	}
	value, ok = s.layers[0][name]
	return value, ok && value.Type != gjson.Null
}

// Value returns what the key is set to; ok is false when it is absent or null.
func (s Section) Value(k *Key) (value gjson.Result, ok bool) {
	for _, layer := range s.layers {
		if value, set := layer[k.Name]; set {
			return value, value.Type != gjson.Null
		}
	}
	return gjson.Result{}, false
}

// Has reports whether the key is set to anything but null.
func (s Section) Has(k *Key) bool {
	_, ok := s.Value(k)
	return ok
}

// Once returns what read makes of that value of the key, and calls it only for the first section that has the value:
// rules by the thousand may inherit what is costly to read.
func (s Section) Once(k *Key, value string, read func() any) any {
	at := readOnce{k, value}
	if _, isRead := s.reader.once[at]; !isRead {
		s.reader.once[at] = read()
	}
	return s.reader.once[at]
}
