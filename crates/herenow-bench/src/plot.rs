//! Line plots as SVG: one figure a file, a few dozen lines of text each, legible on light and dark pages.
use std::fmt::Write as _;

/// One figure.
#[derive(Clone, Debug)]
pub struct Plot {
    /// What it shows, in a line.
    pub title: String,
    /// What is along the bottom.
    pub x: Axis,
    /// What is up the side.
    pub y: Axis,
    /// The lines, at most six.
    pub lines: Vec<Line>,
}

/// A direction.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What it is, with its unit.
    pub name: String,
    /// Powers of ten have equal distances; values must be above 0. Otherwise it begins at 0.
    pub logarithmic: bool,
}

/// A line through points.
#[derive(Clone, Debug)]
pub struct Line {
    /// What it stands for.
    pub name: String,
    /// From left to right.
    pub points: Vec<(f64, f64)>,
}

impl Plot {
    /// The file.
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x = Scale::new(self.x.logarithmic, points().map(|point| point.0), (LEFT, LEFT + PLOT_WIDTH));
        let y = Scale::new(self.y.logarithmic, points().map(|point| point.1), (TOP + PLOT_HEIGHT, TOP));
        let height = TOP + PLOT_HEIGHT + 62.0 + 20.0 * self.lines.len() as f64;
        let width = LEFT + PLOT_WIDTH + 20.0;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"13\" fill=\"#1f2328\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
             <text x=\"16\" y=\"24\" font-size=\"15\" font-weight=\"600\">{}</text>\n",
            escaped(&self.title)
        );
        // Writing to a String cannot fail.
        for tick in x.ticks() {
            let (at, bottom) = (x.place(tick), TOP + PLOT_HEIGHT);
            let _ = writeln!(svg, "<path d=\"M{at:.1} {TOP}V{bottom}\" stroke=\"#e4e7eb\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                label(tick)
            );
        }
        for tick in y.ticks() {
            let (at, right) = (y.place(tick), LEFT + PLOT_WIDTH);
            let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#e4e7eb\"/>");
            let _ = writeln!(
                svg,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                at + 4.5,
                label(tick)
            );
        }
        let (middle, below) = (LEFT + PLOT_WIDTH / 2.0, TOP + PLOT_HEIGHT + 40.0);
        let _ =
            writeln!(svg, "<text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{}</text>", escaped(&self.x.name));
        let _ = writeln!(svg, "<text x=\"16\" y=\"{}\" fill=\"#57606a\">{}</text>", TOP - 12.0, escaped(&self.y.name));
        for (at, (line, color)) in self.lines.iter().zip(COLORS).enumerate() {
            let places: Vec<_> =
                line.points.iter().map(|point| format!("{:.1},{:.1}", x.place(point.0), y.place(point.1))).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
                places.join(" ")
            );
            if line.points.len() <= DOTS_MAX {
                for (left, top) in places.iter().filter_map(|place| place.split_once(',')) {
                    let _ = writeln!(svg, "<circle cx=\"{left}\" cy=\"{top}\" r=\"3\" fill=\"{color}\"/>");
                }
            }
            let legend = below + 22.0 + 20.0 * at as f64;
            let _ = writeln!(svg, "<path d=\"M{LEFT} {:.1}h24\" stroke=\"{color}\" stroke-width=\"3\"/>", legend - 4.0);
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{legend:.1}\">{}</text>", LEFT + 32.0, escaped(&line.name));
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// Values to places.
struct Scale {
    logarithmic: bool,
    /// In powers of ten where it is logarithmic.
    lowest: f64,
    highest: f64,
    step: f64,
    places: (f64, f64),
}

