package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pluginModule is the module under test: main.wasm, as make builds it.
const pluginModule = "main"

// linkedModule is what make build makes it of.
const linkedModule = "linked"

// modules are the Wasm files that the candidates run.
type modules struct {
	root string // folder of main.wasm
}

func (m modules) path(name string) string {
	switch name {
	case "":
		return ""
	case pluginModule:
		return filepath.Join(m.root, "main.wasm")
	}
	return filepath.Join(m.root, "build", name+".wasm")
}

func (m modules) size(name string) (int64, error) {
	info, err := os.Stat(m.path(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// build makes the modules of the candidates from e2e/plugins. The plugin itself
// is not among them: what is measured is the file that make has built.
func (m modules) build(ctx context.Context, candidates []candidate) error {
	if _, err := os.Stat(m.path(pluginModule)); err != nil {
		return errors.New("main.wasm missing: run make")
	}
	if err := os.MkdirAll(filepath.Join(m.root, "build"), 0o755); err != nil {
		return err
	}
	for _, c := range candidates {
		if c.module == "" || c.isPlugin() {
			continue
		}
		if err := m.buildOne(ctx, c.module); err != nil {
			return fmt.Errorf("building %s: %w", c.module, err)
		}
	}
	return nil
}

func (m modules) buildOne(ctx context.Context, name string) error {
	source, trimmed := strings.CutSuffix(name, "-trimmed")
	if source != linkedModule {
		if err := m.link(ctx, source); err != nil {
			return err
		}
	}
	if trimmed {
		return m.trim(ctx, source, name)
	}
	return nil
}

func (m modules) link(ctx context.Context, name string) error {
	build := exec.CommandContext(ctx, "go", "build", "-C", filepath.Join(m.root, "e2e"),
		"-buildmode=c-shared", "-o", m.path(name), "./plugins/"+name)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	_, err := output(build)
	return err
}

// trim removes from a module the exports that the plugin does not have either:
// each callback that is exported costs an entry of the VM.
func (m modules) trim(ctx context.Context, source, target string) error {
	kept, err := m.exports(ctx, pluginModule)
	if err != nil {
		return err
	}
	all, err := m.exports(ctx, source)
	if err != nil {
		return err
	}
	var removed []string
	for name := range all {
		if !kept[name] {
			removed = append(removed, name)
		}
	}
	_, err = m.postlink(ctx, "-in", m.path(source), "-out", m.path(target), "-cut", strings.Join(removed, ","))
	return err
}

// exports are the callbacks that a module offers to the host.
func (m modules) exports(ctx context.Context, name string) (map[string]bool, error) {
	list, err := m.postlink(ctx, "-in", m.path(name), "-list")
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) == 3 && fields[0] == "export" && isCallback(fields[1]) {
			found[fields[1]] = true
		}
	}
	return found, nil
}

// isCallback reports whether a host, or after linking the plugin's own callback, is behind an export.
func isCallback(export string) bool {
	return strings.HasPrefix(export, "proxy_on_") || strings.HasPrefix(export, "own_")
}

func (m modules) postlink(ctx context.Context, args ...string) ([]byte, error) {
	run := exec.CommandContext(ctx, "go", append([]string{"run", "-C", m.root, "./tools/postlink"}, args...)...)
	return output(run)
}

// output runs a command; its error has what the command said.
func output(command *exec.Cmd) ([]byte, error) {
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}
