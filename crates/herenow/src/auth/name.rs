//! Names that are safe to show and to log, whatever script they are in.
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Graphemes (characters as people count them) that a shown name may have.
pub const GRAPHEMES_MAX: usize = 64;
/// Bytes of UTF-8 that a shown name may have: one grapheme alone can be any number of combining marks.
pub const BYTES_MAX: usize = 1024;

/// What to show for a user: the name in NFC without control characters, line breaks, invisible spaces and characters
/// that change the direction of text; trimmed; cut after [`GRAPHEMES_MAX`] graphemes or [`BYTES_MAX`] bytes. Where
/// nothing is left, the user id treated alike; where nothing is left of that either, `?`.
pub fn shown_name(name: &str, user_id: &str) -> String {
    [name, user_id].into_iter().map(cleaned).find(|name| !name.is_empty()).unwrap_or_else(|| "?".to_owned())
}

fn cleaned(text: &str) -> String {
    let normal: String = text.chars().filter(|&c| !is_unwanted(c)).nfc().collect();
    let mut shown = String::new();
    for grapheme in normal.trim().graphemes(true).take(GRAPHEMES_MAX) {
        if shown.len() + grapheme.len() > BYTES_MAX {
            break;
        }
        shown.push_str(grapheme);
    }
    shown.truncate(shown.trim_end().len());
    if shown.chars().all(|c| is_joiner(c) || c.is_whitespace()) {
        shown.clear();
    }
    shown
}

/// The joiners that Persian and emoji are spelled with: kept, though they are nothing to see by themselves.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// Whether a character could forge a log line, turn text around, or be nothing to see at all.
pub fn is_unwanted(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keeps_names_of_any_script() {
        for name in ["Alice", "Jürgen Müller", "李小龍", "نگار‌خانه", "👩‍👩‍👧‍👦 Ada", "Ångström", "O'Brien & <Sons>"]
        {
            assert_eq!(shown_name(name, "u1"), name);
        }
    }

    #[test]
    fn composes_what_was_decomposed() {
        assert_eq!(shown_name("Ju\u{308}rgen", "u1"), "Jürgen");
    }

    #[test]
    fn strips_what_forges_lines_or_turns_text_around() {
        for (name, shown) in [
            ("Ann\r\nERROR root logged in", "AnnERROR root logged in"),
            ("Ann\u{1b}[31m", "Ann[31m"),
            ("Ann\u{9b}31m", "Ann31m"),
            ("\u{202e}ecilA", "ecilA"),
            ("\u{2066}Ann\u{2069}\u{2028}", "Ann"),
            ("\u{200f}\u{200e}\u{61c}Ann\u{feff}", "Ann"),
            ("Ann\0", "Ann"),
        ] {
            assert_eq!(shown_name(name, "u1"), shown);
        }
    }

    #[test]
    fn falls_back_to_the_id_where_nothing_is_left() {
        for name in ["", "   ", "\n\t", "\u{202e}", "\u{200b}\u{feff}", "\u{a0}", "\u{200d} \u{200c}"] {
            assert_eq!(shown_name(name, "u1"), "u1", "{name:?}");
        }
        assert_eq!(shown_name("", "\u{202e}"), "?");
    }

    #[test]
    fn cuts_after_64_graphemes_and_never_within_one() {
        assert_eq!(shown_name(&"é".repeat(64), "u1"), "é".repeat(64));
        assert_eq!(shown_name(&"é".repeat(65), "u1"), "é".repeat(64));
        assert_eq!(shown_name(&"👩‍👩‍👧‍👦".repeat(100), "u1"), "👩‍👩‍👧‍👦".repeat(40), "1,024 bytes hold 40 of 25 bytes");
        assert_eq!(shown_name(&format!("a{}", "\u{301}".repeat(5000)), "u1"), "u1", "one endless grapheme");
    }

    proptest! {
        #[test]
        fn is_bounded_clean_and_steady(name in ".{0,300}", id in "[ -~]{1,128}") {
            let shown = shown_name(&name, &id);
            prop_assert!(!shown.is_empty() && shown.len() <= BYTES_MAX);
            prop_assert!(!shown.chars().any(is_unwanted));
            prop_assert_eq!(shown_name(&shown, &id), shown);
        }
    }
}
