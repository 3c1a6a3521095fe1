//! A model of a cluster: a Secret, configurations, replicas that can be stopped between any two requests, and users who damage
//! objects.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use k8s_openapi::ByteString;

use crate::authorities::Authorities;
use crate::pair::Serving;
use crate::replica::{Found, Published, Replica as Rules, Settings, Step, View};

/// An object with its resource version.
#[derive(Clone)]
pub(super) struct Versioned<T> {
    version: u64,
    pub(super) content: T,
}

/// A `caBundle`. `is_broken` is set while it is damaged, until it verifies every served certificate again.
#[derive(Clone)]
pub(super) struct Bundle {
    pub(super) text: String,
    pub(super) is_broken: bool,
    /// When a replica last wrote it, by the API server's clock.
    changed_at: Option<SystemTime>,
    /// Old values that late API servers may still use, and until when.
    pub(super) older: Vec<(String, SystemTime)>,
}

pub(super) struct Replica {
    pub(super) rules: Rules,
    view: View,
    /// The world's version when it began to read the view.
    look_began: u64,
    /// The same for the view that it remembers.
    remembers: u64,
    secret_version: Option<u64>,
    versions: Vec<Option<u64>>,
    pub(super) shown: Option<Serving>,
    /// The offset of its clock, in seconds.
    pub(super) skew: i64,
}

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) now: SystemTime,
    last_version: u64,
    /// The version at which a user last damaged something.
    damaged_at: u64,
    pub(super) secret: Option<Versioned<BTreeMap<String, ByteString>>>,
    pub(super) configurations: Vec<Option<Versioned<Bundle>>>,
    pub(super) replicas: Vec<Replica>,
    /// The CAs whose certificates were served.
    pub(super) served: BTreeSet<String>,
    /// Results by bundle and certificate, so that nothing is verified twice.
    pub(super) verified: RefCell<HashMap<(String, String), bool>>,
}

impl World {
    pub(super) fn new(settings: Settings, configurations: usize, skews: &[i64]) -> Self {
        let mut world = Self {
            settings,
            now: SystemTime::UNIX_EPOCH + Duration::from_hours(500_000),
            last_version: 0,
            damaged_at: 0,
            secret: None,
            configurations: vec![None; configurations],
            replicas: skews.iter().map(|skew| Replica::new(*skew)).collect(),
            served: BTreeSet::new(),
            verified: RefCell::default(),
        };
        for configuration in 0..configurations {
            world.overwrite(configuration, "");
        }
        world
    }

    fn version(&mut self) -> u64 {
        self.last_version += 1;
        self.last_version
    }

    /// One request of a replica, or one change of its certificate. `true` if it waits now.
    pub(super) fn step(&mut self, index: usize) -> Result<bool, String> {
        let count = self.configurations.len();
        let now = self.clock(index);
        let replica = &mut self.replicas[index];
        let step = replica
            .rules
            .step(&replica.view, count, &self.settings, now)
            .map_err(|error| error.to_string())?;
        if replica.view.configurations.len() == count {
            replica.remembers = replica.look_began;
        }
        let is_waiting = matches!(step, Step::Wait(_));
        self.check(index, step)?;
        Ok(is_waiting)
    }

    /// Executes a step. It must not make things worse.
    fn check(&mut self, index: usize, step: Step) -> Result<(), String> {
        let before = self.failures();
        let lost = self.lost(index);
        let is_overtaken = self.is_overtaken(index);
        let name = format!("{step:?}").chars().take(60).collect::<String>();
        self.execute(index, step)?;
        let is_new = |failure: &&(usize, usize)| {
            let is_its_own = failure.0 == index;
            let is_excused = is_its_own && (is_overtaken || lost.contains(&failure.1));
            !is_excused && !before.contains(failure)
        };
        if let Some(new) = self.failures().iter().find(is_new) {
            return Err(format!(
                "replica {index}: {name}: replica {} shows what configuration {} does not trust",
                new.0, new.1
            ));
        }
        Ok(())
    }

    /// Whether a user has damaged something since this replica read what it acts on. Its next look finds that out.
    fn is_overtaken(&self, index: usize) -> bool {
        self.replicas[index].remembers < self.damaged_at
    }

    fn execute(&mut self, index: usize, step: Step) -> Result<(), String> {
        let version = self.version();
        let replica = &mut self.replicas[index];
        match step {
            Step::ReadConfiguration(i) => {
                let found = &self.configurations[i];
                replica
                    .versions
                    .push(found.as_ref().map(|found| found.version));
                replica.view.configurations.push(published(found.as_ref()));
            }
            Step::ReadSecret => {
                replica.look_began = version;
                replica.secret_version = self.secret.as_ref().map(|secret| secret.version);
                let found = self
                    .secret
                    .as_ref()
                    .map(|secret| Authorities::from_data(&secret.content));
                replica.view.secret = Some(match found {
                    None => Found::Absent,
                    Some(Err(error)) => Found::Unusable(error),
                    Some(Ok(authorities)) => Found::Usable(authorities),
                });
            }
            Step::Write(authorities) => {
                if replica.secret_version == self.secret.as_ref().map(|secret| secret.version) {
                    let content = authorities.to_data();
                    if Authorities::from_data(&content).as_ref() != Ok(&authorities) {
                        return Err("what was written reads otherwise".to_owned());
                    }
                    self.secret = Some(Versioned { version, content });
                }
                replica.forget_view();
            }
            Step::Publish(i, text) => {
                let is_same = replica.versions[i].is_some()
                    && replica.versions[i]
                        == self.configurations[i].as_ref().map(|found| found.version);
                if is_same {
                    let before = self.configurations[i].as_ref().map(|found| &found.content);
                    let was_broken = before.is_some_and(|found| found.is_broken);
                    let mut older = before.map_or(Vec::new(), |found| found.older.clone());
                    if !was_broken {
                        let lag = self.settings.first_hold() / 2;
                        older.extend(before.map(|found| (found.text.clone(), self.now + lag)));
                    }
                    let content = Bundle {
                        is_broken: was_broken && !self.all_verify(&text),
                        changed_at: Some(self.now),
                        text,
                        older,
                    };
                    self.configurations[i] = Some(Versioned { version, content });
                }
                self.replicas[index].forget_view();
            }
            Step::Serve(serving) => {
                let authority = replica.rules.serving().map(|(_, authority)| authority);
                self.served
                    .extend(authority.map(|authority| authority.pem.clone()));
                replica.shown = Some(serving);
            }
            Step::Wait(until) => {
                replica.forget_view();
                if until <= self.clock(index) {
                    return Err("waits for a time that is over".to_owned());
                }
            }
        }
        Ok(())
    }

