package tokenservice

import (
	"strconv"
	"strings"

	"token-fetch/internal/schema"
)

// Address is the service's for log lines and metrics: its cluster, where that is what the configuration names; jwt where the plugin signs
// the tokens itself.
func (s *Service) Address() string {
	switch {
	case s.IsSigned():
		return keyJWT.Name
	case s.Cluster != "":
		return s.Cluster
	default:
		return s.Name + ":" + strconv.Itoa(s.Port)
	}
}

// ClusterName is what the gateway calls the service's cluster: the configured name or, as Higress and Istio name clusters,
// the one of its FQDN and port.
func (s *Service) ClusterName() string {
	if s.Cluster != "" {
		return s.Cluster
	}
	return "outbound|" + strconv.Itoa(s.Port) + "||" + s.Name
}

// address reads which service is called, and returns the call's :authority.
func (r reader) address(service *Service) (host string) {
	if r.isByCluster() {
		service.Cluster = r.serviceCluster()
		host = r.serviceHost()
		if host == "" && r.isEnabled {
			r.Fail("missing %s in config (%s needs it)", r.Name(keyServiceHost), keyServiceCluster.Name)
		}
		return host
	}
	service.Name = r.serviceName()
	host = r.serviceHost()
	if host == "" {
		host = service.Name
	}
	service.Port = r.LenientInt(keyServicePort)
	return host
}

// isByCluster reports whether the service is named by its cluster. A rule that names it in one way does not inherit
// the other.
func (r reader) isByCluster() bool {
	switch {
	case r.says(keyServiceCluster) && r.says(keyServiceName):
		r.InvalidKey(keyServiceCluster, wantOneAddress)
	case r.says(keyServiceCluster):
	case r.says(keyServiceName) || r.String(keyServiceCluster) == "":
		return false
	}
	if r.says(keyServicePort) {
		r.InvalidKey(keyServiceCluster, wantOneAddress)
	}
	return true
}

const wantOneAddress = "either serviceCluster, or serviceName and servicePort"

// says reports whether the part has the key itself. A form has an empty text, or 0, where nothing was filled in.
func (r reader) says(k *schema.Key) bool {
	nothing := ""
	if k.Kind == schema.Integer {
		nothing = "0"
	}
	value, ok := r.Own(k.Name)
	return ok && value.String() != nothing
}

// serviceCluster is a cluster's name as the gateway has it. Log lines show it.
func (r reader) serviceCluster() string {
	name := r.required(keyServiceCluster)
	isNotPrintable := func(c rune) bool { return !strconv.IsPrint(c) }
	if strings.TrimSpace(name) != name || strings.ContainsFunc(name, isNotPrintable) {
		r.InvalidKey(keyServiceCluster, "the exact name of the gateway's cluster: no control characters, and no spaces around it")
	}
	return name
}

func (r reader) serviceName() string {
	name := r.required(keyServiceName)
	if strings.ContainsAny(name, "|/?#@") || !isVisible(name) || hasPort(name) {
		r.InvalidKey(keyServiceName, "the service's FQDN with its type, without scheme and port, for example token.dns")
	}
	return name
}

// hasPort finds the port of a serviceName such as token.dns:8080. Other colons may stand in a name of Nacos.
func hasPort(name string) bool {
	colon := strings.LastIndexByte(name, ':')
	return colon >= 0 && strings.Trim(name[colon+1:], digits) == ""
}

// serviceHost is empty when the configuration does not have it.
func (r reader) serviceHost() string {
	host := r.String(keyServiceHost)
	if strings.ContainsAny(host, "/?#@") || !isVisible(host) {
		r.InvalidKey(keyServiceHost, "a host name, with its port if it needs one")
	}
	return host
}
