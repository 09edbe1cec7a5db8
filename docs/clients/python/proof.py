"""Verifies the proof of a check-out, with PyJWT: a server of the vendor has answered this very question."""

import hashlib
import time
from base64 import urlsafe_b64decode

import jwt


def verify_proof(proof, jwks, product, nonce, now=None):
    """The lease that the proof is of; jwks: the vendor's keys from a place that you trust; product, nonce: of your check-out."""
    now = time.time() if now is None else now
    activation = jwt.decode(proof, options={"verify_signature": False})["activation"]
    of_vendor = jwt.PyJWKSet.from_dict(jwks)[jwt.get_unverified_header(activation)["kid"]]
    granted = _open(activation, "licence-activation+jwt", of_vendor)
    raw = granted["serverPublicKey"]
    of_server = jwt.PyJWK.from_dict({"kty": "OKP", "crv": "Ed25519", "x": raw})
    lease = _open(proof, "licence-lease+jwt", of_server)
    fingerprint = hashlib.sha256(urlsafe_b64decode(raw + "=" * (-len(raw) % 4))).hexdigest()
    if jwt.get_unverified_header(proof)["kid"] != f"sha256:{fingerprint}":
        raise ValueError("the proof names another server")
    terms = granted["entitlements"]
    if terms["product"] != product:
        raise ValueError("the activation is for another product")
    if "expiresAt" in terms and _moment(terms["expiresAt"]) <= now:
        raise ValueError("the licence has ended")
    if lease["product"] != product or lease["nonce"] != nonce:
        raise ValueError("this answers another question")
    if "exp" in lease and lease["exp"] <= now:
        raise ValueError("the lease has expired")
    return lease


def _open(token, kind, key):
    if jwt.get_unverified_header(token).get("typ") != kind:
        raise ValueError(f"not a {kind}")
    own_clock = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
    return jwt.decode(token, key, algorithms=["EdDSA"], options=own_clock)


def _moment(text):
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()
