//! What a client that polls has been given and did not acknowledge: it gets that again, as often as it asks.
use bytes::Bytes;

/// Frames with numbers that go up by one from 1 on.
///
/// Invariant: `first` is the number of the first of `held`, or the next number where nothing is held.
pub(super) struct Numbers {
    first: u64,
    held: Vec<(Bytes, Bytes)>,
    /// The poll that is to be answered; those before it are not.
    poll: u64,
}

/// The number that a poll gave acknowledges what it was not given, or asks for what it acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadNumber {
    /// The smallest and the largest that it may give.
    pub(super) allowed: (u64, u64),
}

impl Default for Numbers {
    fn default() -> Self {
        Self { first: 1, held: Vec::new(), poll: 0 }
    }
}

impl Numbers {
    /// Begins a poll by who has all up to the number `after`; which poll it is.
    ///
    /// # Errors
    /// [`BadNumber`]; nothing has changed then.
    pub(super) fn begin(&mut self, after: u64) -> Result<u64, BadNumber> {
        let allowed = (self.first - 1, self.first - 1 + self.held.len() as u64);
        if after < allowed.0 || after > allowed.1 {
            return Err(BadNumber { allowed });
        }
        // At most as many as are held.
        self.held.drain(..usize::try_from(after - allowed.0).unwrap_or(usize::MAX));
        self.first = after + 1;
        if self.held.is_empty() {
            // A connection at rest keeps no memory.
            self.held = Vec::new();
        }
        self.poll += 1;
        Ok(self.poll)
    }

    /// Whether a poll is the last that began.
    pub(super) fn is_last(&self, poll: u64) -> bool {
        self.poll == poll
    }

    /// Whether everything was acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Holds one more frame.
    pub(super) fn push(&mut self, bytes: Bytes, more: Bytes) {
        self.held.push((bytes, more));
    }

    /// What is held as JSON: an array of pairs of a number and a frame.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let bytes: usize = self.held.iter().map(|(bytes, more)| bytes.len() + more.len() + NUMBER_BYTES).sum();
        let mut json = Vec::with_capacity(bytes + 2);
        json.push(b'[');
        for ((bytes, more), number) in self.held.iter().zip(self.first..) {
            let comma = if number == self.first { "" } else { "," };
            json.extend_from_slice(format!("{comma}[{number},").as_bytes());
            json.extend_from_slice(bytes);
            json.extend_from_slice(more);
            json.push(b']');
        }
        json.push(b']');
        json
    }
}

/// Bytes that a number and what parts it from others take, mostly.
const NUMBER_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::{BadNumber, Numbers};
    use bytes::Bytes;

    fn push(numbers: &mut Numbers, texts: &[&'static str]) {
        for text in texts {
            numbers.push(Bytes::from_static(text.as_bytes()), Bytes::new());
        }
    }

    fn json(numbers: &Numbers) -> String {
        String::from_utf8(numbers.to_json()).unwrap()
    }

    #[test]
    fn what_was_not_acknowledged_comes_again_with_the_same_numbers() {
        let mut numbers = Numbers::default();
        assert_eq!((numbers.begin(0), json(&numbers).as_str()), (Ok(1), "[]"));
        push(&mut numbers, &["{}", "[]", "3"]);
        numbers.push(Bytes::from_static(b"{\"a\":"), Bytes::from_static(b"1}"));
        let all = r#"[[1,{}],[2,[]],[3,3],[4,{"a":1}]]"#;
        assert_eq!(json(&numbers), all);
        assert_eq!(numbers.begin(0), Ok(2));
        assert_eq!(json(&numbers), all);
        assert_eq!(numbers.begin(2), Ok(3));
        assert_eq!(json(&numbers), r#"[[3,3],[4,{"a":1}]]"#);
        assert!(numbers.is_last(3) && !numbers.is_last(2));
        assert_eq!(numbers.begin(4), Ok(4));
        assert!(numbers.is_empty());
        push(&mut numbers, &["5"]);
        assert_eq!(json(&numbers), "[[5,5]]");
    }

    #[test]
    fn a_number_that_was_not_given_or_was_acknowledged_changes_nothing() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.begin(1), Err(BadNumber { allowed: (0, 0) }));
        push(&mut numbers, &["1", "2", "3"]);
        assert_eq!(numbers.begin(2), Ok(1));
        for bad in [0, 1, 4, u64::MAX] {
            assert_eq!(numbers.begin(bad), Err(BadNumber { allowed: (2, 3) }));
        }
        assert_eq!(json(&numbers), "[[3,3]]");
        assert!(numbers.is_last(1));
    }
}
