//! Every call of the API.
use crate::{
    api::{
        access::Needs,
        calls::{Answer, BodyKind, Call, Parameter},
        debug,
        rooms::{self, LIMIT_MAX},
        schemas::{BLOCK_MS, CURSOR, ROOM, VERSION_TEXT},
        service::{self, METRICS_TYPE},
        users, viewers,
        watching::{self, WAIT_MAX_S},
        webhooks,
    },
    auth::api_key::KeyRights,
};
use herenow_wire::code::Code;
use http::Method;
use serde_json::{Value, json};

/// The calls, in the order in which they are shown.
pub fn calls() -> Vec<Call> {
    let mut calls = reading();
    calls.extend(watching());
    calls.extend(writing());
    calls.extend(people());
    calls.extend(webhooks());
    calls.extend(service());
    calls
}

fn reading() -> Vec<Call> {
    vec![
        Call {
            query: vec![
                parameter("prefix", "What their names begin with.", json!({ "type": "string", "maxLength": 255 })),
                limit("Rooms"),
                cursor(),
            ],
            answers: vec![json_answer(200, "RoomList", "The rooms, by name.")],
            ..call(Method::GET, "/v1/rooms", "list_rooms", |asked| Box::pin(rooms::list(asked)))
                .about("Rooms", "Lists the rooms that somebody is in")
                .needing(Needs::Key(KeyRights::READ))
        },
        Call {
            answers: vec![
                json_answer(200, "Room", "The room. `ETag` is its version."),
                Answer { status: 304, content: None, doc: "The room is at the version that If-None-Match names." },
            ],
            codes: ROOM_READ.to_vec(),
            doc: "A room that nobody is in is an empty one. In a crowd `viewers` is empty and `faces` has the first 30; \
                  pages of the roster are at `/v1/rooms/{room}/viewers`.",
            ..call(Method::GET, "/v1/rooms/{room}", "room", |asked| Box::pin(rooms::show(asked)))
                .about("Rooms", "Shows a room with its first 100 viewers")
                .needing(Needs::KeyOrToken(KeyRights::READ))
        },
        Call {
            query: vec![limit("Viewers"), cursor()],
            answers: vec![json_answer(200, "ViewerPage", "The viewers, by joined time, then user id.")],
            codes: ROOM_READ.to_vec(),
            doc: "Who comes or goes between two pages may be missing from both or be on both: `v` says whether something \
                  changed.",
            ..call(Method::GET, "/v1/rooms/{room}/viewers", "viewers", |asked| Box::pin(rooms::viewers(asked)))
                .about("Rooms", "Lists a room's viewers, page by page")
                .needing(Needs::KeyOrToken(KeyRights::READ))
        },
    ]
}

fn watching() -> Vec<Call> {
    let present = || {
        let doc = "1 counts the reader as a viewer for as long as the stream is open, and through grace; needs a client's \
                   token.";
        parameter("present", doc, json!({ "enum": ["0", "1", "false", "true"] }))
    };
    let last = || {
        let doc =
            "The id of the last event that is known, for who cannot send the header Last-Event-ID, which counts more.";
        parameter("last_event_id", doc, json!({ "type": "string" }))
    };
    let codes = [ROOM_READ, &[Code::RateStreams, Code::RoomFull, Code::ServerStopping]].concat();
    vec![
        Call {
            query: vec![
                parameter("since", "The version that is known, `epoch.number`.", VERSION_TEXT.clone()),
                parameter(
                    "wait",
                    "Seconds to wait. Default 30.",
                    json!({ "type": "integer", "minimum": 0, "maximum": WAIT_MAX_S }),
                ),
            ],
            answers: vec![json_answer(200, "News", "What is new, or `timeout`.")],
            codes: codes.clone(),
            doc: "Answers at once where nothing is known, or what is known is not the newest: with the frame `diff`, or \
                  `roster` or in a crowd `count`; otherwise once something changes. A version of another life of the server \
                  gets a roster, at most once a second.",
            ..call(Method::GET, "/v1/rooms/{room}/poll", "poll", |asked| Box::pin(watching::poll(asked)))
                .about("Watching", "Waits until a room changes")
                .needing(Needs::KeyOrToken(KeyRights::READ))
        },
        Call {
            query: vec![present(), last()],
            answers: vec![EVENTS],
            codes: codes.clone(),
            doc: "The events are the frames of the native dialect: `roster` or, where `Last-Event-ID` is known still, `diff` \
                  first; then `diff`, `count`, `typing`, `lock`, `message`, `removed`, `error`, `draining`. `id` is the version of the room. \
                  A comment comes every 15 seconds.",
            ..call(Method::GET, "/v1/rooms/{room}/events", "room_events", |asked| {
                Box::pin(watching::room_events(asked))
            })
            .about("Watching", "Follows a room as server-sent events")
            .needing(Needs::KeyOrToken(KeyRights::READ))
        },
        Call {
            query: vec![
                Parameter {
                    name: "room",
                    doc: "A room; to be repeated, at most 50.",
                    schema: ROOM.clone(),
                    is_list: true,
                },
                present(),
                last(),
            ],
            answers: vec![EVENTS],
            codes,
            doc: "As for one room; each event names its `room`, and ids say nothing to anybody but this call.",
            ..call(Method::GET, "/v1/events", "events", |asked| Box::pin(watching::many_events(asked)))
                .about("Watching", "Follows several rooms on one stream")
                .needing(Needs::KeyOrToken(KeyRights::READ))
        },
    ]
}

