package main

import (
	"fmt"

	"token-fetch/internal/config"
	"token-fetch/internal/schema"
	"token-fetch/internal/token"
)

// part is a part of the configuration, as used for requests. A named token is a part without requests.
type part struct {
	*config.Part
	name    string    // for log lines; empty: it is the only part
	named   []*part   // tokens that its calls refer to, in the order of the service's Links
	cacheID token.Key // cached result of cacheIdentity

	callerHeaders []callerHeader
	saved         savedHeaders
}

// newPart returns nil for a part that is not configured. parts are those of named tokens, which thousands of rules may
// share.
func newPart(configured *config.Part, name string, parts map[*config.Named]*part) *part {
	if configured == nil {
		return nil
	}
	p := &part{Part: configured, name: name, callerHeaders: callerHeaders(configured.Service)}
	for _, named := range configured.Named {
		if parts[named] == nil {
			ofToken := &config.Part{TokenConfig: named.TokenConfig, Enabled: true, Overwrite: true, Failure: configured.Failure}
			parts[named] = newPart(ofToken, "token "+named.Name, parts)
		}
		p.named = append(p.named, parts[named])
	}
	return p
}

// cacheIdentity distinguishes parts that can't share a cache in the VM: they have other tokens, or cache them
// differently.
func (p *part) cacheIdentity() token.Key {
	if p.cacheID != (token.Key{}) {
		return p.cacheID // thousands of rules may share a named token
	}
	h := schema.NewHasher()
	h.Add(string(p.Identity[:]), fmt.Sprintf("%+v", p.Cache.Policy), fmt.Sprintf("%v %q %v", p.Cache.InvalidateOn, p.Cache.InvalidateWhen, p.Cache.Shared),
		p.Cache.Redis.Identity(), fmt.Sprint(p.Service.Retries, p.Service.Timeout, p.Service.TraceHeaders()))
	for _, named := range p.named {
		id := named.cacheIdentity()
		h.Add(string(id[:]))
	}
	p.cacheID = h.Sum()
	return p.cacheID
}
