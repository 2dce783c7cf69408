//! What every transport does between a conversation and the rest: it tells the shards, and asks another connection for a sign
//! of life.
use crate::{
    clock::Clock,
    connection::{Connection, Way},
    transport::conversation::{Conversation, Inputs},
};
use bytes::Bytes;
use herenow_wire::{native, websocket::encoder};
use std::time::Duration;

/// Asks the connection that holds a session for a sign of life; whether it gives one in time.
pub(super) async fn probe(clock: Clock, holder: &Connection) -> bool {
    let sign = async {
        // Times are whole milliseconds, and an answer may come within one: so nothing else must have come in that of the ping.
        while holder.heard_at() >= clock.now() {
            tokio::time::sleep(CLOCK_STEP).await;
        }
        let asked_at = clock.now();
        holder.send_one(
            match holder.way() {
                Way::WebSocket => PROBE,
                Way::Stream | Way::Poll => encoder::text(native::ping().as_bytes()),
            },
            asked_at,
        );
        // Who reads slowly answers late, and is there all the same.
        let is_silent =
            || holder.heard_at() < asked_at && holder.taken_at().is_none_or(|taken_at| taken_at <= asked_at);
        while is_silent() && holder.farewell().is_none() {
            tokio::time::sleep(PROBE_LOOK).await;
        }
        // What was heard may be its close, which is a sign of life only until it is understood.
        tokio::time::sleep(PROBE_LOOK).await;
        holder.farewell().is_none()
    };
    tokio::time::timeout(PROBE_TIMEOUT, sign).await.unwrap_or(false)
}

/// Tells the shards; waits for those that have a full inbox, which holds back who sends.
pub(super) async fn tell(conversation: &Conversation, inputs: Inputs) {
    for (shard, input) in inputs {
        conversation.presence().tell(shard, input).await;
    }
}

/// Asks others what a conversation has to know, and goes on with what was said meanwhile, until it waits for nothing more.
/// Nothing is heard in that time; that is as long as those may take to answer.
pub(super) async fn ask_others(conversation: &mut Conversation, inputs: &mut Inputs) {
    while let Some((inquiry, heard)) = conversation.take_inquiry() {
        // What was said before must not wait for that.
        tell(conversation, std::mem::take(inputs)).await;
        conversation.presence().settle(&inquiry).await;
        conversation.go_on(heard, inputs);
    }
}

/// A ping, which the peer's browser answers by itself.
const PROBE: Bytes = Bytes::from_static(&[0x89, 0]);
/// How long the holder of a session may take to show that it is there.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
const PROBE_LOOK: Duration = Duration::from_millis(20);
/// How exact times are.
const CLOCK_STEP: Duration = Duration::from_millis(1);
