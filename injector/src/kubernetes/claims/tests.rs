//! A model of pods that share a Secret: any order of starts, refreshes, class changes, rotations and deletions, with reads and writes
//! interleaved.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::*;

const KEYS: [&str; 4] = ["data.a", "data.b", "data.c", "data.d"];
const CLASSES: [&str; 2] = ["first", "second"];

/// By key, the AWS object that it comes from.
type Sources = BTreeMap<&'static str, String>;

#[derive(Clone, Debug)]
enum Step {
    /// A class changes, or is deleted and created again: the keys and their AWS objects.
    Change(usize, [Option<bool>; 4]),
    Rotate(Index),
    /// With an owner of its own, or with that of another pod.
    Start(usize, Option<Index>),
    Read(Index),
    Write(Index),
    /// All pods of an owner, and the owner.
    Delete(Index),
    /// Only the pod: its owner stays.
    End(Index),
    CollectGarbage,
    /// By a user.
    RemoveKey(usize),
    /// By a user.
    RemoveSecret,
}

fn step() -> impl Strategy<Value = Step> {
    let class = || prop_oneof![4 => Just(0_usize), 1 => Just(1)];
    prop_oneof![
        3 => (class(), any::<[Option<bool>; 4]>()).prop_map(|(class, keys)| Step::Change(class, keys)),
        2 => any::<Index>().prop_map(Step::Rotate),
        4 => (class(), any::<Option<Index>>()).prop_map(|(class, owner)| Step::Start(class, owner)),
        8 => any::<Index>().prop_map(Step::Read),
        8 => any::<Index>().prop_map(Step::Write),
        2 => any::<Index>().prop_map(Step::Delete),
        1 => any::<Index>().prop_map(Step::End),
        2 => Just(Step::CollectGarbage),
        1 => (0..KEYS.len()).prop_map(Step::RemoveKey),
        1 => Just(Step::RemoveSecret),
    ]
}

#[derive(Clone, Debug, Default)]
struct Secret {
    /// Of the last write.
    resource_version: u64,
    fields: Fields<String>,
    owners: BTreeSet<String>,
    claims: Vec<Claim>,
}

impl Secret {
    fn existing(secret: Option<&Self>) -> Existing<'_> {
        let Some(secret) = secret else {
            return Existing::default();
        };
        let fields = secret.fields.iter();
        Existing {
            secret_type: Some("Opaque".into()),
            fields: fields
                .map(|(name, value)| (name.clone(), value.as_str().into()))
                .collect(),
            owners: secret
                .owners
                .iter()
                .map(|uid| json!({"uid": uid}))
                .collect(),
            claims: secret.claims.clone(),
            ..Existing::default()
        }
    }
}

#[derive(Clone, Debug)]
struct Pod {
    class: usize,
    version: u64,
    owner: String,
    /// The Secret as the pod has read it, and the values that it has fetched.
    seen: Option<(Option<Secret>, Fields<Zeroizing<String>>)>,
}

#[derive(Debug, Default)]
struct World {
    secret: Option<Secret>,
    /// Of everything in the cluster.
    resource_version: u64,
    /// The newest version of each class.
    newest: [u64; 2],
    versions: BTreeMap<u64, Sources>,
    rotations: BTreeMap<String, u32>,
    pods: Vec<Pod>,
    owners: BTreeSet<String>,
    /// By owner and class, the newest version that has written the Secret since it exists.
    written: BTreeMap<(String, usize), u64>,
    started: usize,
    /// The pods that were refused in the end.
    refused: BTreeSet<usize>,
}

impl World {
    fn new() -> Self {
        let mut world = Self::default();
        for class in 0..CLASSES.len() {
            let other = class == 1;
            world.change(
                class,
                [
                    Some(true),
                    (!other).then_some(true),
                    None,
                    other.then_some(true),
                ],
            );
        }
        world
    }

