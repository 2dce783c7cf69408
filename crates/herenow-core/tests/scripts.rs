//! Runs every play in `tests/scripts`: lines of what happens, a `---`, and what the hub said.
//!
//! A line is one turn; several things in one turn are parted by `;`. `UPDATE=1` writes what the hub says into the
//! files: read that difference as code.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use herenow_core::{
    command::{Command, Ending, Evictee, HomeNews, Input, Interest, Message, Patch, Reason},
    cursors::Point,
    event::{Count, Event, LockView, Notice, Output, SessionView, Viewer},
    explain::Explanation,
    history::Kind,
    hub::{Hub, Load},
    id::{ConnectionKey, LockName, RequestId, RoomId, SessionId, Target, UserId},
    limits::Limits,
    pattern::Pattern,
    people::Dot,
    profile::{Profile, Status},
    rules::{RoomMode, RoomRule, RoomSettings},
    time::Time,
    version::{Epoch, Version},
};
use std::{collections::BTreeMap, fmt::Write, fs, path::Path, sync::Arc, time::Duration};

#[test]
fn scripts() {
    let folder = Path::new("tests/scripts");
    let mut differing = Vec::new();
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 30, "plays are missing");
    for path in &paths {
        let script = fs::read_to_string(path).unwrap();
        assert!(script.starts_with("# "), "{}: the first line says the claim in words", path.display());
        let actual = Play::new().run(&script);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(path, &actual).unwrap();
        } else if actual != script {
            differing.push(format!("{}\n{}", path.display(), first_difference(&script, &actual)));
        }
    }
    assert!(differing.is_empty(), "UPDATE=1 rewrites them:\n{}", differing.join("\n"));
}

fn first_difference(wanted: &str, actual: &str) -> String {
    let pairs = wanted.lines().zip(actual.lines()).enumerate();
    match pairs.into_iter().find(|(_, (wanted, actual))| wanted != actual) {
        Some((at, (wanted, actual))) => format!("line {}\n  wanted {wanted}\n  actual {actual}", at + 1),
        None => "one is longer".into(),
    }
}

/// One run of a script.
struct Play {
    hub: Hub,
    limits: Limits,
    now: Time,
    names: BTreeMap<SessionId, String>,
}

impl Play {
    fn new() -> Self {
        let limits = Limits::default();
        Self { hub: hub(&limits), limits, now: Time::from_millis(0), names: BTreeMap::new() }
    }

    fn run(mut self, script: &str) -> String {
        let mut out = String::new();
        for block in script.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
            let inputs = block.split("\n---").next().unwrap();
            writeln!(out, "{inputs}").unwrap();
            let turns: Vec<&str> = inputs.lines().filter(|line| !line.starts_with('#')).collect();
            if !turns.is_empty() {
                out.push_str("---\n");
            }
            for turn in turns {
                self.turn(turn, &mut out);
            }
            out.push('\n');
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
        out
    }

    fn turn(&mut self, line: &str, out: &mut String) {
        self.hub.handle_timeout(self.now);
        for step in line.split(';') {
            self.step(step.trim(), out);
        }
        self.tell(out);
    }

