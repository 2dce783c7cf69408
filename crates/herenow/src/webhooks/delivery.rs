//! One call of the receiver, and what its answer means.
use crate::webhooks::{settings::Settings, signature, spool::Stored};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All its events were taken.
    Taken,
    /// The receiver does not want what is in it, and says so.
    Refused(String),
    /// The receiver cannot be reached, or cannot take anything now.
    Down(Down),
}

/// Why a receiver takes nothing now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// In words.
    pub problem: String,
    /// How long it asks to be left alone (`Retry-After`).
    pub retry_after: Option<Duration>,
}

impl Down {
    /// One that says nothing of when to try again.
    fn now(problem: impl Into<String>) -> Verdict {
        Verdict::Down(Self { problem: problem.into(), retry_after: None })
    }
}

/// Sends events in one call. `node`: the name of this server.
pub async fn deliver(settings: Arc<Settings>, node: Arc<str>, events: Vec<Stored>) -> Verdict {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let Ok(body) = body(&node, now, &events) else { return Down::now("no random bytes for an id") };
    let signed = signature::sign(body.as_bytes(), now.as_secs(), &settings.secrets);
    let Ok(signed) = HeaderValue::try_from(signed) else { return Down::now("no signature") };
    let mut headers = HeaderMap::new();
    headers.insert(signature::HEADER, signed);
    match settings.outgoing.deliver_json(headers, Bytes::from(body)).await {
        Ok(answer) => judge(answer.status, retry_after(&answer.headers, SystemTime::now())),
        Err(error) => Down::now(error.to_string()),
    }
}

fn body(node: &str, now: Duration, events: &[Stored]) -> Result<String, getrandom::Error> {
    let (id, sent_at_ms) = (format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?), now.as_millis());
    let mut body = format!(r#"{{"id":"{id}","node":"{node}","sent_at_ms":{sent_at_ms},"events":["#);
    for (at, event) in events.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        body.push_str(&event.json);
    }
    body.push_str("]}");
    Ok(body)
}

/// These statuses are about what was sent; all others are about the receiver, its address or its secret, which the next
/// event would fare no better with.
fn judge(status: StatusCode, retry_after: Option<Duration>) -> Verdict {
    let said = || format!("the receiver answered {}", status.as_u16());
    match status {
        _ if status.is_success() => Verdict::Taken,
        StatusCode::BAD_REQUEST
        | StatusCode::CONFLICT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => Verdict::Refused(said()),
        _ => Verdict::Down(Down { problem: said(), retry_after }),
    }
}

/// What `Retry-After` says: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

/// How long to wait after so many failures in a row: twice as long each time, and some less by chance, so that many servers
/// do not come back at the same moment.
pub fn backoff(failures: u32, longest: Duration, chance: u32) -> Duration {
    let whole = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(longest);
    // Between half of it and all.
    whole / 2 + (whole / 2).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

const RETRY_FIRST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_twice_as_long_each_time_up_to_a_limit() {
        let s = Duration::from_secs;
        let longest = s(300);
        for (failures, whole) in [(1, s(1)), (2, s(2)), (5, s(16)), (9, s(256)), (10, longest), (u32::MAX, longest)] {
            assert_eq!(backoff(failures, longest, 0), whole / 2, "{failures}");
            assert_eq!(backoff(failures, longest, u32::MAX), whole, "{failures}");
        }
        assert!(backoff(3, Duration::from_millis(100), u32::MAX) <= Duration::from_millis(100));
    }

    #[test]
    fn only_what_was_sent_is_refused() {
        for (status, verdict) in [(200, "Taken"), (204, "Taken"), (400, "Refused"), (422, "Refused"), (413, "Refused")]
        {
            let said = judge(StatusCode::from_u16(status).unwrap(), None);
            assert!(format!("{said:?}").starts_with(verdict), "{status}");
        }
        for status in [401, 403, 404, 408, 410, 429, 500, 503, 304] {
            let said = judge(StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(7)));
            let Verdict::Down(Down { retry_after, .. }) = said else { panic!("{status}: {said:?}") };
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
    }

    #[test]
    fn a_receiver_says_when_to_come_again_in_seconds_or_by_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        for (said, wait_s) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Tue, 14 Nov 2023 22:13:50 GMT", Some(30)),
            ("Tue, 14 Nov 2023 22:13:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("99999999999999999999999", None),
        ] {
            let headers = [(header::RETRY_AFTER, HeaderValue::from_static(said))].into_iter().collect();
            assert_eq!(retry_after(&headers, now), wait_s.map(Duration::from_secs), "{said}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
