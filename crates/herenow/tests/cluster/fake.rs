//! The scripts written a second time, in Rust, as what they should do. Where the two differ, one of them is wrong.
use std::collections::{BTreeMap, BTreeSet};

type Bytes = Vec<u8>;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    Hash(BTreeMap<Bytes, Bytes>),
    Set(BTreeSet<Bytes>),
    /// By member.
    Sorted(BTreeMap<Bytes, u64>),
    Text(Bytes),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply {
    Int(i64),
    Text(Bytes),
    List(Vec<Reply>),
}

/// All that a server keeps, which of it ends some time, and what was published since somebody looked.
#[derive(Clone, Debug, Default)]
pub struct Fake {
    pub keys: BTreeMap<String, Kept>,
    pub ending: BTreeSet<String>,
    pub published: Vec<(Bytes, Bytes)>,
}

/// What is said of a section.
enum Held {
    Nothing,
    Live(u64, u64),
    Tomb(u64),
}

fn word(text: &str) -> Reply {
    Reply::Text(text.into())
}

fn words(all: &[Bytes]) -> Reply {
    Reply::List(all.iter().cloned().map(Reply::Text).collect())
}

fn answer(text: &str, rest: &[u64]) -> Reply {
    Reply::List([word(text)].into_iter().chain(rest.iter().map(|n| Reply::Int(*n as i64))).collect())
}

fn number(bytes: &[u8]) -> u64 {
    String::from_utf8_lossy(bytes).parse().unwrap()
}

fn stamp(text: &[u8]) -> Option<(u64, u64)> {
    let (inc, seq) = std::str::from_utf8(text).ok()?.split_once(':')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(inc) && is_number(seq)).then(|| (inc.parse().unwrap(), seq.parse().unwrap()))
}

fn held(text: Option<&Bytes>) -> Held {
    let Some((state, rest)) = text.and_then(|text| text.split_first()) else { return Held::Nothing };
    match (state, stamp(rest)) {
        (b'l', Some((inc, seq))) => Held::Live(inc, seq),
        (b'x', Some((inc, _))) => Held::Tomb(inc),
        _ => Held::Nothing,
    }
}

/// As MessagePack writes a list of texts.
pub fn packed(texts: &[Bytes]) -> Bytes {
    let mut out = Vec::new();
    rmp::encode::write_array_len(&mut out, texts.len() as u32).unwrap();
    for text in texts {
        rmp::encode::write_str_len(&mut out, text.len() as u32).unwrap();
        out.extend_from_slice(text);
    }
    out
}

impl Fake {
    pub fn hash(&self, key: &str) -> BTreeMap<Bytes, Bytes> {
        match self.keys.get(key) {
            Some(Kept::Hash(hash)) => hash.clone(),
            _ => BTreeMap::new(),
        }
    }

    pub fn get(&self, key: &str, field: &[u8]) -> Option<Bytes> {
        self.hash(key).get(field).cloned()
    }

    pub fn set(&mut self, key: &str, field: &[u8], value: &[u8]) {
        let kept = self.keys.entry(key.to_owned()).or_insert_with(|| Kept::Hash(BTreeMap::new()));
        let Kept::Hash(hash) = kept else { panic!("{key} is no hash") };
        hash.insert(field.to_vec(), value.to_vec());
    }

    fn remove(&mut self, key: &str, field: &[u8]) {
        if let Some(Kept::Hash(hash)) = self.keys.get_mut(key) {
            hash.remove(field);
            if hash.is_empty() {
                self.unlink(key);
            }
        }
    }

    pub fn unlink(&mut self, key: &str) {
        self.keys.remove(key);
        self.ending.remove(key);
    }

    fn expire(&mut self, key: &str) {
        if self.keys.contains_key(key) {
            self.ending.insert(key.to_owned());
        }
    }

    fn member(&mut self, key: &str, member: &[u8], is_in: bool) {
        if is_in {
            let kept = self.keys.entry(key.to_owned()).or_insert_with(|| Kept::Set(BTreeSet::new()));
            let Kept::Set(set) = kept else { panic!("{key} is no set") };
            set.insert(member.to_vec());
        } else if let Some(Kept::Set(set)) = self.keys.get_mut(key) {
            set.remove(member);
            if set.is_empty() {
                self.unlink(key);
            }
        }
    }

