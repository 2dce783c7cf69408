//! Pages and scripts that are built into the program: serves them with types, caching and a policy that lets the pages
//! load nothing from elsewhere. What is in them is in `web/` and `sdk/`.

use crate::problem::Problem;
use axum::{
    Router,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use std::fmt::Write as _;

/// The files of the demo. A debug build reads them from the source tree at each request.
#[derive(RustEmbed)]
#[folder = "../../web/demo"]
struct DemoFiles;

/// The browser SDK in the files that its package bundles and checks in, so that building this program needs no Node.
#[derive(RustEmbed)]
#[folder = "../../sdk/dist"]
struct SdkFiles;

/// Serves the browser SDK: `/sdk.js`, and at `/sdk/...` what it fetches when it is used. Pages of any origin may import
/// them; what such a page may then do is for `/ws` to say.
pub fn sdk_scripts() -> Router {
    Router::new().route("/sdk.js", get(|headers: HeaderMap| async move { script(&headers, "sdk.js") })).route(
        "/sdk/{file}",
        get(|Path(file): Path<String>, headers: HeaderMap| async move { script(&headers, &format!("sdk/{file}")) }),
    )
}

fn script(asked: &HeaderMap, name: &str) -> Response {
    let Some(file) = SdkFiles::get(name) else {
        return Problem::new(StatusCode::NOT_FOUND, "script.unknown", "the SDK has no such module")
            .hint("import /sdk.js")
            .into_response();
    };
    let mut response = respond(asked, &file);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    // Pages that isolate themselves load nothing without it.
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    response
}

/// Serves the demo: `/demo` (two people side by side), `/demo/board` (one person's board), and what these load.
pub fn demo_pages() -> Router {
    Router::new()
        .route("/demo", get(|headers: HeaderMap| async move { page(&headers, "index.html") }))
        .route("/demo/", get(|headers: HeaderMap| async move { page(&headers, "index.html") }))
        .route("/demo/board", get(|headers: HeaderMap| async move { page(&headers, "board.html") }))
        .route("/demo/{file}", get(|Path(file): Path<String>, headers: HeaderMap| async move { page(&headers, &file) }))
}

/// The pages that show the document of the HTTP API and the reference of the SDK. A debug build reads them from the source
/// tree at each request.
#[derive(RustEmbed)]
#[folder = "../../web/docs"]
struct DocsFiles;

/// Serves `/docs`, which shows what `/openapi.json` says, `/docs/sdk`, the reference of the SDK, and what they load.
pub fn docs_pages() -> Router {
    Router::new()
        .route("/docs", get(|headers: HeaderMap| async move { docs_page(&headers, "index.html") }))
        .route("/docs/sdk", get(|headers: HeaderMap| async move { docs_page(&headers, "sdk.html") }))
        .route(
            "/docs/{file}",
            get(|Path(file): Path<String>, headers: HeaderMap| async move { docs_page(&headers, &file) }),
        )
}

/// The operators' page. A debug build reads it from the source tree at each request.
#[derive(RustEmbed)]
#[folder = "../../web/admin"]
struct AdminFiles;

/// Serves `/admin` and what it loads. It holds nothing secret: what it shows, it asks for with a key.
pub fn admin_pages() -> Router {
    Router::new().route("/admin", get(|headers: HeaderMap| async move { admin_page(&headers, "index.html") })).route(
        "/admin/{file}",
        get(|Path(file): Path<String>, headers: HeaderMap| async move { admin_page(&headers, &file) }),
    )
}

fn admin_page(asked: &HeaderMap, name: &str) -> Response {
    let Some(file) = AdminFiles::get(name) else {
        return Problem::new(StatusCode::NOT_FOUND, "page.unknown", "there is no such page").into_response();
    };
    let mut response = respond(asked, &file);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(ADMIN_POLICY));
    response
}

fn docs_page(asked: &HeaderMap, name: &str) -> Response {
    match DocsFiles::get(name) {
        Some(file) => respond(asked, &file),
        None => Problem::new(StatusCode::NOT_FOUND, "http.not_found", "there is no such page").into_response(),
    }
}

fn page(asked: &HeaderMap, name: &str) -> Response {
    match DemoFiles::get(name) {
        Some(file) => respond(asked, &file),
        None => Problem::new(StatusCode::NOT_FOUND, "page.unknown", "there is no such page").into_response(),
    }
}

fn respond(asked: &HeaderMap, file: &EmbeddedFile) -> Response {
    let etag = etag(file);
    let mut response = if is_known(asked, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = file.data.to_vec().into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, content_type(file));
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, etag);
    // Asked for anew each time, answered 304: a new version of the program is seen at once.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn content_type(file: &EmbeddedFile) -> HeaderValue {
    let kind = file.metadata.mimetype();
    let text = kind.starts_with("text/") || kind == "image/svg+xml";
    let value = if text { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
    HeaderValue::from_str(&value).expect("names of media types are plain ASCII")
}

/// Half of the content's SHA-256, which is plenty to tell versions of one file apart.
fn etag(file: &EmbeddedFile) -> HeaderValue {
    let mut etag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        write!(etag, "{byte:02x}").expect("writing to a string cannot fail");
    }
    etag.push('"');
    HeaderValue::from_str(&etag).expect("hexadecimal digits in quotes are plain ASCII")
}

/// Whether the browser has this version. Proxies that compress make a tag weak; the content is the same.
fn is_known(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| etag == tag)
}

/// Only this server's files, no inline script or style, and framed by this server's pages only.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; object-src 'none'";

/// As [`POLICY`], in no frame at all; and a browser that knows how lets no script of the page make markup out of text.
const ADMIN_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                            object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