    fn tell(&mut self, out: &mut String) {
        self.hub.settle(self.now);
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Deliver { to, event } => {
                    let mut heard: Vec<String> =
                        self.hub.recipients(&to).map(|key| self.names[&SessionId(key.0.into())].clone()).collect();
                    heard.sort();
                    let heard = if heard.is_empty() { "nobody".into() } else { heard.join(" ") };
                    writeln!(out, "{heard} <- {}", show(&event)).unwrap();
                }
                Output::Cluster(_) => panic!("a hub that is alone asked a store"),
                Output::Notice(notice) => {
                    if let Some(line) = show_notice(&notice) {
                        writeln!(out, "  ({line})").unwrap();
                    }
                }
            }
        }
    }

    fn step(&mut self, step: &str, out: &mut String) {
        let words: Vec<&str> = step.split_whitespace().collect();
        match words[..] {
            ["connect", s, user] => self.connect((s, s), user, user),
            ["connect", s, user, "as", name] => self.connect((s, s), user, name),
            ["connect", s, user, "in-place-of", s_before] => self.connect((s_before, s), user, user),
            ["wait", ms] => self.wait(ms.parse().unwrap(), out),
            ["restart"] => self.hub = hub_of("e2", &self.limits),
            ["limit", name, value] => self.limit(name, value),
            ["rule", names, ref options @ ..] => {
                let mut settings = RoomSettings::default();
                for option in options {
                    match *option {
                        "counts" => settings.mode = RoomMode::Counts,
                        "private" => settings.mode = RoomMode::Private,
                        "typing=off" => settings.typing = false,
                        "cursors=off" => settings.cursors = false,
                        other => settings.viewers_max = Some(other.strip_prefix("viewers=").unwrap().parse().unwrap()),
                    }
                }
                let rule = RoomRule { names: Pattern::parse(names).unwrap(), settings };
                self.limits.rooms = self.limits.rooms.iter().cloned().chain([rule]).collect();
                self.hub.handle(self.now, Input::Ruled { rooms: Arc::clone(&self.limits.rooms) });
            }
            ["no-rules"] => {
                self.limits.rooms = Arc::default();
                self.hub.handle(self.now, Input::Ruled { rooms: Arc::default() });
            }
            ["end", s, how] => {
                let input = Input::Detached { session: session(s), how: ending(how) };
                self.hub.handle(self.now, input);
            }
            ["kick", user, r] => self.evict(user, r, Reason::Kicked, None),
            ["kick", user, r, "for", ms] => self.evict(user, r, Reason::Kicked, Some(ms.parse().unwrap())),
            ["expire", user, r] => self.evict(user, r, Reason::Expired, None),
            ["app", "says", event, "in", r] => self.publish(event, r, None),
            ["app", "says", event, "in", r, "to", user] => self.publish(event, r, Some(user)),
            ["why", user, r] => {
                let why = self.hub.explain(&room(r), &UserId::parse(user).unwrap());
                writeln!(out, "{}", show_why(why.as_ref())).unwrap();
            }
            ["arrive", s, user] => self.home(s, user, HomeNews::Arrived(Status::Active)),
            ["depart", s, user, how] => self.home(s, user, HomeNews::Departed(ending(how))),
            ["idles", s, user] => self.home(s, user, HomeNews::Status(Status::Idle)),
            ["acts", s, user] => self.home(s, user, HomeNews::Status(Status::Active)),
            ["behind", s] => self.hub.handle(self.now, Input::FellBehind { session: session(s) }),
            ["reads", s] => self.hub.handle(self.now, Input::CaughtUp { session: session(s) }),
            ["load"] => {
                let load = self.hub.load();
                let people = if load.people > 0 { format!(" people {}", load.people) } else { String::new() };
                let kept = if load.keepsakes > 0 { format!(" kept {}", load.keepsakes) } else { String::new() };
                let Load { rooms, sessions, deadlines, .. } = load;
                writeln!(out, "rooms {rooms} sessions {sessions}{people}{kept} deadlines {deadlines}").unwrap();
            }
            ["look", r] => {
                let roster = self.hub.roster(&room(r));
                let viewers = roster.map(|roster| roster.viewers().collect::<Vec<_>>()).unwrap_or_default();
                let count = roster.map(|roster| roster.count()).unwrap_or_default();
                writeln!(out, "{r} is [{}] {}", show_viewers(&viewers), show_count(count)).unwrap();
            }
            [verb, s, ref rest @ ..] => self.ask(verb, s, rest),
            _ => panic!("cannot read {step:?}"),
        }
    }

    /// Gives session `s` the connection `c`; mostly a session has the connection of its number.
    fn connect(&mut self, (s, c): (&str, &str), user: &str, name: &str) {
        let profile = Profile { user: UserId::parse(user).unwrap(), name: name.into(), avatar: None };
        self.names.insert(session(c), c.to_owned());
        let connection = ConnectionKey(u32::try_from(session(c).0).unwrap());
        self.hub.handle(self.now, Input::Attached { session: session(s), profile: Arc::new(profile), connection });
    }

    fn home(&mut self, s: &str, user: &str, news: HomeNews) {
        let input = Input::Home { user: UserId::parse(user).unwrap(), session: session(s), news };
        self.hub.handle(self.now, input);
    }

    /// Lets time pass in steps, as a driver does: from deadline to deadline.
    fn wait(&mut self, ms: u64, out: &mut String) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(due) = self.hub.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.hub.handle_timeout(self.now);
            let mut told = String::new();
            self.tell(&mut told);
            for line in told.lines() {
                writeln!(out, "at {}: {}", self.now, line.trim_start()).unwrap();
            }
        }
        self.now = until;
    }

    fn limit(&mut self, name: &str, value: &str) {
        let number: usize = value.parse().unwrap();
        match name {
            "rooms" => self.limits.rooms_per_session_max = number,
            "viewers" => self.limits.viewers_max = number,
            "targets" => self.limits.typing_targets_max = number,
            "state_bytes" => self.limits.state_bytes_max = number,
            "state_keys" => self.limits.state_keys_max = number,
            "room_locks" => self.limits.locks_per_room_max = number,
            "locks" => self.limits.locks_per_session_max = number,
            "waiters" => self.limits.lock_waiters_max = number,
            "watched" => self.limits.watched_per_session_max = number,
            "kept_bytes" => self.limits.keepsake_bytes_max = number,
            "seen_ttl" => self.limits.last_seen_ttl = Duration::from_millis(value.parse().unwrap()),
            "seen_grain" => self.limits.last_seen_grain = Duration::from_millis(value.parse().unwrap()),
            "seen_users" => self.limits.last_seen_max = number,
            "blocks" => self.limits.blocks_max = number,
            "log" => self.limits.log_changes_max = number,
            "batched" => self.limits.gears.batched_above = number,
            "live" => self.limits.gears.live_below = number,
            "crowd" => self.limits.gears.crowd_above = number,
            "uncrowd" => self.limits.gears.batched_below = number,
            "full" => self.limits.gears.full_above = number,
            "unfull" => self.limits.gears.full_below = number,
            _ => panic!("no limit {name}"),
        }
        self.hub = hub(&self.limits);
    }

    fn evict(&mut self, user: &str, r: &str, reason: Reason, block_ms: Option<u64>) {
        let is_session = user.strip_prefix('s').is_some_and(|number| number.parse::<u64>().is_ok());
        let whom =
            if is_session { Evictee::Session(session(user)) } else { Evictee::User(UserId::parse(user).unwrap()) };
        self.hub.handle(
            self.now,
            Input::Evicted { room: room(r), whom, reason, block: block_ms.map(Duration::from_millis) },
        );
    }

    fn publish(&mut self, event: &str, r: &str, to: Option<&str>) {
        let message = Message {
            event: event.into(),
            data: "{}".into(),
            to: to.map(|user| UserId::parse(user).unwrap()),
            echo: false,
        };
        self.hub.handle(self.now, Input::Published { room: room(r), message, except: None });
    }

    fn ask(&mut self, verb: &str, s: &str, rest: &[&str]) {
        let (rest, re) = match rest {
            [rest @ .., re] if re.starts_with('#') => (rest, Some(RequestId(re[1..].into()))),
            _ => (rest, None),
        };
        let command = command(verb, rest);
        self.hub.handle(self.now, Input::Asked { session: session(s), re, command });
    }
}

