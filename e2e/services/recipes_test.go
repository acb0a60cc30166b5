// Package services_test tests the recipes of docs/oauth2.md in a real Envoy against emulated token services, written after
// the services' documentation and reports of their users. A service accepts a call only if every detail is right.
package services_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"token-fetch/e2e/harness"
)

var (
	block    = regexp.MustCompile("(?ms)^ *```ya?ml\\s*?\n *# (recipe|filter): (.+?)\n(.*?)^ *```")
	variable = regexp.MustCompile(`(?:^|[^$])\$\{([A-Za-z0-9_]+)\}`)
)

// secretOf is what a variable holds: all that a JSON body, a form or a path could break at.
func secretOf(name string) string { return harness.SecretMark + `-"` + name + `" 50%&x=y+\` }

// valueOf is a secret, or what only a key or a time can be.
func valueOf(name string) string {
	in := time.Now().Add(time.Hour).UTC()
	switch {
	case name == "SOON":
		return in.Format(time.RFC3339)
	case name == "SOON_MICROS":
		return in.Format("2006-01-02T15:04:05.000000Z")
	case name == "SOON_UNIX":
		return fmt.Sprint(in.Unix())
	case name == "WORKLOAD":
		return workload
	case strings.HasSuffix(name, "_FINGERPRINT"):
		der, err := x509.MarshalPKIXPublicKey(harness.ClientKeys()["RS256"].Public())
		if err != nil {
			panic(err) // the test's own key
		}
		hash := sha256.Sum256(der)
		return base64.StdEncoding.EncodeToString(hash[:])
	}
	return secretOf(name)
}

var workload = harness.UnsignedJWT(fmt.Sprintf(`{"exp": %d}`, time.Now().Add(time.Hour).Unix()))

// readRecipes returns what the documentation has of a kind, recipe or filter, by name, and a value for each variable.
func readRecipes(t *testing.T, kind string) (found map[string]harness.Config, environment map[string]string) {
	t.Helper()
	text := harness.ReadProjectFile(t, "docs", "oauth2.md")
	found, environment = map[string]harness.Config{}, map[string]string{}
	for _, match := range block.FindAllSubmatch(text, -1) {
		if string(match[1]) != kind {
			continue
		}
		var config harness.Config
		if err := yaml.Unmarshal(match[3], &config); err != nil {
			t.Errorf("%s %s: %v", kind, match[2], err)
		}
		found[string(match[2])] = config
		for _, name := range variable.FindAllSubmatch(match[3], -1) {
			environment[string(name[1])] = valueOf(string(name[1]))
			if bytes.HasSuffix(name[1], []byte("_PRIVATE_KEY")) {
				environment[string(name[1])] = harness.PrivatePEM(t, "RS256")
			}
		}
	}
	return found, environment
}

// here has a recipe call the harness' token service, also for its named tokens. A busy machine may need longer than its timeout.
func here(recipe harness.Config) harness.Config {
	config := maps.Clone(recipe)
	if named, ok := config["tokens"].(harness.Config); ok {
		config["tokens"] = maps.Clone(named)
		for name, token := range named {
			config["tokens"].(harness.Config)[name] = here(token.(harness.Config))
		}
	}
	if config["jwt"] != nil {
		return config
	}
	if config["serviceHost"] == nil {
		config["serviceHost"] = config["serviceName"]
	}
	config["serviceName"], config["timeout"] = harness.TokenName, 10_000
	delete(config, "servicePort")
	return config
}

// host is the one by which requests choose a recipe's rule.
func hostOf(recipe string) string {
	return strings.Trim(regexp.MustCompile("[^a-z0-9]+").ReplaceAllString(strings.ToLower(recipe), "-"), "-") + ".test"
}

// service emulates one token service, or those of a chain.
type service struct {
	Recipe   string
	Client   []string // headers of the client's request
	Calls    []call
	Upstream string     // the header that the upstream gets, as "Name: value"; empty: its token is
	Signed   *signature // by the plugin
}

func readServices(t *testing.T) (all []service) {
	t.Helper()
	file, err := os.Open(filepath.Join("testdata", "services.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	if err := decoder.Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Each service gets what it wants, the upstream gets the token as it wants it, and the second request makes no call.
func TestRecipesAsTheyStand(t *testing.T) {
	t.Parallel()
	recipes, environment := readRecipes(t, "recipe")
	all := readServices(t)
	var rules []harness.Config
	for _, s := range all {
		if recipes[s.Recipe] == nil {
			t.Fatalf("docs/oauth2.md has no recipe %q", s.Recipe)
		}
		rules = append(rules, harness.Merge(here(recipes[s.Recipe]), harness.Config{"_match_domain_": []string{hostOf(s.Recipe)}}))
	}
	for name, recipe := range recipes {
		if (recipe["tokens"] != nil || recipe["jwt"] != nil) && !slices.ContainsFunc(all, func(s service) bool { return s.Recipe == name }) {
			t.Errorf("nothing plays the services of recipe %q", name)
		}
	}
	gateway := harness.Start(t, harness.Options{Config: harness.Config{"_rules_": rules}, Env: environment})
	for _, s := range all {
		t.Run(s.Recipe, func(t *testing.T) {
			var problem error
			count := 0
			gateway.Token.Handle(func(w http.ResponseWriter, r *http.Request) {
				if count++; count > len(s.Calls) {
					problem = fmt.Errorf("call %d, want %d", count, len(s.Calls))
				} else {
					problem = s.Calls[count-1].check(r)
				}
				if problem != nil {
					w.WriteHeader(http.StatusTeapot)
					return
				}
				s.Calls[count-1].answer(w)
			})
			for range 2 {
				answer := gateway.Get(t, "/", append(slices.Clone(s.Client), "Host: "+hostOf(s.Recipe))...)
				if answer.Status != http.StatusOK {
					t.Fatalf("answered %d %q, want 200; the service: %v", answer.Status, answer.Body, problem)
				}
				if s.Signed == nil {
					name, value, _ := strings.Cut(s.Upstream, ": ")
					gateway.Upstream.CheckHeader(t, name, value)
				} else if err := s.Signed.verify(strings.TrimPrefix(gateway.Upstream.Last(t).Header.Get("Authorization"), "Bearer ")); err != nil {
					t.Errorf("the upstream: %v", err)
				}
			}
			if count != len(s.Calls) {
				t.Errorf("%d token calls for two requests, want %d", count, len(s.Calls))
			}
		})
	}
}
