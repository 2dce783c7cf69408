//! What bodies and answers look like, as JSON Schema 2020-12.
use crate::{
    api::{
        users::{IDS_MAX, TOKEN_TTL_MAX_MS, TOKEN_TTL_MIN_MS},
        viewers::{BLOCK_MAX_MS, TTL_MAX_MS, TTL_MIN_MS},
        webhooks::KEYS_MAX,
    },
    auth::rights::Rights,
};
use herenow_wire::{
    message::{EVENT_BYTES_MAX, RESERVED_EVENTS},
    request::STATE_KEY_BYTES_MAX,
};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// A room: bytes are counted, which a schema cannot say.
pub static ROOM: LazyLock<Value> = LazyLock::new(|| text(255, "1 to 255 bytes of UTF-8 without control characters"));
/// A user id, or a target.
pub static USER: LazyLock<Value> = LazyLock::new(|| text(128, "1 to 128 bytes of UTF-8 without control characters"));
/// A version as a text.
pub static VERSION_TEXT: LazyLock<Value> =
    LazyLock::new(|| json!({ "type": "string", "pattern": "^[A-Za-z0-9]{1,32}[.][0-9]{1,19}$" }));
/// Where a list goes on.
pub static CURSOR: LazyLock<Value> = LazyLock::new(|| json!({ "type": "string" }));
/// How long somebody is kept out.
pub static BLOCK_MS: LazyLock<Value> =
    LazyLock::new(|| json!({ "type": "integer", "minimum": 1, "maximum": BLOCK_MAX_MS }));

/// All schemas, by name.
pub fn schemas() -> Value {
    let mut all = answers();
    let (Value::Object(all_of), Value::Object(bodies)) = (&mut all, bodies()) else { return all };
    all_of.extend(bodies);
    all
}

fn bodies() -> Value {
    let rights: Vec<&str> = Rights::NAMED.iter().map(|(name, _)| *name).collect();
    let name = json!({ "type": ["string", "null"], "description": "What to show; without, the user id." });
    let avatar = json!({
        "type": ["string", "null"], "maxLength": 2048, "pattern": AVATAR,
        "description": "An http or https address of a picture.",
    });
    let event = json!({
        "type": "string", "minLength": 1, "maxLength": EVENT_BYTES_MAX, "pattern": PRINTABLE,
        "not": { "enum": RESERVED_EVENTS },
        "description": "1 to 64 bytes without control characters, and none of the names of the server's frames.",
    });
    json!({
        "Message": object(&["event", "data"], json!({
            "event": event,
            "data": { "description": "Any JSON." },
            "to": or_null(&USER),
            "except_session": { "type": ["string", "null"], "pattern": "^[0-9a-fA-F]{16}$" },
        })),
        "Stay": object(&["ttl_ms"], json!({
            "name": name, "avatar": avatar,
            "state": {
                "type": ["object", "null"],
                "description": "What the viewer shares; keys of 1 to 64 bytes.",
                "propertyNames": { "minLength": 1, "maxLength": STATE_KEY_BYTES_MAX },
            },
            "ttl_ms": { "type": "integer", "minimum": TTL_MIN_MS, "maximum": TTL_MAX_MS },
        })),
        "Typing": object(&["user", "on"], json!({
            "user": *USER, "target": or_null(&USER), "on": { "type": "boolean" },
        })),
        "Ids": object(&["ids"], json!({
            "ids": { "type": "array", "items": *USER, "minItems": 1, "maxItems": IDS_MAX },
        })),
        "Chosen": object(&[], json!({
            "keys": {
                "type": ["array", "null"], "items": { "type": "string" }, "maxItems": KEYS_MAX,
                "description": "The keys of the events; without, all of them.",
            },
        })),
        "TokenRequest": object(&["user"], json!({
            "user": *USER, "name": name, "avatar": avatar,
            "rooms": {
                "type": ["object", "null"],
                "description": "Patterns of rooms, each with rights.",
                "maxProperties": 256,
                "propertyNames": { "minLength": 1, "maxLength": 255 },
                "additionalProperties": { "type": "array", "items": { "enum": rights } },
            },
            "ttl_ms": { "type": ["integer", "null"], "minimum": TOKEN_TTL_MIN_MS, "maximum": TOKEN_TTL_MAX_MS },
            "invisible": { "type": "boolean", "description": "Whether the user sees without being seen." },
        })),
    })
}