fn command(verb: &str, rest: &[&str]) -> Command {
    let target = |rest: &[&str]| rest.first().map(|text| Target::parse(text).unwrap());
    match (verb, rest) {
        ("join" | "observe", [r, options @ ..]) => {
            let value = |name| options.iter().find_map(|option| option.strip_prefix(name));
            Command::Join {
                room: room(r),
                interest: value("interest=").map_or(Interest::Auto, interest),
                observe: verb == "observe",
                state: value("state=").map(patch),
                since: value("since=").map(version),
                sessions: options.contains(&"sessions"),
            }
        }
        ("leave", [r]) => Command::Leave { room: room(r) },
        ("typing", [r, target_text @ ..]) => Command::StartTyping { room: room(r), target: target(target_text) },
        ("stop", [r, target_text @ ..]) => Command::StopTyping { room: room(r), target: target(target_text) },
        ("update", [r, text]) => Command::Update { room: room(r), patch: patch(text) },
        ("lock", [r, name, options @ ..]) => {
            Command::Lock { room: room(r), name: LockName::parse(name).unwrap(), wait: options.contains(&"wait") }
        }
        ("unlock", [r, name]) => Command::Unlock { room: room(r), name: LockName::parse(name).unwrap() },
        ("point", [r]) => Command::Point { room: room(r), point: None },
        ("point", [r, x, y, on @ ..]) => {
            let (x, y) = (x.parse().unwrap(), y.parse().unwrap());
            Command::Point { room: room(r), point: Some(Point { x, y, on: target(on) }) }
        }
        ("watch", users) => Command::Watch { users: users.iter().map(|user| UserId::parse(user).unwrap()).collect() },
        ("unwatch", users) => {
            Command::Unwatch { users: users.iter().map(|user| UserId::parse(user).unwrap()).collect() }
        }
        ("active", []) => Command::SetStatus { status: Status::Active },
        ("idle", []) => Command::SetStatus { status: Status::Idle },
        ("say", [event, "in", r, options @ ..]) => {
            let to =
                options.iter().find_map(|option| option.strip_prefix("to=")).map(|user| UserId::parse(user).unwrap());
            let message = Message { event: (*event).into(), data: "{}".into(), to, echo: options.contains(&"echo") };
            Command::Send { room: room(r), message }
        }
        ("sync", [r]) => Command::Sync { room: room(r), since: None },
        ("sync", [r, since]) => Command::Sync { room: room(r), since: since.strip_prefix("since=").map(version) },
        _ => panic!("cannot read {verb} {rest:?}"),
    }
}

