package schema

import (
	"slices"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	const badName = "invalid text in config: a variable's name in ${…} has other characters than letters, digits and _ (write $${ for a literal ${)"
	tests := map[string]struct{ text, want, err string }{
		"none":                     {"a $NAME } {", "a $NAME } {", ``},
		"one":                      {"${NAME}", "value", ``},
		"several":                  {"a ${NAME}${NAME} b", "a valuevalue b", ``},
		"empty":                    {"a${EMPTY}b", "ab", ``},
		"escaped":                  {"$${NAME}", "${NAME}", ``},
		"escaped beside one":       {"$${NAME} ${NAME}", "${NAME} value", ``},
		"with dots":                {"${secret.ns/name.key} ${NAME}", "${secret.ns/name.key} value", ``},
		"what a value has, is not": {"${NESTED}", "${NAME}", ``},
		"not closed":               {"s3cr3t ${NAME", "", "invalid text in config: ${ without } (want ${NAME}, or $${ for a literal ${)"},
		"no name":                  {"${}", "", badName},
		"a space in it":            {"${NA ME}", "", badName},
		"a dash in it":             {"${a-b}", "", badName},
		"not set":                  {"s3cr3t ${NOT_SET}", "s3cr3t ", `invalid text in config: environment variable NOT_SET is not set in the VM`},
		"not set, very long":       {"${" + strings.Repeat("A", 101) + "}", "", `invalid text in config: environment variable ` + strings.Repeat("A", 100) + `… is not set in the VM`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := Parse([]byte(`{}`), keyRoot, func(name string) (string, bool) {
				if name == "NESTED" {
					return "${NAME}", true
				}
				return environment(name)
			})
			if got := s.Expand("text", test.text); got != test.want {
				t.Errorf("got %q, expected %q", got, test.want)
			}
			checkErr(t, s, test.err)
		})
	}
}

// Only Higress' control plane knows what it stands for.
func TestVariableWithDotsIsWarnedOf(t *testing.T) {
	s := parse(`{"object": {"inside": "${secret.ns/name.key}"}}`)
	s.Object(keyObject).String(keyInside)
	want := []string{"object.inside holds a ${…} with dots that no gateway has replaced; it is used unchanged"}
	if got := s.Warnings(); !slices.Equal(got, want) {
		t.Errorf("got %q, expected %q", got, want)
	}
}
