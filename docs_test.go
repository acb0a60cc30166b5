package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"token-fetch/internal/config"
	"token-fetch/internal/fleet"
	"token-fetch/internal/schema"
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
	schema.Texts: "string or list of string", schema.Object: "object", schema.Integers: "list of int", schema.Objects: "list of object",
}

// The keys of cache.redis have a page of their own.
func TestFleetPageHasTheKeys(t *testing.T) {
	rows := tableRow.FindAllStringSubmatch(readFile(t, "docs/fleet.md"), -1)
	if len(rows) != len(fleet.Key.Keys) {
		t.Fatalf("the table of docs/fleet.md has %d keys, expected %d", len(rows), len(fleet.Key.Keys))
	}
	for i, k := range fleet.Key.Keys {
		var cells []string
		for _, cell := range rows[i][2:] {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if rows[i][1] != k.Name {
			t.Errorf("row %d: got the key %s, expected %s", i, rows[i][1], k.Name)
		}
		checkRow(t, k, cells)
	}
}

func TestConfigurationPageHasTheKeys(t *testing.T) {
	rows := keyRows(t, "docs/configuration.md")
	count := 0
	for _, object := range documented {
		for _, k := range object.Keys {
			count++
			if row, ok := rows[k.Name]; ok {
				checkRow(t, k, row)
			} else {
				t.Errorf("%s: not in the tables of docs/configuration.md", k.Name)
			}
		}
	}
	if len(rows) != count {
		t.Errorf("the tables of docs/configuration.md have %d keys, expected the configuration's %d", len(rows), count)
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
		t.Errorf("%s: the description has not the limits %s", k.Name, limits)
	}
	for _, allowed := range k.OneOf {
		if all := strings.Join(row, " "); !strings.Contains(all, "`"+allowed+"`") {
			t.Errorf("%s: the row has not the allowed value %s", k.Name, allowed)
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

// specMembers reads what this test needs of spec.yaml's nested properties: for each key's path,
// its scalar members. The file keeps to two spaces a level.
func specMembers(t *testing.T) map[string]map[string]string {
	t.Helper()
	_, text, _ := strings.Cut(readFile(t, "spec.yaml"), "openAPIV3Schema:\n")
	members := map[string]map[string]string{}
	var path []string
	for _, line := range strings.Split(text, "\n") {
		if item, isItem := strings.CutPrefix(strings.TrimSpace(line), "- "); isItem && len(path) > 0 {
			parent, name := strings.Join(path[:len(path)-1], "."), path[len(path)-1]
			list := strings.Trim(members[parent][name], "[]")
			members[parent][name] = "[" + strings.TrimPrefix(list+", "+item, ", ") + "]"
			continue
		}
		name, value, isMember := strings.Cut(strings.TrimSpace(line), ":")
		level := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if !isMember || strings.HasPrefix(name, "#") || level < 3 {
			continue
		}
		path = append(path[:min(level-3, len(path))], name)
		parent := strings.Join(path[:len(path)-1], ".")
		if members[parent] == nil {
			members[parent] = map[string]string{}
		}
		members[parent][name] = strings.Trim(strings.TrimSpace(value), `"'`)
	}
	return members
}

func TestSpecHasTheKeys(t *testing.T) {
	checkSpecObject(t, specMembers(t), config.Root, "")
}

// checkSpecObject checks the keys of an object whose schema is at a path in spec.yaml.
func checkSpecObject(t *testing.T, members map[string]map[string]string, object *schema.Key, path string) {
	t.Helper()
	at := strings.TrimPrefix(path+".properties", ".")
	if got := len(members[at]); got != len(object.Keys) {
		t.Errorf("%s: spec.yaml has %d keys, expected %d", at, got, len(object.Keys))
	}
	var required []string
	for _, k := range object.Keys {
		if k.Required {
			required = append(required, k.Name)
		}
		checkSpecKey(t, k, members[at+"."+k.Name])
		if translated := members[at+"."+k.Name+".x-description-i18n"]["zh-CN"]; translated == "" {
			t.Logf("not translated yet: %s.%s in spec.yaml", at, k.Name)
		}
		if len(k.Keys) > 0 {
			checkSpecObject(t, members, k, at+"."+k.Name+map[bool]string{false: ".items"}[k.Kind == schema.Object])
		}
	}
	if got, want := strings.Trim(members[path]["required"], "[]"), strings.Join(required, ", "); got != want {
		t.Errorf("%s: spec.yaml requires %q, expected %q", at, got, want)
	}
}

// specTypes are the types of spec.yaml; one with alternatives has oneOf in their place.
var specTypes = map[schema.Kind]string{
	schema.Text: "string", schema.Integer: "integer", schema.Boolean: "boolean", schema.Object: "object",
	schema.TextMap: "object", schema.TextList: "array", schema.Texts: "", schema.Integers: "array", schema.Objects: "array",
}

func checkSpecKey(t *testing.T, k *schema.Key, got map[string]string) {
	t.Helper()
	if got == nil {
		t.Errorf("%s: not in spec.yaml", k.Name)
		return
	}
	if got["description"] == "" {
		t.Errorf("%s: spec.yaml has no description", k.Name)
	}
	want := map[string]string{"type": specTypes[k.Kind]}
	if k.Kind == schema.Integer {
		want["minimum"], want["maximum"] = fmt.Sprint(k.Min), fmt.Sprint(k.Max)
	}
	if k.Default != nil {
		want["default"] = fmt.Sprint(k.Default)
	}
	if len(k.OneOf) > 0 {
		want["enum"] = "[" + strings.Join(k.OneOf, ", ") + "]"
	}
	for _, member := range []string{"type", "minimum", "maximum", "default", "enum"} {
		if got[member] != want[member] {
			t.Errorf("%s: %s in spec.yaml is %q, expected %q", k.Name, member, got[member], want[member])
		}
	}
}
