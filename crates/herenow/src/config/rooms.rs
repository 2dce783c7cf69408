//! The keys of a `[[room]]`: what is different in rooms of some names. They stand in a file only, since a variable could not
//! say which of several is meant.
use super::values::{Raw, choices, name_of, named};
use herenow_core::{
    pattern::Pattern,
    rules::{RoomMode, RoomRule, RoomSettings},
};
use std::borrow::Cow;

/// A key of a `[[room]]`.
#[derive(Debug)]
pub struct RoomKey {
    /// Its name, with that of the section: `room.mode`.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    slot: Slot,
}

/// Where the value of a key goes, and what it may be.
#[derive(Debug)]
enum Slot {
    Match,
    Mode,
    Switch(fn(&mut RoomSettings) -> &mut bool),
    Viewers,
}

/// A `[[room]]` that is being read.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    names: Option<Pattern>,
    settings: RoomSettings,
}

impl Draft {
    /// The whole of it; `None` where it does not say for which rooms.
    pub fn finish(self) -> Option<RoomRule> {
        Some(RoomRule { names: self.names?, settings: self.settings })
    }
}

impl RoomKey {
    /// The key of this name, which begins with that of the section.
    pub fn known(name: &str) -> Option<&'static Self> {
        ROOM_KEYS.iter().find(|key| key.name == name)
    }

    /// Its name within the section.
    pub fn short(&self) -> &'static str {
        self.name.strip_prefix(SECTION).and_then(|rest| rest.strip_prefix('.')).unwrap_or(self.name)
    }

    /// What may be written for it, as the end of a sentence.
    pub fn allowed(&self) -> Cow<'static, str> {
        match self.slot {
            Slot::Match => {
                "a room pattern such as lobby:* (a star is any run of characters), in each [[room]] another".into()
            }
            Slot::Mode => choices(MODES.iter().map(|(name, _)| *name)).into(),
            Slot::Switch(_) => "true or false".into(),
            Slot::Viewers => format!("a whole number from 0 to {VIEWERS_MAX}").into(),
        }
    }

    /// Puts a value in its place.
    ///
    /// # Errors
    /// Says what is allowed instead; `draft` is as it was.
    pub fn set(&self, draft: &mut Draft, raw: &Raw) -> Result<(), Cow<'static, str>> {
        self.put(draft, raw).ok_or_else(|| self.allowed())
    }

    fn put(&self, draft: &mut Draft, raw: &Raw) -> Option<()> {
        match self.slot {
            Slot::Match => draft.names = Some(Pattern::parse(raw.text()?).ok()?),
            Slot::Mode => draft.settings.mode = named(&MODES, raw.text()?)?,
            Slot::Switch(at) => *at(&mut draft.settings) = raw.bool()?,
            Slot::Viewers => {
                let viewers = raw.whole().filter(|viewers| *viewers <= VIEWERS_MAX)?;
                draft.settings.viewers_max = Some(if viewers == 0 { usize::MAX } else { viewers });
            }
        }
        Some(())
    }

    /// Its value, as it would be written.
    pub fn shown(&self, rule: &RoomRule) -> String {
        match self.slot {
            Slot::Match => rule.names.as_str().to_owned(),
            _ => self.shown_of(rule.settings),
        }
    }

    /// Its default, as it would be written, or a rule.
    pub fn default(&self) -> String {
        self.shown_of(RoomSettings::default())
    }

    fn shown_of(&self, mut settings: RoomSettings) -> String {
        match self.slot {
            Slot::Match => "none: has to be set".to_owned(),
            Slot::Mode => name_of(&MODES, settings.mode),
            Slot::Switch(at) => at(&mut settings).to_string(),
            Slot::Viewers => match settings.viewers_max {
                None => format!("what {LIMIT_KEY} says"),
                Some(usize::MAX) => "0".to_owned(),
                Some(viewers) => viewers.to_string(),
            },
        }
    }

    /// As a file has it.
    pub fn written(&self) -> String {
        match self.slot {
            Slot::Match => "match = \"lobby:*\"".to_owned(),
            Slot::Mode => format!("mode = {:?}", self.default()),
            Slot::Switch(_) => format!("{} = {}", self.short(), self.default()),
            Slot::Viewers => format!("{} = 0", self.short()),
        }
    }
}

