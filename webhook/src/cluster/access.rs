//! Whether a pod's ServiceAccount may apply the Secrets of its classes.

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use provider_class::{Namespace, ObjectName};

use crate::cluster::lookup::LookupError;

/// What a server-side apply needs: `create` if the Secret does not exist.
const VERBS: [&str; 2] = ["create", "patch"];

/// Questions at the same time, of one pod: each takes a connection.
const AT_ONCE: usize = 8;

/// Asks the API server what ServiceAccounts may do.
#[derive(Clone)]
pub(crate) struct Access {
    client: Client,
}

impl Access {
    /// Of this cluster.
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// The first of these Secrets that the ServiceAccount may not apply.
    pub(crate) async fn missing<'a>(
        &self,
        namespace: &Namespace,
        account: &ObjectName,
        secrets: &[&'a str],
    ) -> Result<Option<&'a str>, LookupError> {
        let pairs = secrets
            .iter()
            .flat_map(|secret| VERBS.map(|verb| (*secret, verb)));
        let pairs: Vec<_> = pairs.collect();
        let mut allowed = Vec::new();
        for some in pairs.chunks(AT_ONCE) {
            let reviews = some.iter();
            let reviews = reviews.map(|(secret, verb)| self.may(namespace, account, secret, verb));
            allowed.extend(try_join_all(reviews).await?);
        }
        let first = allowed.iter().position(|allowed| !allowed);
        Ok(first.map(|index| secrets[index / VERBS.len()]))
    }

    async fn may(
        &self,
        namespace: &Namespace,
        account: &ObjectName,
        secret: &str,
        verb: &str,
    ) -> Result<bool, LookupError> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(format!("system:serviceaccount:{namespace}:{account}")),
                groups: Some(vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated".to_owned(),
                ]),
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(namespace.to_string()),
                    verb: Some(verb.to_owned()),
                    resource: Some("secrets".to_owned()),
                    name: Some(secret.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(|error| LookupError::Failed {
            what: format!("what ServiceAccount {account:?} in namespace {namespace:?} may do"),
            error: error.into(),
        })?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