fn writing() -> Vec<Call> {
    vec![
        Call {
            body: Some(BodyKind { schema: "Message", bytes_max: 64 << 10 }),
            answers: vec![Answer { status: 202, content: None, doc: "It goes to who is in the room now." }],
            codes: vec![Code::RoomBadName, Code::FrameBadField, Code::FrameTooDeep, Code::MessageReservedEvent],
            ..call(Method::POST, "/v1/rooms/{room}/messages", "send_message", |asked| Box::pin(viewers::send(asked)))
                .about("Rooms", "Sends a passing event to a room")
                .needing(Needs::Key(KeyRights::WRITE))
        },
        Call {
            body: Some(BodyKind { schema: "Stay", bytes_max: 128 << 10 }),
            answers: vec![Answer { status: 204, content: None, doc: "The user is in the room." }],
            codes: vec![
                Code::RoomBadName,
                Code::RoomFull,
                Code::RoomBlocked,
                Code::StateTooLarge,
                Code::StateTooManyKeys,
                Code::FrameBadField,
                Code::FrameDuplicateKey,
                Code::FrameTooDeep,
                Code::ViewerTooMany,
                Code::ServerBusy,
            ],
            doc: "For bots and clients that only send requests. The user leaves with the reason `timeout` unless it is put \
                  there again within `ttl_ms`. `state` replaces what it shared; without, that stays.",
            ..call(Method::PUT, "/v1/rooms/{room}/viewers/{user}", "put_viewer", |asked| Box::pin(viewers::put(asked)))
                .about("Viewers", "Has a user be in a room without a connection")
                .needing(Needs::Key(KeyRights::WRITE))
        },
        Call {
            query: vec![
                parameter(
                    "reason",
                    "`left` (default without `block_ms`) ends a viewer without a connection; `kicked` puts the user out with \
                     all their sessions, for which the key needs the right admin.",
                    json!({ "enum": ["left", "kicked"] }),
                ),
                parameter("block_ms", "For how long the user may not come back; implies `kicked`.", BLOCK_MS.clone()),
            ],
            answers: vec![Answer {
                status: 204,
                content: None,
                doc: "It is done; also where there was nothing to do.",
            }],
            codes: vec![Code::RoomBadName, Code::HttpBadPath],
            ..call(Method::DELETE, "/v1/rooms/{room}/viewers/{user}", "delete_viewer", |asked| {
                Box::pin(viewers::delete(asked))
            })
            .about("Viewers", "Ends a viewer without a connection, or puts a user out")
            .needing(Needs::Key(KeyRights::WRITE))
        },
        Call {
            body: Some(BodyKind { schema: "Typing", bytes_max: 4 << 10 }),
            answers: vec![Answer { status: 204, content: None, doc: "The others are told." }],
            codes: vec![
                Code::RoomBadName,
                Code::RoomNotJoined,
                Code::RoomForbidden,
                Code::TypingOff,
                Code::TypingTooManyTargets,
                Code::ServerBusy,
            ],
            doc: "For users that were put into the room by the call above. It counts for 6 seconds; repeat it every 3. A \
                  client may do so for its own user, where its token gives the right to type.",
            ..call(Method::POST, "/v1/rooms/{room}/typing", "typing", |asked| Box::pin(viewers::typing(asked)))
                .about("Viewers", "Says that a viewer without a connection types, or stopped")
                .needing(Needs::KeyOrToken(KeyRights::WRITE))
        },
    ]
}

