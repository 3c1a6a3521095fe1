use provider_class::{FileMode, FilePath, PathTranslation};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;

fn file(path: &str, mode: &str, bytes: &[u8]) -> FileContents {
    FileContents {
        file: provider_class::File {
            path: FilePath::translate(path, PathTranslation::Off).unwrap(),
            mode: mode.parse::<FileMode>().unwrap(),
        },
        bytes: Zeroizing::new(bytes.to_vec()),
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn visible(directory: &Path) -> Vec<String> {
    names(directory)
        .into_iter()
        .filter(|name| !name.starts_with(".."))
        .collect()
}

#[test]
fn files_have_their_bytes_and_modes() {
    let directory = TempDir::new().unwrap();
    write(
        directory.path(),
        &[
            file("a", "0400", b"\0x"),
            file("d/e/f", "0640", b""),
            file("d/g", "0644", b"g"),
        ],
    )
    .unwrap();
    assert_eq!(visible(directory.path()), ["a", "d"]);
    for (path, mode, bytes) in [
        ("a", 0o400, &b"\0x"[..]),
        ("d/e/f", 0o640, b""),
        ("d/g", 0o644, b"g"),
    ] {
        let path = directory.path().join(path);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            mode
        );
    }
    assert_eq!(
        fs::metadata(directory.path().join("d/e"))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777,
        0o755
    );
}

#[test]
fn a_second_write_replaces_all_and_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    write(
        directory.path(),
        &[file("old", "0644", b"1"), file("both", "0644", b"1")],
    )
    .unwrap();
    write(
        directory.path(),
        &[file("both", "0600", b"2"), file("new/x", "0644", b"2")],
    )
    .unwrap();
    assert_eq!(visible(directory.path()), ["both", "new"]);
    assert_eq!(fs::read(directory.path().join("both")).unwrap(), b"2");
    assert_eq!(
        names(directory.path()).len(),
        4,
        "two links, ..data and one directory: {:?}",
        names(directory.path())
    );
}

#[test]
fn what_is_not_ours_is_not_overwritten() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("b"), "mine").unwrap();
    let error = write(
        directory.path(),
        &[file("a", "0644", b"1"), file("b", "0644", b"1")],
    )
    .unwrap_err();
    assert!(
        matches!(&error, WriteError::Taken(path) if path.ends_with("b")),
        "{error}"
    );
    assert_eq!(names(directory.path()), ["b"]);
}

#[test]
fn a_failed_write_leaves_the_old_files() {
    let directory = TempDir::new().unwrap();
    write(directory.path(), &[file("a", "0644", b"1")]).unwrap();
    let before = names(directory.path());
    let error = write(
        directory.path(),
        &[
            file("a", "0644", b"2"),
            file("x", "0644", b""),
            file("x", "0644", b""),
        ],
    )
    .unwrap_err();
    assert!(
        error.to_string().starts_with("could not create "),
        "{error}"
    );
    assert_eq!(names(directory.path()), before);
    assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"1");
}

#[test]
fn a_missing_directory_is_made_and_a_file_in_its_place_is_an_error() {
    let root = TempDir::new().unwrap();
    write(&root.path().join("a/b"), &[file("c", "0644", b"1")]).unwrap();
    assert_eq!(fs::read(root.path().join("a/b/c")).unwrap(), b"1");
    fs::write(root.path().join("f"), "").unwrap();
    assert!(write(&root.path().join("f"), &[file("c", "0644", b"1")]).is_err());
}

#[test]
fn a_reader_sees_the_whole_old_or_the_whole_new_set_over_a_thousand_swaps() {
    use std::sync::atomic::{AtomicBool, Ordering};

    const SWAPS: usize = 1200;
    let directory = TempDir::new().unwrap();
    let root = directory.path();
    let paths = ["a", "b", "c/d"];
    let set = |n: usize| paths.map(|name| file(name, "0644", n.to_string().repeat(200).as_bytes()));
    write(root, &set(0)).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers = [0, 1].map(|_| {
            scope.spawn(|| {
                let mut seen = 0_usize;
                while !done.load(Ordering::Relaxed) {
                    for name in paths {
                        assert!(fs::read(root.join(name)).is_ok(), "{name} is always there");
                    }
                    let generation = root.join(fs::read_link(root.join("..data")).unwrap());
                    let values = paths.map(|name| fs::read(generation.join(name)).unwrap());
                    assert!(
                        values.iter().all(|value| *value == values[0]),
                        "a mix of sets"
                    );
                    let number = values[0].len() / 200;
                    let text = std::str::from_utf8(&values[0][..number]).unwrap();
                    assert_eq!(values[0], text.repeat(200).as_bytes(), "a part of a file");
                    seen += 1;
                }
                seen
            })
        });
        // Replaced files stay until they are removed: a refresh waits a moment before that, this test until its end.
        let mut last = None;
        for n in 1..=SWAPS {
            last = Some(replace(root, &set(n)).unwrap());
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
        last.unwrap().remove().unwrap();
    });
    assert_eq!(
        names(root).len(),
        5,
        "three links, ..data and one directory"
    );
    assert_eq!(
        fs::read(root.join("a")).unwrap(),
        SWAPS.to_string().repeat(200).as_bytes()
    );
}

#[test]
fn what_a_killed_write_left_makes_room_for_the_next_one() {
    let directory = TempDir::new().unwrap();
    let root = directory.path();
    write(root, &[file("a", "0644", b"1")]).unwrap();
    fs::create_dir(root.join("..17")).unwrap();
    fs::write(root.join("..17/half"), "x").unwrap();
    remove_leftovers(root).unwrap();
    assert!(!root.join("..17").exists());
    assert_eq!(
        fs::read(root.join("a")).unwrap(),
        b"1",
        "the current set stays"
    );
}

#[test]
fn clearing_leaves_nothing_but_what_is_not_ours() {
    let directory = TempDir::new().unwrap();
    let root = directory.path();
    clear(&root.join("none")).unwrap();
    write(root, &[file("a", "0644", b"1")]).unwrap();
    fs::write(root.join("mine"), "x").unwrap();
    fs::create_dir(root.join("..mine")).unwrap();
    clear(root).unwrap();
    assert_eq!(
        names(root),
        ["..mine", "a", "mine"],
        "the link leads nowhere until the next write"
    );
    write(root, &[file("b", "0644", b"2")]).unwrap();
    assert_eq!(visible(root), ["b", "mine"]);
}
