//! Several servers in one run, in alternation, and what their medians say.
use crate::{
    fanout::{self, FanoutFigures, FanoutPlan},
    idle::{self, IdleFigures, IdlePlan},
    server::{Setup, Target},
};
use anyhow::Result;
use serde::Serialize;
use std::fmt::Write as _;

/// What to compare.
#[derive(Clone, Debug)]
pub struct ComparePlan {
    /// Which servers; the first is the one whose ratios are shown.
    pub targets: Vec<Target>,
    /// How often each is measured.
    pub rounds: usize,
    /// The memory of idle viewers.
    pub idle: IdlePlan,
    /// The cost of deliveries.
    pub fanout: FanoutPlan,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The machine, before the first round.
    pub machine: String,
    /// Where server and generator ran.
    pub pinning: String,
    /// For each server, in the order of the plan.
    pub servers: Vec<Series>,
}

/// What was measured of one server, round by round.
#[derive(Debug, Serialize)]
pub struct Series {
    /// Name of the server.
    pub server: String,
    /// One for each round.
    pub idle: Vec<IdleFigures>,
    /// One list for each round, in it one for each number of outstanding messages.
    pub fanout: Vec<Vec<FanoutFigures>>,
}

/// The circumstances of a comparison.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// The machine.
    pub machine: String,
    /// Where server and generator run.
    pub pinning: String,
}

/// Measures each server once a round, every other round in reverse order. Tells `progress` what it is at.
///
/// # Errors
/// Where one measurement fails.
pub fn run(
    plan: &ComparePlan,
    setup: &Setup,
    circumstances: Circumstances,
    mut progress: impl FnMut(&str),
) -> Result<Comparison> {
    let new = |target: &Target| Series { server: target.to_string(), idle: Vec::new(), fanout: Vec::new() };
    let mut servers: Vec<_> = plan.targets.iter().map(new).collect();
    for round in 0..plan.rounds {
        let mut order: Vec<_> = (0..plan.targets.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let target = &plan.targets[at];
            progress(&format!("round {} of {}: {target}", round + 1, plan.rounds));
            servers[at].idle.push(idle::run(target, plan.idle, setup)?);
            servers[at].fanout.push(fanout::run(target, &plan.fanout, setup)?);
        }
    }
    Ok(Comparison { machine: circumstances.machine, pinning: circumstances.pinning, servers })
}

/// One figure of all servers.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    name: String,
    decimals: usize,
    /// Of each server.
    spreads: Vec<Spread>,
}

/// What several rounds gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Spread {
    lowest: f64,
    median: f64,
    highest: f64,
}

impl Comparison {
    /// A Markdown table of medians, lowest and highest in brackets; behind each of the other servers' figures, how often
    /// its median holds the first one's.
    pub fn markdown(&self) -> String {
        let mut text =
            format!("Machine: {}. {}.\n\n| median of {} rounds |", self.machine, self.pinning, self.rounds());
        for (at, series) in self.servers.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(text, " {} |", series.server);
            if at > 0 {
                let _ = write!(text, " / {} |", self.servers[0].server);
            }
        }
        let _ = write!(text, "\n|---|{}\n", "---:|".repeat(2 * self.servers.len() - 1));
        for row in self.rows() {
            let _ = write!(text, "| {} |", row.name);
            for (at, spread) in row.spreads.iter().enumerate() {
                let [median, lowest, highest] =
                    [spread.median, spread.lowest, spread.highest].map(|value| grouped(value, row.decimals));
                let _ = write!(text, " {median} ({lowest} to {highest}) |");
                if at > 0 {
                    let _ = write!(text, " {:.2} |", spread.median / row.spreads[0].median);
                }
            }
            text.push('\n');
        }
        text
    }

    fn rounds(&self) -> usize {
        self.servers.first().map_or(0, |series| series.idle.len())
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = vec![self.row("resident bytes per idle joined connection", 0, |series| {
            series.idle.iter().map(|figures| figures.rss_bytes_per_connection).collect()
        })];
        let kinds = self.servers.first().and_then(|series| series.fanout.first()).cloned().unwrap_or_default();
        for (at, FanoutFigures { members, outstanding, .. }) in kinds.iter().enumerate() {
            let mut add = |name: &str, decimals, figure: fn(&FanoutFigures) -> f64| {
                let name = format!("{name}, {members} members, {outstanding} outstanding");
                rows.push(
                    self.row(&name, decimals, |series| series.fanout.iter().map(|all| figure(&all[at])).collect()),
                );
            };
            add("server CPU per delivery (µs)", 2, |figures| figures.cpu_us_per_delivery);
            add("deliveries per second", 0, |figures| figures.deliveries_per_second);
            add("latency p50 (µs)", 0, |figures| figures.latency_p50_us);
            add("latency p99 (µs)", 0, |figures| figures.latency_p99_us);
        }
        rows
    }

    fn row(&self, name: &str, decimals: usize, values: impl Fn(&Series) -> Vec<f64>) -> Row {
        let spreads = self.servers.iter().map(|series| spread(values(series))).collect();
        Row { name: name.to_owned(), decimals, spreads }
    }
}

