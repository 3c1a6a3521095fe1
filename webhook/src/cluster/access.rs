//! Whether a pod's ServiceAccount may apply the Secrets of its classes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use provider_class::{Namespace, ObjectName};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::cluster::lookup::{Deadline, LookupError};

/// What a server-side apply needs: `create` if the Secret does not exist.
const VERBS: [&str; 2] = ["create", "patch"];

/// Questions at the same time, of one pod and of all: each takes a connection.
const OF_ONE: usize = 4;
const OF_ALL: usize = 8;

/// How long an answer is used: the pods of a Deployment come one after the other.
const KEEP: Duration = Duration::from_secs(5);
/// Answers that are kept.
const KEPT: usize = 4096;

/// Asks the API server what ServiceAccounts may do. Clones share what is known.
#[derive(Clone)]
pub(crate) struct Access {
    client: Client,
    turns: Arc<Semaphore>,
    known: Arc<Mutex<HashMap<Question, (bool, Instant)>>>,
}

/// May this ServiceAccount do that with this Secret?
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    namespace: Namespace,
    account: ObjectName,
    secret: ObjectName,
    verb: &'static str,
}

impl Access {
    /// Of this cluster.
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            turns: Arc::new(Semaphore::new(OF_ALL)),
            known: Arc::default(),
        }
    }

    /// The first of these Secrets that the ServiceAccount may not apply.
    pub(crate) async fn missing<'a>(
        &self,
        namespace: &Namespace,
        account: &ObjectName,
        secrets: &[&'a ObjectName],
        deadline: Deadline,
    ) -> Result<Option<&'a ObjectName>, LookupError> {
        let questions = secrets.iter().flat_map(|secret| {
            VERBS.map(|verb| Question {
                namespace: namespace.clone(),
                account: account.clone(),
                secret: (*secret).clone(),
                verb,
            })
        });
        let questions: Vec<_> = questions.collect();
        for (index, some) in questions.chunks(OF_ONE).enumerate() {
            let answers = try_join_all(some.iter().map(|question| self.may(question)));
            let answers = deadline.answer(answers).await;
            let allowed = answers.map_err(|error| LookupError::Failed {
                what: format!("what ServiceAccount {account:?} in namespace {namespace:?} may do"),
                error: error.into(),
            })?;
            if let Some(first) = allowed.iter().position(|allowed| !allowed) {
                return Ok(Some(secrets[(index * OF_ONE + first) / VERBS.len()]));
            }
        }
        Ok(None)
    }

    async fn may(&self, question: &Question) -> kube::Result<bool> {
        if let Some(known) = self.known(question) {
            return Ok(known);
        }
        // Only a closed semaphore has none to give, and nothing closes it.
        let _turn = self.turns.acquire().await.ok();
        // Another review may have asked the same meanwhile.
        if let Some(known) = self.known(question) {
            return Ok(known);
        }
        let allowed = self.ask(question).await?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.retain(|_, (_, at)| at.elapsed() < KEEP);
        }
        if known.len() < KEPT {
            known.insert(question.clone(), (allowed, Instant::now()));
        }
        Ok(allowed)
    }

    fn known(&self, question: &Question) -> Option<bool> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (allowed, at) = known.get(question)?;
        (at.elapsed() < KEEP).then_some(*allowed)
    }

    async fn ask(&self, question: &Question) -> kube::Result<bool> {
        let Question {
            namespace,
            account,
            secret,
            verb,
        } = question;
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
                    verb: Some((*verb).to_owned()),
                    resource: Some("secrets".to_owned()),
                    name: Some(secret.to_string()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.client.clone());
        let answer = reviews.create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }
}
