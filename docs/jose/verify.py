"""Verifies an activation and a proof with each library by its usual call. Prints a line of JSON each: library, token, fault."""

import json
import sys
import warnings

import authlib.jose
import joserfc.jwk
import joserfc.jwt
import jwcrypto.jwk
import jwcrypto.jwt
import jwt

warnings.simplefilter("ignore")
given = json.load(open(sys.argv[1]))


def by_pyjwt(token, keys):
    kid = jwt.get_unverified_header(token)["kid"]
    return jwt.decode(token, jwt.PyJWKSet.from_dict(keys)[kid], algorithms=["EdDSA"])


def by_joserfc(token, keys):
    return joserfc.jwt.decode(token, joserfc.jwk.KeySet.import_key_set(keys), algorithms=["EdDSA"]).claims


def by_jwcrypto(token, keys):
    return json.loads(jwcrypto.jwt.JWT(jwt=token, key=jwcrypto.jwk.JWKSet.from_json(json.dumps(keys))).claims)


def by_authlib(token, keys):
    return authlib.jose.JsonWebToken(["EdDSA"]).decode(token, authlib.jose.JsonWebKey.import_key_set(keys))


for library, decode in {"PyJWT": by_pyjwt, "joserfc": by_joserfc, "jwcrypto": by_jwcrypto, "Authlib": by_authlib}.items():
    for name in ("activation", "proof"):
        try:
            claims = decode(given[name]["token"], given[name]["keys"])
            fault = None if claims[given[name]["member"]] == given[name]["value"] else "other claims"
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        print(json.dumps({"library": library, "token": name, "fault": fault}))
