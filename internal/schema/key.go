package schema

// Kind is the JSON type of a key's value, worded for errors. Packages may define kinds that they read themselves.
type Kind string

// The kinds that a Section reads.
const (
	Text       Kind = "a string"
	Integer    Kind = "an integer"
	Boolean    Kind = "true or false"
	TextMap    Kind = "an object of strings"
	TextList   Kind = "a list of strings"
	TextOrList Kind = "a string or a list of strings"
	Object     Kind = "an object"
	Integers   Kind = "a list of integers"
	Objects    Kind = "a list of objects"
	// ObjectMap is an object whose members have user-defined names; each is an object with the key's Keys.
	ObjectMap  Kind = "an object of objects"
	JSONObject Kind = "an object of any values"
)

// Key describes one key of the configuration. It is the single source of its name, default and limits, for the parser
// and for the tests of the documentation.
type Key struct {
	Name     string
	Kind     Kind
	Want     string   // what a list must be, for errors; empty: the Kind
	Required bool     // must be present and not empty
	Unless   []string // any of these keys makes a required one optional
	Default  any      // nil if there is none, or if it depends on other keys
	Min, Max int64    // of an integer, or of each in a list; inclusive
	OneOf    []string // the allowed strings; nil: any
	Secret   bool     // never show the value in an error
	// Identity: tokens depend on the value, so one fetched with another value must not be used.
	Identity bool
	// References: text may refer to what is only known when a call is made: ${token.…}, ${request.…},
	// ${caller.claim.…}.
	References bool
	IsProse    bool   // for humans to read: typographic quotes around it may be intended
	FoldCase   bool   // of an object: its members are header names, which are case-insensitive
	Keys       []*Key // of an object, or of each in a list
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

// Nearest returns the most similar of names, within maxDistance edits, or "".
func Nearest(name string, names []string, maxDistance int) string {
	best := ""
	for _, candidate := range names {
		if len(name)-len(candidate) > maxDistance {
			continue // too long by more than maxDistance
		}
		if d := editDistance(name, candidate); d <= maxDistance {
			best, maxDistance = candidate, d-1
		}
	}
	return best
}

// editDistance is the Levenshtein distance; the names are short.
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
