//! `docs/http.md`: its commands do what it says, and its table has all calls.
use crate::common::TestServer;
use std::{
    fs,
    process::{Command, Stdio},
};

fn page() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/http.md")).unwrap()
}

#[tokio::test]
async fn the_commands_of_the_page_do_what_it_says() {
    let server = TestServer::start(|_| {}).await;
    let page = page();
    let blocks: Vec<&str> = page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 6, "each step is run");
    let script = format!("set -eu\n{}", blocks.join("\n"));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("timeout");
    command.args(["60", "bash", "-c", &script]).current_dir(folder.path()).stdin(Stdio::null());
    command.env("URL", format!("http://{}", server.address)).env("KEY", &server.all);
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", said(&output.stdout), said(&output.stderr));
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    let resumed = read("resumed.txt");
    let first = resumed.split("\n\n").nth(1).unwrap();
    assert!(first.contains("event: diff") && !resumed.contains("event: roster"), "only what was missed: {resumed}");
    assert!(read("watched.txt").contains("event: roster"));
}

#[tokio::test]
async fn the_table_has_all_calls() {
    let page = page();
    let mut rows: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .filter(|row| row.contains('/'))
        .collect();
    let calls = herenow::api::table::calls();
    let mut known: Vec<String> = calls.iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    rows.sort_unstable();
    known.sort_unstable();
    assert_eq!(rows, known);
}
