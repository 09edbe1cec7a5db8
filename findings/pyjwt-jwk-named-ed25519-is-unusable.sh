#!/usr/bin/env bash
# PyJWT 2.15.1 with cryptography (PyPI): a JWK of an Ed25519 key whose `alg` is "Ed25519", as RFC 9864 names it, makes the whole set
# unusable, and the message blames a package that is installed. The same key with `alg` "EdDSA", or without `alg`, is loaded.
#
# Seen:
#   Ed25519: PyJWKSetError: The JWK Set did not contain any usable keys. Perhaps 'cryptography' is not installed?
#   EdDSA: 1 key
#   none: 1 key
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet 'PyJWT==2.15.1' 'cryptography>=45'
said=$("$dir/venv/bin/python" - <<'P'
import jwt

# The public key of RFC 8037, appendix A.2.
key = {"kty": "OKP", "crv": "Ed25519", "kid": "k", "use": "sig", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
for alg in ("Ed25519", "EdDSA", None):
    try:
        keys = jwt.PyJWKSet.from_dict({"keys": [key if alg is None else {**key, "alg": alg}]}).keys
        print(f"{alg or 'none'}: {len(keys)} key")
    except Exception as error:
        print(f"{alg or 'none'}: {type(error).__name__}: {error}")
P
)
echo "$said"
diff <(echo "$said") - <<'E2'
Ed25519: PyJWKSetError: The JWK Set did not contain any usable keys. Perhaps 'cryptography' is not installed?
EdDSA: 1 key
none: 1 key
E2
