// Answers one line of JSON per line of JSON on standard input: {"ok": …} or {"error": "…"}.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"

	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	"github.com/lestrrat-go/jwx/v3/jwt"
	"github.com/veraison/ear"
)

type request struct {
	Op        string          `json:"op"`
	Algorithm string          `json:"algorithm"`
	Token     string          `json:"token"`
	JWK       json.RawMessage `json:"jwk"`
	PEM       string          `json:"pem"`
	Payload   string          `json:"payload"`
	Issuer    string          `json:"issuer"`
	Exp       int64           `json:"exp"`
	TEE       map[string]any  `json:"tee"`
}

const maxLine = 4 << 20

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		value, err := answer(lines.Bytes())
		reply := map[string]any{"ok": value}
		if err != nil {
			reply = map[string]any{"error": err.Error()}
		}
		if err := out.Encode(reply); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func answer(line []byte) (any, error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	switch asked.Op {
	case "read":
		return read(asked)
	case "unmarshal":
		// The strict way in: every mandatory claim must be there.
		var result ear.AttestationResult
		if err := json.Unmarshal([]byte(asked.Payload), &result); err != nil {
			return nil, err
		}
		return result.AsMap(), nil
	case "write", "write-bare":
		return write(asked)
	}
	return nil, errors.New("no such operation")
}

func read(asked request) (any, error) {
	alg, err := algorithm(asked.Algorithm)
	if err != nil {
		return nil, err
	}
	key, err := jwk.ParseKey(asked.JWK)
	if err != nil {
		return nil, err
	}
	var result ear.AttestationResult
	if err := result.Verify([]byte(asked.Token), alg, key); err != nil {
		return nil, err
	}
	return result.AsMap(), nil
}

func write(asked request) (any, error) {
	alg, err := algorithm(asked.Algorithm)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(asked.PEM))
	if block == nil {
		return nil, errors.New("no PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	result := ear.NewAttestationResult("cpu0", "interop", "https://veraison.example")
	cpu := result.Submods["cpu0"]
	cpu.TrustVector.InstanceIdentity = ear.TrustClaim(2)
	cpu.TrustVector.Configuration = ear.TrustClaim(32)
	policy := "default"
	cpu.AppraisalPolicyID = &policy
	result.UpdateStatusFromTrustVector()
	if asked.Op == "write-bare" {
		token, err := result.Sign(alg, key)
		return string(token), err
	}
	// The library knows no expiry, so its claims are signed together with ours.
	claims := result.AsMap()
	claims["exp"] = asked.Exp
	claims["iss"] = asked.Issuer
	claims["tee-pubkey"] = asked.TEE
	token := jwt.New()
	for name, value := range claims {
		if err := token.Set(name, value); err != nil {
			return nil, err
		}
	}
	signed, err := jwt.Sign(token, jwt.WithKey(alg, key))
	return string(signed), err
}

func algorithm(name string) (jwa.SignatureAlgorithm, error) {
	switch name {
	case "ES256":
		return jwa.ES256(), nil
	case "ES384":
		return jwa.ES384(), nil
	case "EdDSA":
		return jwa.EdDSA(), nil
	}
	return jwa.SignatureAlgorithm{}, errors.New("no such algorithm")
}
