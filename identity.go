package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
)

// identity tells apart what must not share a token: another token call, another
// way to read its answer, other lifetimes. What does not touch the token itself,
// such as failure, is no part of it, so that an update of it keeps the token.
//
// It is a hash, as it is made of secrets and stands in keys of shared data.
type identity [16]byte

// hasher hashes fields with their lengths, so that no field can look like two.
type hasher struct{ hash hash.Hash }

func newHasher() hasher { return hasher{sha256.New()} }

func (h hasher) add(fields ...string) {
	for _, field := range fields {
		h.hash.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(field))))
		h.hash.Write([]byte(field))
	}
}

func (h hasher) sum() (id identity) {
	copy(id[:], h.hash.Sum(nil))
	return id
}

// identify hashes what a scope's tokens depend on.
func identify(s *scope) identity {
	h := newHasher()
	h.add(s.tokenHeader, s.call.cluster, string(s.call.body))
	for _, header := range s.call.headers {
		h.add(header[0], header[1])
	}
	h.add("answer", s.answer.tokenPath, s.answer.responseHeader, s.answer.prefix,
		fmt.Sprint(s.answer.any2xx, s.answer.prefixFromType))
	for _, header := range s.answer.upstream {
		h.add("upstream", header.name, header.header, header.path)
	}
	for _, condition := range s.answer.conditions {
		h.add("condition", condition.header, condition.path)
		h.add(condition.equals...)
	}
	h.add("forward")
	h.add(s.forwardHeaders...)
	if s.exchange != nil {
		h.add("exchange", s.exchange.header)
	}
	if s.cache != nil {
		h.add("cache", s.cache.expiresInPath, s.cache.ttl.String(), s.cache.maxTTL.String(), s.cache.RefreshBefore.String())
	}
	return h.sum()
}

// policyIdentity is the identity with all of the cache policy: scopes that agree in it
// share their tokens within the VM.
func (s *scope) policyIdentity() identity {
	h := newHasher()
	h.add(string(s.identity[:]), fmt.Sprintf("%+v", *s.cache), s.call.timeout.String())
	return h.sum()
}
