package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Jwks are the vendor's keys, from a place that you trust.
type Jwks struct {
	Keys []struct{ Kty, Crv, Kid, X string }
}

// Lease is what a proof is of.
type Lease struct {
	Product, LeaseID, Nonce string
	Holder                  struct{ Base, User, Host, Session string }
	Exp                     int64
	Activation              string
}

// VerifyProof verifies the proof of a check-out with Go's own library: a server of the vendor has answered this very question.
func VerifyProof(proof string, jwks Jwks, product, nonce string, now time.Time) (*Lease, error) {
	var lease Lease
	if _, err := read(proof, &lease); err != nil {
		return nil, err
	}
	var activation struct {
		ServerPublicKey string
		Entitlements    struct {
			Product   string
			ExpiresAt *time.Time
		}
	}
	header, err := read(lease.Activation, &activation)
	if err != nil {
		return nil, err
	}
	vendor := ""
	for _, key := range jwks.Keys {
		if key.Crv == "Ed25519" && key.Kid == header.Kid {
			vendor = key.X
		}
	}
	if vendor == "" {
		return nil, errors.New("the vendor's key is not trusted")
	}
	if _, err := verified(lease.Activation, "licence-activation+jwt", vendor); err != nil {
		return nil, err
	}
	kid, err := verified(proof, "licence-lease+jwt", activation.ServerPublicKey)
	if err != nil {
		return nil, err
	}
	raw, _ := base64.RawURLEncoding.DecodeString(activation.ServerPublicKey)
	switch terms := activation.Entitlements; {
	case kid != fmt.Sprintf("sha256:%x", sha256.Sum256(raw)):
		return nil, errors.New("the proof names another server")
	case terms.Product != product:
		return nil, errors.New("the activation is for another product")
	case terms.ExpiresAt != nil && !terms.ExpiresAt.After(now):
		return nil, errors.New("the licence has ended")
	case lease.Product != product || lease.Nonce != nonce:
		return nil, errors.New("this answers another question")
	case lease.Exp != 0 && lease.Exp <= now.Unix():
		return nil, errors.New("the lease has expired")
	}
	return &lease, nil
}

type header struct{ Alg, Typ, Kid string }

// read reads a token and believes nothing.
func read(token string, payload any) (header, error) {
	var head header
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return head, errors.New("not a signed token")
	}
	for i, into := range []any{&head, payload} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return head, err
		}
	}
	return head, nil
}

// verified answers the kid of a token of this type, signed by the Ed25519 key x.
func verified(token, typ, x string) (string, error) {
	head, err := read(token, &struct{}{})
	if err != nil {
		return "", err
	}
	end := strings.LastIndex(token, ".")
	key, err := base64.RawURLEncoding.DecodeString(x)
	signature, damaged := base64.RawURLEncoding.DecodeString(token[end+1:])
	if head.Alg != "EdDSA" || head.Typ != typ {
		return "", fmt.Errorf("not a %s", typ)
	}
	if err != nil || damaged != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, []byte(token[:end]), signature) {
		return "", fmt.Errorf("%s: bad signature", typ)
	}
	return head.Kid, nil
}