impl Scale {
    fn new(logarithmic: bool, values: impl Iterator<Item = f64>, places: (f64, f64)) -> Self {
        let (mut lowest, mut highest) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            (lowest, highest) = (lowest.min(value), highest.max(value));
        }
        if !highest.is_finite() {
            (lowest, highest) = (1.0, 10.0);
        }
        if logarithmic {
            let (lowest, highest) = (lowest.log10().floor(), highest.log10().ceil());
            return Self { logarithmic, lowest, highest: highest.max(lowest + 1.0), step: 1.0, places };
        }
        // A step of 1, 2 or 5 times a power of ten that makes at most six of them.
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let power = 10_f64.powf((highest / 6.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| highest / step <= 6.0);
        let step = step.unwrap_or(highest);
        Self { logarithmic, lowest: 0.0, highest: (highest / step).ceil() * step, step, places }
    }

    fn place(&self, value: f64) -> f64 {
        let value = if self.logarithmic { value.log10() } else { value };
        let share = (value - self.lowest) / (self.highest - self.lowest);
        self.places.0 + share * (self.places.1 - self.places.0)
    }

    fn ticks(&self) -> Vec<f64> {
        let count = ((self.highest - self.lowest) / self.step).round() as u32;
        let at = |tick| self.lowest + self.step * f64::from(tick);
        (0..=count).map(|tick| if self.logarithmic { 10_f64.powf(at(tick)) } else { at(tick) }).collect()
    }
}

/// A short number: 0.05, 300, 10k, 2M.
fn label(value: f64) -> String {
    let (value, unit) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e4 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let text = format!("{value:.3}");
    format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

const LEFT: f64 = 64.0;
const TOP: f64 = 64.0;
const PLOT_WIDTH: f64 = 560.0;
const PLOT_HEIGHT: f64 = 280.0;
/// Told apart by who sees no red or no green as well.
const COLORS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9"];
/// A line of more points has no dots on them.
const DOTS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::{Axis, Line, Plot, Scale, label};

    #[test]
    fn ticks_are_round_and_hold_all_values() {
        let ticks = |logarithmic, values: &[f64]| Scale::new(logarithmic, values.iter().copied(), (0.0, 100.0)).ticks();
        assert_eq!(ticks(false, &[3.0, 17.0]), [0.0, 5.0, 10.0, 15.0, 20.0]);
        assert_eq!(ticks(false, &[0.55]).len(), 7);
        assert_eq!(ticks(true, &[10.0, 10_000.0]), [10.0, 100.0, 1000.0, 10_000.0]);
        assert_eq!(ticks(true, &[5.0]), [1.0, 10.0]);
        assert_eq!(ticks(false, &[]).len(), 6);
    }

    #[test]
    fn places_lie_on_the_axis() {
        let scale = Scale::new(true, [10.0, 1000.0].into_iter(), (0.0, 100.0));
        assert_eq!([10.0, 100.0, 1000.0].map(|value| scale.place(value)), [0.0, 50.0, 100.0]);
        let upwards = Scale::new(false, [10.0].into_iter(), (300.0, 100.0));
        assert_eq!([0.0, 10.0].map(|value| upwards.place(value)), [300.0, 100.0]);
    }

    #[test]
    fn labels_are_short() {
        assert_eq!([0.05, 300.0, 9000.0, 10_000.0, 2.5e6].map(label), ["0.05", "300", "9000", "10k", "2.5M"]);
    }

    #[test]
    fn a_plot_has_its_lines_names_and_no_stray_markup() {
        let axis = |name: &str| Axis { name: name.into(), logarithmic: false };
        let lines = vec![Line { name: "a < b & c".into(), points: vec![(0.0, 1.0), (2.0, 3.0)] }];
        let svg = Plot { title: "T".into(), x: axis("minutes"), y: axis("MiB"), lines }.svg();
        assert!(svg.contains("a &lt; b &amp; c") && !svg.contains("a < b"), "{svg}");
        assert_eq!((svg.matches("<polyline").count(), svg.matches("<circle").count()), (1, 2));
        for name in ["minutes", "MiB", ">T<"] {
            assert!(svg.contains(name), "{svg}");
        }
    }
}
