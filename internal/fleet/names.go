package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"token-fetch/internal/token"
)

// keysOfToken is how many keys the scripts have for each token.
const keysOfToken = 7

// version is that of the records and scripts. Gateways with another one, during an upgrade, have keys of their own.
const version = "2"

// Names makes the keys in Redis. They are hashes, as they are made of secrets and of callers' tokens.
type Names struct {
	prefix   string
	identity token.Key
}

// NewNames is for tokens that depend on what the identity stands for, and on their callers.
func NewNames(prefix string, identity token.Key) *Names { return &Names{prefix, identity} }

// of is the keys of the caller's token. What is in braces has a cluster keep them in one slot.
func (n *Names) of(caller token.Caller) []string {
	key := token.KeyOf(caller)
	hash := sha256.Sum256(append(append([]byte(version), n.identity[:]...), key[:]...))
	common := n.prefix + "{" + hex.EncodeToString(hash[:]) + "}:"
	names := make([]string, keysOfToken)
	for i := range names {
		names[i] = common + strconv.Itoa(i+1)
	}
	return names
}
