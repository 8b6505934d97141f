//! XML that no name can break: what isn't ours is escaped, and hostile characters are replaced.

use std::fmt::Write;

use crate::sanitize;

/// `text` between tags or in quotes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in sanitize::text(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            // XML has no way to write these.
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Adds formatted text to a string, which can't fail.
pub(crate) trait Append {
    fn append(&mut self, text: std::fmt::Arguments<'_>);
}

impl Append for String {
    fn append(&mut self, text: std::fmt::Arguments<'_>) {
        self.write_fmt(text).expect("a string takes everything");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(text: &str) -> String {
        let escaped = escape(text);
        let document = format!("<a b=\"{escaped}\">{escaped}</a>");
        let parsed = roxmltree::Document::parse(&document).unwrap();
        let root = parsed.root_element();
        assert_eq!(root.attribute("b"), Some(root.text().unwrap_or_default()));
        root.text().unwrap_or_default().to_owned()
    }

    #[test]
    fn markup_stays_text() {
        let attack = "</title><script>alert('1')</script>&amp;\"]]>";
        assert_eq!(read_back(attack), attack);
    }

    #[test]
    fn what_xml_cant_hold_or_a_reader_shouldnt_see_is_replaced() {
        assert_eq!(read_back("a\0b\x1bc\u{202e}d\u{fffe}e\u{ffff}\nf"), "a�b�c�d�e��f");
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_a_terminal_would_show_it(text in "\\PC*|(?s).*") {
            let shown = sanitize::text(&text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
            prop_assert_eq!(read_back(&text), shown);
        }
    }
}
