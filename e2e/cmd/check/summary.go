package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// summary is what a configuration does that the plugin has taken. It reads the few keys that it shows, as the plugin
// does; a test holds the two against each other.
type summary struct {
	rules    []described // in their order
	rest     string      // what becomes of requests that match no rule
	clusters []string    // that the gateway must have
}

// described is a rule and what becomes of its requests.
type described struct{ matches, effect string }

type object = map[string]any

func summarize(config []byte) summary {
	var global object
	if json.Unmarshal(config, &global) != nil {
		return summary{}
	}
	listed, hasRules := global["_rules_"].([]any)
	s := summary{rest: "left alone"}
	hasOwnKeys := slices.ContainsFunc(slices.Collect(maps.Keys(global)), func(name string) bool { return !strings.HasPrefix(name, "_") })
	for _, entry := range listed {
		rule, _ := entry.(object)
		s.rules = append(s.rules, described{conditions(rule), s.effect(rule, global)})
	}
	if hasOwnKeys || !hasRules {
		s.rest = s.effect(global, nil)
	}
	if redis := redisCluster(config); redis != "" {
		s.clusters = append(s.clusters, redis)
	}
	slices.Sort(s.clusters)
	s.clusters = slices.Compact(s.clusters)
	return s
}

// conditions are in the order in which the plugin looks at them, without those that it does not heed.
func conditions(rule object) string {
	routes, domains := texts(rule["_match_route_"]), texts(rule["_match_domain_"])
	services, prefixes := texts(rule["_match_service_"]), texts(rule["_match_route_prefix_"])
	switch {
	case len(routes) > 0 && len(services) > 0:
		return "route " + strings.Join(routes, ", ") + " and service " + strings.Join(services, ", ")
	case len(routes) > 0:
		return "route " + strings.Join(routes, ", ")
	case len(domains) > 0:
		return "domain " + strings.Join(domains, ", ")
	case len(services) > 0:
		return "service " + strings.Join(services, ", ")
	default:
		return "route prefix " + strings.Join(prefixes, ", ")
	}
}

// texts reads a list of strings; a single string counts as a list of one.
func texts(value any) []string {
	if text, isText := value.(string); isText {
		return []string{text}
	}
	list, _ := value.([]any)
	var found []string
	for _, element := range list {
		if text, isText := element.(string); isText {
			found = append(found, text)
		}
	}
	return found
}

// effect is what becomes of the requests of a part, which inherits the keys of the global one.
func (s *summary) effect(part, global object) string {
	if enabled, isSet := part["enabled"].(bool); isSet && !enabled {
		return "left alone"
	}
	value := func(name string) any {
		if value, isSet := part[name]; isSet {
			return value // null takes an inherited key away
		}
		return global[name]
	}
	cluster := clusterOf(part, value)
	s.clusters = append(s.clusters, cluster)
	header, _ := value("tokenHeader").(string)
	if header == "" {
		header = "Authorization" // with oauth2, the only case in which the plugin takes it
	}
	how := "a call for each request"
	if value("cache") != nil || value("oauth2") != nil {
		how = "cached"
	}
	return fmt.Sprintf("%s from %s, %s", header, cluster, how)
}

// clusterOf is the name of the gateway's cluster for a part's token service. A part that names the service does not
// inherit a cluster.
func clusterOf(part object, value func(name string) any) string {
	name, _ := part["serviceName"].(string)
	if cluster, _ := value("serviceCluster").(string); cluster != "" && name == "" {
		return cluster
	}
	port := fmt.Sprint(value("servicePort")) // a number may be in quotes
	if port == "<nil>" || port == "0" {
		port = "80"
	}
	return fmt.Sprintf("outbound|%s||%s", port, value("serviceName"))
}

// clusterOfRedis is the name of the gateway's cluster for a fleet's Redis, whose port depends on its kind of service.
func clusterOfRedis(redis object) string {
	name, _ := redis["serviceName"].(string)
	port := redis["servicePort"]
	switch {
	case port == nil && strings.HasSuffix(name, ".static"):
		port = 80
	case port == nil:
		port = 6379
	}
	return fmt.Sprintf("outbound|%v||%s", port, name)
}
