//! What the command line and the environment variables ask for.

use crate::args::Fetch;
use crate::classes::{self, ClassToFetch};
use crate::environment::Environment;
use crate::kubernetes::SecretApplier;
use crate::variables::SecretVariables;
use provider_class::{SNAPSHOT_VARIABLE, SYNC_VARIABLE, VARIABLES_VARIABLE};

/// What to fetch, and where it goes besides files.
pub(crate) struct Settings {
    pub(crate) wanted: Vec<ClassToFetch>,
    pub(crate) variables: Option<SecretVariables>,
    pub(crate) secrets: Option<SecretApplier>,
    pub(crate) environment: Environment,
}

impl Settings {
    /// Reads the command line and the environment variables.
    pub(crate) fn read(args: &Fetch) -> anyhow::Result<Self> {
        let get = |name: &str| std::env::var(name).ok();
        let environment = Environment::read(get)?;
        let snapshot = get(SNAPSHOT_VARIABLE);
        let wanted = classes::load(args, snapshot.as_deref(), environment.region.as_ref())?;
        let injected = |name: &str| get(name).filter(|_| args.is_injected());
        let variables = injected(VARIABLES_VARIABLE)
            .map(|json| SecretVariables::from_json(&json, &wanted))
            .transpose()?;
        let secrets = injected(SYNC_VARIABLE)
            .map(|json| SecretApplier::from_json(&json, args.timeout, get))
            .transpose()?;
        Ok(Self {
            wanted,
            variables,
            secrets,
            environment,
        })
    }
}
