package schema

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"token-fetch/internal/template"
)

// Member is a name with its value.
type Member struct {
	Name     string
	Value    string            // but for references
	Template template.Template // with them
	Written  gjson.Result      // the value before its variables were expanded, for errors
}

// Members returns the object's members, in the order in which they are written. The layers are merged as the
// keys of an object are: what a rule names replaces the global value, null removes it.
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
	seen := map[string]int{} // in which layer
	for i, layer := range s.layers {
		object, set := layer[k.Name]
		if set && object.Type == gjson.Null {
			break
		}
		object.ForEach(func(name, member gjson.Result) bool {
			at, known := k.Name+"."+printable(name.String()), k.memberName(name.String())
			s.refusePlaceholder(k.Name, name.String())
			above, isSeen := seen[known]
			switch {
			case isSeen && above == i:
				s.Fail("duplicate key %s in config", s.prefix+at)
			case !isSeen:
				seen[known] = i
				members = s.appendMember(members, k, at, name.String(), member)
			}
			return true
		})
	}
	return members
}

// memberName is the name by which members are told apart.
func (k *Key) memberName(name string) string {
	if k.FoldCase {
		return strings.ToLower(name)
	}
	return name
}

func (s Section) appendMember(members []Member, k *Key, at, name string, member gjson.Result) []Member {
	switch member.Type {
	case gjson.Null:
		return members
	case gjson.String:
		text := s.text(k, at, member, nil)
		return append(members, Member{name, text.Text(), text, member})
	default:
		s.invalidAt(k, at, member, string(Text))
		return members
	}
}

// Strings returns a list of strings; a single string is a list of one where the key allows it.
func (s Section) Strings(k *Key) (list []string) {
	for _, text := range s.Templates(k) {
		list = append(list, text.Text())
	}
	return list
}

// Templates is Strings with the references that the key may have.
func (s Section) Templates(k *Key) (list []template.Template) {
	value, ok := s.Value(k)
	if !ok {
		return nil
	}
	if k.Kind == Texts && value.Type == gjson.String {
		return []template.Template{s.text(k, k.Name, value, nil)}
	}
	if !value.IsArray() {
		s.Invalid(k, value, string(k.Kind))
		return nil
	}
	for i, element := range value.Array() {
		at := fmt.Sprintf("%s[%d]", k.Name, i)
		if element.Type != gjson.String {
			s.invalidAt(k, at, element, string(Text))
			continue
		}
		list = append(list, s.text(k, at, element, nil))
	}
	return list
}

// Scalars returns a string, a number, true or false, or a list of such, as texts: YAML has "200" without its quotes
// as a number. The key must be there, and a list not be empty.
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

// Ints returns a list of integers within the key's limits, or the key's default when it is absent.
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
		n, isInteger := WholeNumber(element)
		if !isInteger || n < k.Min || n > k.Max {
			s.Invalid(k, element, k.want())
		}
		list = append(list, int(n))
	}
	return list
}

// Objects returns the sections of a list of objects with the key's own keys.
func (s Section) Objects(k *Key) []Section {
	value, ok := s.Value(k)
	if !ok {
		return nil
	}
	if !value.IsArray() {
		s.Wrong(k, k.want())
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

// NamedObjects returns the sections of an object's members that the section itself has, and takes away what null takes away.
// Each is whole: a member replaces an inherited one of its name. Names have the characters of allowed only.
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
		at := k.Name + "." + printable(name.String())
		switch {
		case name.String() == "" || strings.Trim(name.String(), allowed) != "":
			s.Fail("invalid %s in config: a name may have letters, digits, - and _ only", s.prefix+at)
		case seen[name.String()]:
			s.Fail("duplicate key %s in config", s.prefix+at)
		case member.Type == gjson.Null:
			list = append(list, NamedObject{Name: name.String(), IsNull: true})
		case !member.IsObject():
			s.invalidAt(k, at, member, string(Object))
		default:
			inner := s
			inner.spec, inner.prefix = k, s.prefix+at+"."
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
	IsNull  bool // it takes an inherited one away
}

// Conditions reads a rule's own list of what it applies to, which is never inherited. A single
// string counts as a list of one, as for wasm-go's matcher. What is wrong stays in the list: something was given.
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
