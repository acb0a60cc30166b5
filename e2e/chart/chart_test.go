package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// texts are those that a reader of the picture sees; it fails the test unless the picture is XML.
func texts(t *testing.T, picture []byte, err error) (found []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for decoder := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatalf("got no XML: %v", err)
		}
		if text, isText := token.(xml.CharData); isText {
			found = append(found, strings.TrimSpace(string(text)))
		}
	}
}

func expect(t *testing.T, found []string, names ...string) {
	t.Helper()
	for _, name := range names {
		if !slices.Contains(found, name) {
			t.Errorf("got no text %q in %q", name, found)
		}
	}
}

func TestBars(t *testing.T) {
	picture, err := Bars("a title < & >", []Bar{
		{Label: "alone", Value: 1, Low: 1, High: 1},
		{Group: "few", Label: "first", Value: 1.25, Low: 1, High: 1.5},
		{Group: "few", Label: "second", Value: 2.5, Low: 2, High: 4, Strong: true},
	})
	expect(t, texts(t, picture, err), "a title < & >", "alone", "few:", "first", "second", "1.25", "2.50")
}

func TestPage(t *testing.T) {
	panels := []Panel{
		{Title: "curves", Unit: "MB", Lines: []Line{{Name: "one", Points: []Point{{0, 1}, {0.25, 2}}}, {Name: "none"}}},
		{Title: "bars", Timeline: true, Lines: []Line{{Name: "alert", Points: []Point{{0, 1}, {0.25, 1}}}}},
		{Title: "nothing"},
	}
	picture, err := Page(panels, []Place{{0, 0, 12, 8}, {12, 0, 12, 8}, {0, 8, 24, 8}})
	expect(t, texts(t, picture, err), "curves", "MB", "one", "bars", "alert", "nothing")
	again, err := Page(panels, []Place{{0, 0, 12, 8}, {12, 0, 12, 8}, {0, 8, 24, 8}})
	if err != nil || !bytes.Equal(picture, again) {
		t.Errorf("got another picture of the same (%v)", err)
	}
	picture, err = Curves(panels[0])
	expect(t, texts(t, picture, err), "curves", "minutes")
}

func TestSegments(t *testing.T) {
	line := Line{Points: []Point{{0, 1}, {0.25, 2}, {0.5, math.NaN()}, {0.75, -1}, {1, 3}, {1.25, math.Inf(1)}, {1.5, 4}}}
	if parts := line.segments(); len(parts) != 2 || len(parts[0]) != 2 || len(parts[1]) != 2 {
		t.Errorf("got %v, expected the two points before the gap and the two after", parts)
	}
}