/// What two lists of rules differ in, rooms of which names, from what, to what; by the newer list's order.
pub fn differences(old: &[RoomRule], new: &[RoomRule]) -> Vec<(String, String, String)> {
    let of = |rules: &[RoomRule], names: &Pattern| rules.iter().find(|rule| rule.names == *names).cloned();
    let all = |rule: &RoomRule| {
        let changed =
            ROOM_KEYS.iter().filter(|key| !matches!(key.slot, Slot::Match) && key.shown(rule) != key.default());
        let said: Vec<String> = changed.map(|key| format!("{} {}", key.short(), key.shown(rule))).collect();
        if said.is_empty() { "as other rooms".to_owned() } else { said.join(", ") }
    };
    let title = |rule: &RoomRule| format!("{SECTION} {}", rule.names.as_str());
    let mut found = Vec::new();
    for rule in new {
        match of(old, &rule.names) {
            None => found.push((title(rule), NO_RULE.to_owned(), all(rule))),
            Some(before) if before != *rule => found.push((title(rule), all(&before), all(rule))),
            Some(_) => {}
        }
    }
    for rule in old.iter().filter(|rule| of(new, &rule.names).is_none()) {
        found.push((title(rule), all(rule), NO_RULE.to_owned()));
    }
    let order = |rules: &[RoomRule], others: &[RoomRule]| {
        let kept = rules.iter().filter(|rule| of(others, &rule.names).is_some());
        kept.map(|rule| rule.names.as_str().to_owned()).collect::<Vec<_>>().join(", ")
    };
    let (before, after) = (order(old, new), order(new, old));
    if before != after {
        found.push((format!("{SECTION} (order)"), before, after));
    }
    found
}

/// The first rule that can never hold, because an earlier one names all its rooms: the later's names, and the earlier's.
pub fn shadowed(rules: &[RoomRule]) -> Option<(&str, &str)> {
    // A pattern that matches another's text, with its stars as they are, matches all that the other does.
    let found = rules.iter().enumerate().find_map(|(at, rule)| {
        let earlier = rules.iter().take(at).find(|earlier| earlier.names.matches_text(rule.names.as_str()))?;
        Some((rule, earlier))
    });
    found.map(|(rule, earlier)| (rule.names.as_str(), earlier.names.as_str()))
}

/// The keys of a `[[room]]`.
pub static ROOM_KEYS: [RoomKey; 5] = [
    RoomKey {
        name: "room.match",
        doc: "Which rooms this is about. Of several [[room]] that match, the first counts, and none of the others.",
        slot: Slot::Match,
    },
    RoomKey {
        name: "room.mode",
        doc: "Who learns who is there. full: whoever may read the room. counts: nobody but API keys; clients are told how many there are, and neither names nor typing, pointers or sessions (who sends a message or holds a lock is named). private: as full, and the room is in no list of rooms, unless the API key has the right admin.",
        slot: Slot::Mode,
    },
    RoomKey {
        name: "room.typing",
        doc: "Whether it is told who types. Where not, typing is refused with `typing.off`.",
        slot: Slot::Switch(|settings| &mut settings.typing),
    },
    RoomKey {
        name: "room.cursors",
        doc: "Whether it is told where pointers are. Where not, they are taken and told nobody.",
        slot: Slot::Switch(|settings| &mut settings.cursors),
    },
    RoomKey {
        name: "room.viewers_per_room",
        doc: "Users that may be in such a room at once, in place of `limits.viewers_per_room`; 0 is no limit. Who is there stays where it is made smaller.",
        slot: Slot::Viewers,
    },
];

/// The section.
pub const SECTION: &str = "room";
/// Rules that there may be: each room that begins is compared with them, one by one.
pub const ROOM_RULES_MAX: usize = 100;

/// Who learns who is in a room, by name.
const MODES: [(&str, RoomMode); 3] =
    [("full", RoomMode::Full), ("counts", RoomMode::Counts), ("private", RoomMode::Private)];
const NO_RULE: &str = "no rule";
const LIMIT_KEY: &str = "limits.viewers_per_room";
/// As for `limits.viewers_per_room`.
const VIEWERS_MAX: usize = 100_000_000;
