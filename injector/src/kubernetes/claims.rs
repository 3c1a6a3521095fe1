//! The rule for a Secret that several pods write, without I/O.
//!
//! What goes in: the Secret as it exists, and what one pod's class describes. What comes out: the Secret as this pod has to write
//! it, or why it must not.
//!
//! Every owner claims the fields of the newest version of the class with which one of its pods has started. A field stays while an
//! owner that exists claims it. Its value comes from where the newest version that has it takes it: pods whose own version takes it
//! from elsewhere pass it on as it is. A key belongs to one class.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

/// Names of fields that are keys begin so.
pub(super) const DATA: &str = "data.";

/// The class of claims that have none.
const UNKNOWN: &str = "";

/// The values of a Secret's keys (in base64), labels and annotations, by names such as `data.password` and `labels.team`.
pub(super) type Fields<T> = BTreeMap<String, T>;

/// What some owners need of a Secret.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Claim {
    /// Empty for owners of which nobody knows the class.
    pub(super) class: String,
    /// Each change of a class, and each new class, has a higher one.
    pub(super) version: u64,
    /// By field, where its value comes from.
    pub(super) fields: Fields<String>,
    /// Their UIDs.
    pub(super) owners: BTreeSet<String>,
}

/// A Secret as it exists, or nothing.
#[derive(Debug, Default)]
pub(super) struct Existing<'a> {
    /// `None` if the Secret does not exist.
    pub(super) secret_type: Option<Cow<'a, str>>,
    pub(super) is_immutable: bool,
    pub(super) fields: Fields<Cow<'a, str>>,
    /// Its `ownerReferences`. The garbage collector removes those of owners that do not exist any more.
    pub(super) owners: Vec<Value>,
    pub(super) claims: Vec<Claim>,
}

/// What a pod's class describes.
#[derive(Debug)]
pub(super) struct Described<'a> {
    pub(super) class: &'a str,
    pub(super) version: u64,
    pub(super) secret_type: &'a str,
    pub(super) fields: &'a Fields<Zeroizing<String>>,
    /// Where each comes from. The same text means the same value.
    pub(super) sources: &'a Fields<String>,
    /// The owner reference of this pod.
    pub(super) owner: Value,
}

/// A Secret as it has to be written.
#[derive(Debug)]
pub(super) struct Next<'a> {
    pub(super) fields: BTreeMap<String, &'a str>,
    pub(super) owners: Vec<Value>,
    pub(super) claims: Vec<Claim>,
    /// Fields that were written before, and that somebody has removed.
    pub(super) missing: Vec<String>,
    /// Fields with another value than this pod has, because a newer version takes it from elsewhere.
    pub(super) newer: Vec<String>,
    /// Is the Secret not yet so?
    pub(super) is_change: bool,
}

/// Why a pod must not write a Secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A type cannot change.
    #[error(
        "its type is {existing:?}, but the class has {described:?}, and a type cannot change: give it another secretName in the class, or delete the pods of its owners and then the Secret"
    )]
    Type {
        /// The Secret's.
        existing: String,
        /// The class's.
        described: String,
    },
    /// Somebody has made it immutable.
    #[error(
        "it is immutable, so its data cannot change: delete it, and the next pod or refresh creates it again"
    )]
    Immutable,
    /// Pods of two classes write the same field.
    #[error(
        "{field} is also in the class {class:?}, and owners of its pods still exist: use another key or secretName in one of the classes"
    )]
    OtherClass {
        /// Such as `data.password`.
        field: String,
        /// The other class.
        class: String,
    },
}

/// What the Secret should be.
pub(super) fn next<'a>(
    existing: &'a Existing<'_>,
    described: &'a Described<'_>,
) -> Result<Next<'a>, Refusal> {
    let other_type = |existing: &&Cow<'_, str>| **existing != described.secret_type;
    if let Some(existing) = existing.secret_type.as_ref().filter(other_type) {
        return Err(Refusal::Type {
            existing: existing.to_string(),
            described: described.secret_type.to_owned(),
        });
    }
    let mut claims = existing.living_claims();
    described.check_other_classes(existing, &claims)?;
    described.claim(&mut claims);
    let fields = described.fields(existing, &claims);
    let mut owners = existing.owners.clone();
    let is_owner = owners.iter().any(|owner| uid(owner) == described.uid());
    if !is_owner {
        owners.push(described.owner.clone());
    }
    let is_same = |(name, value): (&String, &&str)| {
        let existing = existing.fields.get(name);
        existing.is_some_and(|existing| existing == value)
    };
    let is_change = !is_owner || claims != existing.claims || !fields.iter().all(is_same);
    let data = |name: &String| name.starts_with(DATA);
    let is_lost = |name: &String| data(name) && !fields.contains_key(name);
    let mut written = fields.iter().filter(|(name, _)| data(name));
    if is_change
        && existing.is_immutable
        && (!written.all(is_same) || claimed(&existing.claims).any(is_lost))
    {
        return Err(Refusal::Immutable);
    }
    let is_newer = |(name, own): &(&String, &Zeroizing<String>)| {
        fields
            .get(*name)
            .is_some_and(|value| *value != own.as_str())
    };
    let newer = described.fields.iter().filter(is_newer);
    let newer = newer.map(|(name, _)| name.clone()).collect();
    let is_missing = |name: &&String| {
        let was_there = || claimed(&existing.claims).any(|claimed| claimed == *name);
        !existing.fields.contains_key(*name) && was_there()
    };
    Ok(Next {
        missing: fields.keys().filter(is_missing).cloned().collect(),
        newer,
        is_change,
        fields,
        owners,
        claims,
    })
}

