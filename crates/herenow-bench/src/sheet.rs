//! What several rounds gave, as a table: medians with their spread, ratios, and whether goals are reached.
use serde::Serialize;
use std::fmt::Write as _;

/// Figures of some servers, round by round.
#[derive(Debug, Serialize)]
pub struct Sheet {
    /// The machine, before the first round.
    pub machine: String,
    /// Where server and generator ran.
    pub pinning: String,
    /// The server whose goals and ratios are shown, then the others, then the limit.
    columns: Vec<String>,
    rows: Vec<Row>,
}

/// One figure of all servers.
#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    kind: Kind,
    /// For each column one value a round; none where it was not measured.
    values: Vec<Vec<f64>>,
    verdict: Option<Verdict>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Kind {
    /// Unique short name.
    pub key: &'static str,
    /// What it says at the left of the table.
    pub name: &'static str,
    /// Digits behind the point.
    pub decimals: usize,
    /// What it is to reach.
    #[serde(skip)]
    pub goal: Option<Goal>,
}

/// What the first column is to reach.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    /// A value.
    AtMost(f64),
    /// A multiple of the limit.
    AtMostLimits(f64),
    /// A share of the limit.
    AtLeastLimits(f64),
    /// A multiple of what a column has.
    AtLeastOf(&'static str, f64),
    /// What it has itself in another row, of that key.
    AtLeastRow(&'static str),
}

/// Whether it reached that.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// In words.
    pub goal: String,
    /// The value or ratio that decides, as the median of the rounds.
    pub is: f64,
    /// Whether that is good enough.
    pub reached: bool,
}

/// What several rounds gave.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// The lowest value.
    pub lowest: f64,
    /// The one in the middle, or the mean of two.
    pub median: f64,
    /// The highest.
    pub highest: f64,
}

impl Sheet {
    /// An empty one.
    pub fn new(machine: String, pinning: String, columns: Vec<String>, kinds: &[Kind]) -> Self {
        let row = |kind: &Kind| Row { kind: *kind, values: vec![Vec::new(); columns.len()], verdict: None };
        Self { machine, pinning, rows: kinds.iter().map(row).collect(), columns }
    }

    /// Notes one value. Of a key or column that the sheet does not have, nothing is noted.
    pub fn note(&mut self, key: &str, column: &str, value: f64) {
        let at = self.columns.iter().position(|name| name == column);
        let row = self.rows.iter_mut().find(|row| row.kind.key == key);
        if let Some((row, at)) = row.zip(at) {
            row.values[at].push(value);
        }
    }

    /// The values of a column, round by round.
    pub fn values(&self, key: &str, column: &str) -> &[f64] {
        let at = self.columns.iter().position(|name| name == column);
        let row = self.rows.iter().find(|row| row.kind.key == key);
        row.zip(at).map_or(&[], |(row, at)| &row.values[at])
    }

    /// Judges each row that has a goal and values.
    pub fn judge(&mut self) {
        let verdicts: Vec<_> = self.rows.iter().map(|row| self.verdict(row)).collect();
        for (row, verdict) in self.rows.iter_mut().zip(verdicts) {
            row.verdict = verdict;
        }
    }

    /// How many goals were judged, and how many of those are reached.
    pub fn reached(&self) -> (usize, usize) {
        let verdicts = || self.rows.iter().filter_map(|row| row.verdict.as_ref());
        (verdicts().count(), verdicts().filter(|verdict| verdict.reached).count())
    }

    /// A Markdown table: medians, lowest and highest in brackets; behind each of the other columns, how often its median
    /// holds the first one's. Rows without any value are left out.
    pub fn markdown(&self) -> String {
        let rounds = self.rows.iter().flat_map(|row| &row.values).map(Vec::len).max().unwrap_or(0);
        let mut text = format!("Machine: {}. {}.\n\n| median of {rounds} rounds |", self.machine, self.pinning);
        // Writing to a String cannot fail.
        for column in &self.columns {
            let _ = write!(text, " {column} |");
        }
        let _ = write!(text, " goal | is | reached |\n|---|{}---|---:|---|\n", "---:|".repeat(self.columns.len()));
        for row in self.rows.iter().filter(|row| row.values.iter().any(|values| !values.is_empty())) {
            let _ = write!(text, "| {} |", row.kind.name);
            let first = spread(&row.values[0]).median;
            for (at, values) in row.values.iter().enumerate() {
                let cell = cell(spread(values), row.kind.decimals, (at > 0 && first != 0.0).then_some(first));
                let _ = write!(text, " {} |", if values.is_empty() { "" } else { &cell });
            }
            let _ = match &row.verdict {
                Some(Verdict { goal, is, reached }) => {
                    writeln!(text, " {goal} | {is:.2} | {} |", if *reached { "yes" } else { "**no**" })
                }
                None => writeln!(text, " | | |"),
            };
        }
        text
    }