fn hub(limits: &Limits) -> Hub {
    hub_of("e1", limits)
}

fn hub_of(epoch: &str, limits: &Limits) -> Hub {
    Hub::new(Epoch::parse(epoch).unwrap(), limits.clone())
}

fn session(word: &str) -> SessionId {
    SessionId(word.strip_prefix('s').expect("sessions are s1, s2 ...").parse().unwrap())
}

fn room(word: &str) -> RoomId {
    RoomId::parse(word).unwrap()
}

fn version(text: &str) -> Version {
    let (epoch, number) = text.split_once('.').unwrap();
    Version { epoch: Epoch::parse(epoch).unwrap(), number: number.parse().unwrap() }
}

/// `a=1,b=` sets a and deletes b.
fn patch(text: &str) -> Patch {
    let pairs = text.split(',').map(|pair| pair.split_once(':').expect("a key, a colon, and maybe a value"));
    Patch(pairs.map(|(key, value)| (key.into(), (!value.is_empty()).then(|| value.into()))).collect())
}

fn interest(word: &str) -> Interest {
    match word {
        "auto" => Interest::Auto,
        "full" => Interest::Full,
        "count" => Interest::Count,
        "none" => Interest::None,
        "listed" => Interest::Listed,
        _ => panic!("no interest {word}"),
    }
}

fn ending(word: &str) -> Ending {
    match word {
        "left" => Ending::Left,
        "closed" => Ending::Closed,
        "lost" => Ending::Lost,
        "timeout" => Ending::TimedOut,
        "kicked" => Ending::Kicked,
        "expired" => Ending::Expired,
        "drained" => Ending::Drained,
        _ => panic!("no ending {word}"),
    }
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Left => "left",
        Reason::Closed => "closed",
        Reason::Lost => "lost",
        Reason::TimedOut => "timeout",
        Reason::Kicked => "kicked",
        Reason::Expired => "expired",
        Reason::Drained => "drained",
        Reason::NodeLost => "node_lost",
    }
}