fn people() -> Vec<Call> {
    vec![
        Call {
            answers: vec![json_answer(
                200,
                "Whereabouts",
                "Where the user is; offline and nowhere where nothing is known.",
            )],
            codes: vec![Code::HttpBadPath],
            ..call(Method::GET, "/v1/users/{user}", "user", |asked| Box::pin(users::show(asked)))
                .about("Users", "Shows where a user is")
                .needing(Needs::Key(KeyRights::READ))
        },
        Call {
            answers: vec![Answer { status: 204, content: None, doc: "The user is out and forgotten." }],
            codes: vec![Code::HttpBadPath],
            doc: "Puts the user out of all rooms, closes their connections with 4403, and forgets their sessions and when they \
                  were last seen. Tokens that were made before are withdrawn. Other nodes of a cluster do the same within \
                  about a second.",
            ..call(Method::DELETE, "/v1/users/{user}", "forget_user", |asked| Box::pin(users::forget(asked)))
                .about("Users", "Disconnects a user and forgets them")
                .needing(Needs::Key(KeyRights::ADMIN))
        },
        Call {
            answers: vec![json_answer(
                200,
                "Explanation",
                "What is known; `is_viewer` is false where that is nothing.",
            )],
            codes: vec![Code::ServerStopping],
            doc: "The entries of the user in the room, how each of their connections stands, what happened last and why, and which \
                  timers run.",
            ..call(Method::GET, "/v1/debug/rooms/{room}/users/{user}", "explain", |asked| {
                Box::pin(debug::explain(asked))
            })
            .about("Users", "Says why a user is shown in a room, or is not")
            .needing(Needs::Operator)
        },
        Call {
            body: Some(BodyKind { schema: "Ids", bytes_max: 1 << 20 }),
            answers: vec![json_answer(200, "Statuses", "The status of each user by their id.")],
            codes: vec![Code::WatchForbidden],
            ..call(Method::POST, "/v1/users/statuses", "statuses", |asked| Box::pin(users::statuses(asked)))
                .about("Users", "Says whether users are online")
                .needing(Needs::KeyOrToken(KeyRights::READ))
        },
        Call {
            body: Some(BodyKind { schema: "TokenRequest", bytes_max: 64 << 10 }),
            answers: vec![json_answer(200, "Token", "The token, and when it ends.")],
            doc: "For backends without a library for JWT. Without `rooms` the token gives what auth.default_rooms says.",
            ..call(Method::POST, "/v1/tokens", "make_token", |asked| Box::pin(users::token(asked)))
                .about("Users", "Makes a token for a client")
                .needing(Needs::Key(KeyRights::READ.union(KeyRights::WRITE)))
        },
    ]
}

