package main

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// readmeLanguage is what a README says in its own way where a test has to know it.
type readmeLanguage struct {
	file, name         string
	required, optional string // in the tables of keys
}

// readmeLanguages are in the order in which each page links to them.
var readmeLanguages = []readmeLanguage{
	{"README.md", "English", "yes", "no"},
	{"README.zh.md", "中文", "必填", "选填"},
	{"README.ja.md", "日本語", "はい", "いいえ"},
}

var (
	codeSpan = regexp.MustCompile("`[^`]+`")
	number   = regexp.MustCompile(`\d+(\.\d+)*`)
)

func TestReadmesLinkToEachOther(t *testing.T) {
	var files []string
	for _, page := range readmeLanguages {
		files = append(files, page.file)
		var links []string
		for _, other := range readmeLanguages {
			link := "[" + other.name + "](" + other.file + ")"
			if other == page {
				link = other.name
			}
			links = append(links, link)
		}
		want := "# token-fetch\n\n" + strings.Join(links, " | ") + "\n\n"
		if text := readFile(t, page.file); !strings.HasPrefix(text, want) {
			t.Errorf("%s: got the first lines %q, expected %q", page.file, text[:min(len(text), len(want))], want)
		}
	}
	found, err := filepath.Glob("README*.md")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	if slices.Sort(found); !slices.Equal(found, files) {
		t.Errorf("got the pages %v, expected %v", found, files)
	}
}

func TestReadmesAreInStep(t *testing.T) {
	english := readFile(t, "README.md")
	for _, language := range readmeLanguages[1:] {
		for _, difference := range readmeDifferences(english, readFile(t, language.file), language) {
			t.Errorf("%s: %s", language.file, difference)
		}
	}
}

// Whoever changes one README only learns what is missing in the others.
func TestReadmeDifferences(t *testing.T) {
	english := "# A\n\nUse `x`, see [B](#b).\n\n```sh\nmake\n```\n\n- 1 item\n\n## B\n\n" +
		"| Name | Data Type | Required | Default Value | Description |\n| --- | --- | --- | --- | --- |\n| `k` | int | yes | 80 | 1 to 9; or `y` |\n"
	translated := "# A\n\n用 `x`，见[乙](#乙)。\n\n```sh\nmake\n```\n\n- 1 项\n\n## 乙\n\n" +
		"| 名称 | 数据类型 | 填写要求 | 默认值 | 描述 |\n| --- | --- | --- | --- | --- |\n| `k` | int | 必填 | 80 | 1～9；或 `y` |\n"
	for name, c := range map[string]struct{ old, new, want string }{
		"in step":        {"", "", ""},
		"heading":        {"## 乙", "乙", "got the headings [#], expected [# ##]"},
		"heading level":  {"## 乙", "### 乙", "got the headings [# ###], expected [# ##]"},
		"code block":     {"\nmake\n", "\nmake run\n", "\"# A\": got the code blocks [\"```sh\\nmake run\\n```\\n\"], expected [\"```sh\\nmake\\n```\\n\"]"},
		"item":           {"- 1 项", "1 项", `"# A": got 0 items, expected 1`},
		"code in prose":  {"用 `x`", "用", `"# A": got the code [], expected ["` + "`x`" + `"]`},
		"link":           {"(#乙)", "(#a)", `"# A": got the links ["heading 1"], expected ["heading 2"]`},
		"number":         {"- 1 项", "- 一项", `"# A": got no 1`},
		"no table":       {"| ", "", "\"## B\": got the code [\"`k`\" \"`y`\"], expected []; \"## B\": got 0 tables, expected 1"},
		"no row":         {"| `k` | int | 必填 | 80 | 1～9；或 `y` |\n", "", `"## B": got 1 rows in table 1, expected 2`},
		"no cell":        {" 80 | ", " ", `"## B": row 2 of table 1: got 4 cells, expected 5`},
		"key":            {"| `k` ", "| `j` ", "\"## B\": row 2 of table 1: got \"`j`\", expected \"`k`\""},
		"type":           {" int ", " string ", `"## B": row 2 of table 1: got "string", expected "int"`},
		"required":       {"必填 | 80", "选填 | 80", `"## B": row 2 of table 1: got "选填", expected "必填"`},
		"default":        {" 80 ", " 81 ", `"## B": row 2 of table 1: got "81", expected "80"`},
		"limit":          {"1～9", "1～8", `"## B": row 2 of table 1: got no 9`},
		"code in a cell": {"`y`", "`z`", "\"## B\": row 2 of table 1: got the code [\"`z`\"], expected [\"`y`\"]"},
	} {
		t.Run(name, func(t *testing.T) {
			changed := strings.ReplaceAll(translated, c.old, c.new)
			if got := strings.Join(readmeDifferences(english, changed, readmeLanguages[1]), "; "); got != c.want {
				t.Errorf("got the differences %q, expected %q", got, c.want)
			}
		})
	}
}

