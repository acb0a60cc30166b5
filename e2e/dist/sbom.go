package dist

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// module is what is linked into the plugin and comes from one place.
type module struct {
	Path, Version, Dir string
	Main               bool
	GoVersion          string
}

// linked lists the modules of all packages that the plugin is built from, with the tags, and the version of Go.
func linked(root, tags string) (modules []module, goVersion string, err error) {
	command := exec.Command("go", "list", "-deps", "-tags", tags, "-json=Module", ".")
	command.Dir = root
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		return nil, "", fmt.Errorf("go list: %w", err)
	}
	seen := map[string]bool{}
	for decoder := json.NewDecoder(bytes.NewReader(output)); ; {
		var listed struct{ Module *module }
		if err := decoder.Decode(&listed); err == io.EOF {
			break
		} else if err != nil {
			return nil, "", fmt.Errorf("go list: %w", err)
		}
		if m := listed.Module; m != nil && !m.Main && !seen[m.Path] { // the standard library has none
			seen[m.Path] = true
			modules = append(modules, *m)
		}
	}
	slices.SortFunc(modules, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	version := exec.Command("go", "env", "GOVERSION")
	version.Dir = root
	text, err := version.Output()
	return modules, strings.TrimPrefix(strings.TrimSpace(string(text)), "go"), err
}

// SBOM lists in CycloneDX what is linked into the plugin with these build tags. It is the same for the same sources and
// Go: it has no time and no random number.
func SBOM(root, name, version, tags string) ([]byte, error) {
	modules, goVersion, err := linked(root, tags)
	if err != nil {
		return nil, err
	}
	bom := cdx.NewBOM()
	plugin := component("token-fetch", version, cdx.ComponentTypeApplication, "Apache-2.0")
	plugin.Description = name
	bom.Metadata = &cdx.Metadata{Component: &plugin}
	standard := component("std", goVersion, cdx.ComponentTypeLibrary, "BSD-3-Clause")
	standard.Description = "Go's standard library and runtime"
	components := []cdx.Component{standard}
	for _, m := range modules {
		components = append(components, component(m.Path, m.Version, cdx.ComponentTypeLibrary, licenseOf(m.Dir)))
	}
	bom.Components = &components
	var data bytes.Buffer
	encoder := cdx.NewBOMEncoder(&data, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.Encode(bom); err != nil {
		return nil, err
	}
	return data.Bytes(), nil
}

func component(path, version string, kind cdx.ComponentType, license string) cdx.Component {
	c := cdx.Component{
		BOMRef: "pkg:golang/" + path + "@" + version, PackageURL: "pkg:golang/" + path + "@" + version,
		Type: kind, Name: path, Version: version,
	}
	if license != "" {
		c.Licenses = &cdx.Licenses{{License: &cdx.License{ID: license}}}
	}
	return c
}

// licenses are told by a sentence of theirs.
var licenses = []struct{ sentence, id string }{
	{"Apache License Version 2.0", "Apache-2.0"},
	{"Permission is hereby granted, free of charge, to any person obtaining a copy", "MIT"},
	{"Permission to use, copy, modify, and/or distribute this software for any purpose", "ISC"},
	{"Neither the name of", "BSD-3-Clause"},
}

// licenseOf recognizes the licence of a module's folder; empty when it can't.
func licenseOf(folder string) string {
	for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			continue
		}
		text := strings.Join(strings.Fields(string(data)), " ")
		for _, license := range licenses {
			if strings.Contains(text, license.sentence) {
				return license.id
			}
		}
	}
	return ""
}
