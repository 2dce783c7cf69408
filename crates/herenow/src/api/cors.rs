//! Which pages of other origins may call, and read the answers: those of the configured list, and in dev mode those of this
//! machine.
use crate::auth::origin::{Origin, OriginPolicy};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// The answer to a browser that asks whether a page may call.
pub fn preflight(policy: &OriginPolicy, asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    permit(policy, asked, response.headers_mut());
    if response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        let headers = response.headers_mut();
        for (name, value) in [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-none-match, last-event-id"),
            (header::ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Lets the page that asked read an answer, where it may; errors too.
pub fn permit(policy: &OriginPolicy, asked: &HeaderMap, answer: &mut HeaderMap) {
    answer.append(header::VARY, HeaderValue::from_static("Origin"));
    let mut origins = asked.get_all(header::ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else { return };
    let known = origin.to_str().ok().and_then(Origin::parse);
    let is_listed = known.is_some_and(|origin| policy.allowed.contains(&origin));
    let is_near = policy.is_dev && policy.check_dev(asked).is_ok();
    if !is_listed && !is_near {
        return;
    }
    answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("etag, retry-after"));
    if is_listed {
        // These may use the session cookie as well.
        answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

#[cfg(test)]
mod tests {
    use super::{permit, preflight};
    use crate::auth::origin::{Origin, OriginPolicy};
    use http::{HeaderMap, header};

    fn policy(is_dev: bool) -> OriginPolicy {
        OriginPolicy { allowed: vec![Origin::parse("https://app.example").unwrap()], is_dev }
    }

    fn asked(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "localhost:4280".parse().unwrap());
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers
    }

    fn may_read(is_dev: bool, origin: &str) -> (bool, bool) {
        let mut answer = HeaderMap::new();
        permit(&policy(is_dev), &asked(origin), &mut answer);
        assert_eq!(answer[header::VARY], "Origin");
        let has = |name| answer.contains_key(name);
        (has(header::ACCESS_CONTROL_ALLOW_ORIGIN), has(header::ACCESS_CONTROL_ALLOW_CREDENTIALS))
    }

    #[test]
    fn listed_pages_may_read_and_use_their_cookie() {
        assert_eq!(may_read(false, "https://app.example"), (true, true));
        for foreign in ["https://evil.example", "http://app.example", "http://localhost:3000", "null", "*"] {
            assert_eq!(may_read(false, foreign), (false, false), "{foreign}");
        }
    }

    #[test]
    fn in_dev_mode_pages_of_this_machine_may_read() {
        assert_eq!(may_read(true, "http://localhost:3000"), (true, false));
        assert_eq!(may_read(true, "https://evil.example"), (false, false));
    }

    #[test]
    fn a_preflight_says_what_may_be_sent_to_whom_it_may_be_said() {
        let answer = preflight(&policy(false), &asked("https://app.example"));
        assert!(answer.headers()[header::ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("DELETE"));
        let answer = preflight(&policy(false), &asked("https://evil.example"));
        assert!(!answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS));
    }
}
