//! How cost grows: with the viewers of a room, with the number of rooms, with the rooms of one connection.
use crate::{
    dialect::Interest,
    fanout::Audience,
    flight::{Pace, Stage},
    generator::{Generator, Seat, deaf},
    hall::{self, Hall},
    proc,
    server::{Server, Setup, Target, deadline},
};
use anyhow::{Context, Result, ensure};
use herenow_core::id::RoomId;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// All curves.
#[derive(Debug, Serialize, Deserialize)]
pub struct Growth {
    /// Over real sockets, one a size of the room.
    pub members: Vec<MembersFigures>,
    /// In the core alone, one a number of rooms.
    pub rooms: Vec<CountFigures>,
    /// In the core alone, one a number of rooms that one connection is in.
    pub rooms_per_connection: Vec<CountFigures>,
}

/// What things cost in a room of a size. All is CPU time of the server.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct MembersFigures {
    /// Viewers of the room.
    pub members: usize,
    /// One message to one of the others, 32 messages outstanding, microseconds.
    pub delivery_us: f64,
    /// One viewer begins to type and stops, microseconds; not in a crowd, where nobody is told.
    pub typing_us: Option<f64>,
    /// One more viewer joins, microseconds.
    pub join_us: f64,
    /// That viewer leaves, microseconds.
    pub leave_us: f64,
    /// One viewer is sent the roster, or what stands for it in a crowd, microseconds.
    pub roster_us: f64,
    /// How long that answer is, bytes.
    pub roster_bytes: f64,
}

/// What coming and going costs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CountFigures {
    /// How many rooms.
    pub rooms: usize,
    /// One connection ends, microseconds.
    pub detach_us: f64,
    /// It comes back and joins what it was in, microseconds.
    pub join_us: f64,
}

/// Measures the curve over the size of a room, over real sockets.
///
/// # Errors
/// Where the server or a connection fails.
pub fn members(sizes: &[usize], setup: &Setup, progress: &mut dyn FnMut(&str)) -> Result<Vec<MembersFigures>> {
    let mut figures = Vec::new();
    for size in sizes {
        progress(&format!("a room of {size}"));
        // With thousands, some ping would always be on its way, and it would never be quiet.
        let server =
            Server::start_with_env(&Target::Herenow, setup, &[("HERENOW_PRESENCE__PING_INTERVAL", PING_INTERVAL)])?;
        let measured = members_of(*size, &server, setup);
        figures.push(measured.with_context(|| format!("room of {size}; last words:\n{}", server.last_words()))?);
    }
    Ok(figures)
}

