//! Verifies an activation and a proof with each library by its usual call. Prints a line of JSON each: library, token, fault.
use serde_json::{json, Value};

fn by_jsonwebtoken(token: &str, keys: &Value) -> Result<Value, String> {
    use jsonwebtoken::{decode, decode_header, jwk::JwkSet, Algorithm, DecodingKey, Validation};
    let set: JwkSet = serde_json::from_value(keys.clone()).map_err(|e| e.to_string())?;
    let kid = decode_header(token).map_err(|e| e.to_string())?.kid.ok_or("no kid")?;
    let key = DecodingKey::from_jwk(set.find(&kid).ok_or("no key")?).map_err(|e| e.to_string())?;
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear(); // an activation does not expire by itself
    decode::<Value>(token, &key, &validation).map(|data| data.claims).map_err(|e| e.to_string())
}

fn by_jwt_simple(token: &str, keys: &Value) -> Result<Value, String> {
    use jwt_simple::prelude::*;
    let x = keys["keys"][0]["x"].as_str().ok_or("no x")?;
    let raw = <ct_codecs::Base64UrlSafeNoPadding as ct_codecs::Decoder>::decode_to_vec(x, None).map_err(|e| e.to_string())?;
    let key = Ed25519PublicKey::from_bytes(&raw).map_err(|e| e.to_string())?;
    key.verify_token::<Value>(token, None).map(|claims| claims.custom).map_err(|e| e.to_string())
}

fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).expect("a file")).expect("readable");
    let given: Value = serde_json::from_str(&text).expect("JSON");
    let libraries: [(&str, fn(&str, &Value) -> Result<Value, String>); 2] =
        [("jsonwebtoken", by_jsonwebtoken), ("jwt-simple", by_jwt_simple)];
    for (library, decode) in libraries {
        for name in ["activation", "proof"] {
            let g = &given[name];
            let fault = match decode(g["token"].as_str().unwrap_or(""), &g["keys"]) {
                Ok(claims) if claims[g["member"].as_str().unwrap_or("")] == g["value"] => Value::Null,
                Ok(_) => json!("other claims"),
                Err(error) => json!(error),
            };
            println!("{}", json!({ "library": library, "token": name, "fault": fault }));
        }
    }
}
