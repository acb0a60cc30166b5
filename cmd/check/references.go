package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"token-fetch/cmd/manifest"
	"token-fetch/internal/config"
)

// This file checks what gateways only notice at run time: names that refer to nothing. Whatever is not in the file may
// already exist in the cluster, so a reference is only an error if the file contains objects of the kind it refers to.

// findings are those for one configuration.
type findings struct{ refused, warned []string }

func (f *findings) refuse(format string, args ...any) {
	f.refused = appendNew(f.refused, fmt.Sprintf(format, args...))
}

func (f *findings) warn(format string, args ...any) {
	f.warned = appendNew(f.warned, fmt.Sprintf(format, args...))
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// checkNamespace: Higress' controller reads plugins of its own namespace only.
func (c checker) checkNamespace(p *manifest.Plugin) (f findings) {
	if p.Gateway != manifest.Higress {
		return f
	}
	switch p.Resource.Namespace() {
	case c.higressNamespace:
	case "":
		f.warn("metadata.namespace is missing: kubectl puts the plugin into the namespace of its context, and Higress reads those of %s only", c.higressNamespace)
	default:
		f.refuse("invalid metadata.namespace: %q (want %s, the namespace of Higress' controller, which reads no other; if yours is another one, make check HIGRESS_NAMESPACE=…)",
			p.Resource.Namespace(), c.higressNamespace)
	}
	return f
}

// target is a service that the plugin calls.
type target struct {
	name    string // FQDN; empty if the configuration names the cluster
	port    int
	cluster string
	isRedis bool
}

var outbound = regexp.MustCompile(`^outbound\|(\d+)\|[^|]*\|(.+)$`)

// targets returns those of all enabled parts. A serviceCluster of the form outbound|PORT||NAME counts as that service.
func targets(parsed *config.Config) (all []target) {
	parts := []*config.Part{parsed.Global}
	for _, rule := range parsed.Rules {
		parts = append(parts, rule.Part)
	}
	for _, p := range parts {
		if p == nil || !p.Enabled {
			continue
		}
		p.Each(func(_ string, of *config.TokenConfig) { all = append(all, targetsOf(of)...) })
	}
	return all
}

func targetsOf(of *config.TokenConfig) (all []target) {
	if !of.Service.IsSigned() {
		t := target{name: of.Service.Name, port: of.Service.Port, cluster: of.Service.ClusterName()}
		if match := outbound.FindStringSubmatch(of.Service.Cluster); match != nil {
			t.port, _ = strconv.Atoi(match[1])
			t.name = match[2]
		}
		all = append(all, t)
	}
	if of.Cache != nil && of.Cache.Redis != nil {
		r := of.Cache.Redis
		all = append(all, target{r.ServiceName, r.ServicePort, fmt.Sprintf("outbound|%d||%s", r.ServicePort, r.ServiceName), true})
	}
	return all
}

func (c checker) checkReferences(p *manifest.Plugin, parsed *config.Config) (f findings) {
	for _, t := range targets(parsed) {
		if strings.Contains(t.cluster, "${") {
			continue
		}
		switch p.Gateway {
		case manifest.Higress:
			c.checkHigress(t, &f)
		case manifest.Istio:
			c.checkIstio(t, &f)
		case manifest.EnvoyGateway:
			c.checkEnvoyGateway(t, &f)
		case manifest.Envoy:
			if c.file.Clusters != nil && !slices.Contains(c.file.Clusters, t.cluster) {
				f.refuse("no cluster %s: the file has %s", t.cluster, listed(c.file.Clusters))
			}
		default:
			if t.name != "" && !strings.Contains(t.name, ".") {
				f.warn("serviceName %s has no type; Higress wants one (%s)", t.name, typesOf(t.name))
			}
		}
	}
	c.checkSecrets(p, &f)
	return f
}

func listed(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func typesOf(name string) string {
	return fmt.Sprintf("want %[1]s.dns or %[1]s.static for a service source, %[1]s.NAMESPACE.svc.cluster.local for a service of Kubernetes", name)
}

func (c checker) resources(group, kind string) (found []manifest.Resource) {
	for _, r := range c.file.Resources {
		if r.Is(group, kind) {
			found = append(found, r)
		}
	}
	return found
}

var secretKey = regexp.MustCompile(`^\$\{secret\.([^/]+)/([^.]+)\.(.+)\}$`)

// checkSecrets checks that the Secrets in the file have the keys that placeholders refer to.
func (c checker) checkSecrets(p *manifest.Plugin, f *findings) {
	for _, placeholder := range p.Secrets {
		match := secretKey.FindStringSubmatch(placeholder)
		if match == nil {
			continue
		}
		for _, secret := range c.resources("", "Secret") {
			if secret.Namespace() != match[1] || secret.Name() != match[2] {
				continue
			}
			if secret.Object("data")[match[3]] == nil && secret.Object("stringData")[match[3]] == nil {
				f.refuse("no value for %s: %s of the file has no key %s", placeholder, secret.Title(), match[3])
			}
		}
	}
}
