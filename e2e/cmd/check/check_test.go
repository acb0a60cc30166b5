package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is printed of files that a gateway takes; testdata has each with what is printed.
func TestTakenFiles(t *testing.T) {
	t.Setenv("SET_HERE", "s3cr3t")
	paths, err := filepath.Glob("testdata/taken/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("got no files (%v), expected some", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			want, err := os.ReadFile(strings.TrimSuffix(path, ".yaml") + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			printed, ok := checkFile(t, path)
			if !ok || printed != string(want) {
				t.Errorf("taken: %v, got\n%s\nexpected\n%s", ok, printed, want)
			}
			if strings.Contains(printed, "s3cr3t") {
				t.Errorf("a secret is shown:\n%s", printed)
			}
		})
	}
}

// One wrong configuration among good ones makes the file one that is not taken.
func TestOneOfTwo(t *testing.T) {
	const good = `apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: good}
spec: {pluginConfig: {serviceName: a.dns, requestPath: /, tokenHeader: X-Token}}
---
`
	path := filepath.Join(t.TempDir(), "two.yaml")
	if err := os.WriteFile(path, []byte(good+strings.Replace(good, "tokenHeader", "tokenHeadr", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	printed, ok := checkFile(t, path)
	if ok || !strings.Contains(printed, "good: the gateway takes it") || !strings.Contains(printed, "unknown key tokenHeadr") {
		t.Errorf("taken: %v, got %s", ok, printed)
	}
}

// Where a stand-in may be the reason, it is said so.
func TestHintAtStandIn(t *testing.T) {
	const want = `invalid failure.mode in config: "${MODE}" (want deny, allow) [MODE is not known here, and a stand-in took its place]`
	path := filepath.Join(t.TempDir(), "mode.yaml")
	config := "serviceName: a.dns\nrequestPath: /\ntokenHeader: X-Token\nfailure: {mode: '${MODE}'}\n"
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	if printed, ok := checkFile(t, path); ok || !strings.Contains(printed, want) {
		t.Errorf("taken: %v, got %s", ok, printed)
	}
	t.Setenv("MODE", "allow")
	if printed, ok := checkFile(t, path); !ok {
		t.Errorf("with the variable: got %s", printed)
	}
}

// A fleet's Redis is a cluster too, and belongs to another file of the plugin.
func TestRedisOfAFleet(t *testing.T) {
	for config, want := range map[string]string{
		`{"cache": {}}`: "",
		`{"cache": {"redis": {"serviceName": "redis.dns"}}}`:                                    "outbound|6379||redis.dns",
		`{"cache": {"redis": {"serviceName": "redis.static"}}}`:                                 "outbound|80||redis.static",
		`{"cache": {"redis": {"serviceName": "redis.static", "servicePort": 6380}}}`:            "outbound|6380||redis.static",
		`{"_rules_": [{"enabled": false}, {"cache": {"redis": {"serviceName": "redis.dns"}}}]}`: "outbound|6379||redis.dns",
	} {
		if got := redisCluster([]byte(config)); got != want {
			t.Errorf("%s: got %q, expected %q", config, got, want)
		}
	}
}

func TestVariableNames(t *testing.T) {
	for text, want := range map[string]string{
		"":                    "",
		"a":                   "",
		"${A}":                "A",
		"x${A}${B_2}y":        "A B_2",
		"$${A}":               "",
		"$${A} ${B}":          "B",
		"$$${A}":              "",
		"${secret.ns/name.k}": "",
		"${A":                 "",
		"${A-B} ${C}":         "C",
	} {
		if got := strings.Join(variableNames(text), " "); got != want {
			t.Errorf("%q: got %q, expected %q", text, got, want)
		}
	}
}

// A key that is made here is one that the plugin would take.
func TestStandInKeys(t *testing.T) {
	for _, algorithm := range []string{"", "ES256", "ES384", "RS256", "PS256", "EdDSA"} {
		if got := standIn("oauth2.privateKey", algorithm); !strings.HasPrefix(got, "-----BEGIN PRIVATE KEY-----\n") || !strings.HasSuffix(got, "-----END PRIVATE KEY-----") {
			t.Errorf("%s: got %q, expected a key in PEM", algorithm, got)
		}
	}
}

func TestPrintable(t *testing.T) {
	if got := printable("a\x1b[2Jb\nc 世"); got != "a�[2Jb�c 世" {
		t.Errorf("got %q", got)
	}
}