    fn is_whole(&self, section: &str, inc: u64, seq: u64) -> bool {
        self.get(section, b"") == Some(format!("{inc}:{seq}").into_bytes())
    }

    fn tell(&mut self, channel: &Bytes, texts: &[Bytes]) {
        self.published.push((channel.clone(), packed(texts)));
    }

    pub fn apply(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let [meta, section, index, ..] = keys else { panic!() };
        let (inc, seq) = (number(&args[3]), number(&args[4]));
        let field = [b"n:", args[2].as_slice()].concat();
        let before = self.get(meta, b"t").unwrap_or_default();
        let is_first = match held(self.get(meta, &field).as_ref()) {
            Held::Tomb(at) if inc <= at => return answer("FENCED", &[at]),
            Held::Tomb(_) => return answer("RESYNC", &[]),
            Held::Live(i, s) if !self.is_whole(section, i, s) => return answer("RESYNC", &[]),
            Held::Live(i, s) if (i, s) == (inc, seq) => return answer("DUP", &[]),
            Held::Live(i, s) if (i, s + 1) != (inc, seq) => return answer("RESYNC", &[]),
            Held::Live(..) => false,
            Held::Nothing if (inc, seq) != (1, 1) => return answer("RESYNC", &[]),
            Held::Nothing => {
                self.unlink(section);
                true
            }
        };
        let puts = 8 + 2 * number(&args[7]) as usize;
        self.set(section, b"", format!("{inc}:{seq}").as_bytes());
        for pair in args[8..puts].chunks(2) {
            self.set(section, &pair[0], &pair[1]);
        }
        for pair in args[puts..].chunks(2) {
            self.remove(section, &pair[0]);
        }
        self.set(meta, b"t", &args[5]);
        self.set(meta, &field, format!("l{inc}:{seq}").as_bytes());
        if is_first {
            self.member(index, &args[1], true);
            for key in [meta, section, index] {
                self.expire(key);
            }
        }
        let head = [b"D".to_vec(), before, args[5].clone(), args[2].clone(), args[3].clone(), args[4].clone()];
        self.tell(&args[0], &[&head, &args[7..]].concat());
        answer("OK", &[])
    }

    pub fn sync(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let [meta, section, index, stage] = keys else { panic!() };
        let (inc, seq, part, parts) = (number(&args[3]), number(&args[4]), number(&args[7]), number(&args[8]));
        let field = [b"n:", args[2].as_slice()].concat();
        let before = self.get(meta, b"t").unwrap_or_default();
        match held(self.get(meta, &field).as_ref()) {
            Held::Tomb(at) if inc <= at => return answer("FENCED", &[at]),
            Held::Live(i, s) if (i, s) == (inc, seq) && self.is_whole(section, i, s) => return answer("DUP", &[]),
            Held::Live(i, s) if (i, s) > (inc, seq) => return answer("STALE", &[i, s]),
            Held::Tomb(_) | Held::Live(..) | Held::Nothing => {}
        }
        let mark = |part: u64| format!("{inc}:{seq}:{part}").into_bytes();
        let target = if parts > 1 { stage } else { section };
        if parts > 1 && part > 1 {
            let staged = self.get(stage, b"");
            if staged == Some(mark(part)) {
                return answer("PART", &[]);
            }
            if staged != Some(mark(part - 1)) {
                return answer("RESYNC", &[]);
            }
        }
        if part == 1 {
            self.unlink(target);
        }
        self.set(target, b"", &mark(part));
        let end = 10 + 2 * number(&args[9]) as usize;
        for pair in args[10..end].chunks(2) {
            self.set(target, &pair[0], &pair[1]);
        }
        self.expire(target);
        if part < parts {
            return answer("PART", &[]);
        }
        if parts > 1 {
            let staged = self.keys.remove(stage).unwrap();
            self.keys.insert(section.clone(), staged);
            self.ending.remove(stage);
            self.ending.insert(section.clone());
        }
        let stamp = format!("{inc}:{seq}");
        self.set(section, b"", stamp.as_bytes());
        self.set(meta, b"t", &args[5]);
        self.set(meta, &field, format!("l{stamp}").as_bytes());
        self.expire(meta);
        let is_in = self.hash(section).len() > 1;
        self.member(index, &args[1], is_in);
        if is_in {
            self.expire(index);
        }
        let head = |kind: &[u8]| {
            vec![kind.to_vec(), before.clone(), args[5].clone(), args[2].clone(), args[3].clone(), args[4].clone()]
        };
        if parts == 1 {
            self.tell(&args[0], &[&head(b"F"), &args[9..]].concat());
        } else {
            self.tell(&args[0], &head(b"T"));
        }
        answer("OK", &[])
    }

