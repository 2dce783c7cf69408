//! What the scripts publish: a MessagePack list of texts. Read with suspicion; what cannot be understood is nothing.
use crate::cluster::entry;
use herenow_core::{
    cluster::door::{News, NodeId, Section, SectionChange, SectionEntry, Stamp, Tag, Written},
    command::Reason,
    id::SessionId,
};
use std::collections::BTreeSet;

/// Bytes that one message may have; the scripts are never asked for more than half of it.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Texts that one message may have.
const TEXTS_MAX: usize = 16 * 1024;

/// Reads a message; `None` where it is none that a script could have published.
pub fn decode(bytes: &[u8]) -> Option<News> {
    let texts = texts(bytes)?;
    let [kind, before, tag, node, inc, seq, rest @ ..] = texts.as_slice() else { return None };
    let before = if before.is_empty() { None } else { Some(parse_tag(before)?) };
    let (tag, node) = (parse_tag(tag)?, parse_node(node)?);
    let stamp = Stamp { inc: number(inc)?, seq: number(seq)? };
    let what = match *kind {
        b"D" => Written::Changes(changes(rest)?),
        b"F" => Written::Whole(section(rest)?),
        b"T" if rest.is_empty() => Written::TooLarge,
        b"R" if rest.is_empty() => Written::Reaped,
        _ => return None,
    };
    Some(News { before, tag, node, stamp, what })
}

/// How a tag is written.
pub fn tag_text(tag: Tag) -> String {
    format!("{:016x}.{}", tag.node.0, tag.number)
}

/// Reads a tag.
pub fn parse_tag(text: &[u8]) -> Option<Tag> {
    let text = std::str::from_utf8(text).ok()?;
    let (node, count) = text.split_once('.')?;
    Some(Tag { node: parse_node(node.as_bytes())?, number: number(count.as_bytes())? })
}

/// How a node is written.
pub fn node_text(node: NodeId) -> String {
    format!("{:016x}", node.0)
}

/// Reads a node.
pub fn parse_node(text: &[u8]) -> Option<NodeId> {
    hexadecimal(text).map(NodeId)
}

/// How a session is written.
pub fn session_text(session: SessionId) -> String {
    session.to_string()
}

/// Reads a session.
pub fn parse_session(text: &[u8]) -> Option<SessionId> {
    hexadecimal(text).map(SessionId)
}

/// A number in decimal digits, of which no script loses one.
pub fn number(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let number: u64 = std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()?;
    (number <= WHOLE_MAX).then_some(number)
}

fn hexadecimal(text: &[u8]) -> Option<u64> {
    let is_hex = text.len() == 16 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    u64::from_str_radix(std::str::from_utf8(text).ok().filter(|_| is_hex)?, 16).ok()
}

fn changes(texts: &[&[u8]]) -> Option<Vec<SectionChange>> {
    let (entries, gone) = split(texts)?;
    let puts = entries.into_iter().map(SectionChange::Put);
    Some(puts.chain(gone.into_iter().map(|(session, reason)| SectionChange::Remove(session, reason))).collect())
}

fn section(texts: &[&[u8]]) -> Option<Section> {
    let (entries, gone) = split(texts)?;
    Some(Section { entries, gone })
}

/// Sessions that are gone, and why.
type Gone = Vec<(SessionId, Reason)>;

/// First how many entries, then those, then who is gone; each session once.
fn split(texts: &[&[u8]]) -> Option<(Vec<SectionEntry>, Gone)> {
    let (count, rest) = texts.split_first()?;
    let puts = usize::try_from(number(count)?).ok()?.checked_mul(2)?;
    if puts > rest.len() || !rest.len().is_multiple_of(2) {
        return None;
    }
    let (puts, gone) = rest.split_at(puts);
    let mut seen = BTreeSet::new();
    let mut once = |text: &[u8]| parse_session(text).filter(|session| seen.insert(*session));
    let entries: Option<Vec<_>> = puts.chunks_exact(2).map(|pair| entry::decode(once(pair[0])?, pair[1])).collect();
    let gone: Option<Vec<_>> =
        gone.chunks_exact(2).map(|pair| Some((once(pair[0])?, entry::reason_of(pair[1])?))).collect();
    Some((entries?, gone?))
}

fn texts(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    let mut rest = bytes;
    let count = rmp::decode::read_array_len(&mut rest).ok()? as usize;
    // Each text has a byte at least, so that a forged count cannot have memory set aside for it.
    if count > TEXTS_MAX || count > rest.len() {
        return None;
    }
    let mut texts = Vec::with_capacity(count);
    for _ in 0..count {
        let length = rmp::decode::read_str_len(&mut rest).ok()? as usize;
        let (text, after) = rest.split_at_checked(length)?;
        texts.push(text);
        rest = after;
    }
    rest.is_empty().then_some(texts)
}

/// Up to here Lua's numbers are whole, and written without an exponent.
const WHOLE_MAX: u64 = 99_999_999_999_999;

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(texts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmp::encode::write_array_len(&mut bytes, texts.len() as u32).expect("written");
        for text in texts {
            rmp::encode::write_str(&mut bytes, std::str::from_utf8(text).expect("a text")).expect("written");
        }
        bytes
    }

    const NODE: &[u8] = b"000000000000000a";
    const TAG: &[u8] = b"000000000000000a.7";

    #[test]
    fn news_have_limits() {
        let reaped: &[&[u8]] = &[b"R", TAG, TAG, NODE, b"3", b"0"];
        let news = decode(&packed(reaped)).expect("news");
        let tag = Tag { node: NodeId(10), number: 7 };
        assert_eq!((news.before, news.tag, news.stamp), (Some(tag), tag, Stamp { inc: 3, seq: 0 }));
        assert_eq!(news.what, Written::Reaped);
        for end in 0..packed(reaped).len() {
            assert_eq!(decode(&packed(reaped)[..end]), None, "cut at {end}");
        }
        let with = |at: usize, text: &'static [u8]| {
            let mut texts = reaped.to_vec();
            texts[at] = text;
            decode(&packed(&texts))
        };
        for (at, text) in [
            (0, &b"X"[..]),
            (1, b"7"),
            (2, b""),
            (3, b"000000000000000A"),
            (3, b"a"),
            (4, b"-1"),
            (4, b"1e5"),
            (5, b"100000000000000"),
        ] {
            assert_eq!(with(at, text), None, "{at} {}", String::from_utf8_lossy(text));
        }
        let session: &[u8] = b"00000000000000a1";
        let twice: &[&[u8]] = &[b"D", b"", TAG, NODE, b"1", b"1", b"0", session, b"left", session, b"left"];
        assert!(decode(&packed(&twice[..9])).is_some());
        assert_eq!(decode(&packed(twice)), None, "a session twice");
        let more: &[&[u8]] = &[b"D", b"", TAG, NODE, b"1", b"1", b"9", session, b"left"];
        assert_eq!(decode(&packed(more)), None, "more entries than there are");
        assert_eq!(decode(&[0xdd, 0xff, 0xff, 0xff, 0xff]), None, "a count that is not there");
        assert_eq!(decode(&vec![0; MESSAGE_BYTES_MAX + 1]), None);
        let many = vec![&b"x"[..]; TEXTS_MAX + 1];
        assert_eq!(decode(&packed(&many)), None, "too many texts");
    }
}