fn answers() -> Value {
    let v = json!({
        "type": "array", "items": { "type": ["string", "integer"] }, "minItems": 2, "maxItems": 2,
        "description": "A version: an epoch, which is new at each start of the server, and a number.",
    });
    let count = object(&["users", "sessions"], json!({ "users": whole(), "sessions": whole() }));
    let gear = json!({ "enum": ["live", "batched", "crowd"] });
    let status = json!({ "enum": ["active", "idle"] });
    let next = json!({ "type": ["string", "null"], "description": "Where to go on; null at the end." });
    let (viewers, users) = (list("Viewer"), list("User"));
    let dot = json!({ "enum": ["active", "idle", "offline"] });
    json!({
        "Problem": object(&["title", "status", "code"], json!({
            "type": { "type": "string", "description": "A page about the code." },
            "title": { "type": "string" }, "status": whole(), "code": { "type": "string" },
            "detail": { "type": "string" }, "hint": { "type": "string" }, "retry_after_ms": whole(),
        })),
        "User": object(&["id", "name", "color"], json!({
            "id": { "type": "string" }, "name": { "type": "string" }, "color": { "type": "string" },
            "avatar": { "type": "string" },
        })),
        "Viewer": object(&["user", "status", "joined_at_ms", "sessions"], json!({
            "user": reference("User"), "status": status, "joined_at_ms": whole(), "sessions": whole(),
            "state": { "type": "object" },
        })),
        "RoomList": object(&["rooms", "next"], json!({
            "rooms": { "type": "array", "items": object(&["room", "v", "gear", "count"], json!({
                "room": { "type": "string" }, "v": v, "gear": gear, "count": count,
            })) },
            "next": next, "stale_since_ms": whole(),
        })),
        "Room": object(&["room", "v", "gear", "count", "viewers", "next"], json!({
            "room": { "type": "string" }, "v": v, "gear": gear, "count": count, "viewers": viewers, "faces": users,
            "next": next, "stale_since_ms": whole(),
        })),
        "ViewerPage": object(&["room", "v", "viewers", "next"], json!({
            "room": { "type": "string" }, "v": v, "viewers": viewers, "next": next, "stale_since_ms": whole(),
        })),
        "News": object(&["v"], json!({
            "type": { "enum": ["roster", "diff", "count"] }, "room": { "type": "string" },
            "v": { "anyOf": [v, { "type": "null" }] }, "timeout": { "const": true },
        })),
        "Whereabouts": object(&["id", "status", "sessions", "rooms"], json!({
            "id": { "type": "string" }, "status": dot, "last_seen_ms": whole(),
            "sessions": { "type": "array", "items": { "type": "string" } },
            "rooms": { "type": "array", "items": object(&["room", "sessions"], json!({
                "room": { "type": "string" },
                "sessions": { "type": "array", "items": object(&["id", "status", "connected"], json!({
                    "id": { "type": "string" }, "status": status, "connected": { "type": "boolean" },
                })) },
            })) },
        })),
        "Explanation": object(&["room", "user", "now_ms", "is_viewer"], json!({
            "room": { "type": "string" }, "user": { "type": "string" }, "now_ms": whole(),
            "is_viewer": { "type": "boolean" },
            "entries": { "type": "array", "items": object(&["session", "status", "connected", "ended", "leaves_in_ms"], json!({
                "session": { "type": "string" }, "status": status, "connected": { "type": "boolean" },
                "ended": { "type": ["string", "null"] }, "leaves_in_ms": { "type": ["integer", "null"] },
            })) },
            "transitions": { "type": "array", "items": object(&["version", "at_ms", "what", "reason"], json!({
                "version": whole(), "at_ms": whole(), "what": { "enum": ["joined", "updated", "left"] },
                "reason": { "type": ["string", "null"] },
            })) },
            "typing": { "type": "array", "items": object(&["target", "session", "stops_in_ms"], json!({
                "target": { "type": ["string", "null"] }, "session": { "type": "string" }, "stops_in_ms": whole(),
            })) },
            "locks": { "type": "array", "items": object(&["name", "session"], json!({
                "name": { "type": "string" }, "session": { "type": "string" },
            })) },
            "blocked_for_ms": { "type": ["integer", "null"] },
        })),
        "Statuses": object(&["users"], json!({
            "users": { "type": "object", "additionalProperties": object(&["status"], json!({
                "status": dot, "last_seen_ms": whole(),
            })) },
        })),
        "Token": object(&["token", "expires_at_ms"], json!({ "token": { "type": "string" }, "expires_at_ms": whole() })),
        "WebhookHealth": object(&["enabled", "unwritten", "pending", "dead", "failures", "behind"], json!({
            "enabled": { "type": "boolean" }, "unwritten": whole(), "pending": whole(), "dead": whole(),
            "oldest_ms": { "type": ["integer", "null"], "minimum": 0 }, "failures": whole(),
            "problem": { "type": ["string", "null"] }, "behind": { "type": "boolean" },
        })),
        "DeadEvents": object(&["events", "next"], json!({
            "events": { "type": "array", "items": object(&["key", "event", "given_up_ms", "problem"], json!({
                "key": { "type": "string" }, "event": { "type": ["object", "null"] }, "given_up_ms": whole(),
                "problem": { "type": "string" },
            })) },
            "next": next, "stale_since_ms": whole(),
        })),
        "Replayed": object(&["replayed"], json!({ "replayed": whole() })),
        "Forgotten": object(&["forgotten"], json!({ "forgotten": whole() })),
        "Health": object(&["status", "connections"], json!({ "status": { "const": "ok" }, "connections": whole() })),
        "Ready": object(&["status"], json!({ "status": { "enum": ["ready", "degraded"] } })),
        "Version": object(&["version", "node"], json!({ "version": { "type": "string" }, "node": { "type": "string" } })),
    })
}

/// A reference to a schema by its name.
pub fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn list(of: &str) -> Value {
    json!({ "type": "array", "items": reference(of) })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

fn whole() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn text(chars_max: usize, doc: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": chars_max, "pattern": PRINTABLE, "description": doc })
}

fn or_null(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// No control characters.
const PRINTABLE: &str = "^[^\\u0000-\\u001f\\u007f-\\u009f]+$";
/// How the address of a picture begins.
const AVATAR: &str = "^https?://";