    pub fn reap(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let [meta, section, index, stage] = keys else { panic!() };
        let (field, inc) = ([b"n:", args[2].as_slice()].concat(), number(&args[3]));
        let was = self.get(meta, &field);
        let is_there = match held(was.as_ref()) {
            Held::Tomb(_) => return answer("NONE", &[]),
            Held::Live(i, _) if i > inc => return answer("NONE", &[]),
            Held::Live(..) => true,
            Held::Nothing => false,
        };
        self.unlink(section);
        self.unlink(stage);
        self.member(index, &args[1], false);
        if !is_there {
            return answer("NONE", &[]);
        }
        let before = self.get(meta, b"t").unwrap_or_default();
        self.set(meta, b"t", &args[4]);
        self.set(meta, &field, format!("x{inc}:0").as_bytes());
        self.expire(meta);
        let (tag, node, inc) = (args[4].clone(), args[2].clone(), args[3].clone());
        self.tell(&args[0], &[b"R".to_vec(), before, tag, node, inc, b"0".to_vec()]);
        answer("OK", &[])
    }

    pub fn snap(&self, keys: &[String], args: &[Bytes]) -> Reply {
        let meta = self.hash(&keys[0]);
        let flat = |hash: &BTreeMap<Bytes, Bytes>| {
            words(&hash.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect::<Vec<_>>())
        };
        let asked: Vec<_> = args[1..].chunks(2).map(|pair| [b"n:", pair[0].as_slice()].concat()).collect();
        let is_unasked = |(name, value): (&Bytes, &Bytes)| {
            name.starts_with(b"n:") && value.starts_with(b"l") && !asked.contains(name)
        };
        if meta.iter().any(is_unasked) {
            return Reply::List(vec![word("AGAIN"), flat(&meta)]);
        }
        let mut left = number(&args[0]) as usize;
        let mut sections = Vec::new();
        for (at, pair) in args[1..].chunks(2).enumerate() {
            let value = meta.get(&asked[at]).cloned().unwrap_or_default();
            let section = self.hash(&keys[at + 2]);
            sections.push(if !value.starts_with(b"l") || value == [b"l", pair[1].as_slice()].concat() {
                word("")
            } else if section.len() > left {
                Reply::Int(section.len() as i64)
            } else {
                left -= section.len();
                flat(&section)
            });
        }
        let fence = self.get(&keys[1], b"f").unwrap_or(b"0".to_vec());
        Reply::List(vec![word("OK"), flat(&meta), Reply::List(sections), Reply::Text(fence)])
    }

    pub fn page(&self, keys: &[String]) -> Reply {
        let section = self.hash(&keys[0]);
        let all: Vec<_> = section.iter().flat_map(|(k, v)| [k.clone(), v.clone()]).collect();
        Reply::List(vec![Reply::Text(section.get(b"".as_slice()).cloned().unwrap_or_default()), word("0"), words(&all)])
    }

    pub fn poll(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let field = [b"n:", args[0].as_slice()].concat();
        let mut out = Vec::new();
        for pair in keys[1..].chunks(2) {
            let mut own = self.get(&pair[0], &field).unwrap_or_default();
            if own.starts_with(b"l") && self.get(&pair[1], b"").as_deref() != Some(&own[1..]) {
                own = Vec::new();
            }
            if args[1] != b"0" && !own.is_empty() {
                self.expire(&pair[0]);
                self.expire(&pair[1]);
            }
            out.extend([Reply::Text(self.get(&pair[0], b"t").unwrap_or_default()), Reply::Text(own)]);
        }
        if args[1] != b"0" {
            self.expire(&keys[0]);
        }
        Reply::List(out)
    }

