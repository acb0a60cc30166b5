package manifest

import "fmt"

// section is an object of a manifest. The first value that has another type than the CRD wants is kept as the failure
// of the whole manifest, whose later reads return zero values.
type section struct {
	at      string // where it stands, for errors
	object  map[string]any
	failure *error
}

func (s section) fail(name, want string) {
	if *s.failure == nil {
		*s.failure = fmt.Errorf("invalid %s.%s (want %s)", s.at, name, want)
	}
}

// field reads a value of type T; absent and null count as its zero value.
func field[T any](s section, name, want string) (value T) {
	given := s.object[name]
	if given == nil {
		return value
	}
	value, ok := given.(T)
	if !ok {
		s.fail(name, want)
	}
	return value
}

func (s section) text(name string) string  { return field[string](s, name, "a string") }
func (s section) boolean(name string) bool { return field[bool](s, name, "true or false") }

func (s section) child(name string) section {
	return section{s.at + "." + name, field[map[string]any](s, name, "an object"), s.failure}
}

// sections reads a list of objects.
func (s section) sections(name string) []section {
	var list []section
	for i, element := range field[[]any](s, name, "a list of objects") {
		object, isObject := element.(map[string]any)
		if !isObject {
			s.fail(fmt.Sprintf("%s[%d]", name, i), "an object")
		}
		list = append(list, section{fmt.Sprintf("%s.%s[%d]", s.at, name, i), object, s.failure})
	}
	return list
}

// texts reads a list of strings.
func (s section) texts(name string) []string {
	var list []string
	for i, element := range field[[]any](s, name, "a list of strings") {
		text, isText := element.(string)
		if !isText {
			s.fail(fmt.Sprintf("%s[%d]", name, i), "a string")
		}
		list = append(list, text)
	}
	return list
}
