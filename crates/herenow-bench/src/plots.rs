//! The plots of the documentation, out of the JSON that the measurements print.
use crate::{
    growth::{CountFigures, Growth, MembersFigures},
    plot::{Axis, Line, Plot},
    soak::{Sample, SoakFigures},
};

/// File names without their ending, and what is in them.
pub type Plots = Vec<(&'static str, Plot)>;

/// How cost grows.
pub fn of_growth(growth: &Growth) -> Plots {
    let of_members = |name: &str, figure: &dyn Fn(&MembersFigures) -> Option<f64>| Line {
        name: name.to_owned(),
        points: growth
            .members
            .iter()
            .filter_map(|size| Some((size.members as f64, above_zero(figure(size)?)?)))
            .collect(),
    };
    let members = Plot {
        title: "What one thing costs the server in a room of N viewers".to_owned(),
        x: logarithmic("viewers of the room"),
        y: logarithmic("CPU time, µs"),
        lines: vec![
            of_members("one delivery of a message", &|size| Some(size.delivery_us)),
            of_members("begin to type and stop, told to everybody", &|size| size.typing_us),
            of_members("join, told to everybody", &|size| Some(size.join_us)),
            of_members("leave, told to everybody", &|size| Some(size.leave_us)),
            of_members("the roster, to one viewer", &|size| Some(size.roster_us)),
        ],
    };
    let of_rooms = |title: &str, x: &str, counts: &[CountFigures]| {
        let line = |name: &str, figure: fn(&CountFigures) -> f64| Line {
            name: name.to_owned(),
            points: counts.iter().map(|count| (count.rooms as f64, figure(count))).collect(),
        };
        let lines = vec![line("it ends", |count| count.detach_us), line("it joins", |count| count.join_us)];
        Plot { title: title.to_owned(), x: logarithmic(x), y: logarithmic("time in the core, µs"), lines }
    };
    let rooms = of_rooms("A connection in one of R rooms", "rooms in the hub", &growth.rooms);
    let each = of_rooms("A connection in K rooms of 10", "rooms of the connection", &growth.rooms_per_connection);
    vec![("growth-members", members), ("growth-rooms", rooms), ("growth-rooms-per-connection", each)]
}

/// What hours did.
pub fn of_soak(soak: &SoakFigures) -> Plots {
    let line = |name: &str, figure: fn(&Sample) -> f64| Line {
        name: name.to_owned(),
        points: soak.samples.iter().map(|sample| (sample.minutes, figure(sample))).collect(),
    };
    let plot =
        |title: &str, y: &str, lines| Plot { title: title.to_owned(), x: linear("minutes"), y: linear(y), lines };
    let memory = plot("Memory of the server", "resident, MiB", vec![line("resident", |sample| sample.rss_mib)]);
    let latency = plot(
        "Latency of deliveries",
        "ms",
        vec![line("99 in 100 below", |sample| sample.latency_p99_ms), line("median", |sample| sample.latency_p50_ms)],
    );
    vec![("soak-memory", memory), ("soak-latency", latency)]
}

/// A logarithm has no place for 0; what costs nothing is not drawn.
fn above_zero(value: f64) -> Option<f64> {
    (value > 0.0).then_some(value)
}

fn logarithmic(name: &str) -> Axis {
    Axis { name: name.to_owned(), logarithmic: true }
}

fn linear(name: &str) -> Axis {
    Axis { name: name.to_owned(), logarithmic: false }
}

#[cfg(test)]
mod tests {
    use super::{of_growth, of_soak};
    use crate::{
        growth::{CountFigures, Growth, MembersFigures},
        soak::{Sample, SoakFigures},
    };

    #[test]
    fn each_figure_becomes_a_file_with_all_its_lines() {
        let size = |members, typing_us, leave_us| MembersFigures {
            members,
            delivery_us: 1.0,
            typing_us,
            join_us: 2.0,
            leave_us,
            roster_us: 3.0,
            roster_bytes: 4.0,
        };
        let count = |rooms| CountFigures { rooms, detach_us: 1.0, join_us: 2.0 };
        let growth = Growth {
            members: vec![size(10, Some(1.0), 5.0), size(10_000, None, 0.0)],
            rooms: vec![count(10), count(100)],
            rooms_per_connection: vec![count(1)],
        };
        let plots = of_growth(&growth);
        let points: Vec<_> = plots[0].1.lines.iter().map(|line| line.points.len()).collect();
        assert_eq!((plots.len(), points), (3, vec![2, 1, 2, 1, 2]));
        let sample = Sample {
            minutes: 1.0,
            rss_mib: 10.0,
            deliveries_per_second: 1.0,
            latency_p50_ms: 1.0,
            latency_p99_ms: 2.0,
            server_cores: 0.5,
        };
        let soak = SoakFigures {
            messages_per_second_most: 2.0,
            messages_per_second: 1.0,
            samples: vec![sample; 3],
            comings: 0,
            sleepers_ended: 0,
            memory_growth: 1.0,
            latency_growth: 1.0,
        };
        let names: Vec<_> = of_soak(&soak).into_iter().map(|(name, plot)| (name, plot.svg().len() > 500)).collect();
        assert_eq!(names, [("soak-memory", true), ("soak-latency", true)]);
    }
}
