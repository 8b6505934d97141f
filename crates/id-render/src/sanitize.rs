//! What peers say of themselves is hostile in a terminal: it may move the cursor, recolour the
//! screen, start a new line of a table or turn the reading direction.
//!
//! Text output and everything on stderr replace such characters. JSON keeps them, because it is for
//! programs and loses nothing, but writes each as `\uXXXX`, so that `cat` of a file is harmless too.

use std::borrow::Cow;

/// Stands for each character that was taken out.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// `text` on one line and without effect on a terminal: safe in a table, in TSV and on stderr.
pub fn text(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hostile) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_hostile(c) { REPLACEMENT } else { c }).collect())
}

/// Writes what is hostile in encoded JSON as `\uXXXX`, which means the same.
///
/// The encoder has already escaped C0 controls in strings; the line breaks between its tokens stay.
pub fn json(encoded: &str) -> Cow<'_, str> {
    let is_raw = |c: char| is_hostile(c) && !matches!(c, '\n' | '\r' | '\t');
    if !encoded.contains(is_raw) {
        return Cow::Borrowed(encoded);
    }
    let mut escaped = String::with_capacity(encoded.len() + 16);
    for c in encoded.chars() {
        match is_raw(c) {
            // All of them are in the basic plane, so one escape is enough.
            true => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and what turns the direction.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_of_any_script_is_untouched() {
        for name in ["", "oak", "Größe", "日本", "🦀 crab", "عربى", "👩‍👩‍👧"]
        {
            assert!(matches!(text(name), Cow::Borrowed(same) if same == name), "{name}");
        }
    }

    #[test]
    fn no_control_character_reaches_a_terminal() {
        assert_eq!(text("a\x1b[31mred\x07"), "a\u{fffd}[31mred\u{fffd}");
        assert_eq!(text("two\nlines\r\tand a tab"), "two\u{fffd}lines\u{fffd}\u{fffd}and a tab");
        assert_eq!(text("\u{9b}31m \u{7f}"), "\u{fffd}31m \u{fffd}");
    }

    #[test]
    fn nothing_turns_the_reading_direction() {
        let turners = ('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
            .chain(['\u{200e}', '\u{200f}', '\u{061c}', '\u{2028}', '\u{2029}']);
        for turner in turners {
            assert_eq!(text(&format!("a{turner}b")), "a\u{fffd}b", "{turner:?}");
        }
    }

    #[test]
    fn escaped_json_is_ascii_where_it_was_hostile_and_means_the_same() {
        let name = "\u{202e}txt\u{9b}\u{7f}\n\u{2028}é";
        let encoded = serde_json::to_string(name).unwrap();
        let escaped = json(&encoded);
        assert_eq!(escaped, "\"\\u202etxt\\u009b\\u007f\\n\\u2028é\"");
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), name);
    }

    #[test]
    fn line_breaks_between_tokens_stay() {
        assert_eq!(json("{\n  \"a\": 1\n}\n"), "{\n  \"a\": 1\n}\n");
    }
}
