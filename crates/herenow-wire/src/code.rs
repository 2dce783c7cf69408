//! The stable codes of everything that a client can be told went wrong. The only list; the table of
//! `docs/protocol.md` is checked against it.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $message:literal, $hint:literal;)+) => {
        /// Why something was not done, as a stable word. Codes are added, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code on the wire: an area, a dot, what is wrong.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// What is wrong, where nothing more exact is known.
            pub const fn message(self) -> &'static str {
                match self {
                    $(Self::$name => $message,)+
                }
            }

            /// The code of this text.
            pub fn named(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == text)
            }

            /// What to do about it.
            pub const fn hint(self) -> &'static str {
                match self {
                    $(Self::$name => $hint,)+
                }
            }
        }
    };
}

codes! {
    /// The text does not parse as JSON.
    FrameNotJson = "frame.not_json",
        "the frame is not valid JSON",
        "send one JSON object a text frame, in UTF-8";
    /// The text is JSON, but no object.
    FrameNotObject = "frame.not_object",
        "the frame is not a JSON object",
        "send an object with a \"type\" field";
    /// The dialect has no frame of this type.
    FrameUnknownType = "frame.unknown_type",
        "the type of the frame is unknown",
        "check the spelling, and the subprotocol that was offered: it chooses the dialect";
    /// A field that the frame needs is not there.
    FrameMissingField = "frame.missing_field",
        "a field is missing",
        "add the field that the message names";
    /// A field has the wrong type, or a value that it cannot have.
    FrameBadField = "frame.bad_field",
        "a field has a value that it cannot have",
        "change the field that the message names";
    /// Objects and arrays are nested too deep.
    FrameTooDeep = "frame.too_deep",
        "the frame is nested too deep",
        "flatten the data, or send a reference to it";
    /// The frame has too many bytes.
    FrameTooLarge = "frame.too_large",
        "the frame is too large",
        "send less at once; the limit is frame_bytes_max of the welcome frame";
    /// A field or a key of the state is there twice.
    FrameDuplicateKey = "frame.duplicate_key",
        "a key is there twice",
        "send each key once";
    /// The name cannot be a room's.
    RoomBadName = "room.bad_name",
        "this cannot be the name of a room",
        "use 1 to 255 bytes of UTF-8 without control characters";
    /// The session is not in the room that the request is about.
    RoomNotJoined = "room.not_joined",
        "this session is not in the room",
        "send join for the room first";
    /// The token does not give the right in this room.
    RoomForbidden = "room.forbidden",
        "the token does not allow this in the room",
        "ask the app for a token whose rooms cover it with this right";
    /// The session observes the room and tried what only viewers may.
    RoomObserving = "room.observing",
        "this session only observes the room",
        "send join for the room without observe first";
    /// The session is in as many rooms as it may be.
    RoomTooMany = "room.too_many",
        "this session is in as many rooms as it may be",
        "leave a room first; the limit is rooms_max of the welcome frame";
    /// As many users are in the room as may be.
    RoomFull = "room.full",
        "as many users are in the room as may be",
        "try again when somebody has left, or join with observe where the token allows it";
    /// The app, which knows who may enter the room, cannot be asked right now.
    RoomUnavailable = "room.unavailable",
        "whether the user may enter the room cannot be found out right now",
        "try again after retry_after_ms";
    /// The user was put out of the room and may not come back yet.
    RoomBlocked = "room.blocked",
        "the user was put out of the room and may not come back yet",
        "wait for retry_after_ms before joining again";
    /// The session types into as many targets of the room as it may.
    TypingTooManyTargets = "typing.too_many_targets",
        "this session types into as many targets of the room as it may",
        "send stop_typing for a target first, or wait for its lease to end";
    /// Nobody is told who types in the room: it has too many viewers, or is configured so.
    TypingOff = "typing.off",
        "nobody is told who types in this room: it has too many viewers, or is set so",
        "stop sending typing until the room's gear is not crowd any more; where it is not, the room is set so";
    /// The state would have too many bytes after the patch.
    StateTooLarge = "state.too_large",
        "the state would be too large",
        "set keys that are no longer needed to null, or share a reference to the data";
    /// The state would have too many keys after the patch.
    StateTooManyKeys = "state.too_many_keys",
        "the state would have too many keys",
        "set keys that are no longer needed to null";
    /// The session neither holds the lock nor waits for it.
    LockNotHeld = "lock.not_held",
        "this session neither holds the lock nor waits for it",
        "send lock first; a lock ends with the session's place in the room";
    /// As many locks are held, or as many sessions wait for this one, as may be.
    LockTooMany = "lock.too_many",
        "too many locks are held or waited for",
        "send unlock for a lock first, or try again later";
    /// Whether the lock is free cannot be found out right now.
    LockUnavailable = "lock.unavailable",
        "whether the lock is free cannot be found out right now",
        "try again when the room is fresh again";
    /// The session would watch more users than it may.
    WatchTooMany = "watch.too_many",
        "this session would watch more users than it may",
        "send unwatch for users that are no longer shown";
    /// The token does not allow to watch a user.
    WatchForbidden = "watch.forbidden",
        "the token does not allow to watch this user",
        "ask the app for a token whose watch patterns cover the user";
    /// The session left the room before its join was answered.
    JoinCancelled = "join.cancelled",
        "the join was cancelled by a leave",
        "send join again if the room is still wanted";
    /// The name of the event is one of this server's own frames.
    MessageReservedEvent = "message.reserved_event",
        "the event has the name of one of the server's frames",
        "choose another name for the event";
    /// Nothing said who the client is.
    AuthMissing = "auth.missing",
        "no token and no session cookie were given",
        "connect with a token, or send auth as the first frame";
    /// What said who the client is cannot be trusted.
    AuthInvalid = "auth.invalid",
        "the token is not valid",
        "ask the app for a new token; check that it signs with the secret of this server";
    /// It was trusted once, but its time is over.
    AuthExpired = "auth.expired",
        "the token has expired",
        "ask the app for a new token and connect again";
    /// The first frame did not come in time.
    AuthTimeout = "auth.timeout",
        "no auth frame came in time",
        "send auth right after the connection opens";
    /// A renewed token is of another user than the connection.
    AuthUserChanged = "auth.user_changed",
        "the new token is of another user",
        "open a new connection for another user";
    /// The app signed the user out.
    AuthRevoked = "auth.revoked",
        "the user was signed out",
        "sign in to the app again, and connect with a new token";
    /// The keys or the app, which know who the client is, cannot be asked right now.
    AuthUnavailable = "auth.unavailable",
        "who the client is cannot be found out right now",
        "connect again after retry_after_ms";
    /// The page's origin may not connect.
    OriginForbidden = "origin.forbidden",
        "pages of this origin may not connect",
        "add the origin to the list of allowed origins of this server";
    /// One kind of frame comes too often; this one was dropped or merged.
    RateLimited = "rate.limited",
        "too many frames of this kind",
        "send less often; what is current goes out with the next frame";
    /// The client kept on after refusals; the connection is closed.
    RateFlood = "rate.flood",
        "too many refused frames",
        "wait before connecting again, and heed the errors that came before";
    /// Nothing is at the address that was asked for.
    HttpNotFound = "http.not_found",
        "there is nothing at this address",
        "compare the address with those on /docs";
    /// The address has no such method.
    HttpMethod = "http.method",
        "this address does not take this method",
        "use one of the methods in the Allow header";
    /// A part of the path cannot be what it stands for.
    HttpBadPath = "http.bad_path",
        "a part of the path is not what it has to be",
        "encode the room and the user with percent signs, in UTF-8";
    /// A parameter is unknown, there twice, or has a value that it cannot have.
    HttpBadQuery = "http.bad_query",
        "a parameter of the query is not what it has to be",
        "change the parameter that the detail names";
    /// The body is no JSON, or not what the call takes.
    HttpBadBody = "http.bad_body",
        "the body is not what it has to be",
        "change the field that the detail names; /docs shows what the call takes";
    /// The body has too many bytes.
    HttpTooLarge = "http.too_large",
        "the body is too large",
        "send less at once; the detail names the limit";
    /// The body is not said to be JSON.
    HttpContentType = "http.content_type",
        "the body has to be sent as JSON",
        "send the header Content-Type: application/json";
    /// A client token was sent where an API key is needed.
    KeyNeeded = "key.needed",
        "this call needs an API key, not a client token",
        "send Authorization: Bearer with an API key; herenow key makes one";
    /// The API key is none of those that are configured.
    KeyUnknown = "key.unknown",
        "the API key is not known here",
        "add the key to auth.api_keys; herenow key prints the line";
    /// The API key does not give the right that the call needs.
    KeyForbidden = "key.forbidden",
        "the API key does not give this right",
        "give the key the right that the detail names, in auth.api_keys";
    /// The call is for operators.
    AuthNotAdmin = "auth.not_admin",
        "this is for operators",
        "use a token with the claim admin: true";
    /// As many viewers without a connection are held as may be.
    ViewerTooMany = "viewer.too_many",
        "as many viewers without a connection are held as may be",
        "delete viewers that are over, or give them a smaller ttl_ms";
    /// The address has as many streams and polls open as it may.
    RateStreams = "rate.streams",
        "too many streams and polls are open from this address",
        "close some of them; follow several rooms on one stream with /v1/events";
    /// The server is about to stop.
    ServerStopping = "server.stopping",
        "the server is about to stop",
        "connect again in a moment, to another node where there are several";
    /// The server did not get to it in time.
    ServerBusy = "server.busy",
        "the server is too busy to answer in time",
        "try again later";
    /// The system gives no random bytes for a session.
    ServerNoRandom = "server.no_random",
        "no session id could be drawn",
        "look at the log of the server";
    /// A plain request came to an address of WebSocket.
    WsNotAnUpgrade = "ws.not_an_upgrade",
        "this address speaks WebSocket only",
        "connect with a WebSocket client; a proxy must pass the Upgrade header on";
    /// The client speaks another version of WebSocket.
    WsVersion = "ws.version",
        "only version 13 of WebSocket is spoken here",
        "send Sec-WebSocket-Version: 13";
    /// The handshake has no key, or a bad one.
    WsKey = "ws.key",
        "the header Sec-WebSocket-Key is missing or not 16 bytes in base64",
        "use a WebSocket client; it makes the key";
    /// The client offers only subprotocols that are not spoken here.
    WsSubprotocol = "ws.subprotocol",
        "none of the offered subprotocols is spoken here",
        "offer herenow.v1 or board.v1, or none for the latter";
    /// The handshake has a body.
    WsBody = "ws.body",
        "an upgrade has no body",
        "leave Content-Length and Transfer-Encoding out";
    /// The handshake has a header twice.
    WsHeaderTwice = "ws.header_twice",
        "a header is there twice",
        "send each header of the handshake once";
    /// A dev token was asked for in something else than JSON.
    DevContentType = "dev.content_type",
        "the body must be sent as JSON",
        "send the header Content-Type: application/json";
    /// A dev token was asked for with a body that cannot be read.
    DevBody = "dev.body",
        "no token for this request",
        "send an object with userId and name";
    /// A dev token was asked for a user that cannot be.
    DevUser = "dev.user",
        "no token for this user",
        "send a userId of 1 to 128 bytes without control characters";
}

#[cfg(test)]
mod tests {
    use super::Code;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_distinct_and_dotted() {
        let texts: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(texts.len(), Code::ALL.len());
        for text in texts {
            let (area, what) = text.split_once('.').unwrap();
            for part in [area, what] {
                assert!(
                    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn texts_are_sentences_without_a_full_stop() {
        for code in Code::ALL {
            for text in [code.message(), code.hint()] {
                assert!(text.starts_with(|first: char| first.is_ascii_lowercase()), "{text}");
                assert!(!text.ends_with('.'), "{text}");
            }
        }
    }
}
