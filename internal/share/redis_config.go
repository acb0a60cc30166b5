package share

import (
	"fmt"
	"strings"

	"token-fetch/internal/schema"
)

// The keys of the object cache.redis.
var (
	keyServiceName   = &schema.Key{Name: "serviceName", Kind: schema.Text, Required: true}
	keyServicePort   = &schema.Key{Name: "servicePort", Kind: schema.Integer, Min: 1, Max: 65535}
	keyUsername      = &schema.Key{Name: "username", Kind: schema.Text}
	keyPassword      = &schema.Key{Name: "password", Kind: schema.Text, Secret: true}
	keyDatabase      = &schema.Key{Name: "database", Kind: schema.Integer, Default: 0, Min: 0, Max: 1023}
	keyTimeout       = &schema.Key{Name: "timeout", Kind: schema.Integer, Default: 1000, Min: 1, Max: 60000}
	keyKeyPrefix     = &schema.Key{Name: "keyPrefix", Kind: schema.Text, Default: "token-fetch:"}
	keyEncryptionKey = &schema.Key{Name: "encryptionKey", Kind: schema.Text, Secret: true}
)

// RedisKey is the key cache.redis itself.
var RedisKey = &schema.Key{Name: "redis", Kind: schema.Object, Keys: []*schema.Key{
	keyServiceName, keyServicePort, keyUsername, keyPassword, keyDatabase, keyTimeout, keyKeyPrefix, keyEncryptionKey,
}}

// RedisConfig says where Redis is and how tokens are stored in it.
type RedisConfig struct {
	ServiceName string
	ServicePort int
	Connection  Connection
	KeyPrefix   string
	Sealer      *Sealer
	secret      string
}

// Identity distinguishes configurations that must not share a cache. It contains their secrets.
func (c *RedisConfig) Identity() string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf("%q %d %q %q %q", c.ServiceName, c.ServicePort, c.Connection, c.KeyPrefix, c.secret)
}

// maxPrefix is generous for naming a fleet.
const maxPrefix = 128

// ReadRedisConfig reads the object cache.redis. Errors show in the section's Err.
func ReadRedisConfig(s schema.Section, isEnabled bool) *RedisConfig {
	c := &RedisConfig{
		ServiceName: s.String(keyServiceName), ServicePort: s.Int(keyServicePort), KeyPrefix: s.String(keyKeyPrefix),
		Connection: Connection{
			Username: s.String(keyUsername), Password: s.String(keyPassword), Database: s.Int(keyDatabase),
			Timeout: s.Milliseconds(keyTimeout),
		},
	}
	if c.ServiceName == "" && isEnabled {
		s.Missing(keyServiceName)
	}
	if strings.ContainsAny(c.ServiceName, "|/?#@ ") {
		s.InvalidKey(keyServiceName, "the service's FQDN with its type, without scheme and port, for example redis.dns")
	}
	if c.ServicePort == 0 {
		c.ServicePort = defaultPort(c.ServiceName)
	}
	if len(c.KeyPrefix) > maxPrefix || strings.ContainsAny(c.KeyPrefix, "{}") {
		s.InvalidKey(keyKeyPrefix, "at most 128 characters, without braces")
	}
	if secret := s.String(keyEncryptionKey); secret != "" {
		sealer, err := NewSealer(secret)
		if err != nil {
			s.InvalidKey(keyEncryptionKey, "base64 of 32 bytes, as openssl rand -base64 32 prints them")
		}
		c.Sealer, c.secret = sealer, secret
	}
	return c
}

// defaultPort is 6379, but 80 for services of fixed addresses: Higress gives all of them logical port 80.
func defaultPort(serviceName string) int {
	if strings.HasSuffix(serviceName, ".static") {
		return 80
	}
	return 6379
}