fn members_of(members: usize, server: &Server, setup: &Setup) -> Result<MembersFigures> {
    let stage = Stage { rooms: 1, members, payload_bytes: 100 };
    // In a crowd nobody is told lists who does not ask for them.
    let interest = if members > CROWD_ABOVE { Interest::Full } else { Interest::Auto };
    let mut audience = Audience::fill(server, stage, interest, setup)?;
    let delivery_us = audience.measure(Pace::Outstanding(32), Duration::from_secs(2))?.cpu_us_per_delivery;
    let mut generator = audience.into_generator();
    generator.open([None], deadline(setup))?;
    let guest = members;
    let room = stage.room(0);
    let mut meter = Meter { generator, pid: server.pid, idle_ns_per_second: 0.0, setup };
    meter.learn_idle()?;
    let typing = |kind: &str| format!(r#"{{"type":"{kind}","room":"{room}"}}"#);
    let [start, stop] = [typing("typing"), typing("stop_typing")];
    let mut type_on = |generator: &mut Generator, time: usize| {
        generator.send(time % members, &start)?;
        Ok(Some((time % members, stop.clone())))
    };
    let typing_us = (members <= CROWD_ABOVE).then(|| meter.each(TIMES, &mut type_on)).transpose()?;
    let seat = Seat { room: room.as_str().into(), interest };
    let (mut join_us, mut leave_us) = (0.0, 0.0);
    for _ in 0..TIMES_JOIN {
        join_us += meter.each(1, |generator, _| generator.join(guest, seat.clone()).map(|()| None))?;
        let leave = format!(r#"{{"type":"leave","room":"{room}"}}"#);
        leave_us += meter.each(1, |generator, _| generator.send(guest, &leave).map(|()| None))?;
    }
    meter.each(1, |generator, _| generator.join(guest, seat.clone()).map(|()| None))?;
    let sync = format!(r#"{{"type":"sync","room":"{room}"}}"#);
    let bytes_before = meter.generator.received_bytes();
    let roster_us = meter.each(TIMES, |generator, _| generator.send(guest, &sync).map(|()| None))?;
    let roster_bytes = (meter.generator.received_bytes() - bytes_before) as f64 / TIMES as f64;
    Ok(MembersFigures {
        members,
        delivery_us,
        typing_us,
        join_us: join_us / TIMES_JOIN as f64,
        leave_us: leave_us / TIMES_JOIN as f64,
        roster_us,
        roster_bytes,
    })
}

/// Reads the CPU time that something costs until all is quiet again, less what the server spends anyhow.
struct Meter<'a> {
    generator: Generator,
    pid: u32,
    idle_ns_per_second: f64,
    setup: &'a Setup,
}

impl Meter<'_> {
    fn learn_idle(&mut self) -> Result<()> {
        self.generator.rest(QUIET, deadline(self.setup))?;
        let (begun, cpu_before) = (Instant::now(), proc::cpu_ns(self.pid)?);
        while begun.elapsed() < Duration::from_secs(2) {
            self.generator.turn(Duration::from_millis(50), &mut deaf)?;
        }
        let cpu_ns = proc::cpu_ns(self.pid)? - cpu_before;
        self.idle_ns_per_second = cpu_ns as f64 / begun.elapsed().as_secs_f64();
        Ok(())
    }

    /// Does something a number of times, each when all is quiet after the one before; says what one time costs. What is
    /// given back is sent once it is quiet again, and belongs to it.
    fn each(
        &mut self,
        times: usize,
        mut act: impl FnMut(&mut Generator, usize) -> Result<Option<(usize, String)>>,
    ) -> Result<f64> {
        let (begun, cpu_before) = (Instant::now(), proc::cpu_ns(self.pid)?);
        for time in 0..times {
            let then = act(&mut self.generator, time)?;
            self.generator.rest(PAUSE, deadline(self.setup))?;
            if let Some((connection, text)) = then {
                self.generator.send(connection, &text)?;
                self.generator.rest(PAUSE, deadline(self.setup))?;
            }
        }
        // News that a tick holds back belong to it too.
        self.generator.rest(QUIET, deadline(self.setup))?;
        let cpu_ns = (proc::cpu_ns(self.pid)? - cpu_before) as f64;
        let idle_ns = self.idle_ns_per_second * begun.elapsed().as_secs_f64();
        Ok((cpu_ns - idle_ns).max(0.0) / 1e3 / times as f64)
    }
}

/// Measures the end of a connection over the number of rooms in the hub; it is in one of them, with two others. Each is
/// measured a number of times.
///
/// # Errors
/// Where the core does not what it should.
pub fn rooms(counts: &[usize], times: usize) -> Result<Vec<CountFigures>> {
    let each = |rooms: &usize| {
        let rooms = *rooms;
        let names = (0..rooms).map(hall::room).collect::<Result<Vec<_>>>()?;
        let mut hall = Hall::new(rooms * 3)?;
        for session in 0..rooms * 3 {
            hall.join(session, &names[session % rooms]);
            if session % 1000 == 999 {
                hall.turn();
            }
        }
        hall.turn();
        // Far apart, so that no cache helps where there are many.
        come_and_go(&mut hall, (rooms, times), |hall, time| {
            let session = time.wrapping_mul(7919) % (rooms * 3);
            (session, vec![names[session % rooms].clone()], hall.heard())
        })
    };
    counts.iter().map(each).collect()
}

/// Measures the same over the number of rooms that the connection is in, each with nine others.
///
/// # Errors
/// Where the core does not what it should.
pub fn rooms_per_connection(counts: &[usize], times: usize) -> Result<Vec<CountFigures>> {
    let each = |rooms: &usize| {
        let names = (0..*rooms).map(hall::room).collect::<Result<Vec<_>>>()?;
        let mut hall = Hall::new(10)?;
        for session in 0..10 {
            for name in &names {
                hall.join(session, name);
            }
            hall.turn();
        }
        come_and_go(&mut hall, (*rooms, times), |hall, time| (time % 10, names.clone(), hall.heard()))
    };
    counts.iter().map(each).collect()
}

fn come_and_go(
    hall: &mut Hall,
    (rooms, times): (usize, usize),
    mut who: impl FnMut(&Hall, usize) -> (usize, Vec<RoomId>, u64),
) -> Result<CountFigures> {
    let (mut detach_ns, mut join_ns) = (0, 0);
    for time in 0..times {
        let (session, names, heard) = who(hall, time);
        let begun = Instant::now();
        hall.detach(session);
        hall.turn();
        detach_ns += begun.elapsed().as_nanos();
        ensure!(hall.heard() > heard, "nobody was told that session {session} left");
        let begun = Instant::now();
        hall.attach(session)?;
        for name in &names {
            hall.join(session, name);
        }
        hall.turn();
        join_ns += begun.elapsed().as_nanos();
    }
    let each_us = |ns: u128| ns as f64 / 1e3 / times as f64;
    Ok(CountFigures { rooms, detach_us: each_us(detach_ns), join_us: each_us(join_ns) })
}

/// Longer than the measurement of a room.
const PING_INTERVAL: &str = "10m";
/// Viewers above which the server tells counts in place of lists.
const CROWD_ABOVE: usize = 1000;
const TIMES: usize = 20;
const TIMES_JOIN: usize = 5;
/// How long nothing comes before the next time.
const PAUSE: Duration = Duration::from_millis(100);
/// Longer than the longest tick of a crowd.
const QUIET: Duration = Duration::from_millis(2500);

#[cfg(test)]
mod tests {
    use super::{rooms, rooms_per_connection};

    #[test]
    fn a_goodbye_costs_no_more_where_there_are_more_rooms_but_where_it_is_told_in_more() {
        // Wide bounds: this is about whether all rooms are looked at, which would be 300 times as much.
        let many = rooms(&[1, 300], 30).unwrap();
        assert!(many[1].detach_us < many[0].detach_us * 60.0, "{many:?}");
        let of_one = rooms_per_connection(&[1, 50], 10).unwrap();
        assert!(of_one[1].detach_us > of_one[0].detach_us, "{of_one:?}");
    }
}