    fn change(&mut self, class: usize, keys: [Option<bool>; 4]) {
        self.resource_version += 1;
        self.newest[class] = self.resource_version;
        let keys = KEYS.into_iter().zip(keys);
        let sources = keys.filter_map(|(key, source)| {
            let source = format!("{}/{key}/{}", CLASSES[class], u8::from(source?));
            Some((key, source))
        });
        self.versions
            .insert(self.resource_version, sources.collect());
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Change(class, keys) => self.change(*class, *keys),
            Step::Rotate(which) => {
                let all: BTreeSet<_> = self.versions.values().flat_map(Sources::values).collect();
                let all: Vec<_> = all.into_iter().cloned().collect();
                if !all.is_empty() {
                    *self.rotations.entry(which.get(&all).clone()).or_default() += 1;
                }
            }
            Step::Start(class, owner) => {
                let owner = match owner {
                    Some(index) if !self.pods.is_empty() => index.get(&self.pods).owner.clone(),
                    _ => format!("owner-{}", self.started),
                };
                self.started += 1;
                self.owners.insert(owner.clone());
                let class = *class;
                let version = self.newest[class];
                self.pods.push(Pod {
                    class,
                    version,
                    owner,
                    seen: None,
                });
            }
            Step::Read(index) if !self.pods.is_empty() => self.read(index.index(self.pods.len())),
            Step::Write(index) if !self.pods.is_empty() => {
                self.write(index.index(self.pods.len()));
            }
            Step::Delete(index) if !self.pods.is_empty() => {
                let owner = index.get(&self.pods).owner.clone();
                self.pods.retain(|pod| pod.owner != owner);
                self.owners.remove(&owner);
            }
            Step::End(index) if !self.pods.is_empty() => {
                self.pods.remove(index.index(self.pods.len()));
            }
            Step::CollectGarbage => self.collect_garbage(),
            Step::RemoveKey(key) => {
                self.resource_version += 1;
                if let Some(secret) = &mut self.secret {
                    secret.fields.remove(KEYS[*key]);
                    secret.resource_version = self.resource_version;
                }
            }
            Step::RemoveSecret => self.remove(),
            Step::Read(_) | Step::Write(_) | Step::Delete(_) | Step::End(_) => {}
        }
    }

    fn remove(&mut self) {
        self.secret = None;
        self.written.clear();
    }

    fn collect_garbage(&mut self) {
        self.resource_version += 1;
        let Some(secret) = &mut self.secret else {
            return;
        };
        let before = secret.owners.len();
        secret.owners.retain(|owner| self.owners.contains(owner));
        if secret.owners.is_empty() {
            self.remove();
        } else if secret.owners.len() < before {
            secret.resource_version = self.resource_version;
            let owners = &self.owners;
            self.written.retain(|(owner, _), _| owners.contains(owner));
        }
    }

    fn read(&mut self, index: usize) {
        let sources = &self.versions[&self.pods[index].version];
        let fields = sources.iter().map(|(key, source)| {
            let rotation = self.rotations.get(source).copied().unwrap_or_default();
            (
                (*key).to_owned(),
                Zeroizing::new(format!("{source}={rotation}")),
            )
        });
        self.pods[index].seen = Some((self.secret.clone(), fields.collect()));
    }

    /// Returns whether the pod had to write.
    fn write(&mut self, index: usize) -> bool {
        let Some((seen, fields)) = self.pods[index].seen.take() else {
            return false;
        };
        let pod = self.pods[index].clone();
        let sources = self.versions[&pod.version].iter();
        let sources = sources.map(|(key, source)| ((*key).to_owned(), source.clone()));
        let sources = sources.collect();
        let described = Described {
            class: CLASSES[pod.class],
            version: pod.version,
            secret_type: "Opaque",
            fields: &fields,
            sources: &sources,
            owner: json!({"uid": pod.owner}),
        };
        let existing = Secret::existing(seen.as_ref());
        let next = match next(&existing, &described) {
            Ok(next) => next,
            Err(refusal) => {
                assert!(matches!(refusal, Refusal::OtherClass { .. }), "{refusal:?}");
                self.refused.insert(index);
                return false;
            }
        };
        let version = |secret: Option<&Secret>| secret.map(|secret| secret.resource_version);
        if version(seen.as_ref()) != version(self.secret.as_ref()) {
            return false;
        }
        let written = self
            .written
            .entry((pod.owner.clone(), pod.class))
            .or_default();
        *written = pod.version.max(*written);
        if !next.is_change {
            return false;
        }
        self.resource_version += 1;
        let after = Secret {
            resource_version: self.resource_version,
            fields: next
                .fields
                .iter()
                .map(|(name, value)| (name.clone(), (*value).to_owned()))
                .collect(),
            owners: next
                .owners
                .iter()
                .map(|owner| uid(owner).to_owned())
                .collect(),
            claims: next.claims,
        };
        self.check(&after);
        self.secret = Some(after);
        true
    }

    /// The versions that owners of the Secret need, with their classes.
    fn needed(&self) -> impl Iterator<Item = (usize, u64, &Sources)> {
        let written = self.written.iter();
        written.map(|((_, class), version)| (*class, *version, &self.versions[version]))
    }

    /// Those that have a key.
    fn of_key(&self, key: &str) -> impl Iterator<Item = (usize, u64, &Sources)> {
        let needed = self.needed();
        needed.filter(move |(_, _, sources)| sources.contains_key(key))
    }

    fn check(&self, after: &Secret) {
        let before = self.secret.clone().unwrap_or_default();
        for (_, _, sources) in self.needed() {
            for key in sources
                .keys()
                .filter(|key| before.fields.contains_key(**key))
            {
                assert!(
                    after.fields.contains_key(*key),
                    "{key} disappears: {self:#?}"
                );
            }
        }
        for (key, value) in &after.fields {
            let newest = self.of_key(key).max_by_key(|(_, version, _)| *version);
            let Some((_, _, sources)) = newest else {
                continue;
            };
            let source = &sources[key.as_str()];
            let is_unchanged = before.fields.get(key) == Some(value);
            let is_of_newest = value.split('=').next() == Some(source);
            assert!(
                is_unchanged || is_of_newest,
                "{key} is set to {value}: {self:#?}"
            );
            let mut classes: Vec<_> = self.of_key(key).map(|(class, _, _)| class).collect();
            classes.sort_unstable();
            classes.dedup();
            assert_eq!(classes.len(), 1, "{key} belongs to one class: {self:#?}");
        }
    }

    /// A key has the current value where a pod takes it from where the newest version that needs it does.
    fn check_values(&self) {
        let fields = self.secret.iter().flat_map(|secret| &secret.fields);
        for (key, value) in fields {
            let newest = self.of_key(key).max_by_key(|(_, version, _)| *version);
            let Some((class, _, sources)) = newest else {
                continue;
            };
            let source = &sources[key.as_str()];
            let pods = self.pods.iter().enumerate();
            let pods = pods.filter(|(index, _)| !self.refused.contains(index));
            let mut pods = pods.map(|(_, pod)| pod).filter(|pod| pod.class == class);
            if pods.any(|pod| self.versions[&pod.version].get(key.as_str()) == Some(source)) {
                let rotation = self.rotations.get(source).copied().unwrap_or_default();
                let current = format!("{source}={rotation}");
                assert_eq!(*value, current, "{key} is out of date: {self:#?}");
            }
        }
    }

    /// All owners that do not exist any more are gone, and every pod refreshes.
    fn settle(&mut self) {
        self.collect_garbage();
        for _ in 0..2 {
            self.refused.clear();
            for index in 0..self.pods.len() {
                self.read(index);
                self.write(index);
            }
        }
        let rewritten = (0..self.pods.len()).filter(|index| {
            self.read(*index);
            self.write(*index)
        });
        assert_eq!(
            rewritten.count(),
            0,
            "an unchanged Secret is written: {self:#?}"
        );
        if self.refused.len() == self.pods.len() {
            // Nobody writes it any more.
            return;
        }
        let keys = self.secret.iter().flat_map(|secret| secret.fields.keys());
        let keys: BTreeSet<&str> = keys.map(String::as_str).collect();
        let needed: BTreeSet<&str> = self
            .needed()
            .flat_map(|(_, _, s)| s.keys().copied())
            .collect();
        assert!(
            keys.is_subset(&needed),
            "nobody needs some of {keys:?}: {self:#?}"
        );
        self.check_values();
        for pod in &self.pods {
            if self.written.get(&(pod.owner.clone(), pod.class)) == Some(&pod.version) {
                for key in self.versions[&pod.version].keys() {
                    assert!(keys.contains(key), "{key} is missing: {self:#?}");
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn a_shared_secret_has_what_its_pods_need(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        for step in steps {
            world.take(&step);
        }
        world.settle();
    }
}

/// Somebody else has added an owner, or has removed the annotation with the claims.
#[test]
fn owners_without_claims_need_every_key_and_belong_to_no_class() {
    let owners = vec![
        json!({"uid": "x"}),
        json!({"uid": "y"}),
        json!({"uid": "z"}),
    ];
    let key = |name: &str| (name.to_owned(), "dg==".into());
    let mut existing = Existing {
        secret_type: Some("Opaque".into()),
        fields: [key("data.x"), key("data.y")].into(),
        owners,
        ..Existing::default()
    };
    for class in ["x", "y"] {
        let field = format!("data.{class}");
        let fields = [(field.clone(), Zeroizing::new("dg==".to_owned()))].into();
        let sources = [(field, class.to_owned())].into();
        let described = Described {
            class,
            version: 7,
            secret_type: "Opaque",
            fields: &fields,
            sources: &sources,
            owner: json!({"uid": class}),
        };
        let next = next(&existing, &described).unwrap();
        assert_eq!(next.fields.len(), 2, "{next:?}");
        let claims = next.claims.clone();
        existing.claims = claims;
    }
    let unknown = existing.claims.iter().find(|claim| claim.class == UNKNOWN);
    assert_eq!(unknown.unwrap().owners, ["z".to_owned()].into());
}

/// A change of the class that leaves a key alone, and a pod of it that has ended, do not keep the key from following AWS.
#[test]
fn a_key_follows_aws_after_the_pods_of_a_newer_class_have_ended() {
    let mut world = World::new();
    let start = |world: &mut World| {
        world.take(&Step::Start(0, None));
        let pod = world.pods.len() - 1;
        world.read(pod);
        assert!(world.write(pod));
    };
    start(&mut world);
    world.change(0, [Some(true), Some(true), Some(true), None]);
    start(&mut world);
    world.pods.pop();
    for source in world.versions.values().flat_map(Sources::values) {
        world.rotations.insert(source.clone(), 1);
    }
    world.settle();
}
