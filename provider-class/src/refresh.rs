//! How often files are refreshed, and how the app is told: words of annotations and of the injector's command line.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The time between two looks at AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshInterval(Duration);

/// Why a text is no interval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a time from 1s to 24h, such as 5m or 1h30m")]
pub struct InvalidInterval(String);

impl RefreshInterval {
    /// The time.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for RefreshInterval {
    type Err = InvalidInterval;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bounds = Duration::from_secs(1)..=Duration::from_hours(24);
        let parsed = humantime::parse_duration(text).ok();
        let interval = parsed.filter(|interval| bounds.contains(interval));
        interval
            .map(Self)
            .ok_or_else(|| InvalidInterval(text.to_owned()))
    }
}

impl fmt::Display for RefreshInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", humantime::format_duration(self.0))
    }
}

/// What is done when files have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnRefresh {
    /// `signal:SIGHUP:web`: the first process of a container of the pod gets a signal.
    Signal {
        /// Which.
        signal: Signal,
        /// The container's name.
        container: String,
    },
    /// `http:POST:8080/reload`: a request to the pod's own localhost.
    Http {
        /// The request's method.
        method: Method,
        /// The port.
        port: u16,
        /// The path, which begins with a slash, and the query.
        path: String,
    },
}

/// Signals that programs take as a wish to read their files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The usual one.
    Hup,
    /// Free for a program's own use.
    Usr1,
    /// Free for a program's own use.
    Usr2,
    /// Ends most programs; the kubelet starts them again.
    Term,
    /// As Ctrl-C does.
    Int,
    /// Ends programs such as nginx in good order.
    Quit,
    /// The size of a terminal; some programs take it for a wish.
    Winch,
}

/// Methods of HTTP that tell a program something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
}

/// Why a text says nothing that could be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOnRefresh {
    /// Neither form.
    #[error("{0:?} is neither signal:SIGHUP:CONTAINER nor http:POST:PORT/PATH")]
    Form(String),
    /// Not a signal, or not one that would help.
    #[error(
        "{0:?} is not one of the signals SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGWINCH"
    )]
    Signal(String),
    /// Not the name of a container.
    #[error("{0:?} is not the name of a container")]
    Container(String),
    /// Not a method.
    #[error("{0:?} is not one of the methods GET, POST, PUT")]
    Method(String),
    /// Not a port.
    #[error("{0:?} is not a port from 1 to 65535")]
    Port(String),
    /// Not a path.
    #[error("{0:?} is not a path: it has a space or a character that URLs do not have")]
    Path(String),
}

const SIGNALS: [(&str, Signal); 7] = [
    ("SIGHUP", Signal::Hup),
    ("SIGUSR1", Signal::Usr1),
    ("SIGUSR2", Signal::Usr2),
    ("SIGTERM", Signal::Term),
    ("SIGINT", Signal::Int),
    ("SIGQUIT", Signal::Quit),
    ("SIGWINCH", Signal::Winch),
];

const METHODS: [(&str, Method); 3] = [
    ("GET", Method::Get),
    ("POST", Method::Post),
    ("PUT", Method::Put),
];

fn known<T: Copy>(table: &[(&str, T)], text: &str) -> Option<T> {
    let found = table.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value)
}

fn name_of<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    let found = table.iter().find(|(_, other)| other == value);
    found.map_or("", |(name, _)| name)
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&SIGNALS, self))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(&METHODS, self))
    }
}

impl FromStr for OnRefresh {
    type Err = InvalidOnRefresh;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || InvalidOnRefresh::Form(text.to_owned());
        let mut parts = text.splitn(3, ':');
        let (kind, first, rest) = (parts.next(), parts.next(), parts.next());
        let (Some(kind), Some(first), Some(rest)) = (kind, first, rest) else {
            return Err(form());
        };
        match kind {
            "signal" => Ok(Self::Signal {
                signal: known(&SIGNALS, first)
                    .ok_or_else(|| InvalidOnRefresh::Signal(first.to_owned()))?,
                container: container(rest)?,
            }),
            "http" => {
                let method = known(&METHODS, first)
                    .ok_or_else(|| InvalidOnRefresh::Method(first.to_owned()))?;
                let end = rest.find('/').unwrap_or(rest.len());
                let (port, path) = rest.split_at(end);
                Ok(Self::Http {
                    method,
                    port: self::port(port)?,
                    path: self::path(path)?,
                })
            }
            _ => Err(form()),
        }
    }
}

