package share

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"token-fetch/internal/schema"
)

func readConfig(redis string, isEnabled bool) (*RedisConfig, error) {
	root := &schema.Key{Kind: schema.Object, Keys: []*schema.Key{RedisKey}}
	s := schema.Parse([]byte(`{"redis": `+redis+`}`), root, func(string) (string, bool) { return "", false })
	c := ReadRedisConfig(s.Object(RedisKey), isEnabled)
	return c, s.Err()
}

func TestReadRedisConfig(t *testing.T) {
	tests := map[string]struct {
		config string
		want   RedisConfig
	}{
		"the least": {`{"serviceName": "redis.dns"}`, RedisConfig{
			ServiceName: "redis.dns", ServicePort: 6379, KeyPrefix: "token-fetch:", Connection: Connection{Timeout: time.Second},
		}},
		"fixed addresses": {`{"serviceName": "redis.static"}`, RedisConfig{
			ServiceName: "redis.static", ServicePort: 80, KeyPrefix: "token-fetch:", Connection: Connection{Timeout: time.Second},
		}},
		"all": {`{"serviceName": "redis.static", "servicePort": 6380, "username": "u", "password": "p", "database": 3, "timeout": 50, "keyPrefix": "a:"}`, RedisConfig{
			ServiceName: "redis.static", ServicePort: 6380, KeyPrefix: "a:", Connection: Connection{"u", "p", 3, 50 * time.Millisecond},
		}},
	}
	for name, tt := range tests {
		got, err := readConfig(tt.config, true)
		if err != nil || fmt.Sprintf("%+v", *got) != fmt.Sprintf("%+v", tt.want) {
			t.Errorf("%s: got %+v and the error %v, expected %+v", name, got, err, tt.want)
		}
	}
	if got, err := readConfig(`{}`, false); err != nil {
		t.Errorf("in a part that is switched off: got %+v and the error %v, expected none", got, err)
	}
}

func TestConfigErrors(t *testing.T) {
	const secret = "c2VjcmV0"
	for config, want := range map[string]string{
		`{}`:                                                      "missing redis.serviceName in config",
		`{"serviceName": "redis://a"}`:                            `invalid redis.serviceName in config: "redis://a" (want the service's FQDN with its type`,
		`{"serviceName": "a", "servicePort": 0}`:                  "invalid redis.servicePort in config: 0 (want 1 to 65535)",
		`{"serviceName": "a", "database": -1}`:                    "invalid redis.database in config: -1 (want 0 to 1023)",
		`{"serviceName": "a", "timeout": 0}`:                      "invalid redis.timeout in config: 0 (want 1 to 60000)",
		`{"serviceName": "a", "keyPrefix": "{a}"}`:                `invalid redis.keyPrefix in config: "{a}" (want at most 128 characters, without braces)`,
		`{"serviceName": "a", "encryptionKey": "` + secret + `"}`: "invalid redis.encryptionKey in config (want base64 of 32 bytes",
		`{"serviceName": "a", "qpm": 1}`:                          "unknown key redis.qpm in config",
	} {
		_, err := readConfig(config, true)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: got the error %v, expected %q", config, err, want)
		}
	}
}

// Configurations that differ in where or how tokens are kept don't share a cache.
func TestConfigIdentity(t *testing.T) {
	const base = `{"serviceName": "a"`
	seen := map[string]string{}
	for _, more := range []string{"", `, "servicePort": 1`, `, "username": "u"`, `, "password": "p"`, `, "database": 1`, `, "timeout": 5`, `, "keyPrefix": "b"`, `, "encryptionKey": "` + testKey + `"`} {
		c, err := readConfig(base+more+"}", true)
		if err != nil {
			t.Fatal(err)
		}
		if other, found := seen[c.Identity()]; found {
			t.Errorf("got the same identity for %q and %q", more, other)
		}
		seen[c.Identity()] = more
	}
	if got := (*RedisConfig)(nil).Identity(); got != "" {
		t.Errorf("without Redis: got %q, expected none", got)
	}
}
