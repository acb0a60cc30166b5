package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"token-fetch/e2e/manifest"
	"token-fetch/e2e/vm"
)

// The plugin's files, and what makes them.
const (
	everywhere = "main.wasm"       // make
	withRedis  = "main-redis.wasm" // make redis; for Higress only
)

// modules are the plugin's files that were needed so far.
type modules struct {
	root     string
	compiled map[string]*vm.Plugin
}

// load compiles the file that a configuration is for.
func (m *modules) load(ctx context.Context, p *manifest.Plugin) (*vm.Plugin, error) {
	name := everywhere
	if (p.Gateway == manifest.Higress || p.Gateway == manifest.AnyGateway) && redisCluster(p.Config) != "" {
		name = withRedis
	}
	if plugin, found := m.compiled[name]; found {
		return plugin, nil
	}
	module, err := os.ReadFile(filepath.Join(m.root, name))
	if err != nil {
		return nil, errors.New(name + " is missing: run " + map[string]string{everywhere: "make", withRedis: "make redis"}[name] + " first")
	}
	plugin, err := vm.Compile(ctx, module, filepath.Join(m.root, "build", "compiled"))
	if err != nil {
		return nil, err
	}
	if m.compiled == nil {
		m.compiled = map[string]*vm.Plugin{}
	}
	m.compiled[name] = plugin
	return plugin, nil
}

func (m *modules) close(ctx context.Context) {
	for _, plugin := range m.compiled {
		plugin.Close(ctx)
	}
}

// redisCluster is the gateway's cluster for the Redis of a fleet, of the first part that has one; empty for none.
func redisCluster(config []byte) string {
	var global object
	if json.Unmarshal(config, &global) != nil {
		return ""
	}
	parts := []object{global}
	rules, _ := global["_rules_"].([]any)
	for _, entry := range rules {
		rule, _ := entry.(object)
		parts = append(parts, rule)
	}
	for _, part := range parts {
		cache, _ := part["cache"].(object)
		if redis, isObject := cache["redis"].(object); isObject {
			return clusterOfRedis(redis)
		}
	}
	return ""
}