/// A DNS label, as Kubernetes names containers.
fn container(text: &str) -> Result<String, InvalidOnRefresh> {
    let is_label = !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    if is_label {
        Ok(text.to_owned())
    } else {
        Err(InvalidOnRefresh::Container(text.to_owned()))
    }
}

fn port(text: &str) -> Result<u16, InvalidOnRefresh> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| InvalidOnRefresh::Port(text.to_owned()))
}

/// The empty path is `/`.
fn path(text: &str) -> Result<String, InvalidOnRefresh> {
    let is_allowed = |b: u8| {
        b.is_ascii_graphic()
            && !matches!(
                b,
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#'
            )
    };
    if text.is_empty() {
        Ok("/".to_owned())
    } else if text.bytes().all(is_allowed) {
        Ok(text.to_owned())
    } else {
        Err(InvalidOnRefresh::Path(text.to_owned()))
    }
}

impl fmt::Display for OnRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal { signal, container } => write!(f, "signal:{signal}:{container}"),
            Self::Http { method, port, path } => write!(f, "http:{method}:{port}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_times_with_a_unit() {
        let of = |text: &str| {
            text.parse::<RefreshInterval>()
                .map(|interval| interval.duration().as_secs())
        };
        assert_eq!(
            (of("5m"), of("1h30m"), of("1s")),
            (Ok(300), Ok(5400), Ok(1))
        );
        for bad in ["", "5", "0s", "999ms", "25h", "-5m", "soon"] {
            let error = of(bad).unwrap_err().to_string();
            assert!(error.contains("such as 5m"), "{error}");
        }
        assert_eq!(
            "90s".parse::<RefreshInterval>().unwrap().to_string(),
            "1m 30s"
        );
    }

    #[test]
    fn what_is_done_is_written_as_it_is_read() {
        for text in [
            "signal:SIGHUP:web",
            "http:POST:8080/reload?x=1",
            "http:GET:1/",
        ] {
            assert_eq!(text.parse::<OnRefresh>().unwrap().to_string(), text);
        }
        assert_eq!(
            "http:PUT:80".parse::<OnRefresh>().unwrap().to_string(),
            "http:PUT:80/"
        );
    }

    #[test]
    fn what_cannot_be_done_is_named() {
        let of = |text: &str| text.parse::<OnRefresh>().unwrap_err();
        assert!(matches!(of("restart"), InvalidOnRefresh::Form(_)));
        assert!(matches!(of("exec:x:y"), InvalidOnRefresh::Form(_)));
        assert!(matches!(
            of("signal:SIGKILL:web"),
            InvalidOnRefresh::Signal(_)
        ));
        assert!(matches!(
            of("signal:SIGHUP:Web"),
            InvalidOnRefresh::Container(_)
        ));
        assert!(matches!(
            of("signal:SIGHUP:"),
            InvalidOnRefresh::Container(_)
        ));
        assert!(matches!(of("http:DELETE:80/"), InvalidOnRefresh::Method(_)));
        assert!(matches!(of("http:POST:0/"), InvalidOnRefresh::Port(_)));
        assert!(matches!(
            of("http:POST:localhost/"),
            InvalidOnRefresh::Port(_)
        ));
        assert!(matches!(of("http:POST:80/a b"), InvalidOnRefresh::Path(_)));
        assert!(matches!(
            of("http:POST:80/a\r\nHost: x"),
            InvalidOnRefresh::Path(_)
        ));
    }
}