    pub(super) fn clock(&self, index: usize) -> SystemTime {
        let skew = self.replicas[index].skew;
        let amount = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 {
            self.now - amount
        } else {
            self.now + amount
        }
    }

    /// Runs replicas until all wait, repeatedly, with some time in between. Then everything must be correct.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..6 {
            for index in 0..self.replicas.len() {
                self.run(index)?;
            }
            self.now += self.settings.hold() + Duration::from_secs(1);
        }
        for index in 0..self.replicas.len() {
            self.run(index)?;
        }
        (0..self.replicas.len()).try_for_each(|index| self.is_good(index))
    }

    /// The CAs in the Secret: those that sign, and all.
    pub(super) fn authorities(&self) -> [usize; 2] {
        let secret = self.secret.as_ref().unwrap();
        let all = Authorities::from_data(&secret.content).unwrap();
        [all.signing().len(), all.certificates().count()]
    }

    /// A replica whose requests fail. What it can renew by itself, it must have renewed.
    pub(super) fn run_alone(&mut self, index: usize) -> Result<(), String> {
        let now = self.clock(index);
        let replica = &mut self.replicas[index];
        replica.forget_view();
        let renewed = replica.rules.renew_alone(&self.settings, now);
        if let Some(serving) = renewed.map_err(|error| error.to_string())? {
            self.check(index, Step::Serve(serving))?;
        }
        self.is_renewed(index)
    }

    /// Whether the replica serves a valid certificate if it knows a CA that could have signed one: valid, with its key, and in
    /// every `caBundle`.
    fn is_renewed(&self, index: usize) -> Result<(), String> {
        let replica = &self.replicas[index];
        let now = self.clock(index);
        let Some((serving, _)) = replica.rules.serving() else {
            return Ok(());
        };
        if !serving.validity.contains(now) && replica.rules.could_sign(&self.settings, now) {
            return Err(format!(
                "{index} serves what has expired, and could renew it"
            ));
        }
        Ok(())
    }

    /// Runs a single replica until it waits.
    pub(super) fn run(&mut self, index: usize) -> Result<(), String> {
        // The rest of the current look, which may find everything changed, and then a complete one.
        for _ in 0..2 {
            let mut steps = 0;
            while !self.step(index)? {
                steps += 1;
                if steps > 100 {
                    return Err(format!("{index} does not come to rest"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn crash(&mut self, index: usize) {
        self.replicas[index] = Replica::new(self.replicas[index].skew);
    }

    /// A user damages something. Returns the version of what is left.
    fn damage(&mut self) -> u64 {
        self.damaged_at = self.version();
        self.damaged_at
    }

    pub(super) fn delete_secret(&mut self) {
        self.damage();
        self.secret = None;
    }

    pub(super) fn delete_configuration(&mut self, configuration: usize) {
        self.damage();
        self.configurations[configuration] = None;
    }

    pub(super) fn spoil(&mut self, field: &str) {
        let version = self.damage();
        if let Some(secret) = &mut self.secret {
            secret.version = version;
            let garbage = ByteString(b"garbage".to_vec());
            secret.content.insert(field.to_owned(), garbage);
        }
    }

    pub(super) fn overwrite(&mut self, configuration: usize, text: &str) {
        let version = self.damage();
        let content = Bundle {
            text: text.to_owned(),
            is_broken: true,
            changed_at: None,
            older: Vec::new(),
        };
        self.configurations[configuration] = Some(Versioned { version, content });
    }
}

impl Replica {
    fn new(skew: i64) -> Self {
        Self {
            rules: Rules::default(),
            view: View::default(),
            look_began: 0,
            remembers: 0,
            secret_version: None,
            versions: Vec::new(),
            shown: None,
            skew,
        }
    }

    fn forget_view(&mut self) {
        self.view = View::default();
        self.versions.clear();
    }
}

fn published(found: Option<&Versioned<Bundle>>) -> Option<Published> {
    found.map(|found| {
        let content = &found.content;
        Published::new([content.text.clone()], content.changed_at)
    })
}

/// The output of a failed test.
impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let skews: Vec<_> = self.replicas.iter().map(|replica| replica.skew).collect();
        write!(f, "{:?}, clocks {skews:?}", self.settings.lifetimes)
    }
}
