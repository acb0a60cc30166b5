// Vuln looks for known vulnerabilities in what the plugin, its tools and its tests are built from:
//
//	go run ./tools/vuln -checker golang.org/x/vuln/cmd/govulncheck@v1.9.0 -database golang.org/x/vulndb@latest
//
// It runs govulncheck, which tells what is called from what is only required. The database is
// taken as a Go module, which a machine can have that reaches a module proxy and nothing else, and
// whose version says what the result was held against.
//
// A vulnerability of a module that is called is an error: go.mod names the version, so it is ours to mend.
// One of the standard library is a warning. It goes with the Go that builds, which this repository
// does not choose, and most of what is found is net/http and crypto/tls, which the SDK
// links and a module without sockets can't use. Whoever publishes main.wasm heeds it.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// scan is one run of govulncheck.
type scan struct {
	what        string
	dir         string // of the module
	environment []string
	arguments   []string
}

var scans = []scan{
	{"main.wasm", ".", []string{"GOOS=wasip1", "GOARCH=wasm"}, []string{"."}},
	{"tools and unit tests", ".", nil, []string{"-test", "./..."}},
	{"end-to-end tests", "e2e", nil, []string{"-test", "./..."}},
}

func main() {
	checker := flag.String("checker", "", "govulncheck as `package@version`")
	database := flag.String("database", "", "the vulnerability database as `module@version`")
	flag.Parse()
	if err := run(*checker, *database, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(1)
	}
}

func run(checker, database string, out io.Writer) error {
	if checker == "" || database == "" {
		return errors.New("-checker and -database must be given")
	}
	folder, version, err := download(database)
	if err != nil {
		return err
	}
	program, remove, err := install(checker)
	if err != nil {
		return err
	}
	defer remove()
	fmt.Fprintf(out, "held against %s\n", version)
	failed := 0
	for _, s := range scans {
		found, err := s.run(program, folder)
		if err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
		failed += found.report(out, s.what)
	}
	if failed > 0 {
		return fmt.Errorf("%d vulnerabilities of modules are called: update the modules in go.mod", failed)
	}
	return nil
}

// download returns the folder with the database's entries. A folder of nothing but entries is
// a form that govulncheck takes for a database without an index, and makes one.
func download(module string) (folder, version string, err error) {
	output, err := exec.Command("go", "mod", "download", "-json", module).Output()
	if err != nil {
		return "", "", fmt.Errorf("download %s: %w", module, withStderr(err))
	}
	var downloaded struct{ Path, Version, Dir string }
	if err := json.Unmarshal(output, &downloaded); err != nil {
		return "", "", err
	}
	return filepath.Join(downloaded.Dir, "data", "osv"), downloaded.Path + " " + downloaded.Version, nil
}

// install builds the checker for this machine: with go run, GOOS would make a Wasm file of it.
func install(checker string) (program string, remove func(), err error) {
	folder, err := os.MkdirTemp("", "vuln")
	if err != nil {
		return "", nil, err
	}
	remove = func() { os.RemoveAll(folder) }
	build := exec.Command("go", "install", checker)
	build.Env = append(os.Environ(), "GOBIN="+folder)
	if _, err := build.Output(); err != nil {
		remove()
		return "", nil, fmt.Errorf("install %s: %w", checker, withStderr(err))
	}
	name, _, _ := strings.Cut(checker, "@")
	return filepath.Join(folder, filepath.Base(name)), remove, nil
}

func (s scan) run(program, database string) (findings, error) {
	arguments := append([]string{"-C", s.dir, "-format", "json", "-db", "file://" + filepath.ToSlash(database)}, s.arguments...)
	check := exec.Command(program, arguments...)
	check.Env = append(os.Environ(), s.environment...)
	output, err := check.Output()
	if err != nil {
		return nil, withStderr(err)
	}
	return read(output)
}

// withStderr adds what the program said.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	return err
}
