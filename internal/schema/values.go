package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"token-fetch/internal/template"
)

// String returns a string with variables expanded, or the key's default.
func (s Section) String(k *Key) string {
	if !s.Has(k) {
		fallback, _ := k.Default.(string)
		return fallback
	}
	return s.Template(k, nil).Text()
}

// Template returns a string with variables expanded and, if the key may have any, its references. It is empty if the
// key is absent.
func (s Section) Template(k *Key, syntax SyntaxOf) template.Template {
	value, ok := s.Value(k)
	if !ok {
		return template.Template{}
	}
	if value.Type != gjson.String {
		s.Invalid(k, value, string(Text))
		return template.Template{}
	}
	text := s.text(k, k.Name, value, syntax)
	if len(k.OneOf) > 0 && !slices.Contains(k.OneOf, text.Text()) {
		s.Invalid(k, value, strings.Join(k.OneOf, ", "))
	}
	return text
}

// JSON returns an object with variables and references in its strings.
func (s Section) JSON(k *Key) template.Template {
	value, ok := s.Merged(k)
	if !ok {
		return template.Template{}
	}
	if !value.IsObject() {
		s.Invalid(k, value, string(k.Kind))
		return template.Template{}
	}
	t, err := template.ParseJSON(value.Raw)
	return s.expandTemplate(k, k.Name, t, err, func(template.Template) template.Syntax { return template.JSON })
}

// typographicQuotes are what word processors and chats make of " and '.
const typographicQuotes = "“”„‟‘’‚‛«»「」『』"

// wantStraightQuotes is for pasted text in typographic quotes, which YAML takes for part of the text.
const wantStraightQuotes = `no typographic quotes around it: write " or ', or none`

// text returns a string with variables expanded.
func (s Section) text(k *Key, path string, value gjson.Result, syntax SyntaxOf) template.Template {
	if text := value.String(); !k.IsProse && strings.IndexAny(text, typographicQuotes) == 0 &&
		strings.TrimRight(text, typographicQuotes) != text {
		s.invalidAt(k, path, value, wantStraightQuotes)
		return template.Template{}
	}
	return s.expand(k, path, value.String(), syntax)
}

// Bool returns the value, or the key's default.
func (s Section) Bool(k *Key) bool {
	value, ok := s.Value(k)
	if !ok {
		return k.Default.(bool)
	}
	if !value.IsBool() {
		s.Invalid(k, value, string(Boolean)+hintQuotes(value, "true", "false"))
	}
	return value.Type == gjson.True
}

// Int returns the value, or the key's default. Fractions, numbers in quotes and numbers outside the key's limits are
// errors.
func (s Section) Int(k *Key) int { return s.integer(k, 0) }

// integer reads an integer, which counts a unit of time; 0: none.
func (s Section) integer(k *Key, unit time.Duration) int {
	value, ok := s.Value(k)
	if !ok {
		fallback, _ := k.Default.(int)
		return fallback
	}
	n, isInteger := wholeNumber(value)
	if !isInteger || n < k.Min || n > k.Max {
		s.Invalid(k, value, k.limits()+hintQuotes(value, strings.TrimSpace(value.Str))+k.hintUnit(value, unit))
		return 0
	}
	return int(n)
}

// hintUnit returns the hint for a duration with a unit of its own, such as 3s.
func (k *Key) hintUnit(value gjson.Result, unit time.Duration) string {
	duration, err := time.ParseDuration(value.Str)
	if unit == 0 || err != nil || duration == 0 {
		return ""
	}
	names := map[time.Duration]string{time.Millisecond: "milliseconds", time.Second: "seconds"}
	if n := int64(duration / unit); duration%unit == 0 && n >= k.Min && n <= k.Max {
		return fmt.Sprintf(", in %s: %d", names[unit], n)
	}
	return ", in " + names[unit]
}

// hintQuotes returns the hint for a value whose only fault is its quotes.
func hintQuotes(value gjson.Result, allowed ...string) string {
	if value.Type != gjson.String || !slices.Contains(allowed, value.Str) {
		return ""
	}
	if inner := gjson.Parse(value.Str).Type; !gjson.Valid(value.Str) || inner == gjson.String || inner == gjson.Null || inner == gjson.JSON {
		return ""
	}
	return ", without quotes"
}

// LenientInt also accepts a number in quotes, and 0 for the default, as the sample in the guide for plugin developers
// does.
func (s Section) LenientInt(k *Key) int {
	value, ok := s.Value(k)
	if !ok {
		return s.Int(k)
	}
	if n, err := strconv.Atoi(value.String()); err == nil && value.Type == gjson.String {
		value = gjson.Result{Type: gjson.Number, Num: float64(n), Raw: value.Raw}
	}
	n, isInteger := wholeNumber(value)
	switch {
	case isInteger && n == 0:
		return k.Default.(int)
	case !isInteger || n < k.Min || n > k.Max:
		s.Invalid(k, value, k.limits())
		return 0
	}
	return int(n)
}

func (k *Key) limits() string { return fmt.Sprintf("%d to %d", k.Min, k.Max) }

// Milliseconds reads an integer of milliseconds.
func (s Section) Milliseconds(k *Key) time.Duration {
	return time.Duration(s.integer(k, time.Millisecond)) * time.Millisecond
}

// Seconds reads an integer of seconds.
func (s Section) Seconds(k *Key) time.Duration {
	return time.Duration(s.integer(k, time.Second)) * time.Second
}

// MaxSeconds limits lifetimes: more than ten years is taken for a mistake. It also keeps sums of durations far from
// overflow.
const MaxSeconds = 10 * 365 * 24 * 3600

// wholeNumber returns an integer exactly, whereas gjson's accessors round silently. 80.0 and 8e1 are 80.
func wholeNumber(value gjson.Result) (int64, bool) {
	if value.Type != gjson.Number || value.Num != float64(int64(value.Num)) {
		return 0, false
	}
	return int64(value.Num), true
}

// JSONPath reads a gjson path. Whether gjson can use it only shows on a response, so this just checks that it is not
// blank, and warns of other notations, in which nothing would be found.
func (s Section) JSONPath(k *Key) string {
	path := s.String(k)
	if s.Has(k) && strings.TrimSpace(path) == "" {
		s.InvalidKey(k, "a path into the JSON answer, for example data.token")
	}
	if meant := PathMeant(path); meant != path {
		s.Suspect(k, "nothing may be found there (did you mean "+meant+"?)")
	}
	return path
}

// PathMeant returns the gjson path for one in the notation of JSONPath ($.a[0]), jq (.a[0]) or JSON Pointer (/a/0), and
// any other path unchanged.
func PathMeant(path string) string {
	if strings.ContainsAny(path, `#@|{,\`) || strings.HasPrefix(path, "..") || strings.HasPrefix("."+path, ".[") || strings.Contains(path, ".[") {
		return path // only gjson has these
	}
	meant := path
	if strings.HasPrefix(path, "/") {
		meant = strings.ReplaceAll(path, "/", ".")
	}
	meant = strings.NewReplacer(`["`, ".", `['`, ".", `"]`, "", `']`, "", "[", ".", "]", "").Replace(meant)
	return strings.TrimPrefix(strings.TrimPrefix(meant, "$."), ".")
}
