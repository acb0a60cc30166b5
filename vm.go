package main

import (
	"slices"

	"github.com/higress-group/proxy-wasm-go-sdk/proxywasm/types"

	"token-fetch/internal/tokencache"
)

// vm is the one of this module.
var vm = &vmContext{}

// vmContext stands around the wrapper's.
type vmContext struct {
	types.VMContext
	// metrics belong to the VM, so that what a replaced configuration has counted
	// last is written by its successor.
	metrics metrics
	memory  tokencache.Memory // of the callers of all configurations
	queues  sharedQueues
	plugins []*pluginContext
	// requests are those that the SDK does not know of.
	requests openRequests
}

func (v *vmContext) NewPluginContext(id uint32) types.PluginContext {
	p := &pluginContext{PluginContext: v.VMContext.NewPluginContext(id), id: id, vm: v, metrics: &v.metrics}
	v.plugins = append(v.plugins, p)
	return p
}

// forgetPlugin is called when the host deletes a context that is no request's.
func (v *vmContext) forgetPlugin(id uint32) {
	v.plugins = slices.DeleteFunc(v.plugins, func(p *pluginContext) bool {
		if p.id == id {
			p.close()
		}
		return p.id == id
	})
}

// createRequest returns false when the SDK must know the context: for a plugin context, and
// for requests that make calls of their own, as it is the SDK that hands out the answers.
func (v *vmContext) createRequest(id, pluginID uint32) bool {
	for _, p := range v.plugins {
		if p.id == pluginID && !p.callsAlone {
			v.requests.add(p.newRequest(id))
			return true
		}
	}
	return false
}