    pub fn renew(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        match self.keys.get(&keys[2]) {
            None => {
                self.keys.insert(keys[2].clone(), Kept::Text(args[4].clone()));
            }
            Some(Kept::Text(format)) if *format == args[4] => {}
            Some(Kept::Text(format)) => return Reply::List(vec![word("FORMAT"), Reply::Text(format.clone())]),
            Some(_) => panic!(),
        }
        let fence = self.get(&keys[1], &args[0]).map_or(0, |fence| number(&fence));
        if fence >= number(&args[1]) {
            return answer("FENCED", &[fence]);
        }
        self.set(&keys[0], &args[0], &args[1..4].join(&b':'));
        let live = self.hash(&keys[0]).into_iter().flat_map(|(k, v)| [k, v]).collect::<Vec<_>>();
        Reply::List(vec![word("OK"), words(&live)])
    }

    pub fn revoke(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let key = &keys[0];
        if !self.keys.contains_key(key) {
            self.keys.insert(key.clone(), Kept::Sorted(BTreeMap::from([(args[4].clone(), 0)])));
            self.expire(key);
        }
        let Some(Kept::Sorted(entries)) = self.keys.get_mut(key) else { panic!() };
        let mut last = entries.values().copied().max().unwrap();
        for entry in &args[5..] {
            if !entries.contains_key(entry) {
                last += 1;
                entries.insert(entry.clone(), last);
            }
        }
        let by_number = |entries: &BTreeMap<Bytes, u64>| {
            let mut all: Vec<(u64, Bytes)> = entries.iter().map(|(entry, number)| (*number, entry.clone())).collect();
            all.sort();
            all
        };
        // The name stays, whatever else goes.
        let all = by_number(entries);
        let over = (all.len() - 1).saturating_sub(number(&args[1]) as usize);
        for (_, entry) in &all[1..=over] {
            entries.remove(entry);
        }
        let all = by_number(entries);
        let told = all.iter().filter(|(at, _)| *at > number(&args[0])).take(number(&args[2]) as usize);
        let told = told.flat_map(|(at, entry)| [entry.clone(), at.to_string().into_bytes()]).collect::<Vec<_>>();
        Reply::List(vec![word("OK"), Reply::Text(all[0].1.clone()), Reply::Int(last as i64), words(&told)])
    }

    pub fn claim(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        if self.get(&keys[0], &args[0]).unwrap_or_default() != args[1] {
            return answer("CHANGED", &[]);
        }
        if number(&args[2]) > self.get(&keys[1], &args[0]).map_or(0, |fence| number(&fence)) {
            self.set(&keys[1], &args[0], &args[2]);
            self.expire(&keys[1]);
        }
        self.remove(&keys[0], &args[0]);
        answer("OK", &[])
    }

    pub fn sweep(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let field = [b"n:", args[1].as_slice()].concat();
        if self.get(&keys[0], &field).as_ref() != Some(&args[2]) || self.hash(&keys[1]).len() > 1 {
            return answer("CHANGED", &[]);
        }
        self.remove(&keys[0], &field);
        self.unlink(&keys[1]);
        self.member(&keys[2], &args[0], false);
        let meta = self.hash(&keys[0]);
        if meta.len() == 1 && meta.contains_key(b"t".as_slice()) {
            self.unlink(&keys[0]);
        }
        answer("OK", &[])
    }

    pub fn lock(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let field = [b"h:", args[0].as_slice()].concat();
        let me = [args[1].as_slice(), args[2].as_slice()].join(&b':');
        let holder = self.get(&keys[0], &field).map(|holder| {
            let mut parts = holder.splitn(2, |byte| *byte == b' ').map(<[u8]>::to_vec);
            (parts.next().unwrap(), parts.next().unwrap())
        });
        if let Some((fence, who)) = holder {
            if who == me {
                return Reply::List(vec![word("GIVEN"), Reply::Text(fence)]);
            }
            let (node, session) = (&who[..16], &who[17..]);
            if node != args[5] {
                return Reply::List(vec![word("WHOSE"), Reply::Text(node.to_vec())]);
            }
            if self.get(&keys[1], session).is_some() {
                return Reply::List(vec![word("HELD"), Reply::Text(fence)]);
            }
        }
        let last = self.get(&keys[0], b"f").map_or(0, |fence| number(&fence)).max(number(&args[3])) + 1;
        let last = last.to_string().into_bytes();
        self.set(&keys[0], b"f", &last);
        self.set(&keys[0], &field, &[last.as_slice(), &me].join(&b' '));
        self.expire(&keys[0]);
        Reply::List(vec![word("GIVEN"), Reply::Text(last)])
    }

