//! Certificates from a mounted directory.

use std::path::Path;

use certs::Source;
use certs::issue::{issue_authority, issue_serving};
use certs::pair::Serving;

use crate::{Clock, DAY, Replica};

fn certificate(clock: &Clock) -> Serving {
    let names = ["webhook.ns.svc".to_owned()];
    let authority = issue_authority(&names, clock.now(), 90 * DAY).unwrap();
    issue_serving(&authority, &names, clock.now(), 9 * DAY).unwrap()
}

/// Writes files like the kubelet: into a new directory, with a link to it that is replaced atomically.
fn mount(volume: &Path, version: &str, serving: &Serving) {
    let directory = volume.join(version);
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join("tls.crt"), serving.chain()).unwrap();
    std::fs::write(directory.join("tls.key"), serving.key()).unwrap();
    let link = volume.join("..data_tmp");
    std::os::unix::fs::symlink(version, &link).unwrap();
    std::fs::rename(link, volume.join("..data")).unwrap();
    for file in ["tls.crt", "tls.key"] {
        let _ = std::os::unix::fs::symlink(Path::new("..data").join(file), volume.join(file));
    }
}

fn replica(path: &Path, clock: &Clock) -> Replica {
    Replica::of(Source::Directory(path.to_owned()), clock)
}

fn der(serving: &Serving) -> Vec<u8> {
    serving.certificate.der.to_vec()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_when_the_kubelet_exchanges_the_volume() {
    let (clock, volume) = (Clock::new(), tempfile::tempdir().unwrap());
    let (old, new) = (certificate(&clock), certificate(&clock));
    mount(volume.path(), "..1", &old);
    let mut replica = replica(volume.path(), &clock);
    replica.keep().await.unwrap();
    assert_eq!(replica.shown(), Some(der(&old)));
    assert!(replica.status().is_serving(clock.now()));
    replica.keep().await.unwrap();
    assert_eq!(replica.status().serving_rotations, 0);
    mount(volume.path(), "..2", &new);
    replica.keep().await.unwrap();
    assert_eq!(replica.shown(), Some(der(&new)));
    assert_eq!(replica.status().serving_rotations, 1);
}

#[tokio::test]
async fn broken_files_leave_the_certificate_and_are_named() {
    let (clock, directory) = (Clock::new(), tempfile::tempdir().unwrap());
    let (old, new) = (certificate(&clock), certificate(&clock));
    let write = |file: &str, text: &str| std::fs::write(directory.path().join(file), text).unwrap();
    let mut replica = replica(directory.path(), &clock);
    assert_eq!(replica.reason().await, "directory_unreadable");
    write("tls.crt", old.chain());
    write("tls.key", old.key());
    replica.keep().await.unwrap();
    write("tls.crt", new.chain());
    assert_eq!(replica.reason().await, "key_mismatch");
    write("tls.crt", "garbage");
    assert_eq!(replica.reason().await, "unusable_file");
    assert_eq!(replica.shown(), Some(der(&old)));
    write("tls.crt", new.chain());
    write("tls.key", new.key());
    replica.keep().await.unwrap();
    assert_eq!(replica.shown(), Some(der(&new)));
    assert_eq!(replica.status().problem, None);
}

#[tokio::test]
async fn a_certificate_that_nobody_renewed_is_reported() {
    let (clock, volume) = (Clock::new(), tempfile::tempdir().unwrap());
    mount(volume.path(), "..1", &certificate(&clock));
    let mut replica = replica(volume.path(), &clock);
    clock.advance(9 * DAY);
    replica.keep().await.unwrap();
    let problem = replica.status().problem.unwrap();
    assert_eq!(problem.reason(), "expired");
    assert!(!replica.status().is_serving(clock.now()));
}