    fn verdict(&self, row: &Row) -> Option<Verdict> {
        let goal = row.kind.goal?;
        let (ours, limit) = (row.values.first()?, row.values.last()?);
        let (is, reached, goal) = match goal {
            Goal::AtMost(most) => {
                let is = median(ours)?;
                (is, is <= most, format!("≤ {most}"))
            }
            Goal::AtMostLimits(most) => {
                let is = median_ratio(ours, limit)?;
                (is, is <= most, format!("≤ {most} × limit"))
            }
            Goal::AtLeastLimits(least) => {
                let is = median_ratio(ours, limit)?;
                (is, is >= least, format!("≥ {least} × limit"))
            }
            Goal::AtLeastOf(column, least) => {
                let is = median_ratio(ours, self.values(row.kind.key, column))?;
                (is, is >= least, format!("≥ {least} × {column}"))
            }
            Goal::AtLeastRow(key) => {
                let other = self.rows.iter().find(|other| other.kind.key == key)?;
                let is = median_ratio(ours, &other.values[0])?;
                (is, is >= 1.0, format!("≥ that of: {}", other.kind.name))
            }
        };
        Some(Verdict { goal, is, reached })
    }
}

fn cell(Spread { lowest, median, highest }: Spread, decimals: usize, first: Option<f64>) -> String {
    let [median_text, lowest, highest] = [median, lowest, highest].map(|value| grouped(value, decimals));
    let ratio = first.map(|first| format!(", × {:.2}", median / first)).unwrap_or_default();
    format!("{median_text} ({lowest} to {highest}){ratio}")
}

/// All is 0 of no values.
pub fn spread(values: &[f64]) -> Spread {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let (Some(&lowest), Some(&highest)) = (values.first(), values.last()) else { return Spread::default() };
    let middle = values.len() / 2;
    let median = if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
    Spread { lowest, median, highest }
}

fn median(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| spread(values).median)
}

/// The median of the ratios within each round: what slows the whole machine down for a while is in both.
fn median_ratio(ours: &[f64], theirs: &[f64]) -> Option<f64> {
    let ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}

/// A number with a comma between thousands.
pub fn grouped(value: f64, decimals: usize) -> String {
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
    use super::{Goal, Kind, Sheet, Spread, grouped, spread};

    const KINDS: &[Kind] = &[
        Kind { key: "a", name: "A", decimals: 1, goal: Some(Goal::AtMost(2.0)) },
        Kind { key: "b", name: "B", decimals: 0, goal: Some(Goal::AtLeastLimits(0.5)) },
        Kind { key: "c", name: "C", decimals: 0, goal: Some(Goal::AtLeastRow("b")) },
        Kind { key: "d", name: "D", decimals: 0, goal: Some(Goal::AtLeastOf("peer", 2.0)) },
        Kind { key: "e", name: "E", decimals: 0, goal: Some(Goal::AtMostLimits(3.0)) },
    ];

    fn sheet(values: &[(&str, &str, f64)]) -> Sheet {
        let columns = ["ours", "peer", "limit"].map(str::to_owned).to_vec();
        let mut sheet = Sheet::new("m".into(), "p".into(), columns, KINDS);
        for (key, column, value) in values {
            sheet.note(key, column, *value);
        }
        sheet.judge();
        sheet
    }

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(spread(&[]), Spread::default());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Spread { lowest: 1.0, median: 2.0, highest: 3.0 });
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), Spread { lowest: 1.0, median: 2.5, highest: 4.0 });
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
    fn goals_are_judged_by_the_ratios_within_a_round() {
        let sheet = sheet(&[
            ("a", "ours", 2.0),
            // In a slow round both are slow: 0.6 and 0.4 and 0.6 of the limit.
            ("b", "ours", 60.0),
            ("b", "limit", 100.0),
            ("b", "ours", 4.0),
            ("b", "limit", 10.0),
            ("b", "ours", 600.0),
            ("b", "limit", 1000.0),
            ("c", "ours", 59.0),
            ("d", "ours", 10.0),
            ("d", "peer", 5.0),
            ("e", "ours", 31.0),
            ("e", "limit", 10.0),
            ("e", "nobody", 1.0),
            ("nothing", "ours", 1.0),
        ]);
        let verdicts: Vec<_> = sheet.rows.iter().map(|row| row.verdict.clone().unwrap()).collect();
        let reached: Vec<_> = verdicts.iter().map(|verdict| verdict.reached).collect();
        assert_eq!(reached, [true, true, false, true, false]);
        assert!((verdicts[1].is - 0.6).abs() < 1e-9);
        assert_eq!(sheet.reached(), (5, 3));
    }

    #[test]
    fn the_table_has_medians_ratios_and_verdicts_and_no_empty_rows() {
        let values = [("a", "ours", 1000.0), ("a", "ours", 2000.0), ("a", "peer", 3000.0), ("d", "peer", 1.0)];
        let table = sheet(&values).markdown();
        assert!(table.contains("| median of 2 rounds | ours | peer | limit | goal | is | reached |\n"), "{table}");
        let row =
            "| A | 1,500.0 (1,000.0 to 2,000.0) | 3,000.0 (3,000.0 to 3,000.0), × 2.00 |  | ≤ 2 | 1500.00 | **no** |";
        assert!(table.contains(row), "{table}");
        assert!(table.contains("| D |  | 1 (1 to 1) |"), "{table}");
        assert!(!table.contains("| B |"), "{table}");
    }
}