// readmeDifferences says in what a translation is not in step with the English page.
func readmeDifferences(english, translated string, language readmeLanguage) []string {
	want, got := readmeParts(english), readmeParts(translated)
	if want, got := headingLevels(want), headingLevels(got); !slices.Equal(got, want) {
		return []string{fmt.Sprintf("got the headings %v, expected %v", got, want)}
	}
	var found []string
	for i, part := range want {
		for _, difference := range part.differences(got[i], language) {
			found = append(found, fmt.Sprintf("%q: %s", part.heading, difference))
		}
	}
	return found
}

func (want readmePart) differences(got readmePart, language readmeLanguage) []string {
	found := textDifferences(want.prose, got.prose)
	if !slices.Equal(got.blocks, want.blocks) {
		found = append(found, fmt.Sprintf("got the code blocks %q, expected %q", got.blocks, want.blocks))
	}
	if got.items != want.items {
		found = append(found, fmt.Sprintf("got %d items, expected %d", got.items, want.items))
	}
	if !slices.Equal(got.links, want.links) {
		found = append(found, fmt.Sprintf("got the links %q, expected %q", got.links, want.links))
	}
	if len(got.tables) != len(want.tables) {
		return append(found, fmt.Sprintf("got %d tables, expected %d", len(got.tables), len(want.tables)))
	}
	for i, table := range want.tables {
		if len(got.tables[i]) != len(table) {
			found = append(found, fmt.Sprintf("got %d rows in table %d, expected %d", len(got.tables[i]), i+1, len(table)))
			continue
		}
		for row := range table {
			for _, difference := range rowDifferences(table[row], got.tables[i][row], language) {
				found = append(found, fmt.Sprintf("row %d of table %d: %s", row+1, i+1, difference))
			}
		}
	}
	return found
}

// rowDifferences compares what a translation leaves as it is: a key with its type and default, and in every other cell
// the code and the numbers.
func rowDifferences(want, got []string, language readmeLanguage) []string {
	if len(got) != len(want) {
		return []string{fmt.Sprintf("got %d cells, expected %d", len(got), len(want))}
	}
	var found []string
	isKey := len(want) == 5 && strings.HasPrefix(want[0], "`")
	for column, cell := range want {
		switch {
		case isKey && column == 2:
			cell = map[string]string{"yes": language.required, "no": language.optional}[cell]
			fallthrough
		case isKey && column < 4:
			if got[column] != cell {
				found = append(found, fmt.Sprintf("got %q, expected %q", got[column], cell))
			}
		default:
			found = append(found, textDifferences(cell, got[column])...)
		}
	}
	return found
}

// textDifferences compares the code, whatever its order, and the numbers: limits, versions, RFCs. A translation may have more numbers: what is
// a word in English may be one there.
func textDifferences(want, got string) []string {
	var found []string
	if want, got := distinct(codeSpan, want), distinct(codeSpan, got); !slices.Equal(got, want) {
		found = append(found, fmt.Sprintf("got the code %q, expected %q", got, want))
	}
	numbers := distinct(number, got)
	for _, n := range distinct(number, want) {
		if !slices.Contains(numbers, n) {
			found = append(found, "got no "+n)
		}
	}
	return found
}

func distinct(pattern *regexp.Regexp, text string) []string {
	matches := pattern.FindAllString(text, -1)
	slices.Sort(matches)
	return slices.Compact(matches)
}