#[cfg(test)]
mod tests {
    use super::{AdminFiles, DemoFiles, DocsFiles, SdkFiles, admin_pages, demo_pages, docs_pages, sdk_scripts};
    use axum::{body::Body, response::Response};
    use http::{Request, StatusCode};
    use tower::ServiceExt;

    async fn get(path: &str, known: Option<&str>) -> Response {
        let mut request = Request::get(path);
        if let Some(etag) = known {
            request = request.header("if-none-match", etag);
        }
        demo_pages()
            .merge(sdk_scripts())
            .merge(docs_pages())
            .merge(admin_pages())
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn each_file_has_its_type_and_the_policy() {
        for (path, kind) in [
            ("/demo", "text/html; charset=utf-8"),
            ("/demo/", "text/html; charset=utf-8"),
            ("/demo/board", "text/html; charset=utf-8"),
            ("/demo/app.js", "text/javascript; charset=utf-8"),
            ("/demo/style.css", "text/css; charset=utf-8"),
            ("/demo/icon.svg", "image/svg+xml; charset=utf-8"),
            ("/docs", "text/html; charset=utf-8"),
            ("/docs/sdk", "text/html; charset=utf-8"),
            ("/docs/style.css", "text/css; charset=utf-8"),
            ("/admin", "text/html; charset=utf-8"),
            ("/admin/admin.js", "text/javascript; charset=utf-8"),
        ] {
            let response = get(path, None).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let headers = response.headers();
            assert_eq!(headers["content-type"], kind, "{path}");
            assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'self';"), "{path}");
            assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
            assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
            assert_eq!(headers["cache-control"], "no-cache", "{path}");
        }
    }

    #[tokio::test]
    async fn pages_from_anywhere_may_import_the_sdk() {
        let paths: Vec<_> = SdkFiles::iter().map(|name| format!("/{name}")).collect();
        assert!(paths.iter().any(|path| path == "/sdk.js"));
        for path in &paths {
            let response = get(path, None).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            let headers = response.headers();
            assert_eq!(headers["content-type"], "text/javascript; charset=utf-8", "{path}");
            assert_eq!(headers["access-control-allow-origin"], "*", "{path}");
            assert_eq!(headers["cross-origin-resource-policy"], "cross-origin", "{path}");
            let again = get(path, Some(headers["etag"].to_str().unwrap())).await;
            assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{path}");
            assert_eq!(again.headers()["access-control-allow-origin"], "*", "{path}");
        }
    }

    #[test]
    fn what_the_sdk_fetches_is_served() {
        for name in SdkFiles::iter() {
            let file = SdkFiles::get(&name).unwrap();
            let text = String::from_utf8_lossy(&file.data).into_owned();
            let folder = if name.starts_with("sdk/") { "sdk/" } else { "" };
            let named = text.split(['"', '\'', '`']).filter(|part| part.starts_with("./") || part.starts_with("../"));
            for wanted in named.filter(|part| part.ends_with(".js")) {
                let path = match wanted.strip_prefix("../") {
                    Some(above) => above.to_owned(),
                    None => format!("{folder}{}", &wanted[2..]),
                };
                assert!(SdkFiles::get(&path).is_some(), "{name} imports {wanted}");
            }
        }
    }

    #[tokio::test]
    async fn a_known_version_is_not_sent_again() {
        let etag = get("/demo/app.js", None).await.headers()["etag"].to_str().unwrap().to_owned();
        let again = get("/demo/app.js", Some(&etag)).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()["etag"], etag.as_str());
        assert_eq!(get("/demo/app.js", Some(&format!("\"x\", W/{etag}"))).await.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get("/demo/app.js", Some("\"x\"")).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn nothing_but_the_files_is_served() {
        for path in [
            "/demo/missing.js",
            "/demo/..%2F..%2FCargo.toml",
            "/demo/%2Fetc%2Fpasswd",
            "/sdk/missing.js",
            "/admin/missing.js",
            "/admin/..%2F..%2FCargo.toml",
            "/sdk/..%2F..%2Fpackage.json",
        ] {
            let response = get(path, None).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        }
    }

    #[test]
    fn pages_hold_no_inline_script_or_style_and_name_no_other_site() {
        let demo = DemoFiles::iter().map(|name| (DemoFiles::get(&name).unwrap(), name));
        let admin = AdminFiles::iter().map(|name| (AdminFiles::get(&name).unwrap(), name));
        let docs = DocsFiles::iter().map(|name| (DocsFiles::get(&name).unwrap(), name));
        for (file, name) in demo.chain(docs).chain(admin) {
            let text = String::from_utf8_lossy(&file.data);
            assert!(!text.contains("style=\""), "{name} has a style attribute");
            assert!(!text.contains("<style"), "{name} has an inline style");
            assert!(!text.contains("<script>"), "{name} has an inline script");
            assert!(!text.replace("http://www.w3.org/", "").contains("://"), "{name} names another site");
        }
    }

    #[tokio::test]
    async fn the_page_of_operators_is_in_no_frame_and_makes_no_markup_of_text() {
        let response = get("/admin", None).await;
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("require-trusted-types-for 'script'"));
        for name in AdminFiles::iter() {
            let file = AdminFiles::get(&name).unwrap();
            let text = String::from_utf8_lossy(&file.data);
            for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
                assert!(!text.contains(way), "{name} has {way}");
            }
        }
    }

    #[test]
    fn the_demo_is_small() {
        let bytes: usize = DemoFiles::iter().map(|name| DemoFiles::get(&name).unwrap().data.len()).sum();
        // As they are, with all languages; of what compresses them, sdk/scripts/size.js asks for 60,000.
        assert!(bytes <= 160_000, "{bytes} bytes, at most 160,000 are wanted");
    }
}
