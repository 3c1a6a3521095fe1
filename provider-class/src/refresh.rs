//! The settings of a refreshing sidecar, as annotations and the injector's options spell them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How often a pod's files are compared with AWS, such as `5m` or `1h30m`.
///
/// At least a second, which only tests want: every check costs a call per secret. At most a day, so that a sidecar
/// that cannot refresh is noticed before its secrets are history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefreshInterval(Duration);

/// Why a text is no [`RefreshInterval`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidInterval {
    /// Not a duration.
    #[error("{0:?} is not a duration: write a number with s, m or h, such as \"5m\" or \"1h30m\"")]
    NotADuration(String),
    /// One that is too short or too long.
    #[error("{0:?} is out of range: from 1s to 24h; 5m suits most")]
    OutOfRange(String),
}

impl RefreshInterval {
    const LEAST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_hours(24);

    /// The time between two checks.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for RefreshInterval {
    type Err = InvalidInterval;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds =
            seconds(text).ok_or_else(|| InvalidInterval::NotADuration(text.to_owned()))?;
        let duration = Duration::from_secs(seconds);
        if (Self::LEAST..=Self::MOST).contains(&duration) {
            Ok(Self(duration))
        } else {
            Err(InvalidInterval::OutOfRange(text.to_owned()))
        }
    }
}

/// The sum of numbers with units.
fn seconds(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let unit = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..unit].parse().ok()?;
        let factor = match rest[unit..].chars().next()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            _ => return None,
        };
        sum = sum.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[unit + 1..];
    }
    (!text.is_empty()).then_some(sum)
}

impl fmt::Display for RefreshInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        for (amount, unit) in [
            (seconds / 3600, "h"),
            (seconds / 60 % 60, "m"),
            (seconds % 60, "s"),
        ] {
            if amount > 0 {
                write!(f, "{amount}{unit}")?;
            }
        }
        Ok(())
    }
}

/// How the app is told that files changed: `signal:SIGHUP:<container>` or `http:POST:<port>/<path>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnRefresh {
    /// A signal to the first process of a container; needs `shareProcessNamespace`.
    Signal {
        /// Which.
        signal: Signal,
        /// The container's name in the pod.
        container: String,
    },
    /// A request to the pod's own localhost.
    Http {
        /// How.
        method: Method,
        /// The port of 127.0.0.1.
        port: u16,
        /// Path and query, with the slash.
        path: String,
    },
}

/// A signal that programs take as a request to read their files again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are POSIX's own")]
pub enum Signal {
    Hup,
    Int,
    Quit,
    Usr1,
    Usr2,
    Alrm,
    Term,
    Cont,
    Winch,
    Kill,
}

impl Signal {
    const ALL: [(&'static str, Self); 10] = [
        ("SIGHUP", Self::Hup),
        ("SIGINT", Self::Int),
        ("SIGQUIT", Self::Quit),
        ("SIGUSR1", Self::Usr1),
        ("SIGUSR2", Self::Usr2),
        ("SIGALRM", Self::Alrm),
        ("SIGTERM", Self::Term),
        ("SIGCONT", Self::Cont),
        ("SIGWINCH", Self::Winch),
        ("SIGKILL", Self::Kill),
    ];
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(_, signal)| signal == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// The method of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are HTTP's own")]
pub enum Method {
    Get,
    Post,
    Put,
}

impl Method {
    const ALL: [(&'static str, Self); 3] =
        [("GET", Self::Get), ("POST", Self::Post), ("PUT", Self::Put)];
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        })
    }
}

/// Why a text is no [`OnRefresh`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOnRefresh {
    /// Neither form.
    #[error("{0:?} is neither \"signal:SIGHUP:<container>\" nor \"http:POST:<port>/<path>\"")]
    Form(String),
    /// A signal that does not exist or cannot be meant.
    #[error("{0:?} is not a signal to send: use one of {names}", names = names(&Signal::ALL))]
    Signal(String),
    /// Not a container's name.
    #[error(
        "{0:?} is not the name of a container: lowercase letters, digits and hyphens, as under spec.containers"
    )]
    Container(String),
    /// A method that is not offered.
    #[error("{0:?} is not a method to use: use one of {names}", names = names(&Method::ALL))]
    Method(String),
    /// Not a port.
    #[error("{0:?} is not a port: a number from 1 to 65535, then the path, as in \"8080/reload\"")]
    Port(String),
    /// A path that cannot be sent as it is.
    #[error("{0:?} is not a path: printable ASCII without spaces, percent-encode the rest")]
    Path(String),
}

