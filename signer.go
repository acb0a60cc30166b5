package main

import (
	"token-fetch/internal/token"
	"token-fetch/internal/tokenservice"
)

// signer signs the tokens of a part itself, without a call.
type signer struct {
	service *tokenservice.Service
	clock   token.Clock
	log     *serviceLog
}

var _ referrer = (*signer)(nil)

// Fetch signs a token, and calls done before it returns.
func (s *signer) Fetch(q token.Query, done func(token.Token, *token.Error)) {
	s.fetchWith(nil, q, s.log.recordFailure(done))
}

func (s *signer) fetchWith(named []string, q token.Query, done func(token.Token, *token.Error)) {
	caller, _ := q.Caller.(*tokenservice.Caller)
	t, err := s.service.Sign(caller, named, s.clock.Wall())
	if err != nil {
		done(token.Token{}, preparationError(err))
		return
	}
	s.log.failures.succeeded()
	done(t, nil)
}
