//! Takes a seat, keeps it, reports a base, gives the seat back: by the client that openapi-generator made of /openapi.json.

mod proof;

use licence_client::apis::{configuration::Configuration, seats_api, Error};
use licence_client::models::{CheckOutRequest, CheckOutResult, Holder, ReportedSession, SessionReport, SessionReportResult};
use proof::verify_proof;
use serde_json::{json, Value};
use std::{env, fs, process, time::SystemTime};

// In docs/client.md
fn with_seat<T>(server: &Configuration, keys: &Value, work: impl Fn(&CheckOutResult) -> Result<T, String>) -> Result<T, String> {
    let nonce = uuid::Uuid::new_v4().to_string();
    let session = Some(process::id().to_string());
    let holder = Holder { session, ..Holder::new("trade".into(), "anna".into(), "pc-1".into()) };
    let request = CheckOutRequest { nonce: Some(nonce.clone()), ..CheckOutRequest::new("erp".into(), holder) };
    let grant = seats_api::check_out(server, request).map_err(refusal)?;
    let verified = verify_proof(grant.proof.as_deref().unwrap_or(""), keys, "erp", &nonce, now());
    let done = verified.and_then(|_lease| work(&grant)); // calls heartbeat whenever grant.heartbeat_after_seconds are over
    seats_api::give_back(server, &grant.lease_id.to_string(), None).map_err(refusal)?;
    done
}

/// The reason of a refusal. Which variant of the typed error it is says nothing: it is the first that the body fits.
fn refusal<E>(error: Error<E>) -> String {
    match error {
        Error::ResponseError(answer) => match serde_json::from_str::<licence_client::models::SeatProblem>(&answer.content) {
            Ok(problem) => format!("{}: {}", problem.reason, problem.detail), // of 409 with the counts of seats
            Err(_) => format!("that was no licence server: {}", answer.status),
        },
        other => other.to_string(),
    }
}
// end

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// A base's name with a blank in it goes out with a plus, another name: the base in the body makes that a refusal.
fn report(server: &Configuration, base: &str, users: &[&str]) -> Result<SessionReportResult, String> {
    let session = |user: &&str| ReportedSession::new("erp".into(), user.to_string(), "pc-2".into());
    let report = SessionReport { base: Some(base.into()), ..SessionReport::new(users.iter().map(session).collect()) };
    seats_api::report_sessions(server, base, report).map_err(refusal)
}

fn work(server: &Configuration, base: &str, grant: &CheckOutResult) -> Result<Value, String> {
    let beat = seats_api::heartbeat(server, &grant.lease_id.to_string()).map_err(refusal)?;
    let reported = report(server, base, &["Борис", "vera"])?;
    let other = Holder::new("trade".into(), "grigory".into(), "pc-3".into());
    let refused = match seats_api::check_out(server, CheckOutRequest::new("erp".into(), other)) {
        Err(Error::ResponseError(answer)) => match (answer.status.as_u16(), answer.entity) {
            (409, Some(seats_api::CheckOutError::Status409(problem))) => problem,
            _ => return Err(answer.content),
        },
        _ => return Err("not refused".into()),
    };
    let seats = refused.seats.ok_or("no counts of seats")?;
    Ok(json!({
        "leaseId": grant.lease_id,
        "expiresAt": grant.expires_at,
        "support": grant.support.state,
        "limit": grant.seats.limit,
        "beat": beat.expires_at >= grant.expires_at,
        "outcomes": reported.sessions.iter().map(|session| &session.outcome).collect::<Vec<_>>(),
        "refused": { "reason": refused.reason, "limit": seats.limit, "inUse": seats.in_use },
        "released": report(server, base, &[])?.released,
        "base": reported.base,
    }))
}

fn run() -> Result<(), String> {
    let given: Vec<String> = env::args().collect();
    let file: Value = serde_json::from_str(&fs::read_to_string(&given[2]).map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    if given[1] == "verify" {
        for case in file.as_array().into_iter().flatten() {
            let text = |member: &str| case[member].as_str().unwrap_or("");
            match verify_proof(text("proof"), &case["jwks"], text("product"), text("nonce"), case["now"].as_i64().unwrap_or(0)) {
                Ok(lease) => println!("{}", lease["leaseId"]),
                Err(error) => println!("{}", json!({ "refused": error })),
            }
        }
        return Ok(());
    }
    let server = Configuration {
        base_path: given[1].clone(),
        bearer_access_token: env::var("LICENCE_TOKEN").ok(),
        ..Configuration::new()
    };
    let mut done = with_seat(&server, &file, |grant| work(&server, &given[3], grant))?;
    let lost = seats_api::heartbeat(&server, done["leaseId"].as_str().unwrap_or(""));
    done["afterwards"] = match lost {
        Err(Error::ResponseError(answer)) => match answer.entity {
            Some(seats_api::HeartbeatError::Status410(problem)) => problem.reason.into(),
            _ => return Err(answer.content),
        },
        _ => return Err("the lease is still there".into()),
    };
    println!("{done}");
    Ok(())
}

fn main() {
    if let Err(error) = run() {
        eprintln!("{error}");
        process::exit(1);
    }
}
