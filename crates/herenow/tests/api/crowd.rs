//! Gears hold over HTTP as well: a crowd's room answers counts and faces, and pages give the roster.
use crate::common::{TestServer, ids};
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn a_crowd_has_faces_and_its_roster_comes_in_pages() {
    let server = TestServer::start(|_| {}).await;
    for at in 0..1001 {
        let path = format!("PUT /v1/rooms/hall/viewers/u{at}");
        server.call(&path, &server.write, Some(json!({"ttl_ms":600_000}))).await.done(204);
    }
    let room = server.get("/v1/rooms/hall").await.json(200);
    assert_eq!((&room["gear"], &room["count"]["users"], &room["viewers"]), (&json!("crowd"), &json!(1001), &json!([])));
    assert_eq!(room["faces"].as_array().unwrap().len(), 30);
    let first = server.get("/v1/rooms/hall/viewers?limit=1000").await.json(200);
    let next = first["next"].as_str().unwrap();
    let rest = server.get(&format!("/v1/rooms/hall/viewers?cursor={next}")).await.json(200);
    let all: BTreeSet<String> = [ids(&first["viewers"]), ids(&rest["viewers"])].concat().into_iter().collect();
    assert_eq!((ids(&rest["viewers"]).len(), all.len()), (1, 1001), "each once");
    assert_eq!(server.get("/v1/rooms/hall/poll").await.json(200)["type"], "count");
    let count = server.watch("hall").await.expect("count").await;
    assert_eq!((&count.data["count"]["users"], &count.data["gear"]), (&json!(1001), &json!("crowd")));
    let typing = server.call("POST /v1/rooms/hall/typing", &server.write, Some(json!({"user":"u1","on":true}))).await;
    typing.refused(409, "typing.off");
}
