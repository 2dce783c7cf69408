//! What a body is said to be.
use http::{HeaderMap, HeaderValue, header};

/// Whether it is said to be `application/json`, with whatever parameters.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(text)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else { return false };
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_from_what_a_form_can_send() {
        let json = |value| is_json(&[(header::CONTENT_TYPE, HeaderValue::from_static(value))].into_iter().collect());
        assert!(json("application/json"));
        assert!(json("Application/JSON; charset=utf-8"));
        assert!(!json("text/plain"));
        assert!(!json("text/plain; application/json"));
        assert!(!is_json(&HeaderMap::new()));
    }
}
