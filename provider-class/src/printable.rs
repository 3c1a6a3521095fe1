//! Makes text from outside safe for a log, an error or a terminal.
//!
//! AWS's messages, a proxy's page, an annotation, a path: whoever writes them could otherwise forge lines of a log, move
//! the cursor of a terminal, or fill a disk. Everything that the programs print goes through here: a line by [`printable`], lines by
//! [`printable_lines`], JSON by [`printable_json`], and a log by [`PrintableLines`].

use std::fmt::Write as _;
use std::io;

/// The longest line of a log, in characters.
pub const LONGEST_LINE: usize = 32 * 1024;

/// The text on one line: what moves a cursor, ends a line, is invisible or changes the direction of writing is escaped
/// as Rust writes it (`\n`, `\u{1b}`). Beyond so many characters it is cut, and ends with `…`.
///
/// ```
/// use provider_class::printable::printable;
///
/// assert_eq!(printable("no\nINFO all is well", 100), r"no\nINFO all is well");
/// assert_eq!(printable("abcdef", 3), "abc…");
/// ```
pub fn printable(text: &str, longest: usize) -> String {
    let mut printable = String::with_capacity(text.len().min(longest));
    let mut left = longest;
    for character in text.chars() {
        if left == 0 {
            printable.push('…');
            break;
        }
        left -= 1;
        match character {
            // Harmless; escaped they would only be harder to read.
            '"' | '\'' | '\\' => printable.push(character),
            _ => printable.extend(character.escape_debug()),
        }
    }
    printable
}

/// The same for text of several lines that belong to it, as an error with a line for each object.
pub fn printable_lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| printable(line, LONGEST_LINE));
    lines.collect::<Vec<_>>().join("\n")
}

/// The same for JSON, which stays JSON: its serializer escapes only what the format demands.
///
/// ```
/// use provider_class::printable::printable_json;
///
/// assert_eq!(printable_json("[\"\u{9b}2J\u{202e}\"]\n"), "[\"\\u009b2J\\u202e\"]\n");
/// ```
pub fn printable_json(json: &str) -> String {
    let mut printable = String::with_capacity(json.len());
    for character in json.chars() {
        if character == '\n' || !steers(character) {
            printable.push(character);
        } else {
            // Writing to a String does not fail, and none of these characters takes two units of UTF-16.
            let _ = write!(printable, "\\u{:04x}", u32::from(character));
        }
    }
    printable
}

/// Whether a character ends a line, steers a terminal or changes the direction of writing.
pub(crate) fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes the lines of a log: a line stays one line, whatever text it quotes. Each write must be one whole line.
#[derive(Debug)]
pub struct PrintableLines<W> {
    writer: W,
    is_json: bool,
}

impl<W: io::Write> PrintableLines<W> {
    /// Lines for a writer.
    pub fn to(writer: W) -> Self {
        let is_json = false;
        Self { writer, is_json }
    }

    /// Lines that are JSON, for a writer.
    pub fn json_to(writer: W) -> Self {
        let is_json = true;
        Self { writer, is_json }
    }
}

impl<W: io::Write> io::Write for PrintableLines<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let body = text.strip_suffix('\n').unwrap_or(&text);
        let mut whole = if self.is_json {
            printable_json(body)
        } else {
            printable(body, LONGEST_LINE)
        };
        whole.push('\n');
        self.writer.write_all(whole.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn what_is_no_visible_text_is_escaped() {
        for (text, expected) in [
            (
                "plain \"quoted\" 'text' C:\\x ü 鍵",
                "plain \"quoted\" 'text' C:\\x ü 鍵",
            ),
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\u{1b}[2J\u{7}", r"\u{1b}[2J\u{7}"),
            ("\u{202e}drowssap\u{2066}", r"\u{202e}drowssap\u{2066}"),
            (
                "a\u{200b}b\u{2028}c\u{feff}",
                r"a\u{200b}b\u{2028}c\u{feff}",
            ),
            ("\u{85}\u{9b}", r"\u{85}\u{9b}"),
            ("a\0b", r"a\0b"),
        ] {
            assert_eq!(printable(text, 1000), expected);
        }
    }

    #[test]
    fn the_cut_is_at_a_character() {
        assert_eq!(printable("üüü", 3), "üüü");
        assert_eq!(printable("üüüü", 3), "üüü…");
        assert_eq!(printable(&"x".repeat(1 << 20), 1000).chars().count(), 1001);
    }

    #[test]
    fn a_line_of_a_log_stays_one_line() {
        let mut written = Vec::new();
        let mut lines = PrintableLines::to(&mut written);
        lines
            .write_all("INFO path=/a\nERROR forged\n".as_bytes())
            .unwrap();
        lines.write_all(b"\xff\n").unwrap();
        lines.flush().unwrap();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            "INFO path=/a\\nERROR forged\n\u{fffd}\n"
        );
        assert_eq!(printable_lines("one\ntwo\u{1b}"), "one\ntwo\\u{1b}");
    }

    #[test]
    fn a_line_of_json_stays_json() {
        let hostile =
            "\u{1b}[2J\u{7f}\u{9b}2J\u{85}\u{2028}\u{202e}d \u{200f}\u{2069} größe 鍵 \"\\";
        let line = format!("{}\n", serde_json::json!({"message": hostile}));
        let mut written = Vec::new();
        PrintableLines::json_to(&mut written)
            .write_all(line.as_bytes())
            .unwrap();
        let text = String::from_utf8(written).unwrap();
        let body = text.strip_suffix('\n').unwrap();
        assert!(!body.contains(steers), "{body:?}");
        let read: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(read["message"], hostile);
    }
}
