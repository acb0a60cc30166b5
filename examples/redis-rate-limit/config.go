package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/higress-group/wasm-go/pkg/wrapper"
	"github.com/tidwall/gjson"
)

type config struct {
	redis  wrapper.RedisClient
	qpm    int // requests per minute
	health *health
}

var errNoCount = errors.New("its answer is not a number")

// parseConfig reads the configuration. With an error, the plugin does not start.
func parseConfig(json gjson.Result, c *config) error {
	serviceName := json.Get("serviceName").String()
	if serviceName == "" {
		return errors.New("missing serviceName in config")
	}
	port, err := integer(json, "servicePort", defaultPort(serviceName), 65535)
	if err != nil {
		return err
	}
	timeout, err := integer(json, "timeout", 1000, 60_000) // ms
	if err != nil {
		return err
	}
	if !json.Get("qpm").Exists() {
		return errors.New("missing qpm in config")
	}
	qpm, err := integer(json, "qpm", 0, math.MaxInt32)
	if err != nil {
		return err
	}
	c.qpm, c.health = int(qpm), &health{}
	c.redis = wrapper.NewRedisClusterClient(wrapper.FQDNCluster{FQDN: serviceName, Port: port})
	return c.redis.Init(json.Get("username").String(), json.Get("password").String(), timeout)
}

// defaultPort is Redis' own; in Higress, services of fixed addresses have the port 80, whatever theirs is.
func defaultPort(serviceName string) int64 {
	if strings.HasSuffix(serviceName, ".static") {
		return 80
	}
	return 6379
}

// integer reads a key that counts something, from 1 to most.
func integer(json gjson.Result, key string, ifAbsent, most int64) (int64, error) {
	value := json.Get(key)
	if !value.Exists() {
		return ifAbsent, nil
	}
	number := value.Int()
	if value.Type != gjson.Number || float64(number) != value.Num || number < 1 || number > most {
		return 0, fmt.Errorf("invalid %s in config: %s (want 1 to %d)", key, value.Raw, most)
	}
	return number, nil
}