fn webhooks() -> Vec<Call> {
    let chosen = || Some(BodyKind { schema: "Chosen", bytes_max: 64 << 10 });
    vec![
        Call {
            answers: vec![json_answer(200, "WebhookHealth", "How many events wait, and why.")],
            doc: "`unwritten` are news that are not in the spool yet, `pending` events that are still to be sent, `dead` those \
                  that were given up. `behind`: some news were dropped; who was announced will be compared with who is here, \
                  and the difference told.",
            ..call(Method::GET, "/v1/webhooks", "webhooks", |asked| Box::pin(webhooks::show(asked)))
                .about("Webhooks", "Says how webhooks stand")
                .needing(Needs::Key(KeyRights::READ))
        },
        Call {
            query: vec![
                parameter(
                    "limit",
                    "Events on a page. Default 100.",
                    json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX }),
                ),
                cursor(),
            ],
            answers: vec![json_answer(200, "DeadEvents", "The events, oldest first.")],
            ..call(Method::GET, "/v1/webhooks/dead", "dead_events", |asked| Box::pin(webhooks::dead(asked)))
                .about("Webhooks", "Lists the events that were given up")
                .needing(Needs::Key(KeyRights::READ))
        },
        Call {
            body: chosen(),
            answers: vec![json_answer(200, "Replayed", "How many events will be sent again.")],
            doc: "They come after all that wait now, with the keys and versions that they had.",
            ..call(Method::POST, "/v1/webhooks/dead/replay", "replay_events", |asked| Box::pin(webhooks::replay(asked)))
                .about("Webhooks", "Sends events again that were given up")
                .needing(Needs::Key(KeyRights::ADMIN))
        },
        Call {
            body: chosen(),
            answers: vec![json_answer(200, "Forgotten", "How many events were forgotten.")],
            ..call(Method::POST, "/v1/webhooks/dead/forget", "forget_events", |asked| Box::pin(webhooks::forget(asked)))
                .about("Webhooks", "Forgets events that were given up")
                .needing(Needs::Key(KeyRights::ADMIN))
        },
    ]
}

fn service() -> Vec<Call> {
    vec![
        Call {
            answers: vec![json_answer(200, "Health", "The process is alive.")],
            ..call(Method::GET, "/healthz", "health", |asked| Box::pin(service::health(asked)))
                .about("Service", "Says that the server is alive")
        },
        Call {
            answers: vec![json_answer(200, "Ready", "The server takes connections.")],
            codes: vec![Code::ServerStopping],
            ..call(Method::GET, "/readyz", "ready", |asked| Box::pin(service::ready(asked)))
                .about("Service", "Says whether the server takes connections")
        },
        Call {
            answers: vec![json_answer(200, "Version", "The version, and the name of this node.")],
            ..call(Method::GET, "/version", "version", |asked| Box::pin(service::version(asked)))
                .about("Service", "Says which version this is")
        },
        Call {
            answers: vec![Answer { status: 200, content: Some((METRICS_TYPE, None)), doc: "OpenMetrics." }],
            ..call(Method::GET, "/metrics", "metrics", |asked| Box::pin(service::metrics(asked)))
                .about("Service", "Gives numbers for Prometheus")
                .needing(Needs::Metrics)
        },
    ]
}

fn call(method: Method, path: &'static str, id: &'static str, handle: Handle) -> Call {
    Call {
        method,
        path,
        id,
        summary: "",
        doc: "",
        tag: "",
        needs: Needs::Nothing,
        query: Vec::new(),
        body: None,
        answers: Vec::new(),
        codes: Vec::new(),
        handle,
    }
}

type Handle = fn(crate::api::calls::Asked) -> crate::api::calls::Answering;

impl Call {
    fn about(self, tag: &'static str, summary: &'static str) -> Self {
        Self { tag, summary, ..self }
    }

    fn needing(self, needs: Needs) -> Self {
        Self { needs, ..self }
    }
}

fn parameter(name: &'static str, doc: &'static str, schema: Value) -> Parameter {
    Parameter { name, doc, schema, is_list: false }
}

fn limit(of: &'static str) -> Parameter {
    let doc = if of == "Rooms" { "Rooms on a page. Default 100." } else { "Viewers on a page. Default 100." };
    parameter("limit", doc, json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX }))
}

fn cursor() -> Parameter {
    parameter("cursor", "Where to go on: `next` of the page before.", CURSOR.clone())
}

fn json_answer(status: u16, schema: &'static str, doc: &'static str) -> Answer {
    Answer { status, content: Some(("application/json", Some(schema))), doc }
}

const EVENTS: Answer =
    Answer { status: 200, content: Some(("text/event-stream", None)), doc: "Events, until one side ends them." };
const ROOM_READ: &[Code] = &[Code::RoomBadName, Code::RoomForbidden, Code::RoomBlocked];
