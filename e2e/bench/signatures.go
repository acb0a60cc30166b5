package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"token-fetch/e2e/page"
)

// signaturesPart is what the benchmark writes of docs/oauth2.md.
var signaturesPart = page.Part{By: "make bench BENCH_FLAGS=-signatures"}

// Signatures of one round, which are averaged: fewer of those that take long.
const (
	signaturesPerRound     = 200
	slowSignaturesPerRound = 20
)

// Signatures is what a token call costs more when the client signs it.
type Signatures struct {
	circumstances
	Rows []signature
}

// signature is a way to authenticate the client. Its costs are CPU time of Envoy's worker for a request with a token
// call, in milliseconds.
type signature struct {
	algorithm, key string
	host           string         // of the requests that it is for
	count          int            // of requests in a round
	oauth2         map[string]any // its configuration
	first          float64        // the first request of all
	later          series
}

// RunSignatures measures requests that each make a token exchange, as each brings another bearer token.
func RunSignatures(ctx context.Context, options Options) (*Signatures, error) {
	rows, err := signatureRows()
	if err != nil {
		return nil, err
	}
	result := &Signatures{Rows: rows}
	err = with(ctx, options, []candidate{signing(rows)}, func(b *bench, candidates []candidate) error {
		return b.signatures(ctx, candidates, result)
	})
	return result, err
}

// signatureRows begins with one that signs nothing, beside which the others are measured.
func signatureRows() ([]signature, error) {
	rows := []signature{
		{algorithm: "none", key: "", oauth2: map[string]any{"authStyle": "header", "clientSecret": "benchmark"}},
		{algorithm: "HS256", key: "secret", oauth2: map[string]any{"authStyle": "client_secret_jwt", "clientSecret": strings.Repeat("benchmark-", 4)}},
	}
	add := func(algorithm, name string, key any, err error) error {
		if err != nil {
			return err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return err
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		rows = append(rows, signature{algorithm: algorithm, key: name, oauth2: map[string]any{
			"authStyle": "private_key_jwt", "signingAlgorithm": algorithm, "privateKey": string(text),
		}})
		return nil
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	err = add("EdDSA", "Ed25519", edwards, err)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		key, keyErr := ecdsa.GenerateKey(curve, rand.Reader)
		err = errors.Join(err, add("ES"+strings.TrimPrefix(curve.Params().Name, "P-"), curve.Params().Name, key, keyErr))
	}
	for _, bits := range []int{2048, 3072, 4096} {
		key, keyErr := rsa.GenerateKey(rand.Reader, bits)
		for _, algorithm := range []string{"RS256", "PS256"} {
			err = errors.Join(err, add(algorithm, fmt.Sprintf("RSA, %d bits", bits), key, keyErr))
		}
	}
	for i := range rows {
		rows[i].host, rows[i].count = fmt.Sprintf("signature-%d.example.com", i), signaturesPerRound
		if strings.HasPrefix(rows[i].key, "RSA") {
			rows[i].count = slowSignaturesPerRound
		}
	}
	return rows, err
}

// signing has a rule for each row, all in one VM.
func signing(rows []signature) candidate {
	var rules []any
	for _, row := range rows {
		oauth2 := map[string]any{"clientId": "benchmark", "grantType": "urn:ietf:params:oauth:grant-type:token-exchange"}
		for key, value := range row.oauth2 {
			oauth2[key] = value
		}
		rules = append(rules, map[string]any{
			"_match_domain_": []string{row.host}, "requestPath": "/oauth", "tokenHeader": "Authorization", "oauth2": oauth2, "timeout": 60_000,
		})
	}
	return plugin("token-fetch, signing", "this plugin", map[string]any{"_rules_": rules})
}

func (b *bench) signatures(ctx context.Context, candidates []candidate, result *Signatures) error {
	s, under, end, err := b.measuredApart(ctx, candidates)
	if err != nil {
		return err
	}
	defer end()
	result.circumstances = under
	address, err := s.ListenerAddress(candidates[0].Slug())
	if err != nil {
		return err
	}
	for round := range b.Rounds + 1 {
		for i := range result.Rows {
			row := &result.Rows[i]
			count := row.count
			if round == 0 { // compiled in haste: V8 optimizes what is used much
				count = 1
			}
			cpu, err := exchanges(ctx, s, address, row.host, fmt.Sprint("subject-", round, "-"), count)
			if err != nil {
				return s.explain(fmt.Errorf("%s: %w", row.algorithm, err))
			}
			if round == 0 {
				row.first = cpu
			} else {
				row.later = append(row.later, cpu)
			}
		}
		b.step("round %d/%d", round, b.Rounds)
	}
	return nil
}

// exchanges returns the worker's CPU time for each of the requests, in milliseconds.
func exchanges(ctx context.Context, s *stage, address, host, subject string, count int) (float64, error) {
	before, known := workerTime(s.PID())
	for i := range count {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/", nil)
		if err != nil {
			return 0, err
		}
		request.Host = host
		request.Header.Set("Authorization", fmt.Sprint("Bearer ", subject, i))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0, err
		}
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("answered by %s", response.Status)
		}
	}
	after, _ := workerTime(s.PID())
	if !known {
		return 0, errors.New("this system does not tell what a thread has used")
	}
	return (after - before).Seconds() * 1e3 / float64(count), nil
}

// Markdown is the part of the page that is measured.
func (s *Signatures) Markdown() string {
	var page strings.Builder
	s.write(&page)
	base := s.Rows[0]
	var rows [][]string
	for _, row := range s.Rows[1:] {
		rows = append(rows, []string{
			"`" + row.algorithm + "`", row.key, spread(row.later.minus(base.later), "%.1f"), fmt.Sprintf("%.0f", max(0, row.first-base.first)),
		})
	}
	writeTable(&page, []string{"algorithm", "key", "CPU of the worker, ms per signature", "the first one of a VM, ms"}, rows)
	return page.String()
}

// Write replaces the measured part of oauth2.md, or starts the page.
func (s *Signatures) Write() error {
	path := filepath.Join(s.Options.Out, "oauth2.md")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		start := "# Signatures\n\n" + signaturesPart.Begin() + signaturesPart.End()
		if err := errors.Join(os.MkdirAll(s.Options.Out, 0o755), os.WriteFile(path, []byte(start), 0o644)); err != nil {
			return err
		}
	}
	return signaturesPart.Replace(path, s.Markdown())
}
