//! What AWS answered to one request.

use std::fmt;

use zeroize::Zeroizing;

use crate::aws::{Failure, Meaning};
use crate::service::Service;
use crate::versions::Version;

/// A successful answer to one request.
pub(super) enum Answer {
    /// The held version is still the requested one.
    Unchanged,
    /// Values. They may equal those that are on disk.
    Fetched {
        /// One, or for a path at least one, in the order of their names.
        values: Vec<Value>,
        /// Which ones they are.
        version: Version,
    },
}

/// A fetched value.
pub(super) struct Value {
    /// For a parameter below a path: its name below it.
    pub(super) name: Option<String>,
    /// The value; zeroized when dropped.
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

impl Answer {
    /// The value of an object.
    pub(super) fn one(bytes: Vec<u8>, version: Version) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self::Fetched {
            values: vec![Value { name: None, bytes }],
            version,
        }
    }
}

/// Why a value could not be fetched: how the only region failed, or the first one with a final answer, or both. Nothing if no
/// answer was stored for the request, which is a bug of this program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ValueError(pub(super) Vec<Failure>);

impl ValueError {
    /// May the failover region answer where this one failed?
    pub(super) fn may_fail_over(&self) -> bool {
        matches!(&self.0[..], [only] if !only.is_final())
    }

    /// Did a service refuse for a reason other than its load?
    pub(super) fn is_refused(&self) -> bool {
        let mut meanings = self.0.iter().filter_map(Failure::meaning);
        meanings.any(|meaning| meaning != Meaning::Throttled)
    }

    /// Does the object not exist? Where the first region failed, the second one's answer counts.
    pub(super) fn is_not_found(&self) -> bool {
        let last = self.0.last().and_then(Failure::meaning);
        last == Some(Meaning::Missing)
    }

    /// Did it fail before the object itself was requested?
    pub(super) fn is_about_credentials(&self) -> bool {
        let mut services = self.0.iter().map(|failure| failure.service);
        !self.0.is_empty()
            && services.all(|service| matches!(service, Service::Sts | Service::PodIdentityAgent))
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [] => f.write_str("an internal error: no answer was recorded; please report it"),
            [first, rest @ ..] => {
                write!(f, "{first}")?;
                rest.iter()
                    .try_for_each(|next| write!(f, "; and in the failover region: {next}"))
            }
        }
    }
}