    pub fn free(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let field = [b"h:", args[0].as_slice()].concat();
        let held = self.get(&keys[0], &field).unwrap_or_default();
        let is_theirs = held == [args[2].as_slice(), &args[1]].join(&b' ');
        let is_whichever = args[2] == b"0" && held.split(|byte| *byte == b' ').nth(1) == Some(args[1].as_slice());
        if !is_theirs && !is_whichever {
            return answer("NONE", &[]);
        }
        self.remove(&keys[0], &field);
        answer("OK", &[])
    }

    pub fn announce(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let [told, stands, meta] = keys else { panic!() };
        if !self.keys.contains_key(stands) {
            self.keys.insert(stands.clone(), Kept::Text(args[3].clone()));
        }
        self.expire(stands);
        let Some(Kept::Text(name)) = self.keys.get(stands).cloned() else { panic!() };
        if !args[2].is_empty() && args[2] != name {
            return Reply::List(vec![word("LOST"), Reply::Text(name)]);
        }
        if !args[6].is_empty() && self.get(meta, b"t").as_ref() != Some(&args[6]) {
            return answer("CHANGED", &[]);
        }
        let (is_silent, is_forced) = (args[4] == b"1", args[5] == b"1");
        let mut out = vec![word("OK"), Reply::Text(name)];
        for turn in args[7..].chunks(4) {
            let [user, state, joined, at] = turn else { panic!() };
            let held = self.get(told, user);
            let was = held.as_ref().map_or(b'l', |held| held[0]);
            let since = held.as_ref().and_then(|held| held.split(|byte| *byte == b' ').nth(1).map(<[u8]>::to_vec));
            let joined = if joined == b"0" { since.unwrap_or(b"0".to_vec()) } else { joined.clone() };
            let news = |news: u8| Reply::Text([&[b'0' + news, b' '], joined.as_slice()].concat());
            let (is_here, is_change) = (state == b"j", was != state[0]);
            if !is_change && !is_forced {
                out.push(news(0));
                continue;
            }
            let count =
                self.get(told, b"").map_or(0, |count| String::from_utf8(count).unwrap().parse::<i64>().unwrap());
            let count = count + if !is_change { 0 } else { i64::from(is_here) * 2 - 1 };
            self.set(told, b"", count.to_string().as_bytes());
            if is_silent && !is_here {
                self.remove(told, user);
            } else {
                let by = if is_silent { b"-".to_vec() } else { args[1].clone() };
                self.set(told, user, &[state.clone(), joined.clone(), at.clone(), by].join(&b' '));
            }
            let is_edge = if is_here { count == 1 } else { count <= 0 };
            out.push(news(if is_edge { 2 } else { 1 }));
        }
        self.expire(told);
        Reply::List(out)
    }

    pub fn confirm(&mut self, keys: &[String], args: &[Bytes]) -> Reply {
        let told = &keys[0];
        for turn in args[1..].chunks(3) {
            let held = self.get(told, &turn[0]).unwrap_or_default();
            let parts: Vec<Bytes> = held.split(|byte| *byte == b' ').map(<[u8]>::to_vec).collect();
            let [state, joined, at, by] = parts.as_slice() else { continue };
            if (state, at, by) != (&turn[1], &turn[2], &args[0]) {
                continue;
            }
            if state == b"l" {
                self.remove(told, &turn[0]);
            } else {
                self.set(told, &turn[0], &[state, joined, at, b"-".as_slice()].map(<[u8]>::to_vec).join(&b' '));
            }
        }
        if self.hash(told).len() == 1 && self.get(told, b"").as_deref() == Some(b"0") {
            self.unlink(told);
        }
        answer("OK", &[])
    }
}
