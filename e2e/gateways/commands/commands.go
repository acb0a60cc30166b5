// Package commands finds the kubectl commands that the comments of deploy/ have, for tests to do what a reader does.
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
