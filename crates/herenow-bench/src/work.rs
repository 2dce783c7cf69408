//! Rooms full of viewers, and crowds that come or go at once: how long until everybody knows.
use crate::{
    dialect::Interest,
    flight::Stage,
    generator::{Generator, Heard, Seat, deaf},
    proc,
    server::{Server, Setup, Target, deadline},
    users::UserSet,
    view::View,
};
use anyhow::{Context, Result, ensure};
use serde::Serialize;
use std::{
    rc::Rc,
    time::{Duration, Instant},
};

/// Many who join one room at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinPlan {
    /// How many.
    pub members: usize,
    /// What they ask to be told.
    pub interest: Interest,
}

/// How long it took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct JoinFigures {
    /// How many joined.
    pub members: usize,
    /// From the first join to the moment when the last of them knew all, seconds: by list, each user once and nobody else;
    /// by number, where the server counts in place of listing.
    pub complete_seconds: f64,
    /// How many were told the list.
    pub listed: usize,
    /// Bytes that the server sent until then.
    pub bytes: u64,
    /// CPU time of the server, seconds.
    pub cpu_seconds: f64,
}

/// Many who leave one room at once, before the eyes of a few who stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeavePlan {
    /// How many leave.
    pub members: usize,
    /// How many stay.
    pub observers: usize,
}

/// How long it took.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LeaveFigures {
    /// How many left.
    pub members: usize,
    /// From the first goodbye to the moment when the last of those who stay knew that nobody else is there, seconds.
    pub complete_seconds: f64,
    /// CPU time of the server, seconds.
    pub cpu_seconds: f64,
}

/// Lets everybody in, and waits until each knows everybody in their room.
///
/// # Errors
/// Where a connection fails, or that does not come to be in time.
pub fn fill(generator: &mut Generator, stage: Stage, interest: Interest, setup: &Setup) -> Result<()> {
    let names: Vec<Rc<str>> = (0..stage.rooms).map(|room| stage.room(room).into()).collect();
    let seat = |at: usize| Some(Seat { room: Rc::clone(&names[at % stage.rooms]), interest });
    generator.open((0..stage.connections()).map(seat), deadline(setup))?;
    settle(generator, stage, setup)
}

/// Waits until each knows everybody in their room.
///
/// # Errors
/// Where a connection fails, or that does not come to be in time.
pub fn settle(generator: &mut Generator, stage: Stage, setup: &Setup) -> Result<()> {
    let who = |room: usize| (0..stage.members).map(|member| room + member * stage.rooms).collect::<UserSet>();
    let everybody: Vec<_> = (0..stage.rooms).map(who).collect();
    let last = deadline(setup);
    let mut at = 0;
    while at < stage.connections() {
        if generator.view(at).users() == Some(&everybody[at % stage.rooms]) {
            at += 1;
            continue;
        }
        ensure!(Instant::now() < last, "connection {at} does not know its room: {:?}", generator.view(at));
        generator.turn(Duration::from_millis(50), &mut deaf)?;
    }
    Ok(())
}

/// Starts a server, opens connections, and has all of them join one room at once.
///
/// # Errors
/// Where the server or a connection fails, or somebody does not know all in time.
pub fn join(target: &Target, plan: JoinPlan, setup: &Setup) -> Result<JoinFigures> {
    let server = Server::start(target, setup)?;
    let measured = measure_join(&server, plan, setup);
    measured.with_context(|| format!("joins on {target}; its last words:\n{}", server.last_words()))
}

fn measure_join(server: &Server, plan: JoinPlan, setup: &Setup) -> Result<JoinFigures> {
    let mut generator = Generator::new(server.address(setup))?;
    generator.open((0..plan.members).map(|_| None), deadline(setup))?;
    generator.rest(QUIET, deadline(setup))?;
    let everybody: UserSet = (0..plan.members).collect();
    let complete = |view: &View| match view.users() {
        Some(users) => *users == everybody,
        None => view.count() == Some(plan.members as u64),
    };
    let (bytes_before, cpu_before) = (generator.received_bytes(), proc::cpu_ns(server.pid)?);
    let mut watch = Watch::new(plan.members, 0);
    let seat = Seat { room: ROOM.into(), interest: plan.interest };
    let begun = Instant::now();
    for connection in 0..plan.members {
        generator.join(connection, seat.clone())?;
        if connection % AT_ONCE == AT_ONCE - 1 {
            generator.turn(Duration::ZERO, &mut |heard| watch.hear(&heard, complete(heard.view)))?;
        }
    }
    let last = deadline(setup);
    while watch.missing > 0 {
        generator.turn(Duration::from_millis(20), &mut |heard| watch.hear(&heard, complete(heard.view)))?;
        ensure!(Instant::now() < last, "{} of {} do not know all in time", watch.missing, plan.members);
    }
    let listed = (0..plan.members).filter(|connection| generator.view(*connection).users().is_some()).count();
    Ok(JoinFigures {
        members: plan.members,
        complete_seconds: watch.last.saturating_duration_since(begun).as_secs_f64(),
        listed,
        bytes: generator.received_bytes() - bytes_before,
        cpu_seconds: (proc::cpu_ns(server.pid)? - cpu_before) as f64 / 1e9,
    })
}

