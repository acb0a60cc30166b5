package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"token-fetch/internal/config"
	"token-fetch/internal/schema"
	"token-fetch/internal/share"
)

// documented are the objects of the configuration that have a table in docs/configuration.md and a
// schema in spec.yaml.
var documented = func() []*schema.Key {
	objects := []*schema.Key{config.Root}
	for _, k := range config.Root.Keys {
		if k.Kind == schema.Object {
			objects = append(objects, k)
		}
	}
	return objects
}()

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var tableRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\|([^|\n]*)\\|([^|\n]*)\\|([^|\n]*)\\|(.*)\\|$")

var tableTypes = map[schema.Kind]string{
	schema.Text: "string", schema.Integer: "int", schema.Boolean: "bool", schema.TextMap: "map of string", schema.TextList: "list of string",
	schema.TextOrList: "string or list of string", schema.Object: "object", schema.Integers: "list of int", schema.Objects: "list of object",
	schema.ObjectMap: "map of object", schema.JSONObject: "object of any",
}

// The keys of cache.redis have a page of their own.
func TestPagesHaveTheKeys(t *testing.T) {
	for page, objects := range map[string][]*schema.Key{"docs/configuration.md": documented, "docs/fleet.md": {share.RedisKey}} {
		rows, names := keyRows(t, page), map[string]bool{} // some are in two tables
		for _, object := range objects {
			for _, k := range object.Keys {
				names[k.Name] = true
				if row, ok := rows[k.Name]; ok {
					checkRow(t, k, row)
				} else {
					t.Errorf("%s: not in the tables of %s", k.Name, page)
				}
			}
		}
		if len(rows) != len(names) {
			t.Errorf("the tables of %s have %d keys, expected %d", page, len(rows), len(names))
		}
	}
}

// A new key need not wait for its translation, but what is translated must hold.
func TestTranslatedKeys(t *testing.T) {
	rows := keyRows(t, "docs/configuration.zh.md")
	for _, object := range documented {
		for _, k := range object.Keys {
			row, ok := rows[k.Name]
			if !ok {
				t.Logf("not translated yet: %s in docs/configuration.zh.md", k.Name)
				continue
			}
			row = slices.Clone(row)
			row[1] = map[string]string{"必填": "yes", "选填": "no"}[row[1]]
			row[3] = strings.ReplaceAll(row[3], "～", " to ")
			checkRow(t, k, row)
		}
	}
}

// keyRows are the cells of each key's row after its name.
func keyRows(t *testing.T, page string) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for _, row := range tableRow.FindAllStringSubmatch(readFile(t, page), -1) {
		for _, cell := range row[2:] {
			rows[row[1]] = append(rows[row[1]], strings.TrimSpace(cell))
		}
	}
	return rows
}

func checkRow(t *testing.T, k *schema.Key, row []string) {
	t.Helper()
	if dataType, _, _ := strings.Cut(row[0], ","); dataType != tableTypes[k.Kind] {
		t.Errorf("%s: type %q, expected %q", k.Name, dataType, tableTypes[k.Kind])
	}
	if want := map[bool]string{true: "yes", false: "no"}[k.Required]; row[1] != want {
		t.Errorf("%s: required %q, expected %q", k.Name, row[1], want)
	}
	want := ""
	if k.Default != nil {
		want = fmt.Sprint(k.Default)
	}
	if got := strings.Trim(row[2], "` "); got != want {
		t.Errorf("%s: default %q, expected %q", k.Name, got, want)
	}
	if limits := fmt.Sprintf("%d to %d", k.Min, k.Max); k.Kind == schema.Integer && !strings.Contains(row[3], limits) {
		t.Errorf("%s: the description lacks the limits %s", k.Name, limits)
	}
	for _, allowed := range k.OneOf {
		if all := strings.Join(row, " "); !strings.Contains(all, "`"+allowed+"`") {
			t.Errorf("%s: the row lacks the allowed value %s", k.Name, allowed)
		}
	}
}

func TestOperationsPageHasTheMetrics(t *testing.T) {
	page := readFile(t, "docs/operations.md")
	kinds := map[string]string{callDurationName: "histogram", expiryName: "gauge"}
	for _, c := range (&metrics{}).counters() {
		kinds[c.name] = "counter"
	}
	for name, kind := range kinds {
		if !strings.Contains(page, "| `"+name+"` | "+kind+" |") {
			t.Errorf("%s, a %s: not in the table of docs/operations.md", name, kind)
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `\\w+` \\| (counter|histogram|gauge) \\|").FindAllString(page, -1)
	if len(rows) != len(kinds) {
		t.Errorf("the table of docs/operations.md has %d metrics, expected %d", len(rows), len(kinds))
	}
}
