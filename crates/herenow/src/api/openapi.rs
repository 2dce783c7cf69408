//! The OpenAPI 3.1 document, made from the table of calls.
use crate::{
    api::{
        access::Needs,
        calls::Call,
        refusal::status_of,
        schemas::{ROOM, USER, reference, schemas},
    },
    auth::api_key::KeyRights,
    problem::Problem,
};
use herenow_wire::code::Code;
use http::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The document of these calls.
pub fn document<'a>(calls: impl Iterator<Item = &'a Call>) -> Value {
    let mut paths = Map::new();
    for call in calls {
        let path = paths.entry(call.path).or_insert_with(|| json!({}));
        path[call.method.as_str().to_ascii_lowercase()] = operation(call);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "herenow",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Who is here, right now: rooms, viewers, and who types. Times end in _ms: points in time are \
                            milliseconds since the Unix epoch, spans are milliseconds.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key; `herenow key` makes one." },
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A client's token." },
                "token_in_address": {
                    "type": "apiKey", "in": "query", "name": "token",
                    "description": "A client's token, for streams of events in browsers, which set no headers.",
                },
            },
        },
    })
}

fn operation(call: &Call) -> Value {
    let mut operation = json!({
        "operationId": call.id,
        "summary": call.summary,
        "tags": [call.tag],
        "parameters": parameters(call),
        "responses": responses(call),
        "security": security(call),
    });
    let doc = [call.doc.to_owned(), needs(call)].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
    if !doc.is_empty() {
        operation["description"] = json!(doc.join("\n\n"));
    }
    if let Some(body) = call.body {
        let content = json!({ "application/json": { "schema": reference(body.schema) } });
        let doc = format!("At most {} bytes.", body.bytes_max);
        operation["requestBody"] = json!({ "required": true, "description": doc, "content": content });
    }
    operation
}

fn needs(call: &Call) -> String {
    match call.needs {
        Needs::Nothing => String::new(),
        Needs::Metrics => "Needs an API key with the right read, unless api.public_metrics is set.".to_owned(),
        Needs::Key(rights) => format!("Needs an API key with the right {rights}."),
        Needs::Operator => {
            format!(
                "Needs an API key with the right {}, or a token with the claim `admin`, in the header.",
                KeyRights::OPERATOR
            )
        }
        Needs::KeyOrToken(rights) => format!("Needs an API key with the right {rights}, or a client's token."),
    }
}

fn security(call: &Call) -> Value {
    match call.needs {
        Needs::Nothing => json!([]),
        Needs::Metrics | Needs::Key(_) => json!([{ "key": [] }]),
        Needs::KeyOrToken(_) if call.method == Method::GET => {
            json!([{ "key": [] }, { "token": [] }, { "token_in_address": [] }])
        }
        Needs::KeyOrToken(_) | Needs::Operator => json!([{ "key": [] }, { "token": [] }]),
    }
}

fn parameters(call: &Call) -> Value {
    let parts = call.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = parts.map(|name| {
        let schema = if name == "room" { &*ROOM } else { &*USER };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let in_query = call.query.iter().map(|parameter| {
        let schema = if parameter.is_list {
            json!({ "type": "array", "items": parameter.schema, "minItems": 1, "maxItems": 50 })
        } else {
            parameter.schema.clone()
        };
        json!({
            "name": parameter.name, "in": "query", "description": parameter.doc, "required": parameter.is_list,
            "schema": schema,
        })
    });
    in_path.chain(in_query).collect()
}

fn responses(call: &Call) -> Value {
    let mut responses = Map::new();
    for answer in &call.answers {
        let mut response = json!({ "description": answer.doc });
        if let Some((kind, schema)) = answer.content {
            let content = schema
                .map_or_else(|| json!({ "schema": { "type": "string" } }), |name| json!({ "schema": reference(name) }));
            response["content"] = json!({ kind: content });
        }
        responses.insert(answer.status.to_string(), response);
    }
    let mut by_status: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for code in codes(call) {
        by_status.entry(status_of(code).as_u16()).or_default().push(code.as_str());
    }
    for (status, codes) in by_status {
        let content = json!({ Problem::CONTENT_TYPE: { "schema": reference("Problem") } });
        let response = json!({ "description": codes.join(", "), "content": content });
        responses.insert(status.to_string(), response);
    }
    Value::Object(responses)
}

/// All that a call may be refused for.
fn codes(call: &Call) -> Vec<Code> {
    let mut codes = vec![Code::HttpBadQuery, Code::HttpNotFound, Code::HttpMethod];
    if call.path.contains('{') {
        codes.push(Code::HttpBadPath);
    }
    if call.body.is_some() {
        codes.extend([Code::HttpBadBody, Code::FrameTooDeep, Code::HttpTooLarge, Code::HttpContentType]);
    }
    match call.needs {
        Needs::Nothing => {}
        Needs::Metrics | Needs::Key(_) | Needs::KeyOrToken(_) | Needs::Operator => {
            codes.extend([Code::AuthMissing, Code::AuthInvalid, Code::AuthExpired, Code::KeyUnknown]);
            codes.extend([Code::KeyForbidden, Code::OriginForbidden]);
            if call.needs == Needs::Operator {
                codes.push(Code::AuthNotAdmin);
            } else if !call.takes_tokens() {
                codes.push(Code::KeyNeeded);
            }
        }
    }
    codes.extend(&call.codes);
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[cfg(test)]
mod tests {
    use super::document;
    use crate::api::table::calls;
    use std::collections::BTreeSet;

    #[test]
    fn every_call_says_what_it_does_and_every_reference_leads_somewhere() {
        let calls = calls();
        let ids: BTreeSet<_> = calls.iter().map(|call| call.id).collect();
        assert_eq!(ids.len(), calls.len(), "ids are distinct");
        for call in &calls {
            assert!(!call.summary.is_empty() && !call.tag.is_empty() && !call.answers.is_empty(), "{}", call.id);
        }
        let document = document(calls.iter());
        let text = document.to_string();
        for (at, _) in text.match_indices("#/components/schemas/") {
            let name = text[at + 21..].split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
        assert!(document["paths"]["/v1/rooms/{room}"]["get"]["responses"]["304"].is_object());
    }
}
