package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"token-fetch/internal/template"
)

// Member is a name and its value.
type Member struct {
	Name     string
	Value    string            // without references
	Template template.Template // with references
	Written  gjson.Result      // the value before variables were expanded, for errors
}

// Members returns the object's members in the order written. Layers merge as the keys of an object do: a rule's member
// replaces the global one, null removes it.
func (s Section) Members(k *Key) []Member {
	value, ok := s.Value(k)
	if !ok {
		return nil
	}
	if !value.IsObject() {
		s.Invalid(k, value, string(TextMap))
		return nil
	}
	var members []Member
	seen := map[string]int{} // name to index of its layer
	for i, layer := range s.layers {
		object, set := layer[k.Name]
		if set && object.Type == gjson.Null {
			break
		}
		object.ForEach(func(name, member gjson.Result) bool {
			path, known := k.Name+"."+printable(name.String()), k.memberName(name.String())
			s.refusePlaceholder(k.Name, name.String())
			above, isSeen := seen[known]
			switch {
			case isSeen && above == i:
				s.Fail("duplicate key %s in config", s.prefix+path)
			case !isSeen:
				seen[known] = i
				members = s.appendMember(members, k, path, name.String(), member)
			}
			return true
		})
	}
	return members
}

// memberName is the name that identifies a member.
func (k *Key) memberName(name string) string {
	if k.FoldCase {
		return strings.ToLower(name)
	}
	return name
}

func (s Section) appendMember(members []Member, k *Key, path, name string, member gjson.Result) []Member {
	switch member.Type {
	case gjson.Null:
		return members
	case gjson.String:
		text := s.text(k, path, member, nil)
		return append(members, Member{name, text.Text(), text, member})
	default:
		s.invalidAt(k, path, member, string(Text))
		return members
	}
}

// Strings returns a list of strings; where the key allows it, a single string counts as a list of one.
func (s Section) Strings(k *Key) (list []string) {
	for _, text := range s.Templates(k) {
		list = append(list, text.Text())
	}
	return list
}

// Templates is Strings, with the references that the key may have.
func (s Section) Templates(k *Key) (list []template.Template) {
	value, ok := s.Value(k)
	if !ok {
		return nil
	}
	if k.Kind == TextOrList && value.Type == gjson.String {
		return []template.Template{s.text(k, k.Name, value, nil)}
	}
	if !value.IsArray() {
		s.Invalid(k, value, string(k.Kind))
		return nil
	}
	for i, element := range value.Array() {
		path := fmt.Sprintf("%s[%d]", k.Name, i)
		if element.Type != gjson.String {
			s.invalidAt(k, path, element, string(Text))
			continue
		}
		list = append(list, s.text(k, path, element, nil))
	}
	return list
}

// Scalars returns a string, number or boolean, or a list of such, as text: YAML reads an unquoted 200 as a number. The
// key is required, and a list must not be empty.
func (s Section) Scalars(k *Key) []string {
	value, ok := s.Value(k)
	if !ok || value.IsArray() && len(value.Array()) == 0 {
		s.Missing(k)
		return nil
	}
	values := []gjson.Result{value}
	if value.IsArray() {
		values = value.Array()
	}
	var texts []string
	for _, element := range values {
		if element.IsObject() || element.IsArray() || element.Type == gjson.Null {
			s.Invalid(k, element, string(k.Kind))
		}
		texts = append(texts, s.Expand(k.Name, element.String()))
	}
	return texts
}

// Ints returns a list of integers within the key's limits, or the key's default.
func (s Section) Ints(k *Key) []int {
	value, ok := s.Value(k)
	if !ok {
		fallback, _ := k.Default.([]int)
		return slices.Clone(fallback)
	}
	if !value.IsArray() {
		s.Invalid(k, value, k.want())
		return nil
	}
	list := []int{}
	for _, element := range value.Array() {
		n, isInteger := wholeNumber(element)
		if !isInteger || n < k.Min || n > k.Max {
			s.Invalid(k, element, k.want())
		}
		list = append(list, int(n))
	}
	return list
}

// Objects returns the sections of a list of objects that have the key's Keys.
func (s Section) Objects(k *Key) []Section {
	value, ok := s.Value(k)
	if !ok {
		return nil
	}
	if !value.IsArray() {
		s.InvalidKey(k, k.want())
		return nil
	}
	var list []Section
	for i, entry := range value.Array() {
		if !entry.IsObject() {
			s.Fail("invalid %s[%d] in config (want %s)", s.Name(k), i, k.want())
			return nil
		}
		list = append(list, s.Element(k, i, entry))
	}
	return list
}

// NamedObjects returns the members of an object of objects, as this layer sets them; null marks one to remove. There is
// no merging: a member replaces the inherited one as a whole. Names consist of the characters in allowed.
func (s Section) NamedObjects(k *Key, allowed string) (list []NamedObject) {
	value, ok := s.Own(k.Name)
	if !ok {
		return nil
	}
	if !value.IsObject() {
		s.Invalid(k, value, string(k.Kind))
		return nil
	}
	seen := map[string]bool{}
	value.ForEach(func(name, member gjson.Result) bool {
		path := k.Name + "." + printable(name.String())
		switch {
		case name.String() == "" || strings.Trim(name.String(), allowed) != "":
			s.Fail("invalid %s in config: a name may have letters, digits, - and _ only", s.prefix+path)
		case seen[name.String()]:
			s.Fail("duplicate key %s in config", s.prefix+path)
		case member.Type == gjson.Null:
			list = append(list, NamedObject{Name: name.String(), IsNull: true})
		case !member.IsObject():
			s.invalidAt(k, path, member, string(Object))
		default:
			inner := s
			inner.spec, inner.prefix = k, s.prefix+path+"."
			list = append(list, NamedObject{name.String(), inner.with(member, nil), false})
		}
		seen[name.String()] = true
		return !s.reader.errors.isFull()
	})
	return list
}

// NamedObject is a member of an object of objects.
type NamedObject struct {
	Name    string
	Section Section
	IsNull  bool // it removes the inherited one
}

// Conditions reads a rule's conditions, which are never inherited. As in wasm-go's matcher, a single string counts as a
// list of one. Invalid conditions stay in the list: something was given.
func (s Section) Conditions(name string) []string {
	value, set := s.Own(name)
	if !set {
		return nil
	}
	var list []string
	for _, element := range value.Array() {
		if element.Type != gjson.String || element.Str == "" {
			s.invalidAt(&Key{}, name, element, "a list of non-empty strings")
		}
		s.refusePlaceholder(name, element.Str)
		list = append(list, element.Str)
	}
	return list
}

// InvalidCondition reports one of Conditions.
func (s Section) InvalidCondition(name, condition, want string) {
	s.report(name, condition, fmt.Sprintf("invalid %s in config: %s (want %s)", name, shownText(condition), want))
}
