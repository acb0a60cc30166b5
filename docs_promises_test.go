package main

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

const testName = `((?:Test|Fuzz)[A-Z][A-Za-z0-9]*)`

var (
	namedTest       = regexp.MustCompile("`" + testName + "`")
	commentLine     = regexp.MustCompile(`(?m)^\s*//.*$`)
	testInComment   = regexp.MustCompile(`\b` + testName + `\b`)
	testDeclaration = regexp.MustCompile(`(?m)^func ` + testName + `\(`)
)

// A promise is worth nothing if its test was renamed or removed, be it made in docs/security.md or by a package comment.
func TestPromisesNameTests(t *testing.T) {
	declared, namedIn := map[string]bool{}, map[string]string{}
	tree := os.DirFS(".")
	err := fs.WalkDir(tree, ".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go"):
			return nil
		}
		source, err := fs.ReadFile(tree, path)
		if strings.HasSuffix(path, "_test.go") {
			for _, match := range testDeclaration.FindAllSubmatch(source, -1) {
				declared[string(match[1])] = true
			}
			return err
		}
		for _, line := range commentLine.FindAll(source, -1) {
			for _, match := range testInComment.FindAllSubmatch(line, -1) {
				namedIn[string(match[1])] = path
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const page = "docs/security.md"
	onPage := namedTest.FindAllStringSubmatch(readFile(t, page), -1)
	if len(onPage) == 0 || len(namedIn) == 0 {
		t.Errorf("%s names %d tests, and comments name %d, expected some of both", page, len(onPage), len(namedIn))
	}
	for _, match := range onPage {
		namedIn[match[1]] = page
	}
	for name, path := range namedIn {
		if !declared[name] {
			t.Errorf("%s names %s, which is no test", path, name)
		}
	}
}