fn claimed(claims: &[Claim]) -> impl Iterator<Item = &String> {
    claims.iter().flat_map(|claim| claim.fields.keys())
}

/// The UID of an owner.
pub(super) fn uid(owner: &Value) -> &str {
    owner["uid"].as_str().unwrap_or_default()
}

impl Existing<'_> {
    /// The claims of owners that exist. An owner without one, which somebody else has added, may need every key.
    fn living_claims(&self) -> Vec<Claim> {
        let mut unknown: BTreeSet<String> = self.owners.iter().map(|o| uid(o).to_owned()).collect();
        let owners = unknown.clone();
        let mut claims = self.claims.clone();
        for claim in &mut claims {
            claim.owners.retain(|owner| owners.contains(owner));
            unknown.retain(|owner| !claim.owners.contains(owner));
        }
        if !unknown.is_empty() {
            let keys = self.fields.keys().filter(|name| name.starts_with(DATA));
            claims.push(Claim {
                class: UNKNOWN.to_owned(),
                version: 0,
                fields: keys.map(|name| (name.clone(), String::new())).collect(),
                owners: unknown,
            });
        }
        claims.retain(|claim| !claim.owners.is_empty());
        claims
    }
}

impl Described<'_> {
    fn uid(&self) -> &str {
        uid(&self.owner)
    }

    /// Two classes may share a label or annotation that has the same value in both.
    fn check_other_classes(
        &self,
        existing: &Existing<'_>,
        claims: &[Claim],
    ) -> Result<(), Refusal> {
        let others = |claim: &&Claim| claim.class != self.class && claim.class != UNKNOWN;
        for claim in claims.iter().filter(others) {
            for (field, value) in self.fields {
                let is_shared = || {
                    let existing = existing.fields.get(field);
                    !field.starts_with(DATA) && existing.is_none_or(|v| *v == value.as_str())
                };
                if claim.fields.contains_key(field) && !is_shared() {
                    return Err(Refusal::OtherClass {
                        field: field.clone(),
                        class: claim.class.clone(),
                    });
                }
            }
        }
        Ok(())
    }

    /// Claims the fields for this pod's owner, unless one of its other pods has a newer version.
    fn claim(&self, claims: &mut Vec<Claim>) {
        let is_newer = |claim: &Claim| {
            claim.class == self.class
                && claim.owners.contains(self.uid())
                && claim.version > self.version
        };
        if claims.iter().any(is_newer) {
            return;
        }
        for claim in claims.iter_mut() {
            if claim.class == self.class || claim.class == UNKNOWN {
                claim.owners.remove(self.uid());
            }
        }
        let is_same = |claim: &&mut Claim| {
            claim.class == self.class
                && claim.version == self.version
                && claim.fields == *self.sources
        };
        match claims.iter_mut().find(is_same) {
            Some(claim) => {
                claim.owners.insert(self.uid().to_owned());
            }
            None => claims.push(Claim {
                class: self.class.to_owned(),
                version: self.version,
                fields: self.sources.clone(),
                owners: [self.uid().to_owned()].into(),
            }),
        }
        claims.retain(|claim| !claim.owners.is_empty());
    }

    /// Each claimed field: from this pod if it takes it from where the newest version that has it does, else as it is.
    fn fields<'a>(
        &'a self,
        existing: &'a Existing<'_>,
        claims: &[Claim],
    ) -> BTreeMap<String, &'a str> {
        let mut newest: BTreeMap<&String, &Claim> = BTreeMap::new();
        for claim in claims {
            for field in claim.fields.keys() {
                let holder = newest.entry(field).or_insert(claim);
                if holder.version < claim.version {
                    *holder = claim;
                }
            }
        }
        let value = |(field, holder): (&String, &Claim)| {
            let is_version = holder.version == self.version;
            let is_source = self.sources.get(field) == holder.fields.get(field);
            let is_mine = holder.class == self.class && (is_version || is_source);
            let own = self.fields.get(field).filter(|_| is_mine);
            let own = own.map(|value| value.as_str());
            let value = own.or_else(|| existing.fields.get(field).map(AsRef::as_ref))?;
            Some((field.clone(), value))
        };
        newest.into_iter().filter_map(value).collect()
    }
}

#[cfg(test)]
mod tests;
