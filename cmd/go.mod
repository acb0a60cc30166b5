module token-fetch/cmd

go 1.26.0

replace (
	token-fetch => ../
	token-fetch/e2e => ../e2e
)

require (
	github.com/mccutchen/go-httpbin/v2 v2.20.0
	go.yaml.in/yaml/v3 v3.0.6
	token-fetch/e2e v0.0.0-00010101000000-000000000000
)

require (
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/text v0.42.0 // indirect
)
