//! Objects of one kind in memory, up to a limit. Objects beyond it are read from the API server when they are needed, which is
//! slower but equally correct. So one namespace with many or large objects cannot fill the webhook's memory.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use kube::runtime::watcher::Event;
use provider_class::{Namespace, ObjectName};

/// What an object takes beside itself: its key, and its part of the map.
const PLACE: usize = 384;

/// An object of a watch.
pub(crate) trait Keep: Sized {
    /// What is kept of it.
    type Kept: Clone;
    /// Its namespace and name.
    fn key(&self) -> Key;
    /// What is kept of it, with the bytes of that; nothing if no admission needs it.
    fn kept(self) -> Option<(Self::Kept, usize)>;
}

/// A namespace and a name, with the slash between them that neither can have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

impl Key {
    pub(crate) fn new(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}"))
    }

    /// Of an object that a review needs.
    pub(crate) fn of(namespace: &Namespace, name: &ObjectName) -> Self {
        Self::new(namespace.as_str(), name.as_str())
    }
}

/// The objects; clones share them.
#[derive(Debug)]
pub(crate) struct Memory<T>(Arc<RwLock<Kept<T>>>);

impl<T> Clone for Memory<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
struct Kept<T> {
    objects: HashMap<Key, Entry<T>>,
    /// Bytes of all objects.
    bytes: usize,
    /// Bytes that they may have.
    most: usize,
    /// How often the watch has begun: what a later list does not name is gone.
    round: u64,
}

#[derive(Debug)]
struct Entry<T> {
    object: T,
    bytes: usize,
    round: u64,
}

impl<T: Clone> Memory<T> {
    /// Empty, for so many bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self(Arc::new(RwLock::new(Kept {
            objects: HashMap::new(),
            bytes: 0,
            most,
            round: 0,
        })))
    }

    /// An object, if it is kept.
    pub(crate) fn get(&self, key: &Key) -> Option<T> {
        let kept = self.read();
        kept.objects.get(key).map(|entry| entry.object.clone())
    }

    /// How many are kept.
    pub(crate) fn len(&self) -> usize {
        self.read().objects.len()
    }

    /// Follows an event of a watch.
    pub(crate) fn follow<K: Keep<Kept = T>>(&self, event: Event<K>) {
        match event {
            Event::Init => self.write().round += 1,
            Event::Apply(object) | Event::InitApply(object) => {
                let key = object.key();
                // Before the lock, since it may take a while.
                let kept = object.kept();
                self.write().put(key, kept);
            }
            Event::Delete(object) => self.write().remove(&object.key()),
            Event::InitDone => self.write().remove_older(),
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Kept<T>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Kept<T>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    /// Replaces an object by what is kept of its new version.
    fn put(&mut self, key: Key, object: Option<(T, usize)>) {
        self.remove(&key);
        let Some((object, bytes)) = object else {
            return;
        };
        let bytes = PLACE + bytes;
        if self.bytes + bytes > self.most {
            return;
        }
        self.bytes += bytes;
        let entry = Entry {
            object,
            bytes,
            round: self.round,
        };
        self.objects.insert(key, entry);
    }

    fn remove(&mut self, key: &Key) {
        if let Some(entry) = self.objects.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    fn remove_older(&mut self) {
        let round = self.round;
        self.objects.retain(|_, entry| entry.round == round);
        self.bytes = self.objects.values().map(|entry| entry.bytes).sum();
        self.objects.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Text(&'static str, String);

    impl Keep for Text {
        type Kept = Self;

        fn key(&self) -> Key {
            Key::new("shop", self.0)
        }

        fn kept(self) -> Option<(Self, usize)> {
            let bytes = self.1.len();
            (self.1 != "foreign").then_some((self, bytes))
        }
    }

    fn text(name: &'static str, text: &str) -> Text {
        Text(name, text.to_owned())
    }

    fn names(memory: &Memory<Text>) -> Vec<&'static str> {
        let mut names: Vec<_> = memory
            .read()
            .objects
            .values()
            .map(|entry| entry.object.0)
            .collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_the_watch_says_is_there_and_the_rest_is_gone() {
        let memory = Memory::new(usize::MAX);
        for event in [
            Event::Init,
            Event::InitApply(text("a", "1")),
            Event::InitApply(text("b", "1")),
            Event::InitApply(text("vault", "foreign")),
            Event::InitDone,
            Event::Apply(text("c", "1")),
            Event::Delete(text("b", "1")),
        ] {
            memory.follow(event);
        }
        assert_eq!(names(&memory), ["a", "c"]);
        memory.follow::<Text>(Event::Init);
        memory.follow(Event::InitApply(text("a", "2")));
        assert_eq!(names(&memory), ["a", "c"], "until the list is whole");
        memory.follow::<Text>(Event::InitDone);
        assert_eq!(names(&memory), ["a"]);
        assert_eq!(memory.get(&Key::new("shop", "a")).unwrap().1, "2");
        assert!(memory.get(&Key::new("other", "a")).is_none());
    }

    #[test]
    fn a_change_to_what_nobody_needs_takes_the_object_out() {
        let memory = Memory::new(usize::MAX);
        memory.follow(Event::Apply(text("a", "1")));
        memory.follow(Event::Apply(text("a", "foreign")));
        assert_eq!(names(&memory), [""; 0]);
    }

    #[test]
    fn what_has_no_room_is_not_kept_and_gets_it_when_there_is_some() {
        let memory = Memory::new(3 * (PLACE + 100));
        for name in ["a", "b", "c", "d"] {
            memory.follow(Event::Apply(text(name, &"x".repeat(100))));
        }
        assert_eq!(names(&memory), ["a", "b", "c"]);
        // It has grown, and has no room any more: better asked for than old.
        memory.follow(Event::Apply(text("a", &"x".repeat(101))));
        assert_eq!(names(&memory), ["b", "c"]);
        memory.follow(Event::Delete(text("b", "")));
        memory.follow(Event::Apply(text("d", &"x".repeat(100))));
        memory.follow(Event::Apply(text("a", &"x".repeat(100))));
        assert_eq!(names(&memory), ["a", "c", "d"]);
    }
}
