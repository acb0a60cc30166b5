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

var (
	specVersion  = regexp.MustCompile(`(?m)^  version: (.+)$`)
	newestChange = regexp.MustCompile(`(?m)^## \[(.+?)\]`)
	namedVersion = regexp.MustCompile(`(?:token-fetch:|token-fetch/|version )(\d+\.\d+\.\d+)`)
)

// The changelog begins with the version of spec.yaml, and what people copy names its image.
func TestVersionIsTheSameEverywhere(t *testing.T) {
	version := specVersion.FindStringSubmatch(readFile(t, "spec.yaml"))[1]
	if got := newestChange.FindStringSubmatch(readFile(t, "CHANGELOG.md"))[1]; got != version {
		t.Errorf("CHANGELOG.md: got %s first, expected %s as in spec.yaml", got, version)
	}
	named := 0
	for _, pattern := range []string{"README*.md", "docs/*.md", "deploy/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for _, match := range namedVersion.FindAllStringSubmatch(readFile(t, file), -1) {
				if named++; match[1] != version {
					t.Errorf("%s: got %q, expected version %s as in spec.yaml", file, match[0], version)
				}
			}
		}
	}
	if named == 0 {
		t.Error("got no version in README, docs/ and deploy/, expected that of the image")
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
