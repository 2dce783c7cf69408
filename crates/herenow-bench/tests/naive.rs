//! The generator against the baseline, small, through the command line.
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
fn a_server_that_is_not_there_is_an_error() {
    let arguments = ["idle", "--server", "http://127.0.0.1:9", "--connections", "1", "--rooms", "1"];
    let output = Command::new(env!("CARGO_BIN_EXE_herenow-bench")).args(arguments).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--pid"));
}
