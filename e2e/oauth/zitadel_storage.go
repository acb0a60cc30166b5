package oauth

import (
	"context"
	"crypto/rsa"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"

	"token-fetch/e2e/harness"
)

// grantStorage gives JWTs where the example gives opaque tokens to all, knows the keys with which users sign
// assertions, and writes into an exchanged token who acts.
type grantStorage struct {
	*storage.Storage
	key *rsa.PublicKey // of all users
}

// grantClient gets JWTs.
type grantClient struct{ op.Client }

func (grantClient) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

func (s grantStorage) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	client, err := s.Storage.GetClientByClientID(ctx, id)
	return grantClient{client}, err
}

// GetKeyByIDAndClientID is asked for the key of an assertion's issuer: here a user.
func (s grantStorage) GetKeyByIDAndClientID(_ context.Context, keyID, _ string) (*jose.JSONWebKey, error) {
	return &jose.JSONWebKey{KeyID: keyID, Use: "sig", Key: s.key}, nil
}

func (grantStorage) JWTProfileTokenType(context.Context, op.TokenRequest) (op.AccessTokenType, error) {
	return op.AccessTokenTypeJWT, nil
}

func (s grantStorage) GetPrivateClaimsFromTokenExchangeRequest(ctx context.Context, request op.TokenExchangeRequest) (map[string]any, error) {
	claims, err := s.Storage.GetPrivateClaimsFromTokenExchangeRequest(ctx, request)
	if actor := request.GetExchangeActor(); err == nil && actor != "" {
		return harness.Merge(map[string]any{"act": map[string]any{"sub": actor}}, claims), nil
	}
	return claims, err
}
