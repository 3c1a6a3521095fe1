//! The log: one event, one line, whatever a message quotes.

use std::io;

use provider_class::printable::PrintableLines;
use tracing_subscriber::EnvFilter;

/// Starts the log as text.
pub(crate) fn start_text(filter: EnvFilter) {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(false)
        .with_writer(|| PrintableLines::to(io::stderr()))
        .init();
}

/// Starts the log as JSON.
pub(crate) fn start_json(filter: EnvFilter) {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_writer(|| PrintableLines::json_to(io::stderr()))
        .json()
        .flatten_event(true)
        .init();
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::text;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the log holds after this message.
    fn logged(message: &str) -> String {
        let lines = Lines::default();
        let made = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || PrintableLines::to(made.clone()))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(pod = message, "refused: {message}");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn no_message_forges_a_line_or_steers_a_terminal() {
        let log = logged("/a\n2026-01-01T00:00:00Z  INFO injected \u{1b}[2J\u{9b}1m\r");
        assert_eq!(log.lines().count(), 1, "{log:?}");
        assert!(log.ends_with('\n'), "{log:?}");
        assert!(text::is_harmless(log.trim_end()), "{log:?}");
        assert!(log.contains("refused: /a\\n2026"), "{log:?}");
    }

    #[test]
    fn a_line_has_a_bound() {
        assert!(logged(&"x".repeat(1024 * 1024)).len() < 100_000);
    }
}
