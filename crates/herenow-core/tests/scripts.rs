//! Runs every play in `tests/scripts`: lines of what happens, a `---`, and what the hub said.
//!
//! A line is one turn; several things in one turn are parted by `;`. `UPDATE=1` writes what the hub says into the
//! files: read that difference as code.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use herenow_core::{
    command::{Command, Ending, Evictee, Input, Interest, Message, Patch, Reason},
    event::{Count, Event, Notice, Output, Viewer},
    hub::Hub,
    id::{ConnectionKey, RequestId, RoomId, SessionId, Target, UserId},
    limits::Limits,
    profile::{Profile, Status},
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
            ["end", s, how] => {
                let input = Input::Detached { session: session(s), how: ending(how) };
                self.hub.handle(self.now, input);
            }
            ["kick", user, r] => self.evict(user, r, Reason::Kicked),
            ["expire", user, r] => self.evict(user, r, Reason::Expired),
            ["app", "says", event, "in", r] => self.publish(event, r, None),
            ["app", "says", event, "in", r, "to", user] => self.publish(event, r, Some(user)),
            ["load"] => {
                let load = self.hub.load();
                writeln!(out, "rooms {} sessions {} deadlines {}", load.rooms, load.sessions, load.deadlines).unwrap();
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
            "targets" => self.limits.typing_targets_max = number,
            "state_bytes" => self.limits.state_bytes_max = number,
            "state_keys" => self.limits.state_keys_max = number,
            "log" => self.limits.log_changes_max = number,
            _ => panic!("no limit {name}"),
        }
        self.hub = hub(&self.limits);
    }

    fn evict(&mut self, user: &str, r: &str, reason: Reason) {
        let is_session = user.strip_prefix('s').is_some_and(|number| number.parse::<u64>().is_ok());
        let whom =
            if is_session { Evictee::Session(session(user)) } else { Evictee::User(UserId::parse(user).unwrap()) };
        self.hub.handle(self.now, Input::Evicted { room: room(r), whom, reason });
    }

    fn publish(&mut self, event: &str, r: &str, to: Option<&str>) {
        let message = Message {
            event: event.into(),
            data: "{}".into(),
            to: to.map(|user| UserId::parse(user).unwrap()),
            echo: false,
        };
        self.hub.handle(self.now, Input::Published { room: room(r), message });
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
            }
        }
        ("leave", [r]) => Command::Leave { room: room(r) },
        ("typing", [r, target_text @ ..]) => Command::StartTyping { room: room(r), target: target(target_text) },
        ("stop", [r, target_text @ ..]) => Command::StopTyping { room: room(r), target: target(target_text) },
        ("update", [r, text]) => Command::Update { room: room(r), patch: patch(text) },
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

fn show_re(re: Option<&RequestId>) -> String {
    re.map(|re| format!("re {}: ", re.0)).unwrap_or_default()
}

fn show(event: &Event) -> String {
    match event {
        Event::Roster { re, interest: _, view } => format!(
            "{}{} {} is [{}] {}{}",
            show_re(re.as_ref()),
            view.room,
            view.version,
            show_viewers(&view.viewers),
            show_count(view.count),
            show_typists(&view.typing)
        ),
        Event::Diff { re, view, typing } => {
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
            text
        }
        Event::Step(step) => {
            let what = step.left.map_or("joined".to_owned(), |why| format!("left, {}", reason(why)));
            let first = show_viewers(&step.first);
            format!("{} {} {} {what} [{first}] {}", step.room, step.version, step.profile.user, show_count(step.count))
        }
        Event::Count(view) => {
            let faces: Vec<&str> = view.faces.iter().map(|face| face.user.as_str()).collect();
            format!("{} {} {} faces [{}]", view.room, view.version, show_count(view.count), faces.join(" "))
        }
        Event::Typing { room, profile, target, on } => {
            let place = target.as_ref().map_or(String::new(), |target| format!(" in {target}"));
            format!("{room} {} {}{place}", profile.user, if *on { "types" } else { "stopped" })
        }
        Event::Message { room, from, message } => {
            let from = from.as_ref().map_or("the app", |from| from.user.as_str());
            format!("{room} {from} says {}", message.event)
        }
        Event::Removed { room, reason: why } => format!("{room} you are out: {}", reason(*why)),
        Event::Ack { re, sessions } => {
            let handed = sessions.map_or(String::new(), |sessions| format!(", {sessions} sessions"));
            format!("re {}: done{handed}", re.0)
        }
        Event::Refused { re, room, refusal } => format!("{}{room} refused: {refusal:?}", show_re(re.as_ref())),
    }
}

fn show_notice(notice: &Notice) -> Option<String> {
    match notice {
        Notice::Joined { room, profile, count } => Some(format!("{room}: {} joined, {}", profile.user, count.users)),
        Notice::Left { room, profile, reason: why, count, joined_at } => {
            Some(format!("{room}: {} of {joined_at} left, {}, {}", profile.user, reason(*why), count.users))
        }
        Notice::Typing { .. } => None,
    }
}
