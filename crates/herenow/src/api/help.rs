//! A page for each code: what it means, and what to do. Made from the list of codes.
use crate::{
    api::refusal::{refused, status_of},
    problem::HELP_PATH,
};
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use herenow_wire::code::Code;
use http::{HeaderValue, header};
use std::fmt::Write as _;

/// `/help/errors` and a page below it for each code.
pub fn router() -> Router {
    Router::new()
        .route(HELP_PATH, get(|| async { page("Errors of herenow", &list()) }))
        .route(&format!("{HELP_PATH}/{{code}}"), get(|Path(code): Path<String>| async move { show(&code) }))
}

fn show(code: &str) -> Response {
    match Code::named(code) {
        Some(code) => page(code.as_str(), &about(code)),
        None => {
            refused(Code::HttpNotFound).detail("there is no such code; /help/errors lists them all").into_response()
        }
    }
}

fn list() -> String {
    let mut list = String::from("<ul>");
    for code in Code::ALL {
        let (code, message) = (code.as_str(), escaped(code.message()));
        // Writing into a `String` cannot fail; the result is there for other sinks.
        let _ = write!(list, "<li><a href=\"{HELP_PATH}/{code}\"><code>{code}</code></a>: {message}</li>");
    }
    list + "</ul>"
}

fn about(code: Code) -> String {
    let (message, hint, status) = (escaped(code.message()), escaped(code.hint()), status_of(code));
    format!(
        "<dl><dt>What it means</dt><dd>{message}</dd><dt>What to do</dt><dd>{hint}</dd>\
         <dt>Status of an HTTP answer</dt><dd>{status}</dd></dl>\
         <p>Programs look at the code, which stays the same; texts may change. <a href=\"{HELP_PATH}\">All codes</a></p>"
    )
}

/// A page that loads nothing.
fn page(title: &str, body: &str) -> Response {
    let title = escaped(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title}</title><main><h1>{title}</h1>{body}</main></html>"
    );
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, html).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
