//! What a sidecar does after files changed, as the annotation and the injector's option spell it.

use std::fmt;
use std::str::FromStr;

use crate::words::kubernetes;
use crate::words::object_name::is_dns_label;

/// The exit status by which the sidecar asks the kubelet to restart all containers of its pod.
///
/// No other end of the injector has it: 1 is an error, 2 wrong arguments, 101 and 134 a panic, 126 to 143 are those of
/// shells and signals. It is Linux's ERESTART, "interrupted system call should be restarted".
pub const RESTART_EXIT_STATUS: u8 = 85;

/// What the sidecar does after files changed: `restart`, or a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OnRefresh {
    /// It ends with [`RESTART_EXIT_STATUS`], and the kubelet restarts all containers of the pod.
    Restart,
    /// It notifies the app.
    Notify(Notification),
}

/// How the app is told that files changed: `signal:SIGHUP:<container>` or `http:POST:<port>/<path>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notification {
    /// A signal to the first process of a container; needs `shareProcessNamespace`.
    Signal {
        /// The signal to send.
        signal: Signal,
        /// The container's name in the pod.
        container: String,
    },
    /// A request to the pod's own localhost.
    Http {
        /// The HTTP method.
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

/// Why a text is not an [`OnRefresh`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOnRefresh {
    /// None of the three forms.
    #[error(
        "{0:?} is not \"restart\", \"signal:SIGHUP:<container>\" or \"http:POST:<port>/<path>\""
    )]
    Form(String),
    /// An unknown signal, or one that makes no sense here.
    #[error("{0:?} is not a signal to send: use one of {names}", names = names(&Signal::ALL))]
    Signal(String),
    /// Not a container's name.
    #[error(
        "{0:?} is not the name of a container: lowercase letters, digits and hyphens, as under spec.containers"
    )]
    Container(String),
    /// A method that is not supported.
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

/// The form of [`OnRefresh::Restart`].
const RESTART: &str = "restart";

impl FromStr for OnRefresh {
    type Err = InvalidOnRefresh;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == RESTART {
            return Ok(Self::Restart);
        }
        text.parse().map(Self::Notify)
    }
}

impl FromStr for Notification {
    type Err = InvalidOnRefresh;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.splitn(3, ':');
        let (Some(kind), Some(how), Some(to)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(InvalidOnRefresh::Form(text.to_owned()));
        };
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
                    port: kubernetes::port(port)
                        .ok_or_else(|| InvalidOnRefresh::Port(port.to_owned()))?,
                    path: self::path(path)?,
                })
            }
            _ => Err(InvalidOnRefresh::Form(text.to_owned())),
        }
    }
}

fn signal(name: &str) -> Result<Signal, InvalidOnRefresh> {
    for (full, signal) in Signal::ALL {
        if full == name || full.strip_prefix("SIG") == Some(name) {
            return Ok(signal);
        }
    }
    Err(InvalidOnRefresh::Signal(name.to_owned()))
}

fn container(name: &str) -> Result<String, InvalidOnRefresh> {
    if is_dns_label(name) {
        Ok(name.to_owned())
    } else {
        Err(InvalidOnRefresh::Container(name.to_owned()))
    }
}

fn path(text: &str) -> Result<String, InvalidOnRefresh> {
    let is_plain = text
        .bytes()
        .all(|b| b.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&b));
    if is_plain {
        Ok(text.to_owned())
    } else {
        Err(InvalidOnRefresh::Path(text.to_owned()))
    }
}

/// The form that is parsed.
impl fmt::Display for OnRefresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restart => f.write_str(RESTART),
            Self::Notify(notification) => notification.fmt(f),
        }
    }
}

/// The form that is parsed.
impl fmt::Display for Notification {
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
    fn what_is_valid_comes_back_as_it_was() {
        for text in [
            "restart",
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
            ("Restart", "Restart", Form),
            ("restart:app", "restart:app", Form),
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
