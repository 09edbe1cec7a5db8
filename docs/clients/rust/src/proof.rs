use ct_codecs::{Base64UrlSafeNoPadding as Base64, Decoder};
use ed25519_compact::{PublicKey, Signature};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Verifies the proof of a check-out, with ed25519-compact: a server of the vendor has answered this very question.
/// `jwks` are the vendor's keys from a place that you trust, `product` and `nonce` those of your check-out, `now` in seconds.
/// Answers the lease.
pub fn verify_proof(proof: &str, jwks: &Value, product: &str, nonce: &str, now: i64) -> Result<Value, String> {
    let activation = text(&read(proof, 1)?, "activation")?;
    let signer = text(&read(&activation, 0)?, "kid")?;
    let vendor = jwks["keys"].as_array().into_iter().flatten().find(|key| key["crv"] == "Ed25519" && key["kid"] == signer);
    let vendor = text(vendor.ok_or("the vendor's key is not trusted")?, "x")?;
    let granted = verified(&activation, "licence-activation+jwt", &vendor)?;
    let server = text(&granted, "serverPublicKey")?;
    let lease = verified(proof, "licence-lease+jwt", &server)?;
    let fingerprint: String = Sha256::digest(bytes(&server)?).iter().map(|byte| format!("{byte:02x}")).collect();
    if read(proof, 0)?["kid"] != format!("sha256:{fingerprint}") {
        return Err("the proof names another server".into());
    }
    let terms = &granted["entitlements"];
    if terms["product"] != product {
        return Err("the activation is for another product".into());
    }
    if terms["expiresAt"].as_str().is_some_and(|end| moment(end).is_none_or(|end| end <= now)) {
        return Err("the licence has ended".into());
    }
    if lease["product"] != product || lease["nonce"] != nonce {
        return Err("this answers another question".into());
    }
    if lease["exp"].as_i64().is_some_and(|end| end <= now) {
        return Err("the lease has expired".into());
    }
    Ok(lease)
}

/// The payload of a compact JWS of this type, signed by the Ed25519 key x.
fn verified(token: &str, typ: &str, x: &str) -> Result<Value, String> {
    let header = read(token, 0)?;
    if header["alg"] != "EdDSA" || header["typ"] != typ {
        return Err(format!("not a {typ}"));
    }
    let bad = |_| format!("{typ}: bad signature");
    let (signed, signature) = token.rsplit_once('.').ok_or("not a signed token")?;
    let key = PublicKey::from_slice(&bytes(x)?).map_err(bad)?;
    let signature = Signature::from_slice(&bytes(signature)?).map_err(bad)?;
    key.verify(signed, &signature).map_err(bad)?;
    read(token, 1)
}

fn read(token: &str, part: usize) -> Result<Value, String> {
    let text = bytes(token.split('.').nth(part).ok_or("not a signed token")?)?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    Base64::decode_to_vec(text, None).map_err(|error| error.to_string())
}

fn text(value: &Value, member: &str) -> Result<String, String> {
    value[member].as_str().map(str::to_owned).ok_or(format!("no {member}"))
}

fn moment(text: &str) -> Option<i64> {
    chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp())
}
