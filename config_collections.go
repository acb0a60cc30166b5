package main

import (
	"fmt"

	"github.com/tidwall/gjson"
)

// textMap returns the object's members, in the order in which they are written.
func (s section) textMap(k *key) []pair {
	value, ok := s.value(k)
	if !ok {
		return nil
	}
	if !value.IsObject() {
		s.invalid(k, value, string(kindTextMap))
		return nil
	}
	var pairs []pair
	// The layers are merged as the keys of an object are: what a rule names
	// replaces the global value, null removes it.
	seen := map[string]bool{}
	for _, layer := range s.layers {
		object, set := layer[k.name]
		if set && object.Type == gjson.Null {
			break
		}
		object.ForEach(func(name, member gjson.Result) bool {
			if at := k.name + "." + printable(name.String()); !seen[name.String()] {
				seen[name.String()] = true
				pairs = s.appendMember(pairs, k, at, name.String(), member)
			}
			return true
		})
	}
	return pairs
}

// pair is a name with its value.
type pair struct {
	name, value string
	written     gjson.Result // the value before its variables were expanded, for errors
}

func (s section) appendMember(pairs []pair, k *key, at, name string, member gjson.Result) []pair {
	switch member.Type {
	case gjson.Null:
		return pairs
	case gjson.String:
		return append(pairs, pair{name, s.expand(at, member.String()), member})
	default:
		s.invalidAt(k, at, member, string(kindText))
		return pairs
	}
}

// texts returns a list of strings; a single string is a list of one where the key allows it.
func (s section) texts(k *key) []string {
	value, ok := s.value(k)
	if !ok {
		return nil
	}
	if k.kind == kindTexts && value.Type == gjson.String {
		return []string{s.expand(k.name, value.String())}
	}
	if !value.IsArray() {
		s.invalid(k, value, string(k.kind))
		return nil
	}
	var list []string
	for i, element := range value.Array() {
		at := fmt.Sprintf("%s[%d]", k.name, i)
		if element.Type != gjson.String {
			s.invalidAt(k, at, element, string(kindText))
			return nil
		}
		list = append(list, s.expand(at, element.String()))
	}
	return list
}

// object returns the section of a key whose value is an object.
func (s section) object(k *key) section {
	child := section{spec: k, prefix: s.prefix + k.name + ".", reader: s.reader}
	for i := len(s.layers) - 1; i >= 0; i-- {
		value, set := s.layers[i][k.name]
		switch {
		case !set:
		case value.Type == gjson.Null:
			child.layers = nil
		case !value.IsObject():
			s.invalid(k, value, string(kindObject))
		default:
			child = newSection(k, child.prefix, value, child, s.reader)
		}
	}
	return child
}
