package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The README is what one reads in one sitting; more belongs to docs/.
const maxReadmeLines, maxReadmeWidth, maxPages = 130, 120, 9

func TestReadmeIsOnePage(t *testing.T) {
	readme := readFile(t, "README.md")
	if lines := strings.Count(readme, "\n"); lines > maxReadmeLines {
		t.Errorf("README.md: got %d lines, expected at most %d", lines, maxReadmeLines)
	}
	for line := range strings.Lines(readme) {
		if !strings.HasPrefix(line, "|") && utf8.RuneCountInString(line) > maxReadmeWidth+1 {
			t.Errorf("README.md: got a line of over %d characters: %s", maxReadmeWidth, line)
		}
	}
}

var (
	pageLink    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pageHeading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	codeBlock   = regexp.MustCompile("(?ms)^```.*?^```")
)

// Each link of a page to a file, or to a heading, leads somewhere.
func TestPagesLinkToWhatIsThere(t *testing.T) {
	var pages []string
	for _, folder := range []string{".", "docs", "examples"} {
		found, err := filepath.Glob(filepath.Join(folder, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		for _, match := range pageLink.FindAllStringSubmatch(readFile(t, page), -1) {
			if strings.Contains(match[1], "://") {
				continue
			}
			file, anchor, _ := strings.Cut(match[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: got a link to %s, expected a file of that name", page, match[1])
			} else if anchor != "" && !anchors(readFile(t, target))[anchor] {
				t.Errorf("%s: got a link to %s, expected a heading of that name", page, match[1])
			}
		}
	}
}

// Each page below docs/ can be found from the README.
func TestReadmeLinksEveryPage(t *testing.T) {
	pages, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	pages = slices.DeleteFunc(pages, func(page string) bool { return strings.HasSuffix(page, ".zh.md") })
	if len(pages) > maxPages {
		t.Errorf("docs/: got %d pages, expected at most %d: %v", len(pages), maxPages, pages)
	}
	readme := readFile(t, "README.md")
	for _, page := range pages {
		if !strings.Contains(readme, "]("+filepath.ToSlash(page)) {
			t.Errorf("README.md: got no link to %s, expected one", page)
		}
	}
}

// anchors are those that GitHub makes of a page's headings.
func anchors(page string) map[string]bool {
	found := map[string]bool{}
	for _, match := range pageHeading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		plain := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		found[strings.ReplaceAll(plain, " ", "-")] = true
	}
	return found
}
