package manifest

import "strings"

// Resource is a Kubernetes resource, or an object in one. Package definitions checks types: here, a value of another type
// counts as absent.
type Resource map[string]any

// Object returns the object at a path of names, or nil.
func (r Resource) Object(path ...string) Resource {
	for _, name := range path {
		inner, _ := r[name].(map[string]any)
		r = inner
	}
	return r
}

// Text returns a string, or "".
func (r Resource) Text(name string) string {
	text, _ := r[name].(string)
	return text
}

// IsTrue reports whether the value is true.
func (r Resource) IsTrue(name string) bool { return r[name] == true }

// Objects returns a list of objects. An element that is not an object is empty.
func (r Resource) Objects(name string) (objects []Resource) {
	list, _ := r[name].([]any)
	for _, element := range list {
		object, _ := element.(map[string]any)
		objects = append(objects, object)
	}
	return objects
}

// Texts returns the strings in a list.
func (r Resource) Texts(name string) (texts []string) {
	list, _ := r[name].([]any)
	for _, element := range list {
		if text, isText := element.(string); isText {
			texts = append(texts, text)
		}
	}
	return texts
}

// Is reports whether it is of a kind, in any version of the group.
func (r Resource) Is(group, kind string) bool {
	of, _, hasGroup := strings.Cut(r.Text("apiVersion"), "/")
	if !hasGroup {
		of = "" // the core group
	}
	return of == group && r.Text("kind") == kind
}

// Name is the name in its metadata.
func (r Resource) Name() string { return r.Object("metadata").Text("name") }

// Namespace is empty if kubectl decides.
func (r Resource) Namespace() string { return r.Object("metadata").Text("namespace") }

// Title is its kind, namespace and name.
func (r Resource) Title() string {
	name := r.Name()
	if r.Namespace() != "" {
		name = r.Namespace() + "/" + name
	}
	return strings.TrimSpace(r.Text("kind") + " " + name)
}
