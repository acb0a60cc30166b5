// Dist fills dist/ with what is published of a version. It is what "make dist" runs.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"token-fetch/e2e/dist"
)

func main() {
	root := flag.String("root", "..", "the repository's `folder`")
	version := flag.String("version", "", "of the plugin")
	flag.Parse()
	folder := filepath.Join(*root, "dist")
	if err := dist.Make(*root, filepath.Join(*root, "build", "image"), folder, *version); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
	fmt.Println("dist/ has version", *version, "with checksums in", filepath.Join("dist", dist.Checksums))
}