/// The median is the middle value, or the mean of the two in the middle; all is 0 of none.
fn spread(mut values: Vec<f64>) -> Spread {
    values.sort_by(f64::total_cmp);
    let (Some(&lowest), Some(&highest)) = (values.first(), values.last()) else { return Spread::default() };
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
    Spread { lowest, median, highest }
}

/// A number with a comma between thousands.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut out = String::new();
    for (at, letter) in text.char_indices() {
        let follows_digit = out.ends_with(|last: char| last.is_ascii_digit());
        if at < whole && (whole - at) % 3 == 0 && follows_digit {
            out.push(',');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Series, Spread, grouped, spread};
    use crate::{fanout::FanoutFigures, idle::IdleFigures};

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(spread(vec![]), Spread::default());
        assert_eq!(spread(vec![3.0, 1.0, 2.0]), Spread { lowest: 1.0, median: 2.0, highest: 3.0 });
        assert_eq!(spread(vec![4.0, 1.0, 2.0, 3.0]), Spread { lowest: 1.0, median: 2.5, highest: 4.0 });
    }

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(0.5, 2), "0.50");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(139_556.0, 0), "139,556");
        assert_eq!(grouped(-1234.5, 1), "-1,234.5");
        assert_eq!(grouped(1_234_567.891, 2), "1,234,567.89");
    }

    #[test]
    fn the_table_has_a_ratio_for_each_other_server() {
        let series = |server: &str, bytes: f64| Series {
            server: server.into(),
            idle: vec![IdleFigures {
                connections: 10,
                rss_before_bytes: 0,
                rss_after_bytes: 0,
                rss_bytes_per_connection: bytes,
                anonymous_bytes_per_connection: bytes,
                open_seconds: 1.0,
            }],
            fanout: vec![vec![FanoutFigures {
                members: 1000,
                outstanding: 32,
                deliveries: 1,
                deliveries_per_second: bytes,
                cpu_us_per_delivery: 1.0,
                server_cores: 1.0,
                latency_p50_us: 1.0,
                latency_p99_us: 1.0,
            }]],
        };
        let servers = vec![series("herenow", 1000.0), series("naive", 8000.0)];
        let table = Comparison { machine: "m".into(), pinning: "p".into(), servers }.markdown();
        assert!(table.contains("| herenow | naive | / herenow |\n|---|---:|---:|---:|\n"), "{table}");
        assert!(table.contains("connection | 1,000 (1,000 to 1,000) | 8,000 (8,000 to 8,000) | 8.00 |"), "{table}");
        assert!(
            table.contains("(µs), 1000 members, 32 outstanding | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) | 1.00 |"),
            "{table}"
        );
    }
}
