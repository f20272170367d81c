//! Answers one line of JSON per line of JSON on standard input: `{"ok": …}` or `{"error": "…"}`.

use std::io::{BufRead, Write};
use std::panic;

use base64::prelude::{Engine, BASE64_URL_SAFE_NO_PAD};
use serde_json::{json, Value};

type Answer = Result<Value, String>;

fn main() {
    // The crates panic on some broken tokens; the answer says so, the trace helps nobody.
    panic::set_hook(Box::new(|_| {}));
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        let answer = match panic::catch_unwind(|| answer(&line)) {
            Ok(Ok(value)) => json!({ "ok": value }),
            Ok(Err(error)) => json!({ "error": error }),
            Err(_) => json!({ "error": "the library panicked" }),
        };
        writeln!(out, "{answer}").expect("standard output is open");
    }
}

fn answer(line: &str) -> Answer {
    let request: Value = serde_json::from_str(line).map_err(text)?;
    match (field(&request, "op")?, field(&request, "version").unwrap_or("")) {
        ("read", "0.5") => v05::read(&request),
        ("read", "0.6") => v06::read(&request),
        ("write", "0.5") => v05::write(&request),
        ("write", "0.6") => v06::write(&request),
        ("wire", _) => wire(field(&request, "type")?, field(&request, "text")?),
        (op, version) => Err(format!("no operation {op} {version}")),
    }
}

fn field<'a>(request: &'a Value, name: &str) -> Result<&'a str, String> {
    request[name].as_str().ok_or(format!("{name} is missing"))
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Both versions have the same face; only the names in the tokens differ.
macro_rules! tokens_with {
    ($module:ident, $ear:ident, $appraise:ident, $fill:ident) => {
        mod $module {
            use super::*;
            use $ear::{Algorithm, Appraisal, Ear, RawValue, RawValueKind};

            fn algorithm(name: &str) -> Result<Algorithm, String> {
                match name {
                    "ES256" => Ok(Algorithm::ES256),
                    "ES384" => Ok(Algorithm::ES384),
                    "EdDSA" => Ok(Algorithm::EdDSA),
                    _ => Err(format!("no algorithm {name}")),
                }
            }

            /// What the library understood, as it prints it itself.
            pub fn read(request: &Value) -> Answer {
                let token = field(request, "token")?;
                let key = field(request, "jwk")?.as_bytes();
                let algorithm = algorithm(field(request, "algorithm")?)?;
                let ear = match field(request, "encoding")? {
                    "jwt" => Ear::from_jwt_jwk(token, algorithm, key),
                    _ => {
                        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(text)?;
                        Ear::from_cose_jwk(&bytes, algorithm, key)
                    }
                }
                .map_err(text)?;
                serde_json::to_value(&ear).map_err(text)
            }

            pub fn write(request: &Value) -> Answer {
                let mut appraisal = Appraisal::new();
                appraisal.trust_vector.instance_identity.set(2);
                appraisal.trust_vector.configuration.set(32);
                appraisal.update_status_from_trust_vector();
                $appraise(&mut appraisal);
                let mut ear = Ear::new();
                ear.vid.build = "interop".to_string();
                ear.vid.developer = "https://veraison.example".to_string();
                ear.submods.insert("cpu0".to_string(), appraisal);
                $fill(&mut ear, number(request, "exp")?).map_err(text)?;
                let extensions = &mut ear.extensions;
                for (name, key, kind, value) in [
                    ("iss", 1, RawValueKind::String, RawValue::String(field(request, "issuer")?.to_string())),
                    ("tee-pubkey", TEE_KEY_LABEL, RawValueKind::Map, strings(&request["tee"])),
                ] {
                    extensions.register(name, key, kind).map_err(text)?;
                    extensions.set_by_name(name, value).map_err(text)?;
                }
                let algorithm = algorithm(field(request, "algorithm")?)?;
                let pem = field(request, "pem")?.as_bytes();
                Ok(Value::String(match field(request, "encoding")? {
                    "jwt" => ear.sign_jwt_pem(algorithm, pem).map_err(text)?,
                    _ => BASE64_URL_SAFE_NO_PAD
                        .encode(ear.sign_cose_pem(algorithm, pem).map_err(text)?),
                }))
            }

            fn strings(value: &Value) -> RawValue {
                let members = value.as_object().into_iter().flatten();
                RawValue::Map(
                    members
                        .map(|(name, member)| {
                            let member = member.as_str().unwrap_or_default();
                            (RawValue::String(name.clone()), RawValue::String(member.to_string()))
                        })
                        .collect(),
                )
            }
        }
    };
}

/// Where the key of the TEE stands in a CWT.
const TEE_KEY_LABEL: i32 = -70_500;

fn number(request: &Value, name: &str) -> Result<i64, String> {
    request[name].as_i64().ok_or(format!("{name} is missing"))
}

fn appraise_05(appraisal: &mut ear05::Appraisal) {
    appraisal.policy_id = Some("default".to_string());
}

/// This version knows no expiry: it is an extension there.
fn fill_05(ear: &mut ear05::Ear, exp: i64) -> Result<(), ear05::Error> {
    ear.profile = "tag:github.com,2023:veraison/ear".to_string();
    ear.extensions.register("exp", 4, ear05::RawValueKind::Integer)?;
    ear.extensions.set_by_name("exp", ear05::RawValue::Integer(exp))
}

fn appraise_06(appraisal: &mut ear06::Appraisal) {
    appraisal.policy_ids = vec!["default".to_string()];
}

fn fill_06(ear: &mut ear06::Ear, exp: i64) -> Result<(), ear06::Error> {
    ear.profile = ear06::EAR_PROFILE.to_string();
    ear.exp = Some(exp);
    Ok(())
}

tokens_with!(v05, ear05, appraise_05, fill_05);
tokens_with!(v06, ear06, appraise_06, fill_06);

/// Reads a message of the KBS protocol and prints it again.
fn wire(kind: &str, message: &str) -> Answer {
    fn through<T: serde::de::DeserializeOwned + serde::Serialize>(message: &str) -> Answer {
        let parsed: T = serde_json::from_str(message).map_err(text)?;
        serde_json::to_value(&parsed).map_err(text)
    }
    match kind {
        "Request" => through::<kbs_types::Request>(message),
        "Challenge" => through::<kbs_types::Challenge>(message),
        "Attestation" => through::<kbs_types::Attestation>(message),
        "ErrorInformation" => through::<kbs_types::ErrorInformation>(message),
        "Response" => {
            let response: kbs_types::Response = serde_json::from_str(message).map_err(text)?;
            let aad = response.protected.generate_aad().map_err(|error| format!("{error:?}"))?;
            Ok(json!({
                "response": serde_json::to_value(&response).map_err(text)?,
                "aad": String::from_utf8(aad).map_err(text)?,
            }))
        }
        _ => Err(format!("no message {kind}")),
    }
}
