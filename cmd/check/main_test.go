package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"token-fetch/cmd/manifest"
)

// checkFile runs the command and returns what it prints, its error included.
func checkFile(t *testing.T, path string) (printed string, ok bool) {
	t.Helper()
	return checkInput(t, "", path)
}

func checkInput(t *testing.T, stdin string, args ...string) (printed string, ok bool) {
	t.Helper()
	var stdout bytes.Buffer
	ok, err := run(args, strings.NewReader(stdin), &stdout)
	if err != nil {
		return stdout.String() + err.Error(), false
	}
	return stdout.String(), ok
}

// projectRoot is where the repository is from here.
const projectRoot = "../.."

// broken is a file of testdata/broken. Its comments, or a .want file next to it, contain the expected output.
type broken struct {
	path          string
	want          string
	schemaRefuses bool
}

func brokenFiles(t *testing.T) []broken {
	t.Helper()
	entries, err := os.ReadDir("testdata/broken")
	if err != nil {
		t.Fatal(err)
	}
	var files []broken
	for _, entry := range entries {
		path := filepath.Join("testdata/broken", entry.Name())
		if strings.HasSuffix(path, ".want") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f := broken{path: path, schemaRefuses: bytes.Contains(text, []byte("\n# schema: refuses\n"))}
		if want, err := os.ReadFile(path + ".want"); err == nil {
			f.want = strings.TrimSpace(string(want))
		} else {
			_, rest, _ := strings.Cut(string(text), "# want: ")
			f.want, _, _ = strings.Cut(rest, "\n")
		}
		if f.want == "" {
			t.Errorf("%s: it does not say what is expected", path)
		}
		files = append(files, f)
	}
	return files
}

// Each broken file is refused with the error that its author needs, and no secret of it is shown.
func TestBrokenFiles(t *testing.T) {
	files := brokenFiles(t)
	if len(files) < 90 {
		t.Fatalf("got %d broken files, expected at least 90", len(files))
	}
	for _, f := range files {
		t.Run(filepath.Base(f.path), func(t *testing.T) {
			printed, ok := checkFile(t, f.path)
			if ok || !strings.Contains(printed, f.want) {
				t.Errorf("got %q (taken: %v)\nexpected %q", printed, ok, f.want)
			}
			if strings.Contains(printed, "s3cr3t") {
				t.Errorf("a secret is shown: %q", printed)
			}
		})
	}
}

// A file from an untrusted source can't inject terminal escapes or lines into the output.
func TestPrintedTextIsPrintable(t *testing.T) {
	const escape = `\e[2J\n\u009b31m`
	files := map[string]string{
		"names that are taken": `{apiVersion: extensions.higress.io/v1alpha1, kind: WasmPlugin, metadata: {name: "a` + escape + `", namespace: higress-system},
  spec: {defaultConfig: {serviceName: a.dns, requestPath: /, tokenHeader: X-Token}, matchRules: [{ingress: ["x` + escape + `"], config: {serviceName: b.dns}}]}}`,
		"another kind":    `{apiVersion: v1, kind: "Pod` + escape + `", metadata: {name: "a` + escape + `"}}`,
		"an unknown key":  `{serviceName: a.dns, requestPath: /, tokenHeader: X-Token, "x` + escape + `": 1}`,
		"a wrong value":   `{serviceName: a.dns, requestPath: /, tokenHeader: "X-` + escape + `", timeout: "` + escape + `"}`,
		"a rule's name":   `{serviceName: a.dns, requestPath: /, tokenHeader: X-Token, _rules_: [{_match_route_: ["x` + escape + `"]}]}`,
		"a variable":      `{serviceName: a.dns, requestPath: /, tokenHeader: X-Token, requestHeaders: {a: "${A` + escape + `}"}}`,
		"a service":       `{serviceName: "a` + escape + `.dns", requestPath: /, tokenHeader: X-Token}`,
		"not YAML at all": "a: \"\x1b[2J",
	}
	for name, file := range files {
		printed, _ := checkInput(t, file, "-")
		for line := range strings.Lines(printed) {
			if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !strconv.IsPrint(r) }) {
				t.Errorf("%s: got the line %q, expected printable characters only", name, line)
			}
		}
		if strings.Contains(printed, "\n31m") || strings.HasPrefix(printed, "31m") {
			t.Errorf("%s: got %q, expected no lines of the file's own", name, printed)
		}
	}
}

// Slips in the call of the command.
func TestUsage(t *testing.T) {
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, make([]byte, manifest.MaxBytes+1), 0o644); err != nil {
		t.Fatal(err)
	}
	const example = "want make check CONFIG=FILE, the plugin's YAML or JSON or a manifest, for example CONFIG=token-fetch.yaml, or CONFIG=- for standard input"
	tests := map[string]struct {
		args []string
		want string
	}{
		"no file":         {nil, "missing CONFIG: " + example},
		"an empty name":   {[]string{""}, "missing CONFIG: " + example},
		"two files":       {[]string{"a", "b"}, "missing CONFIG: " + example},
		"no such file":    {[]string{"none.yaml"}, "invalid CONFIG: there is no file none.yaml (" + example + ")"},
		"a folder":        {[]string{"testdata"}, "invalid CONFIG: testdata is a folder (" + example + ")"},
		"too large":       {[]string{large}, large + ": the file is too large (want at most 4 MiB)"},
		"an unknown flag": {[]string{"-rot", "x"}, "flag provided but not defined: -rot"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout bytes.Buffer
			ok, err := run(test.args, strings.NewReader(""), &stdout)
			if ok || err == nil || err.Error() != test.want {
				t.Errorf("got %v (taken: %v)\nexpected %s", err, ok, test.want)
			}
		})
	}
}

// A pipeline need not write a file.
func TestStandardInput(t *testing.T) {
	for stdin, want := range map[string]string{
		"serviceName: a.dns\nrequestPath: /\ntokenHeader: X-Token\n": "standard input: the gateway takes it\n",
		"serviceName: a.dns\nrequestPath: /\n":                       "standard input: the gateway does not take it\n  the plugin does not start: missing tokenHeader in config\n",
		strings.Repeat("#\n", manifest.MaxBytes):                     "standard input: the file is too large (want at most 4 MiB)",
	} {
		printed, ok := checkInput(t, stdin, "-")
		if !strings.HasPrefix(printed, want) || ok != strings.Contains(want, "takes it") {
			t.Errorf("got %q (taken: %v), expected %q", printed, ok, want)
		}
	}
}

// Higress may be installed in another namespace.
func TestNamespaceOfHigress(t *testing.T) {
	const file = "testdata/broken/higress-another-namespace.yaml"
	if printed, ok := checkInput(t, "", "-higress-namespace", "default", file); !ok {
		t.Errorf("got %s", printed)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	printed, ok := checkInput(t, strings.Replace(string(text), ", namespace: default", "", 1), "-")
	if want := "metadata.namespace is missing: kubectl puts the plugin into the namespace of its context, and Higress reads those of higress-system only"; !ok || !strings.Contains(printed, want) {
		t.Errorf("taken: %v, got %s\nexpected %s", ok, printed, want)
	}
}
