//! The Secret that all replicas share. There is no leader: the first writer wins, by resource version, and the others read
//! what it wrote.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::authorities::Authorities;
use crate::replica::Found;

/// The Secret as it was read. It is written only if it has not changed since.
pub type Before = Option<Secret>;

/// Reads the Secret.
pub async fn read(api: &Api<Secret>, name: &str) -> kube::Result<(Found, Before)> {
    let secret = api.get_opt(name).await?;
    // An empty one may be part of an installation: there it is only so that it goes with the rest.
    let data = secret.as_ref().and_then(|secret| secret.data.as_ref());
    let found = match data
        .filter(|data| !data.is_empty())
        .map(Authorities::from_data)
    {
        None => Found::Absent,
        Some(Err(error)) => Found::Unusable(error),
        Some(Ok(authorities)) => Found::Usable(authorities),
    };
    Ok((found, secret))
}

/// Writes the Secret if it has not changed since it was read. `false`: another replica was faster, so read it again.
pub async fn write(
    api: &Api<Secret>,
    name: &str,
    before: Before,
    authorities: &Authorities,
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
                data: Some(authorities.to_data()),
                ..Secret::default()
            };
            api.create(&params, &secret).await
        }
        Some(mut secret) => {
            secret.data = Some(authorities.to_data());
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
