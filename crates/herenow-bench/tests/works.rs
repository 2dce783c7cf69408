//! The works against the baseline, small, through the command line.
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]
use serde_json::Value;
use std::process::Command;

fn run(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_herenow-bench")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn idle_viewers_all_join_and_cost_memory() {
    let report = run(&["idle", "--server", "naive", "--connections", "300", "--rooms", "30"]);
    let figures = &report["figures"];
    assert_eq!(figures["connections"], 300);
    assert!(figures["rss_bytes_per_connection"].as_f64().unwrap() > 1000.0, "{report}");
}

#[test]
fn each_message_reaches_everybody_else() {
    let arguments = ["fanout", "--server", "naive-4k", "--members", "20", "--outstanding", "1,4", "--seconds", "1"];
    let report = run(&arguments);
    for (at, outstanding) in [1, 4].into_iter().enumerate() {
        let figures = &report["figures"][at];
        assert_eq!(figures["outstanding"], outstanding);
        let deliveries = figures["deliveries"].as_u64().unwrap();
        assert!(deliveries > 0 && deliveries.is_multiple_of(19), "{report}");
        assert!(figures["cpu_us_per_delivery"].as_f64().unwrap() > 0.0, "{report}");
        assert!(figures["latency_p50_us"].as_f64() <= figures["latency_p99_us"].as_f64(), "{report}");
    }
}

#[test]
fn messages_at_a_rate_reach_everybody_in_their_room_only() {
    let arguments = ["fanout", "--server", "naive-4k", "--rooms", "5", "--members", "4", "--outstanding", "8"];
    let report = run(&[&arguments[..], &["--per-second", "500", "--seconds", "1"]].concat());
    let figures = &report["figures"][1];
    assert_eq!(figures["messages_per_second"], 500.0);
    // Three others hear each of 500 messages.
    let deliveries = figures["deliveries"].as_u64().unwrap();
    assert!((1440..=1560).contains(&deliveries) && deliveries.is_multiple_of(3), "{report}");
    assert!(figures["bytes_per_delivery"].as_f64().unwrap() > 100.0, "{report}");
}

#[test]
fn who_joins_at_once_knows_all_and_who_stays_knows_that_they_left() {
    let report = run(&["join", "--server", "naive", "--members", "60"]);
    let figures = &report["figures"];
    assert_eq!((&figures["members"], &figures["listed"]), (&60.into(), &60.into()));
    assert!(figures["bytes"].as_u64().unwrap() > 60 * 60 * 20, "{report}");
    let report = run(&["leave", "--server", "naive", "--members", "60", "--observers", "3"]);
    assert!(report["figures"]["complete_seconds"].as_f64().unwrap() > 0.0, "{report}");
}

/// The values of the only round: of the server, and of the limit.
fn round(sheet: &Value, key: &str) -> [Option<f64>; 2] {
    let row = sheet["rows"].as_array().unwrap().iter().find(|row| row["key"] == key).unwrap();
    [0, 1].map(|column| row["values"][column][0].as_f64())
}

#[test]
fn the_table_has_a_row_for_each_work_and_the_limit_beside_it() {
    let arguments = ["load", "--small", "--servers", "naive-4k", "--rounds", "1", "--works", "4,5", "--json"];
    let sheet = run(&arguments);
    for key in ["w4", "w4-5000", "w4-faces", "w5"] {
        assert!(round(&sheet, key)[0].is_some_and(|value| value > 0.0), "{key}: {sheet}");
    }
    // The same bytes, without a server; each socket gets a whole number of them.
    let [Some(sent), Some(limit)] = round(&sheet, "w4-mb") else { panic!("{sheet}") };
    assert!((sent - limit).abs() < 0.001 && round(&sheet, "w4")[1].is_some(), "{sheet}");
    assert_eq!(round(&sheet, "w1"), [None, None]);
}

#[test]
#[ignore = "a minute of traffic"]
fn all_works_come_to_an_end() {
    let arguments = ["load", "--small", "--servers", "naive-4k", "--rounds", "1", "--seconds", "1", "--json"];
    let sheet = run(&arguments);
    for key in ["w1", "w2-1", "w2-32", "w2-128", "w2-half", "w2-p99", "w3", "w3-half", "w3-p99", "w4", "w5"] {
        assert!(round(&sheet, key)[0].is_some_and(|value| value > 0.0), "{key}: {sheet}");
    }
    for key in ["w2-1", "w2-32", "w2-128"] {
        assert!(round(&sheet, key)[1].is_some_and(|value| value > 0.0), "{key}: {sheet}");
    }
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let arguments = ["idle", "--server", "http://127.0.0.1:9", "--connections", "1", "--rooms", "1"];
    let output = Command::new(env!("CARGO_BIN_EXE_herenow-bench")).args(arguments).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--pid"));
}

#[test]
#[ignore = "needs Node and npm, and fetches ws and socket.io"]
fn the_peers_do_the_same_works() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    let folder = folder.to_str().unwrap();
    for peer in ["seed", "socket.io"] {
        let with = |arguments: &[&str]| run(&[arguments, &["--server", peer, "--peers-folder", folder]].concat());
        let joined = with(&["join", "--members", "60"]);
        assert_eq!(joined["figures"]["listed"], 60, "{joined}");
        let left = with(&["leave", "--members", "60", "--observers", "3"]);
        assert!(left["figures"]["complete_seconds"].as_f64().unwrap() > 0.0, "{left}");
        let said = with(&["fanout", "--rooms", "5", "--members", "4", "--outstanding", "1,8", "--seconds", "1"]);
        for at in [0, 1] {
            let deliveries = said["figures"][at]["deliveries"].as_u64().unwrap();
            assert!(deliveries > 0 && deliveries.is_multiple_of(3), "{said}");
        }
    }
}
