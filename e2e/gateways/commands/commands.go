// Package commands extracts the kubectl commands from the comments in deploy/, so that tests run them as a reader would.
package commands

import (
	"regexp"
	"testing"

	"token-fetch/e2e/harness"
)

// The commands to look for, each with its arguments as groups.
var (
	Patch  = regexp.MustCompile(`(?s)patch (\w+) \w+ --type json -p '(.*?)'`) // kind, JSON patch
	Create = regexp.MustCompile(`(?s)kubectl create -f - <<< '(.*?)'`)        // resource
)

var comment = regexp.MustCompile(`(?m)^# ?`)

// In are the commands of a file of deploy/, each as the whole text and its arguments. It has at least one.
func In(t testing.TB, file string, command *regexp.Regexp) [][]string {
	t.Helper()
	text := comment.ReplaceAllString(string(harness.ReadProjectFile(t, "deploy", file)), "")
	found := command.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		t.Fatalf("%s: got no command like %s, expected one", file, command)
	}
	return found
}
