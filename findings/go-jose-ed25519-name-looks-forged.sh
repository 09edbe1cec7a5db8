#!/usr/bin/env bash
# go-jose v4.1.3 (Go module github.com/go-jose/go-jose/v4): a compact JWS whose `alg` is "Ed25519" (RFC 9864) is parsed when the caller
# lists that name among the algorithms it allows, and then fails to verify with the words of a forged signature. The same bytes
# signed under "EdDSA" verify.
#
# Seen:
#   EdDSA: parsed, verified
#   Ed25519: parsed, go-jose/go-jose: error in cryptographic primitive
set -euo pipefail
dir=$(mktemp -d)
trap 'chmod -R u+w "$dir" && rm -rf "$dir"' EXIT
cd "$dir"
cat > go.mod <<'M'
module finding
go 1.24
require github.com/go-jose/go-jose/v4 v4.1.3
M
cat > main.go <<'G'
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

func main() {
	public, private, _ := ed25519.GenerateKey(nil)
	encode := base64.RawURLEncoding.EncodeToString
	for _, alg := range []string{"EdDSA", "Ed25519"} {
		signed := encode([]byte(`{"alg":"`+alg+`"}`)) + "." + encode([]byte("text"))
		token := signed + "." + encode(ed25519.Sign(private, []byte(signed)))
		parsed, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			fmt.Println(alg+":", err)
			continue
		}
		if _, err = parsed.Verify(public); err != nil {
			fmt.Println(alg+": parsed,", err)
		} else {
			fmt.Println(alg + ": parsed, verified")
		}
	}
}
G
go mod tidy 2>/dev/null
said=$(go run .)
echo "$said"
diff <(echo "$said") - <<'E2'
EdDSA: parsed, verified
Ed25519: parsed, go-jose/go-jose: error in cryptographic primitive
E2
