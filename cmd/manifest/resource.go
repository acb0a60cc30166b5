package manifest

import "strings"

// Resource is a Kubernetes resource, or an object in one. Types are the definitions' to check: what has another one counts
// as absent here.
type Resource map[string]any

// Object is the object at a path of names; nil when there is none.
func (r Resource) Object(path ...string) Resource {
	for _, name := range path {
		inner, _ := r[name].(map[string]any)
		r = inner
	}
	return r
}

// Text is the string of a name.
func (r Resource) Text(name string) string {
	text, _ := r[name].(string)
	return text
}

// IsTrue reports whether the name has true.
func (r Resource) IsTrue(name string) bool { return r[name] == true }

// Objects are those of a list of objects. An element that is none is empty.
func (r Resource) Objects(name string) (objects []Resource) {
	list, _ := r[name].([]any)
	for _, element := range list {
		object, _ := element.(map[string]any)
		objects = append(objects, object)
	}
	return objects
}

// Texts are those of a list of strings.
func (r Resource) Texts(name string) (texts []string) {
	list, _ := r[name].([]any)
	for _, element := range list {
		if text, isText := element.(string); isText {
			texts = append(texts, text)
		}
	}
	return texts
}

// Is reports whether it is of a kind, in any version of a group.
func (r Resource) Is(group, kind string) bool {
	of, _, hasGroup := strings.Cut(r.Text("apiVersion"), "/")
	if !hasGroup {
		of = "" // of Kubernetes' core
	}
	return of == group && r.Text("kind") == kind
}

// Name is the one in its metadata.
func (r Resource) Name() string { return r.Object("metadata").Text("name") }

// Namespace is empty when it is that of whoever applies it.
func (r Resource) Namespace() string { return r.Object("metadata").Text("namespace") }

// Title is its kind, namespace and name.
func (r Resource) Title() string {
	name := r.Name()
	if r.Namespace() != "" {
		name = r.Namespace() + "/" + name
	}
	return strings.TrimSpace(r.Text("kind") + " " + name)
}
