//! The Secret that all replicas share. There is no leader: whoever writes first wins, by the resource version, and the
//! others take what it wrote.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::{Identity, Unusable};

/// The Secret's content, and the version it was read at.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What it holds; `Err` where that cannot be used.
    pub identity: Result<Identity, Unusable>,
    secret: Secret,
}

/// Reads the Secret; `None` where there is none.
pub async fn read(api: &Api<Secret>, name: &str) -> kube::Result<Option<Stored>> {
    let secret = api.get_opt(name).await?;
    Ok(secret.map(|secret| Stored {
        identity: Identity::from_data(&secret.data.clone().unwrap_or_default()),
        secret,
    }))
}

/// Writes the Secret if it is still as it was read. `false`: another replica was faster, read again.
pub async fn write(
    api: &Api<Secret>,
    name: &str,
    before: Option<Stored>,
    identity: &Identity,
) -> kube::Result<bool> {
    let params = PostParams::default();
    let written = match before {
        None => {
            let metadata = ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            };
            let type_ = Some("Opaque".to_owned());
            let secret = Secret {
                metadata,
                type_,
                data: Some(identity.to_data()),
                ..Secret::default()
            };
            api.create(&params, &secret).await
        }
        Some(Stored { mut secret, .. }) => {
            secret.data = Some(identity.to_data());
            api.replace(name, &params, &secret).await
        }
    };
    match written {
        Ok(_) => Ok(true),
        // Conflict, or already there.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
