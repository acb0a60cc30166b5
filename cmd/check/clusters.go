package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"token-fetch/cmd/manifest"
)

// This file checks clusters by the way each gateway names and creates them.

const (
	kubernetes  = ".svc.cluster.local"
	static      = "static"
	higressPort = 80 // logical port of every .static service
)

// registryTypes are Higress' kinds of service sources. The names of their services end with them.
var registryTypes = []string{"dns", static, "nacos", "zookeeper", "consul", "eureka"}

func (c checker) checkHigress(t target, f *findings) {
	kind := t.name[strings.LastIndexByte(t.name, '.')+1:]
	switch {
	case t.name == "":
	case strings.HasSuffix(t.name, kubernetes):
		c.checkService(t, f)
		f.warn("Higress gives the gateway the cluster of a Kubernetes service only where a route leads to it: one must lead to %s", t.name)
	case !strings.Contains(t.name, "."):
		f.refuse("no cluster %s: serviceName has no type (%s)", t.cluster, typesOf(t.name))
	case strings.HasSuffix(t.name, ".svc"):
		f.refuse("no cluster %s: serviceName is not a full name (want %s.cluster.local)", t.cluster, t.name)
	case !slices.Contains(registryTypes, kind):
		f.warn("serviceName %s ends with no type that Higress has: it needs a ServiceEntry for that host (want %s or svc.cluster.local)", t.name, strings.Join(registryTypes, ", "))
	default:
		c.checkRegistries(t, strings.TrimSuffix(t.name, "."+kind), kind, f)
	}
}

// checkRegistries checks that the McpBridge that Higress reads has the service's source.
func (c checker) checkRegistries(t target, name, kind string, f *findings) {
	for _, bridge := range c.resources("networking.higress.io", "McpBridge") {
		if bridge.Name() != "default" {
			continue
		}
		var has []string
		for _, registry := range bridge.Object("spec").Objects("registries") {
			of := registry.Text("type")
			isOne := kind == "dns" || kind == static
			switch {
			case !isOne && strings.HasPrefix(of, kind): // nacos, nacos2, nacos3
				return
			case isOne && of == kind && registry.Text("name") == name:
				port := fmt.Sprint(registry["port"])
				if kind == static {
					port = strconv.Itoa(higressPort)
				}
				if registry["vport"] == nil && port != strconv.Itoa(t.port) {
					f.refuse("no cluster %s: the service source %s has port %s (want servicePort: %s)", t.cluster, t.name, port, port)
				}
				return
			}
			has = append(has, registry.Text("name")+"."+of)
		}
		f.refuse("no cluster %s: the McpBridge of the file has no service source %s (it has %s)", t.cluster, t.name, listed(has))
	}
}

func (c checker) checkIstio(t target, f *findings) {
	switch {
	case t.name == "":
		return
	case strings.HasSuffix(t.name, kubernetes):
		c.checkService(t, f)
		return
	}
	entries := c.resources("networking.istio.io", "ServiceEntry")
	var has []string
	for _, entry := range entries {
		spec := entry.Object("spec")
		has = append(has, spec.Texts("hosts")...)
		if slices.Contains(spec.Texts("hosts"), t.name) {
			checkPort(t, entry, portsOf(spec, "number"), f)
			return
		}
	}
	switch {
	case len(entries) > 0:
		f.refuse("no cluster %s: no ServiceEntry of the file has the host %s (they have %s)", t.cluster, t.name, listed(has))
	case !strings.Contains(t.name, "."), strings.HasSuffix(t.name, ".svc"), strings.HasSuffix(t.name, ".dns"), strings.HasSuffix(t.name, ".static"):
		f.warn("serviceName %s is no full host name, by which Istio names clusters (want NAME.NAMESPACE.svc.cluster.local, or the host of a ServiceEntry)", t.name)
	}
}

// checkService checks the port if the Kubernetes service is in the file.
func (c checker) checkService(t target, f *findings) {
	name, namespace, _ := strings.Cut(strings.TrimSuffix(t.name, kubernetes), ".")
	for _, service := range c.resources("", "Service") {
		if service.Name() == name && (service.Namespace() == namespace || service.Namespace() == "") {
			checkPort(t, service, portsOf(service.Object("spec"), "port"), f)
		}
	}
}

func portsOf(spec manifest.Resource, name string) (ports []string) {
	for _, port := range spec.Objects("ports") {
		ports = append(ports, fmt.Sprint(port[name]))
	}
	return ports
}

func checkPort(t target, r manifest.Resource, ports []string, f *findings) {
	if !slices.Contains(ports, strconv.Itoa(t.port)) {
		f.refuse("no cluster %s: %s has no port %d (it has %s)", t.cluster, r.Title(), t.port, listed(ports))
	}
}

var routeCluster = regexp.MustCompile(`^(http|grpc|tls|tcp|udp)route/([^/]+)/([^/]+)/rule/(\d+)$`)

// checkEnvoyGateway: Envoy Gateway creates clusters for routes, not for services.
func (c checker) checkEnvoyGateway(t target, f *findings) {
	if t.name != "" {
		f.refuse("no cluster %s: Envoy Gateway names its clusters by routes, not by services (want serviceCluster, for example httproute/default/idp/rule/0, with serviceHost)", t.cluster)
		return
	}
	match := routeCluster.FindStringSubmatch(t.cluster)
	if match == nil {
		return
	}
	var has []string
	for _, route := range c.routes() {
		kind := strings.ToLower(route.Text("kind"))
		at := kind + "/" + route.Namespace() + "/" + route.Name() + "/rule/"
		rules := route.Object("spec").Objects("rules")
		for i := range rules {
			has = append(has, at+strconv.Itoa(i))
		}
		isSame := kind == match[1]+"route" && route.Name() == match[3] && (route.Namespace() == match[2] || route.Namespace() == "")
		if number, err := strconv.Atoi(match[4]); isSame && err == nil && number < len(rules) {
			return
		}
	}
	if len(has) > 0 {
		f.refuse("no cluster %s: no route of the file makes it (they make %s)", t.cluster, listed(has))
	}
}

func (c checker) routes() (routes []manifest.Resource) {
	for _, r := range c.file.Resources {
		if kind := r.Text("kind"); strings.HasSuffix(kind, "Route") && r.Is("gateway.networking.k8s.io", kind) {
			routes = append(routes, r)
		}
	}
	return routes
}
