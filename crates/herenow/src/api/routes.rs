//! The routes of the API, made from the table of calls.
use crate::{
    api::{calls::Call, cors, help, openapi, refusal::refused, state::Api, table::calls},
    assets,
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodFilter, get, on},
};
use herenow_wire::code::Code;
use http::{HeaderValue, Method, header};
use std::sync::Arc;

/// All calls, their document at `/openapi.json`, and pages that explain both at `/docs` and `/help/errors`.
pub fn router(api: Api) -> Router {
    let calls: Vec<Arc<Call>> = calls().into_iter().map(Arc::new).collect();
    let document = openapi::document(calls.iter().map(AsRef::as_ref)).to_string();
    let mut router = Router::new();
    for call in calls {
        let (path, filter) = (call.path, filter_of(&call.method));
        let serve = move |State(api): State<Api>, request: Request| async move { call.serve(api, request).await };
        router = router.route(path, on(filter, serve));
    }
    let document = axum::body::Bytes::from(document);
    router
        .route("/openapi.json", get(move || async move { json_document(document) }))
        .method_not_allowed_fallback(|| async { refused(Code::HttpMethod) })
        .layer(middleware::from_fn_with_state(api.clone(), guard))
        .with_state(api)
        .merge(help::router())
        .merge(assets::docs_pages())
}

fn json_document(document: axum::body::Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, document).into_response()
}

fn filter_of(method: &Method) -> MethodFilter {
    MethodFilter::try_from(method.clone()).expect("the table has methods of HTTP only")
}

/// What holds for every call: answers are of the type that they say, pages of permitted origins may read them, and who is not
/// known is told how to say who they are.
async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (origins, headers) = (api.presence().origins(), request.headers().clone());
    if request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return cors::preflight(&origins, &headers);
    }
    let mut response = next.run(request).await;
    cors::permit(&api.presence().origins(), &headers, response.headers_mut());
    let is_unknown = response.status() == http::StatusCode::UNAUTHORIZED;
    let answer = response.headers_mut();
    if is_unknown {
        answer.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
