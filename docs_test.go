package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// documented are the objects of the configuration that have a table in the README and a
// schema in spec.yaml.
var documented = []*key{keyRoot, keyOAuth2, keyCache, keyFailure}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var tableRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\|([^|\n]*)\\|([^|\n]*)\\|([^|\n]*)\\|(.*)\\|$")

var tableTypes = map[kind]string{
	kindText: "string", kindInteger: "int", kindBoolean: "bool", kindTextMap: "map of string", kindTextList: "list of string",
	kindTexts: "string or list of string", kindStatuses: "list of int", kindObject: "object", kindCondition: "list of object",
}

func TestReadmeHasTheKeys(t *testing.T) {
	rows := map[string][]string{}
	for _, row := range tableRow.FindAllStringSubmatch(readFile(t, "README.md"), -1) {
		for _, cell := range row[2:] {
			rows[row[1]] = append(rows[row[1]], strings.TrimSpace(cell))
		}
	}
	count := 0
	for _, object := range documented {
		for _, k := range object.keys {
			count++
			row, ok := rows[k.name]
			if !ok {
				t.Errorf("%s: not in the README's tables", k.name)
				continue
			}
			checkRow(t, k, row)
		}
	}
	if len(rows) != count {
		t.Errorf("the README's tables have %d keys, the configuration has %d", len(rows), count)
	}
}

func checkRow(t *testing.T, k *key, row []string) {
	t.Helper()
	if dataType, _, _ := strings.Cut(row[0], ","); dataType != tableTypes[k.kind] {
		t.Errorf("%s: type %q, expected %q", k.name, dataType, tableTypes[k.kind])
	}
	if want := map[bool]string{true: "yes", false: "no"}[k.required]; row[1] != want {
		t.Errorf("%s: required %q, expected %q", k.name, row[1], want)
	}
	want := ""
	if k.fallback != nil {
		want = fmt.Sprint(k.fallback)
	}
	if got := strings.Trim(row[2], "` "); got != want {
		t.Errorf("%s: default %q, expected %q", k.name, got, want)
	}
	if limits := fmt.Sprintf("%d to %d", k.min, k.max); k.kind == kindInteger && !strings.Contains(row[3], limits) {
		t.Errorf("%s: the description has not the limits %s", k.name, limits)
	}
	for _, allowed := range k.oneOf {
		if all := strings.Join(row, " "); !strings.Contains(all, "`"+allowed+"`") {
			t.Errorf("%s: the row has not the allowed value %s", k.name, allowed)
		}
	}
}

func TestReadmeHasTheMetrics(t *testing.T) {
	readme := readFile(t, "README.md")
	for _, c := range (&metrics{}).counters() {
		if !strings.Contains(readme, "| `"+c.name+"` | counter |") {
			t.Errorf("%s: not in the README's table", c.name)
		}
	}
	if !strings.Contains(readme, "| `"+callDurationName+"` | histogram |") {
		t.Errorf("%s: not in the README's table", callDurationName)
	}
	if rows := regexp.MustCompile("(?m)^\\| `\\w+` \\| (counter|histogram) \\|").FindAllString(readme, -1); len(rows) != len((&metrics{}).counters())+1 {
		t.Errorf("the README's table has %d metrics, expected %d", len(rows), len((&metrics{}).counters())+1)
	}
}

// schema reads what this test needs of spec.yaml's nested properties: for each key's path,
// its scalar members. The file keeps to two spaces a level.
func schema(t *testing.T) map[string]map[string]string {
	t.Helper()
	_, text, _ := strings.Cut(readFile(t, "spec.yaml"), "openAPIV3Schema:\n")
	members := map[string]map[string]string{}
	var path []string
	for _, line := range strings.Split(text, "\n") {
		if item, isItem := strings.CutPrefix(strings.TrimSpace(line), "- "); isItem && len(path) > 1 {
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
	members := schema(t)
	for _, object := range documented {
		at := "properties"
		if object != keyRoot {
			at = "properties." + object.name + ".properties"
		}
		if got := len(members[at]); got != len(object.keys) {
			t.Errorf("%s: spec.yaml has %d keys, expected %d", at, got, len(object.keys))
		}
		for _, k := range object.keys {
			checkSchema(t, k, members[at+"."+k.name])
		}
	}
}

func checkSchema(t *testing.T, k *key, got map[string]string) {
	t.Helper()
	if got == nil {
		t.Errorf("%s: not in spec.yaml", k.name)
		return
	}
	want := map[string]string{}
	if k.kind == kindInteger {
		want["minimum"], want["maximum"] = fmt.Sprint(k.min), fmt.Sprint(k.max)
	}
	if k.fallback != nil {
		want["default"] = fmt.Sprint(k.fallback)
	}
	if len(k.oneOf) > 0 {
		want["enum"] = "[" + strings.Join(k.oneOf, ", ") + "]"
	}
	for member, value := range want {
		if got[member] != value {
			t.Errorf("%s: %s in spec.yaml is %q, expected %q", k.name, member, got[member], value)
		}
	}
}