/// Starts a server, fills one room, and has most of them say goodbye at once.
///
/// # Errors
/// Where the server or a connection fails, or those who stay do not know all in time.
pub fn leave(target: &Target, plan: LeavePlan, setup: &Setup) -> Result<LeaveFigures> {
    let server = Server::start(target, setup)?;
    let measured = measure_leave(&server, plan, setup);
    measured.with_context(|| format!("goodbyes on {target}; its last words:\n{}", server.last_words()))
}

fn measure_leave(server: &Server, plan: LeavePlan, setup: &Setup) -> Result<LeaveFigures> {
    let all = plan.members + plan.observers;
    let mut generator = Generator::new(server.address(setup))?;
    fill(&mut generator, Stage { rooms: 1, members: all, payload_bytes: 0 }, Interest::Full, setup)?;
    let staying: UserSet = (plan.members..all).collect();
    let mut watch = Watch::new(all, plan.members);
    let complete = |view: &View| view.users() == Some(&staying);
    let cpu_before = proc::cpu_ns(server.pid)?;
    let begun = Instant::now();
    for connection in 0..plan.members {
        generator.leave(connection)?;
        if connection % AT_ONCE == AT_ONCE - 1 {
            generator.turn(Duration::ZERO, &mut |heard| watch.hear(&heard, complete(heard.view)))?;
        }
    }
    let last = deadline(setup);
    while watch.missing > 0 {
        generator.turn(Duration::from_millis(20), &mut |heard| watch.hear(&heard, complete(heard.view)))?;
        ensure!(Instant::now() < last, "{} of {} do not know all in time", watch.missing, plan.observers);
    }
    let cpu_seconds = (proc::cpu_ns(server.pid)? - cpu_before) as f64 / 1e9;
    let complete_seconds = watch.last.saturating_duration_since(begun).as_secs_f64();
    Ok(LeaveFigures { members: plan.members, complete_seconds, cpu_seconds })
}

/// Who does not know all yet.
#[derive(Debug)]
struct Watch {
    waiting: Vec<bool>,
    /// Connections before this one are not waited for.
    first: usize,
    missing: usize,
    /// When the last one came to know.
    last: Instant,
}

impl Watch {
    fn new(connections: usize, first: usize) -> Self {
        Self { waiting: vec![true; connections], first, missing: connections - first, last: Instant::now() }
    }

    /// Somebody who knew all may be told news that make it wrong again; then they are waited for again.
    fn hear(&mut self, heard: &Heard<'_>, complete: bool) {
        let waiting = &mut self.waiting[heard.connection];
        if heard.connection >= self.first && complete == *waiting {
            *waiting = !complete;
            if complete {
                self.missing -= 1;
                self.last = heard.at;
            } else {
                self.missing += 1;
            }
        }
    }
}

const ROOM: &str = "stage-0";
/// Frames that leave without a look at what came in between.
const AT_ONCE: usize = 64;
const QUIET: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::Watch;
    use crate::{dialect::News, generator::Heard, view::View};
    use std::time::Instant;

    #[test]
    fn who_knew_all_and_then_does_not_is_waited_for_again() {
        let mut watch = Watch::new(3, 1);
        let (news, view) = (News::Nothing, View::default());
        let mut hear = |connection, complete| {
            watch.hear(&Heard { connection, at: Instant::now(), news: &news, view: &view }, complete);
            watch.missing
        };
        assert_eq!([hear(0, true), hear(1, true), hear(1, true), hear(2, false)], [2, 1, 1, 1]);
        assert_eq!([hear(1, false), hear(2, true), hear(1, true)], [2, 1, 0]);
    }
}