fn show_viewer(viewer: &Viewer) -> String {
    let user = viewer.profile.user.as_str();
    let mut text = user.to_owned();
    if *viewer.profile.name != *user {
        write!(text, "({})", viewer.profile.name).unwrap();
    }
    if viewer.status == Status::Idle {
        text.push_str(" idle");
    }
    if viewer.sessions > 1 {
        write!(text, " x{}", viewer.sessions).unwrap();
    }
    for (key, value) in viewer.state.iter() {
        write!(text, " {key}:{value}").unwrap();
    }
    text
}

fn show_viewers(viewers: &[Viewer]) -> String {
    viewers.iter().map(show_viewer).collect::<Vec<_>>().join(", ")
}

fn show_count(count: Count) -> String {
    format!("users {} sessions {}", count.users, count.sessions)
}

fn show_typists(typing: &[herenow_core::event::Typist]) -> String {
    if typing.is_empty() {
        return String::new();
    }
    let one = |typist: &herenow_core::event::Typist| {
        let places: Vec<&str> =
            typist.targets.iter().map(|target| target.as_ref().map_or("the room", Target::as_str)).collect();
        format!("{} in {}", typist.profile.user, places.join("+"))
    };
    format!(" typing [{}]", typing.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn show_locks(locks: &[LockView]) -> String {
    let one = |lock: &LockView| match &lock.holder {
        Some((holder, session)) => {
            format!(" lock {} of {} s{} under {}", lock.name, holder.user, session.0, lock.fence)
        }
        None => format!(" lock {} free after {}", lock.name, lock.fence),
    };
    locks.iter().map(one).collect()
}

fn show_sessions(list: &[SessionView]) -> String {
    let one = |view: &SessionView| {
        let state: String = view.state.iter().map(|(key, value)| format!(" {key}:{value}")).collect();
        format!(" (s{}{}{state})", view.session.0, if view.status == Status::Idle { " idle" } else { "" })
    };
    if list.is_empty() { " no session".into() } else { list.iter().map(one).collect() }
}

fn show_why(why: Option<&Explanation>) -> String {
    let Some(why) = why else { return "nothing is known".into() };
    let mut text = if why.is_viewer { "is shown".to_owned() } else { "is not shown".to_owned() };
    for entry in &why.entries {
        write!(text, ", s{}", entry.session.0).unwrap();
        match entry.grace {
            Some((until, how)) => write!(text, " {} until {until}", reason(how)).unwrap(),
            None => text.push_str(" connected"),
        }
    }
    for transition in &why.transitions {
        let what = match transition.kind {
            Kind::Joined => "joined".to_owned(),
            Kind::Updated => "changed".to_owned(),
            Kind::Left { reason: why, .. } => format!("left, {}", reason(why)),
        };
        write!(text, "; {} at {}: {what}", transition.version, transition.at).unwrap();
    }
    for (_, session, until) in &why.typing {
        write!(text, "; types in s{} until {until}", session.0).unwrap();
    }
    for (name, session) in &why.locks {
        write!(text, "; lock {name} in s{}", session.0).unwrap();
    }
    if let Some(until) = why.blocked_until {
        write!(text, "; kept out until {until}").unwrap();
    }
    text
}

fn show_re(re: Option<&RequestId>) -> String {
    re.map(|re| format!("re {}: ", re.0)).unwrap_or_default()
}

fn show(event: &Event) -> String {
    match event {
        Event::Roster { re, interest: _, is_answer: _, view } => format!(
            "{}{} {} is [{}] {}{}{}{}",
            show_re(re.as_ref()),
            view.room,
            view.version,
            show_viewers(&view.viewers),
            show_count(view.count),
            show_typists(&view.typing),
            show_locks(&view.locks),
            view.sessions.iter().flatten().map(|list| show_sessions(list)).collect::<String>()
        ),
        Event::Diff { re, view, typing, locks } => {
            let mut text = format!("{}{} {} -> {}", show_re(re.as_ref()), view.room, view.from, view.version);
            for viewer in &view.joined {
                write!(text, " +{}", show_viewer(viewer)).unwrap();
            }
            for viewer in &view.updated {
                write!(text, " ~{}", show_viewer(viewer)).unwrap();
            }
            for (user, why) in &view.left {
                write!(text, " -{user} {}", reason(*why)).unwrap();
            }
            write!(text, ", {}", show_count(view.count)).unwrap();
            text.push_str(&typing.as_deref().map(show_typists).unwrap_or_default());
            text.push_str(&locks.as_deref().map(show_locks).unwrap_or_default());
            text
        }
        Event::Step(step) => {
            let what = step.left.map_or("joined".to_owned(), |why| format!("left, {}", reason(why)));
            let first = show_viewers(&step.first);
            format!("{} {} {} {what} [{first}] {}", step.room, step.version, step.profile.user, show_count(step.count))
        }
        Event::Count { view, locks } => {
            let faces: Vec<&str> = view.faces.iter().map(|face| face.user.as_str()).collect();
            let locks = locks.as_deref().map(show_locks).unwrap_or_default();
            format!("{} {} {} faces [{}]{locks}", view.room, view.version, show_count(view.count), faces.join(" "))
        }
        Event::Typing { room, profile, target, on } => {
            let place = target.as_ref().map_or(String::new(), |target| format!(" in {target}"));
            format!("{room} {} {}{place}", profile.user, if *on { "types" } else { "stopped" })
        }
        Event::Message { room, from, message } => {
            let from = from.as_ref().map_or("the app", |from| from.user.as_str());
            format!("{room} {from} says {}", message.event)
        }
        Event::Removed { room, reason: why, block } => {
            let block = block.map_or(String::new(), |block| format!(" for {} ms", block.as_millis()));
            format!("{room} you are out: {}{block}", reason(*why))
        }
        Event::Sessions { room, user, list } => format!("{room} {user} has{}", show_sessions(list)),
        Event::Cursors { room, at } => {
            let one = |(session, point): &(SessionId, Option<Point>)| match point {
                Some(Point { x, y, on: None }) => format!(" s{} {x} {y}", session.0),
                Some(Point { x, y, on: Some(on) }) => format!(" s{} {x} {y} on {on}", session.0),
                None => format!(" s{} hidden", session.0),
            };
            format!("{room} cursors{}", at.iter().map(one).collect::<String>())
        }
        Event::Lock { room, lock } => format!("{room}{}", show_locks(std::slice::from_ref(lock))),
        Event::LockAnswer { re, held, fence } => {
            format!("re {}: {} {fence}", re.0, if *held { "held under" } else { "not held, but under" })
        }
        Event::Ack { re, sessions } => {
            let handed = sessions.map_or(String::new(), |sessions| format!(", {sessions} sessions"));
            format!("re {}: done{handed}", re.0)
        }
        Event::Stale { room, since } => format!("{room}: stale since {since:?}"),
        Event::Statuses(dots) => {
            let one = |dot: &Dot| match (dot.status, dot.last_seen) {
                (Some(Status::Active), _) => format!("{} active", dot.user),
                (Some(Status::Idle), _) => format!("{} idle", dot.user),
                (None, None) => format!("{} offline", dot.user),
                (None, Some(at)) => format!("{} offline, last seen at {} ms", dot.user, at.as_millis()),
            };
            format!("dots: {}", dots.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Event::WatchRefused { re, refusal } => format!("{}refused: {refusal:?}", show_re(re.as_ref())),
        Event::Refused { re, room, refusal } => format!("{}{room} refused: {refusal:?}", show_re(re.as_ref())),
    }
}

fn show_notice(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Joined { room, profile, count, .. } => {
            Some(format!("{room}: {} joined, {}", profile.user, count.users))
        }
        Notice::Left { room, profile, reason: why, count, joined_at, .. } => {
            Some(format!("{room}: {} of {joined_at} left, {}, {}", profile.user, reason(*why), count.users))
        }
        Notice::Updated { .. } | Notice::Online { .. } | Notice::Offline { .. } | Notice::Typing { .. } => None,
    }
}
