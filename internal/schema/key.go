package schema

// Kind is the JSON type that a key's value must have, in the words of an error. Packages may have
// kinds of their own, which they read themselves.
type Kind string

// The kinds that a Section reads.
const (
	Text     Kind = "a string"
	Integer  Kind = "an integer"
	Boolean  Kind = "true or false"
	TextMap  Kind = "an object of strings"
	TextList Kind = "a list of strings"
	Texts    Kind = "a string or a list of strings"
	Object   Kind = "an object"
	Integers Kind = "a list of integers"
	Objects  Kind = "a list of objects"
	// ObjectMap is an object whose members, with names of the user's choice, are objects with the key's own keys.
	ObjectMap  Kind = "an object of objects"
	JSONObject Kind = "an object of any values"
)

// Key describes one key of the configuration. It is the only place for its name, default and limits: the
// parser reads them here, and so do the tests of the documentation.
type Key struct {
	Name     string
	Kind     Kind
	Want     string   // what an error of a list says that it wants; empty: the Kind
	Required bool     // must be there and not be empty
	Unless   []string // keys of which each makes a required one needless
	Default  any      // nil where there is none or it depends on other keys
	Min, Max int64    // of an integer and of a list's, inclusive
	OneOf    []string // of a string, when only these are allowed
	Secret   bool     // its value never appears in an error
	// Identity: another value makes other tokens, so that one fetched with the old value must not be
	// used with the new one.
	Identity bool
	// References: its texts may refer to what is known only when a call is made: ${token.…}, ${request.…}, ${caller.claim.…}.
	References bool
	IsProse    bool   // people read it: typographic quotes around it may be meant
	FoldCase   bool   // of an object's members: their names are headers, which know no case
	Keys       []*Key // of an object, and of a list's
}

func (k *Key) want() string {
	if k.Want != "" {
		return k.Want
	}
	return string(k.Kind)
}

// nearest returns the name of the key that name was probably meant to be, or "".
func (k *Key) nearest(name string) string {
	var names []string
	for _, candidate := range k.Keys {
		names = append(names, candidate.Name)
	}
	return Nearest(name, names, 1+len(name)/3)
}

// Nearest returns the one of some names that another one was probably meant to be, or "". At most so many letters differ.
func Nearest(name string, names []string, most int) string {
	best := ""
	for _, candidate := range names {
		if len(name)-len(candidate) > most {
			continue // that many letters too many, at least
		}
		if d := editDistance(name, candidate); d <= most {
			best, most = candidate, d-1
		}
	}
	return best
}

// editDistance is Levenshtein's; the names are short.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitution := diagonal
			if a[i] != b[j] {
				substitution++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitution, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
