package tokenservice

import (
	"strconv"
	"strings"

	"token-fetch/internal/schema"
)

// Address names the service in log lines and metrics: its cluster, if the configuration names one, or NAME:PORT; "jwt"
// if the plugin signs the tokens.
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

// ClusterName is the gateway's name for the service's cluster: as configured or, by the convention of Higress and
// Istio, made from its FQDN and port.
func (s *Service) ClusterName() string {
	if s.Cluster != "" {
		return s.Cluster
	}
	return "outbound|" + strconv.Itoa(s.Port) + "||" + s.Name
}

// address reads which service to call, and returns the call's :authority.
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

// isByCluster reports whether the service is identified by its cluster. A rule that uses one way does not inherit the
// other.
func (r reader) isByCluster() bool {
	switch {
	case r.sets(keyServiceCluster) && r.sets(keyServiceName):
		r.InvalidKey(keyServiceCluster, wantOneAddress)
	case r.sets(keyServiceCluster):
	case r.sets(keyServiceName) || r.String(keyServiceCluster) == "":
		return false
	}
	if r.sets(keyServicePort) {
		r.InvalidKey(keyServiceCluster, wantOneAddress)
	}
	return true
}

const wantOneAddress = "either serviceCluster, or serviceName and servicePort"

// sets reports whether this layer sets the key. Console forms leave "" or 0 in fields that were not filled in.
func (r reader) sets(k *schema.Key) bool {
	unset := ""
	if k.Kind == schema.Integer {
		unset = "0"
	}
	value, ok := r.Own(k.Name)
	return ok && value.String() != unset
}

// serviceCluster reads the gateway's name of a cluster. Log lines show it.
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

// hasPort reports whether a serviceName ends in a port, as token.dns:8080 does. Names in Nacos may contain other
// colons.
func hasPort(name string) bool {
	colon := strings.LastIndexByte(name, ':')
	return colon >= 0 && strings.Trim(name[colon+1:], digits) == ""
}

// serviceHost is empty if not configured.
func (r reader) serviceHost() string {
	host := r.String(keyServiceHost)
	if strings.ContainsAny(host, "/?#@") || !isVisible(host) {
		r.InvalidKey(keyServiceHost, "a host name, with its port if it needs one")
	}
	return host
}
