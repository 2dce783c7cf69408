//! Cuts what a server sends into frames and reads them, without reading the same long list a thousand times.
//!
//! A server that lets a thousand viewers in sends the same roster to each of them. Whoever parsed each copy would measure
//! the parser. So long frames are compared, as they come, with those read before; a frame that is the same byte for byte
//! says the same. One that differs anywhere is kept, and parsed.
use crate::{
    dialect::{Dialect, News},
    frame::{TEXT, header},
};
use anyhow::{Result, bail};
use std::{
    collections::{HashMap, VecDeque},
    mem,
    rc::Rc,
};

/// The long frames that were read before. Shared by all connections of a generator.
#[derive(Debug)]
pub struct Recognizer {
    dialect: Dialect,
    /// The oldest first.
    by_length: HashMap<usize, VecDeque<Rc<Known>>>,
    /// The length of each, the oldest first, about.
    lengths: VecDeque<usize>,
    bytes: usize,
}

/// Where one connection is in the bytes that come.
#[derive(Debug, Default)]
pub struct Progress {
    /// The start of a short frame, or of a header.
    partial: Vec<u8>,
    long: Option<Long>,
}

/// A frame of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A text frame, read.
    Text(&'a News),
    /// Anything else: its opcode and payload.
    Other(u8, &'a [u8]),
}

#[derive(Debug)]
struct Known {
    text: Vec<u8>,
    news: News,
}

/// A long text frame of which a part has come.
#[derive(Debug)]
enum Long {
    /// So far it is the same as a known one.
    Same { known: Rc<Known>, have: usize },
    /// It is like none.
    New { text: Vec<u8>, length: usize },
}

impl Recognizer {
    /// Knows nothing yet.
    pub fn new(dialect: Dialect) -> Self {
        Self { dialect, by_length: HashMap::new(), lengths: VecDeque::new(), bytes: 0 }
    }

    /// Takes bytes in and hands out each frame that they complete. Says how many those were.
    ///
    /// # Errors
    /// Where a frame cannot be read, or `handle` gives an error.
    pub fn feed(
        &mut self,
        progress: &mut Progress,
        fresh: &[u8],
        handle: &mut dyn FnMut(Frame<'_>) -> Result<()>,
    ) -> Result<usize> {
        let mut held = mem::take(&mut progress.partial);
        let bytes = if held.is_empty() {
            fresh
        } else {
            held.extend_from_slice(fresh);
            &held[..]
        };
        let (mut at, mut frames) = (0, 0);
        while at < bytes.len() {
            let rest = &bytes[at..];
            if progress.long.is_some() {
                let (taken, done) = self.go_on(progress, rest)?;
                at += taken;
                let Some(known) = done else { break };
                frames += 1;
                handle(Frame::Text(&known.news))?;
                continue;
            }
            let Some((opcode, head, length)) = header(rest) else { break };
            if opcode == TEXT && length >= LONG {
                at += head;
                progress.long = Some(Long::New { text: Vec::new(), length });
                continue;
            }
            let Some(payload) = rest.get(head..head + length) else { break };
            at += head + length;
            frames += 1;
            match opcode {
                TEXT => handle(Frame::Text(&self.dialect.read(payload)?))?,
                0 => bail!("a frame in fragments; no server here sends one"),
                _ => handle(Frame::Other(opcode, payload))?,
            }
        }
        progress.partial = bytes[at..].to_vec();
        Ok(frames)
    }

    /// Takes the next part of a long frame. Says how many bytes that was, and what the frame is where it is whole.
    fn go_on(&mut self, progress: &mut Progress, rest: &[u8]) -> Result<(usize, Option<Rc<Known>>)> {
        let Some(long) = progress.long.take() else { return Ok((0, None)) };
        let (have, length) = match &long {
            Long::Same { known, have } => (*have, known.text.len()),
            Long::New { text, length } => (text.len(), *length),
        };
        let part = &rest[..rest.len().min(length - have)];
        let known = match &long {
            Long::Same { known, .. } if known.text[have..].starts_with(part) => Some(Rc::clone(known)),
            Long::Same { known, .. } => self.find(length, &known.text[..have], part),
            Long::New { text, .. } if text.is_empty() => self.find(length, &[], part),
            Long::New { .. } => None,
        };
        if let Some(known) = known {
            if have + part.len() == length {
                return Ok((part.len(), Some(known)));
            }
            progress.long = Some(Long::Same { known, have: have + part.len() });
            return Ok((part.len(), None));
        }
        let mut text = match long {
            Long::Same { known, have } => known.text[..have].to_vec(),
            Long::New { text, .. } => text,
        };
        text.reserve_exact(length - text.len());
        text.extend_from_slice(part);
        if text.len() < length {
            progress.long = Some(Long::New { text, length });
            return Ok((part.len(), None));
        }
        let known = match self.find(length, &text, &[]) {
            // Another connection brought it to its end first.
            Some(known) => known,
            None => self.learn(text)?,
        };
        Ok((part.len(), Some(known)))
    }

    /// A known frame of that length which begins with `before` and goes on with `part`.
    fn find(&self, length: usize, before: &[u8], part: &[u8]) -> Option<Rc<Known>> {
        // The newest is the most likely.
        let mut candidates = self.by_length.get(&length)?.iter().rev();
        let fits = |known: &&Rc<Known>| known.text.starts_with(before) && known.text[before.len()..].starts_with(part);
        candidates.find(fits).map(Rc::clone)
    }

    fn learn(&mut self, text: Vec<u8>) -> Result<Rc<Known>> {
        let news = self.dialect.read(&text)?;
        let known = Rc::new(Known { text, news });
        let length = known.text.len();
        let same_length = self.by_length.entry(length).or_default();
        // Whoever compares with all that came in an hour does little else by its end.
        if same_length.len() == SAME_LENGTH_MAX {
            same_length.pop_front();
        } else {
            self.bytes += length;
            self.lengths.push_back(length);
        }
        same_length.push_back(Rc::clone(&known));
        while self.bytes > KNOWN_BYTES_MAX && self.lengths.len() > 1 {
            let Some(length) = self.lengths.pop_front() else { break };
            self.bytes -= length;
            if let Some(same_length) = self.by_length.get_mut(&length) {
                same_length.pop_front();
            }
        }
        Ok(known)
    }
}

/// Payloads from this length on are compared; below, reading is as cheap.
const LONG: usize = 1024;
/// Bytes of known frames that are kept.
const KNOWN_BYTES_MAX: usize = 256 << 20;
/// Known frames of one length that are kept.
const SAME_LENGTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Frame, LONG, Progress, Recognizer, SAME_LENGTH_MAX};
    use crate::{
        dialect::{Dialect, News},
        frame::PING,
        users::UserSet,
    };

    fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(length as u8),
            length @ 126..65_536 => {
                frame.push(126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    fn roster(version: u64, users: std::ops::Range<usize>) -> Vec<u8> {
        let count = users.len();
        let viewers: Vec<_> = users.map(|user| format!(r#"{{"user":{{"id":"u{user:06}"}}}}"#)).collect();
        let viewers = viewers.join(",");
        let text =
            format!(r#"{{"type":"roster","v":["e",{version}],"viewers":[{viewers}],"count":{{"users":{count}}}}}"#);
        server_frame(1, text.as_bytes())
    }

    /// What a connection makes of bytes that come in parts of a length.
    fn read(recognizer: &mut Recognizer, bytes: &[u8], part: usize) -> Vec<String> {
        let (mut progress, mut said) = (Progress::default(), Vec::new());
        for part in bytes.chunks(part) {
            let mut handle = |frame: Frame<'_>| {
                said.push(match frame {
                    Frame::Text(News::Roster { version, users }) => format!("{version:?} {}", shown(users)),
                    other => format!("{other:?}"),
                });
                Ok(())
            };
            recognizer.feed(&mut progress, part, &mut handle).unwrap();
        }
        said
    }

    fn shown(users: &UserSet) -> String {
        format!("{users:?}")
    }

    #[test]
    fn frames_are_the_same_however_they_are_cut() {
        let welcome = server_frame(1, br#"{"type":"welcome"}"#);
        let ping = server_frame(PING, b"p");
        let bytes =
            [welcome, roster(10, 0..200), ping, roster(11, 0..5), roster(12, 1..201), roster(13, 0..5000)].concat();
        let mut fresh = Recognizer::new(Dialect::Native);
        let whole = read(&mut fresh, &bytes, bytes.len());
        assert_eq!(whole.len(), 6);
        assert_eq!(whole[1], format!("Some(10) {}", shown(&(0..200).collect())));
        for part in [1, 7, LONG, 4096] {
            assert_eq!(read(&mut Recognizer::new(Dialect::Native), &bytes, part), whole);
            // The same with everything known.
            assert_eq!(read(&mut fresh, &bytes, part), whole);
        }
        // 200 users twice and 5,000: the 5 are no long frame.
        assert_eq!(fresh.lengths.len(), 3);
    }

    #[test]
    fn of_frames_of_one_length_the_last_ones_are_kept() {
        let mut recognizer = Recognizer::new(Dialect::Native);
        for version in 100..100 + 3 * SAME_LENGTH_MAX as u64 {
            read(&mut recognizer, &roster(version, 0..200), 4096);
        }
        let (all, bytes) = (&recognizer.by_length, recognizer.bytes);
        assert_eq!((all.len(), recognizer.lengths.len()), (1, SAME_LENGTH_MAX));
        let kept = all.values().next().unwrap();
        assert_eq!((kept.len(), bytes), (SAME_LENGTH_MAX, SAME_LENGTH_MAX * kept[0].text.len()));
        assert_eq!(read(&mut recognizer, &roster(99 + 3 * SAME_LENGTH_MAX as u64, 0..200), 4096).len(), 1);
        assert_eq!(recognizer.bytes, bytes, "it was known");
    }

    #[test]
    fn a_frame_that_differs_in_its_last_byte_is_not_taken_for_a_known_one() {
        let mut recognizer = Recognizer::new(Dialect::Native);
        let (one, mut other) = (roster(10, 0..200), roster(10, 0..200));
        let mine = read(&mut recognizer, &one, 64);
        let last_user = other.len() - br#""}}],"count":{"users":200}}"#.len() - 1;
        assert_eq!(other[last_user], b'9');
        other[last_user - 2..=last_user].copy_from_slice(b"777");
        let theirs = read(&mut recognizer, &other, 64);
        assert_ne!(mine, theirs);
        assert_eq!(theirs, [format!("Some(10) {}", shown(&(0..199).chain([777]).collect()))]);
    }

    #[test]
    fn two_connections_that_get_a_new_frame_at_once_share_it() {
        let mut recognizer = Recognizer::new(Dialect::Native);
        let bytes = roster(10, 0..200);
        let (mut one, mut other) = (Progress::default(), Progress::default());
        let mut frames = 0;
        let mut handle = |_: Frame<'_>| {
            frames += 1;
            Ok(())
        };
        for part in bytes.chunks(1000) {
            for progress in [&mut one, &mut other] {
                recognizer.feed(progress, part, &mut handle).unwrap();
            }
        }
        assert_eq!((frames, recognizer.lengths.len()), (2, 1));
    }
}
