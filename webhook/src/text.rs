//! Text that comes from outside, on its way into a log line or an answer: it stays on its line, changes nothing on a
//! terminal, and has a bound.

use provider_class::printable::printable;

/// Characters of one line of an answer; a message of ours is a tenth of it, what it quotes may be anything.
const LINE: usize = 2048;

/// Characters of a name that stands in a field of the log. Kubernetes' own names have 253 at most.
const NAME: usize = 253;

/// The text on one line, cut where it is longer than any message has to be.
pub(crate) fn line(text: &str) -> String {
    printable(text, LINE)
}

/// A name from outside, for a field of the log.
pub(crate) fn name(text: &str) -> String {
    printable(text, NAME)
}

/// Nothing in it would have to be escaped.
pub(crate) fn is_harmless(text: &str) -> bool {
    printable(text, text.len()) == text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_stays_on_its_line_and_steers_no_terminal() {
        let hostile = "a\nb\u{1b}[2Jc\r\u{85}\u{2028}\u{202e}d";
        assert_eq!(
            line(hostile),
            "a\\nb\\u{1b}[2Jc\\r\\u{85}\\u{2028}\\u{202e}d"
        );
        assert!(!is_harmless(hostile));
        assert!(is_harmless("größe \"x\""));
    }

    #[test]
    fn long_text_is_cut() {
        let cut = name(&"é".repeat(300));
        assert_eq!(cut.chars().count(), 253 + 1);
        assert!(cut.ends_with('…'), "{cut}");
    }
}
