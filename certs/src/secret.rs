//! The Secret that all replicas share. There is no leader: whoever writes first wins, by the resource version, and the
//! others take what it wrote.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::state::State;
use crate::step::Found;

/// The Secret as it was read, to be written only if it still is.
pub type Before = Option<Secret>;

/// Reads the Secret.
pub async fn read(api: &Api<Secret>, name: &str) -> kube::Result<(Found, Before)> {
    let secret = api.get_opt(name).await?;
    let found = secret.as_ref().map(|secret| {
        let none = std::collections::BTreeMap::new();
        State::from_data(secret.data.as_ref().unwrap_or(&none))
    });
    let found = match found {
        None => Found::Absent,
        Some(Err(error)) => Found::Unusable(error),
        Some(Ok(state)) => Found::Usable(Box::new(state)),
    };
    Ok((found, secret))
}

/// Writes the Secret if it is still as it was read. `false`: another replica was faster, read again.
pub async fn write(
    api: &Api<Secret>,
    name: &str,
    before: Before,
    state: &State,
) -> kube::Result<bool> {
    let params = PostParams::default();
    let written = match before {
        None => {
            let metadata = ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            };
            let secret = Secret {
                metadata,
                type_: Some("Opaque".to_owned()),
                data: Some(state.to_data()),
                ..Secret::default()
            };
            api.create(&params, &secret).await
        }
        Some(mut secret) => {
            secret.data = Some(state.to_data());
            api.replace(name, &params, &secret).await
        }
    };
    match written {
        Ok(_) => Ok(true),
        // Changed, there already, or gone.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(error) => Err(error),
    }
}
