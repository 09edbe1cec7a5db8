// Verifies an activation and a proof with each library by its usual call. Prints a line of JSON each: library, token, fault.
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
)

type given struct {
	Token, Member, Value string
	Keys                 json.RawMessage
}

func byGoJose(g given) (map[string]any, error) {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(g.Keys, &keys); err != nil {
		return nil, err
	}
	token, err := josejwt.ParseSigned(g.Token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return nil, err
	}
	claims := map[string]any{}
	return claims, token.Claims(keys, &claims)
}

func byJwx(g given) (map[string]any, error) {
	keys, err := jwk.Parse(g.Keys)
	if err != nil {
		return nil, err
	}
	token, err := jwxjwt.Parse([]byte(g.Token), jwxjwt.WithKeySet(keys))
	if err != nil {
		return nil, err
	}
	var value string
	err = token.Get(g.Member, &value)
	return map[string]any{g.Member: value}, err
}

func byGolangJwt(g given) (map[string]any, error) {
	var keys struct {
		Keys []struct{ Kid, X string }
	}
	if err := json.Unmarshal(g.Keys, &keys); err != nil {
		return nil, err
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(g.Token, claims, func(t *jwt.Token) (any, error) {
		for _, key := range keys.Keys {
			if key.Kid == t.Header["kid"] {
				x, err := base64.RawURLEncoding.DecodeString(key.X)
				return ed25519.PublicKey(x), err
			}
		}
		return nil, fmt.Errorf("no key of kid %v", t.Header["kid"])
	}, jwt.WithValidMethods([]string{"EdDSA"}))
	return claims, err
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	all := map[string]given{}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		panic(err)
	}
	for _, each := range []struct {
		library string
		decode  func(given) (map[string]any, error)
	}{{"go-jose", byGoJose}, {"jwx", byJwx}, {"golang-jwt", byGolangJwt}} {
		for _, name := range []string{"activation", "proof"} {
			claims, err := each.decode(all[name])
			line := map[string]any{"library": each.library, "token": name, "fault": nil}
			if err != nil {
				line["fault"] = err.Error()
			} else if claims[all[name].Member] != all[name].Value {
				line["fault"] = "other claims"
			}
			json.NewEncoder(os.Stdout).Encode(line)
		}
	}
}
