package main

import (
	"os"

	"github.com/tidwall/gjson"
)

// wrapperConfig is a scope as the wrapper's own matcher keeps it. The plugin takes
// its configuration from parseConfig; with these functions, what reads it through
// the wrapper, such as a TestHost, sees the same.
type wrapperConfig struct {
	raw   gjson.Result
	scope *scope
}

func parseGlobalScope(data []byte, c *wrapperConfig) error {
	return c.parse(data, section{})
}

func parseRuleScope(data []byte, global wrapperConfig, c *wrapperConfig) error {
	return c.parse(data, newSection(keyRoot, "", global.raw, section{}, &reader{env: os.LookupEnv}))
}

func (c *wrapperConfig) parse(data []byte, below section) error {
	r := &reader{env: os.LookupEnv}
	c.raw = gjson.ParseBytes(data)
	c.scope = newSection(keyRoot, "", c.raw, below, r).scope()
	return r.err
}
