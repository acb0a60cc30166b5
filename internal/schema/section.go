// Package schema reads JSON by declared keys, in layers: a rule's object on top of the global one.
//
// Packages declare their keys and read them from a Section; internal/config composes the keys and starts reading:
//
//	internal/config ──> Parse ──> Section ──> Override   a rule, which inherits key by key (RFC 7396)
//	tokenservice, cache, share ──> String, Int, …        a key's value: its own, inherited, or the default
//	internal/config <── Err, Warnings                    everything wrong, after all keys were read
//
// It owns every error text about a configuration, and the rules for ${…}.
//
// What must stay true:
//
//   - No text shows the value of a secret key, of a variable, or of credentials in an address: TestShown,
//     TestErrorTexts; FuzzSecrets of internal/config.
//   - All errors are reported at once, in a line that fits a log, without those that only follow from another:
//     TestErrorsAreBounded, TestErrorsThatFollowFromOthers.
//   - No configuration can exhaust the stack (TestJSONDepth) or make a start take too long.
//   - An identity differs exactly if a key differs that tokens depend on: TestIdentity.
package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// LookupEnv looks up an environment variable of the VM; os.LookupEnv in the gateway.
type LookupEnv func(name string) (string, bool)

// Section reads one object of the configuration. Its layers are a rule's object and, below it, the global one: a key is
// taken from the first layer that has it, objects merge key by key, and null removes an inherited key (RFC 7396).
//
// Errors are collected, and what can't be read has its zero value: a parser reads all keys and calls Err once at the
// end.
type Section struct {
	spec   *Key
	rule   string          // prefix of its errors, for example "_rules_[3]: "
	prefix string          // of its keys in errors, for example "cache."
	tokens map[string]bool // that references may name
	layers []map[string]gjson.Result
	reader *reader // shared by all sections of a configuration
}

type reader struct {
	env       LookupEnv
	referring []string // keys that may have references
	errors    errorLog
	warnings  []string // of what is allowed but probably not intended
	warned    map[string]bool
	once      map[readOnce]any
}

// readOnce identifies a key and value that have been read.
type readOnce struct {
	key   *Key
	value string
}

// Parse starts reading a configuration with the keys of root. Errors show in Err.
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

// with returns the section of an object on top of the layers below. It checks that every key is known and occurs once.
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
	path := s.prefix + printable(name)
	nearest := s.spec.nearest(strings.Trim(name, typographicQuotes))
	if nearest == "" {
		s.Fail("unknown key %s in config", path)
		return
	}
	s.Fail("unknown key %s in config (did you mean %s%s?)", path, s.prefix, nearest)
	s.reader.errors.meant[s.rule+s.prefix+nearest] = true
}

// belongsToGateway reports whether a key is the gateway's, such as _rules_ and _plugin_id_.
func belongsToGateway(name string) bool { return strings.HasPrefix(name, "_") }

// Override returns the section of a rule on top of s: it inherits what it does not set.
func (s Section) Override(rule gjson.Result) Section {
	return s.with(rule, s.layers)
}

// Element returns the section of an object in the key's list.
func (s Section) Element(k *Key, index int, object gjson.Result) Section {
	s.spec, s.prefix = k, fmt.Sprintf("%s%s[%d].", s.prefix, k.Name, index)
	return s.with(object, nil)
}

// Object returns the section of a key whose value is an object. It is empty if the key is absent or not an object.
func (s Section) Object(k *Key) Section {
	child := Section{spec: k, rule: s.rule, prefix: s.prefix + k.Name + ".", tokens: s.tokens, reader: s.reader}
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

// HasOwnKeys reports whether this layer sets any key that is not the gateway's.
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

// Own returns the value that this layer sets, without inherited ones; ok is false if the name is absent or null.
func (s Section) Own(name string) (value gjson.Result, ok bool) {
	if len(s.layers) == 0 {
		return gjson.Result{}, false
	}
	value, ok = s.layers[0][name]
	return value, ok && value.Type != gjson.Null
}

// Value returns the key's value; ok is false if it is absent or null.
func (s Section) Value(k *Key) (value gjson.Result, ok bool) {
	for _, layer := range s.layers {
		if value, set := layer[k.Name]; set {
			return value, value.Type != gjson.Null
		}
	}
	return gjson.Result{}, false
}

// Merged is Value for an object of any values: the layers' objects, merged member by member and to any depth, as RFC 7396
// has it. But a null that has nothing to remove is a value.
func (s Section) Merged(k *Key) (merged gjson.Result, ok bool) {
	for _, layer := range s.layers {
		value, set := layer[k.Name]
		switch {
		case !set:
		case !ok:
			if merged, ok = value, value.Type != gjson.Null; !ok {
				return merged, false
			}
		case value.IsObject() && merged.IsObject():
			merged = mergeObjects(value, merged)
		default:
			return merged, true
		}
	}
	return merged, ok
}

// Has reports whether the key is set to anything but null.
func (s Section) Has(k *Key) bool {
	_, ok := s.Value(k)
	return ok
}

// Once returns the result of read for the key's value, and calls read only once per value: thousands of rules may
// inherit one that is expensive to read.
func (s Section) Once(k *Key, value string, read func() any) any {
	id := readOnce{k, value}
	if _, isRead := s.reader.once[id]; !isRead {
		s.reader.once[id] = read()
	}
	return s.reader.once[id]
}
