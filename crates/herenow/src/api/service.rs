//! How the server itself is: alive, ready, which version, and its numbers.
use crate::{
    api::{
        calls::Asked,
        json,
        meters::{Levels, Others},
        refusal::refused,
    },
    auth::hook::HookHealth,
    cluster::status::{ClusterStatus, LinkState, LivingNode},
    open_files,
    presence::Presence,
    problem::Problem,
};
use axum::response::{IntoResponse, Response};
use herenow_core::{cluster::replicas::Counters, hub::Hub};
use herenow_wire::code::Code;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// Says that the process is alive.
///
/// # Errors
/// None.
pub async fn health(asked: Asked) -> Result<Response, Problem> {
    let connections = asked.api.presence().connections();
    Ok(json::answer(json!({ "status": "ok", "connections": connections }).to_string()))
}

/// Says that the server takes connections.
///
/// # Errors
/// [`Code::ServerStopping`].
pub async fn ready(asked: Asked) -> Result<Response, Problem> {
    if asked.api.is_stopping() {
        return Err(refused(Code::ServerStopping));
    }
    let presence = asked.api.presence();
    let (health, now) = (presence.authority_health(), presence.clock().now());
    let jwks = health.jwks.as_ref().map(|jwks| {
        let age_ms = jwks.good_at.map(|at| u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX));
        json!({ "good": jwks.is_good, "keys": jwks.keys, "age_ms": age_ms, "problem": jwks.problem, "tries": jwks.tries })
    });
    let hook = |hook: &HookHealth| json!({ "problem": hook.problem, "calls": hook.calls, "failures": hook.failures });
    let (cookie_hook, room_hook) = (health.cookie_hook.as_ref().map(hook), health.room_hook.as_ref().map(hook));
    // A node that does not hear the others serves its own clients still, so it stays in service.
    let is_alone = presence.cluster().is_some_and(|node| node.status().link().state != LinkState::Well);
    let word = match (health.is_ready(), is_alone) {
        (false, _) => "not_ready",
        (true, true) => "degraded",
        (true, false) => "ready",
    };
    let cluster = presence.cluster().map(|node| cluster(node.status()));
    let body = json!({
        "status": word, "jwks": jwks, "cookie_hook": cookie_hook, "room_hook": room_hook, "cluster": cluster,
    });
    let mut answer = json::answer(body.to_string());
    if !health.is_ready() {
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(answer)
}

fn cluster(status: &ClusterStatus) -> serde_json::Value {
    let link = status.link();
    let problem = link.problem.map(|(code, message)| json!({ "code": code, "message": message }));
    let member = |living: &LivingNode| {
        let LivingNode { node, is_leaving, is_resyncing } = living;
        json!({ "node": format!("{:016x}", node.0), "leaving": is_leaving, "resyncing": is_resyncing })
    };
    let members: Vec<_> = link.nodes.iter().map(member).collect();
    json!({
        "state": link.state.word(), "since_ms": link.since.as_millis(), "node": status.node_name(),
        "nodes": members.len(), "members": members,
        "redis": status.address(), "server": link.server, "problem": problem,
    })
}

/// Says which version this is.
///
/// # Errors
/// None.
pub async fn version(asked: Asked) -> Result<Response, Problem> {
    let (version, node) = (env!("CARGO_PKG_VERSION"), asked.api.presence().node());
    Ok(json::answer(json!({ "version": version, "node": node }).to_string()))
}

/// All numbers.
///
/// # Errors
/// None.
pub async fn metrics(asked: Asked) -> Result<Response, Problem> {
    let (api, presence) = (&asked.api, asked.api.presence());
    let load = presence.measure().await;
    let levels = Levels {
        connections: presence.connections(),
        rooms: load.rooms,
        sessions: load.sessions,
        people: load.people,
        deadlines: load.deadlines,
        readers: api.readers().count(),
        hosted: api.hosts().count(),
        open_files: open_files::open(),
        open_files_max: open_files::allowed(),
        memory: presence.memory().used_bytes(),
        memory_max: presence.memory().limit_bytes(),
    };
    let cluster = match presence.cluster() {
        Some(node) => Some((node.status(), counters(presence).await)),
        None => None,
    };
    let text = api.meters().text(levels, Others { tallies: presence.tallies(), cluster });
    let kind = HeaderValue::from_static(METRICS_TYPE);
    Ok(([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], text)
        .into_response())
}

/// How often hubs made good for what went wrong, all of them together.
async fn counters(presence: &Presence) -> Counters {
    let mut sum = Counters::default();
    for counted in
        presence.look_everywhere(|sight| sight.hubs().iter().map(Hub::cluster_counters).collect::<Vec<_>>()).await
    {
        for Counters {
            chain_breaks,
            own_stamp_mismatches,
            missed_news,
            holds,
            holds_dropped,
            fenced,
            unknown_outcomes,
        } in counted
        {
            sum.chain_breaks += chain_breaks;
            sum.own_stamp_mismatches += own_stamp_mismatches;
            sum.missed_news += missed_news;
            sum.holds += holds;
            sum.holds_dropped += holds_dropped;
            sum.fenced += fenced;
            sum.unknown_outcomes += unknown_outcomes;
        }
    }
    sum
}

/// The media type of OpenMetrics.
pub const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
