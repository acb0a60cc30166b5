package bench

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testProfile(dir string) *Profile {
	p := &Profile{circumstances: circumstances{Options: Options{Out: dir}}, NoPerf: "perf is not installed"}
	for i, c := range profileCandidates() {
		cpu := float64(50 + 10*i)
		p.Steps = append(p.Steps, profileStep{
			throughput: throughput{candidate: c, CPU: series{cpu, cpu, cpu}}, split: unknownSplit,
		})
	}
	return p
}

func TestProfileParts(t *testing.T) {
	page := testProfile("").Markdown()
	for _, want := range []string{
		"| Envoy's own proxying | router only | 50.0 (50.0–50.0) |",
		"| VM boundary: the host call that sets the header | Go Wasm, one header − Go Wasm, does nothing | 10.0 (10.0–10.0) |",
		"Without samples: perf is not installed.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "NaN") {
		t.Errorf("the page has a number that is none:\n%s", page)
	}
}

func TestCallbacksPage(t *testing.T) {
	level := func(value float64) (s series) {
		for i := range 40 {
			s = append(s, value+float64(i%5))
		}
		return s
	}
	c := &Callbacks{circumstances: circumstances{Options: Options{Rounds: 40, Out: t.TempDir()}}, Busy: pair{level(36), level(34.5)}, Idle: pair{level(60), level(60)}}
	if err := c.Write(); err != nil {
		t.Fatal(err)
	}
	text, err := callbacksPart.Read(filepath.Join(c.Options.Out, "profile.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| busy | 38.0 | 36.5 | 1.50 (1.50 to 1.50) | 3.9 % | pays |",
		"| 3,000 requests/s | 62.0 | 62.0 | 0.00 (0.00 to 0.00) | 0.0 % | the interval includes zero |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q:\n%s", want, text)
		}
	}
}

// What people wrote around the numbers stays.
func TestProfileKeepsThePage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "profile.md")
	profile := testProfile(dir)
	if err := profile.Write(); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	written := strings.Replace(string(page), "# Profile\n", "# Profile\n\nBefore.\n", 1) + "\nAfter.\n"
	if err := os.WriteFile(path, []byte(written), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := profile.Write(); err != nil {
		t.Fatal(err)
	}
	if page, err = os.ReadFile(path); err != nil || string(page) != written {
		t.Errorf("error %v, page:\n%s\nwant:\n%s", err, page, written)
	}

	if err := os.WriteFile(path, []byte("nothing but words\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := profile.Write(); err == nil {
		t.Error("a page without the lines was overwritten")
	}
}
