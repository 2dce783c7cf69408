//! Which protocol a client of `/ws` speaks.
use std::fmt;

/// A protocol over WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The plain one of boards: whole lists, a frame for each joined and left.
    Board,
    /// The one of our SDK: rosters, versions, diffs.
    Native,
}

/// What was agreed on in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The protocol to speak.
    pub dialect: Dialect,
    /// What to answer in `Sec-WebSocket-Protocol`; no such header where absent.
    pub echo: Option<&'static str>,
}

/// A client offered subprotocols, and none of them is spoken here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSubprotocol {
    /// What it offered, as it stood in the header.
    pub offered: String,
}

impl Dialect {
    /// Chooses by the value of `Sec-WebSocket-Protocol`, which may list several, parted by commas: the first that is
    /// spoken here wins. A client that offers none speaks the board dialect.
    ///
    /// # Errors
    /// Where something is offered, but nothing that is known.
    pub fn from_subprotocol(offered: Option<&str>) -> Result<Choice, UnknownSubprotocol> {
        let list = offered.unwrap_or_default();
        let mut names = list.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
        if names.peek().is_none() {
            return Ok(Choice { dialect: Self::Board, echo: None });
        }
        names
            .find_map(|name| match name {
                BOARD => Some(Choice { dialect: Self::Board, echo: Some(BOARD) }),
                NATIVE => Some(Choice { dialect: Self::Native, echo: Some(NATIVE) }),
                _ => None,
            })
            .ok_or_else(|| UnknownSubprotocol { offered: list.to_owned() })
    }
}

impl fmt::Display for UnknownSubprotocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no subprotocol of \"{}\" is spoken here, only {NATIVE} and {BOARD}", self.offered.escape_debug())
    }
}

impl std::error::Error for UnknownSubprotocol {}

const BOARD: &str = "board.v1";
const NATIVE: &str = "herenow.v1";

#[cfg(test)]
mod tests {
    use super::{Choice, Dialect};

    #[test]
    fn nothing_offered_means_board_without_an_answer() {
        for offered in [None, Some(""), Some(" , ")] {
            let choice = Dialect::from_subprotocol(offered).unwrap();
            assert_eq!(choice, Choice { dialect: Dialect::Board, echo: None });
        }
    }

    #[test]
    fn the_first_known_name_wins() {
        let cases = [
            ("board.v1", Dialect::Board, "board.v1"),
            ("herenow.v1", Dialect::Native, "herenow.v1"),
            ("chat, herenow.v1 ,board.v1", Dialect::Native, "herenow.v1"),
            ("board.v1,herenow.v1", Dialect::Board, "board.v1"),
        ];
        for (offered, dialect, echo) in cases {
            assert_eq!(Dialect::from_subprotocol(Some(offered)), Ok(Choice { dialect, echo: Some(echo) }), "{offered}");
        }
    }

    #[test]
    fn only_unknown_names_are_refused_with_what_is_known() {
        let error = Dialect::from_subprotocol(Some("graphql-ws, Herenow.v1")).unwrap_err();
        assert_eq!(error.offered, "graphql-ws, Herenow.v1");
        assert!(error.to_string().contains("herenow.v1 and board.v1"), "{error}");
    }
}