fn names<T>(all: &[(&str, T)]) -> String {
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl FromStr for OnRefresh {
    type Err = InvalidOnRefresh;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || InvalidOnRefresh::Form(text.to_owned());
        let (kind, rest) = text.split_once(':').ok_or_else(form)?;
        let (how, to) = rest.split_once(':').ok_or_else(form)?;
        match kind {
            "signal" => Ok(Self::Signal {
                signal: signal(how)?,
                container: container(to)?,
            }),
            "http" => {
                let method = Method::ALL.iter().find(|(name, _)| *name == how);
                let method = method.ok_or_else(|| InvalidOnRefresh::Method(how.to_owned()))?;
                let (port, path) = match to.find('/') {
                    Some(slash) => to.split_at(slash),
                    None => (to, "/"),
                };
                Ok(Self::Http {
                    method: method.1,
                    port: self::port(port)?,
                    path: self::path(path)?,
                })
            }
            _ => Err(form()),
        }
    }
}

fn signal(name: &str) -> Result<Signal, InvalidOnRefresh> {
    let same =
        |(full, _): &&(&str, Signal)| *full == name || full.strip_prefix("SIG") == Some(name);
    let found = Signal::ALL.iter().find(same);
    found
        .map(|(_, signal)| *signal)
        .ok_or_else(|| InvalidOnRefresh::Signal(name.to_owned()))
}

/// A DNS label, as Kubernetes wants it.
fn container(name: &str) -> Result<String, InvalidOnRefresh> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let valid = (1..=63).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if valid {
        Ok(name.to_owned())
    } else {
        Err(InvalidOnRefresh::Container(name.to_owned()))
    }
}

fn port(text: &str) -> Result<u16, InvalidOnRefresh> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let port = text.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| InvalidOnRefresh::Port(text.to_owned()))
}

fn path(text: &str) -> Result<String, InvalidOnRefresh> {
    let allowed = |b: u8| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b);
    if text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err(InvalidOnRefresh::Path(text.to_owned()))
    }
}

/// As it is written.
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
    fn intervals_are_numbers_with_units_within_bounds() {
        for (text, seconds) in [("1s", 1), ("5m", 300), ("1h30m", 5400), ("24h", 86400)] {
            let interval: RefreshInterval = text.parse().unwrap();
            assert_eq!(interval.duration().as_secs(), seconds);
            assert_eq!(interval.to_string().parse(), Ok(interval));
        }
        for text in [
            "",
            "5",
            "m",
            "5 m",
            "-5m",
            "5d",
            "1.5h",
            "ü",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert_eq!(
                text.parse::<RefreshInterval>(),
                Err(InvalidInterval::NotADuration(text.to_owned())),
                "{text}"
            );
        }
        for text in ["0s", "24h1s"] {
            assert_eq!(
                text.parse::<RefreshInterval>(),
                Err(InvalidInterval::OutOfRange(text.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_valid_comes_back_as_it_was() {
        for text in [
            "signal:SIGHUP:app",
            "signal:SIGUSR1:web-2",
            "http:POST:8080/reload",
            "http:GET:1/",
            "http:PUT:65535/-/reload?x=1&y=%20",
        ] {
            assert_eq!(text.parse::<OnRefresh>().unwrap().to_string(), text);
        }
        assert_eq!(
            "signal:HUP:app".parse::<OnRefresh>(),
            "signal:SIGHUP:app".parse()
        );
        assert_eq!("http:POST:80".parse::<OnRefresh>(), "http:POST:80/".parse());
    }

    #[test]
    fn what_is_not_is_refused_with_its_wrong_part() {
        use InvalidOnRefresh::{Container, Form, Method, Path, Port, Signal};
        for (text, part, error) in [
            ("", "", Form as fn(String) -> InvalidOnRefresh),
            ("signal:SIGHUP", "signal:SIGHUP", Form),
            ("exec:a:b", "exec:a:b", Form),
            ("signal:SIGWHAT:app", "SIGWHAT", Signal),
            ("signal:1:app", "1", Signal),
            ("signal:SIGHUP:", "", Container),
            ("signal:SIGHUP:../app", "../app", Container),
            ("http:DELETE:80/", "DELETE", Method),
            ("http:POST:0/", "0", Port),
            ("http:POST:+80/", "+80", Port),
            ("http:POST:example.com/", "example.com", Port),
            ("http:POST:80/a b", "/a b", Path),
            ("http:POST:80/a\r\nb", "/a\r\nb", Path),
        ] {
            assert_eq!(
                text.parse::<OnRefresh>(),
                Err(error(part.to_owned())),
                "{text}"
            );
        }
    }
}
