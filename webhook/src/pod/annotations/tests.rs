use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<PodRequest, String> {
    let annotations = pairs
        .iter()
        .map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned()))
        .collect();
    match PodRequest::read(&annotations) {
        Ok(request) => Ok(request.unwrap()),
        Err(errors) => Err(errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")),
    }
}

fn mounts(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    read(pairs)
        .unwrap()
        .classes
        .into_iter()
        .map(|mount| (mount.class.name().to_owned(), mount.mount_path))
        .collect()
}

fn pair(class: &str, path: &str) -> (String, String) {
    (class.to_owned(), path.to_owned())
}

#[test]
fn without_the_class_nothing_is_wanted() {
    let other = [(format!("{PREFIX}mount-path"), "relative".to_owned())].into();
    assert_eq!(PodRequest::read(&other), Ok(None));
}

#[test]
fn classes_have_their_own_path_or_the_pods() {
    assert_eq!(
        mounts(&[("secret-provider-class", "db")]),
        [pair("db", "/mnt/secrets-store")]
    );
    assert_eq!(
        mounts(&[
            ("secret-provider-class", " db = /etc/db/ , mail"),
            ("mount-path", "/secrets")
        ]),
        [pair("db", "/etc/db"), pair("mail", "/secrets")]
    );
}

#[test]
fn a_bad_value_names_its_annotation_and_all_are_named() {
    let error = read(&[
        ("secret-provider-class", "DB"),
        ("mount-path", "x"),
        ("containers", "a,,b"),
        ("run-as-user", "root"),
        ("cpu-request", "much"),
    ])
    .unwrap_err();
    assert_eq!(error.lines().count(), 5, "{error}");
    assert!(
        error
            .lines()
            .all(|line| line.starts_with("annotation aws-secrets-injector.io/")),
        "{error}"
    );
}

#[test]
fn paths_that_would_break_the_container_are_refused() {
    for bad in [
        "/",
        "",
        "a/b",
        "/a/../b",
        "/a//b",
        "/a:b",
        "/proc",
        "/proc/x",
        "/var/run/secrets/x",
        "/etc",
        "/etc/hosts",
        "/etc/passwd",
        "/etc/group",
        "/etc/ssl",
        "/etc/ssl/certs/",
        "/etc/ssl/certs/ca-certificates.crt",
        "/bin",
        "/bin/sh",
        "/sbin",
        "/lib/x",
        "/lib64",
        "/usr",
        "/usr/bin/env",
        "/usr/lib",
        "/usr/local/bin",
        "/var/lib",
        "/var/lib/aws-secrets-injector",
        "/var/lib/aws-secrets-injector/x",
        "/var/lib/aws-secrets-injector-env",
        "/var/lib/aws-secrets-injector-bin",
        "/aws-secrets-injector",
    ] {
        assert!(
            read(&[("secret-provider-class", "db"), ("mount-path", bad)]).is_err(),
            "{bad}"
        );
    }
    for good in [
        "/binary",
        "/etc/ssl/app",
        "/etc/ssl/certs/app",
        "/libs",
        "/usr/lib/app/secrets",
        "/usr/local/etc/app",
        "/usr/src/app/secrets",
        "/usr/share/app",
        "/var/lib/app",
        "/var/lib/aws-secrets",
        "/run/app",
    ] {
        let pairs = [("secret-provider-class", "db"), ("mount-path", good)];
        assert!(read(&pairs).is_ok(), "{good}");
    }
    assert!(
        read(&[("secret-provider-class", "a=/x,b=/x/y")])
            .unwrap_err()
            .contains("/x/y is inside /x")
    );
    assert!(read(&[("secret-provider-class", "a=/x,b=/xy")]).is_ok());
    assert!(
        read(&[("secret-provider-class", "a,a")])
            .unwrap_err()
            .contains("twice")
    );
}

#[test]
fn a_request_above_its_limit_is_refused() {
    let error = read(&[
        ("secret-provider-class", "db"),
        ("memory-request", "1Gi"),
        ("memory-limit", "512Mi"),
    ])
    .unwrap_err();
    assert!(
        error.contains("memory-request: 1Gi is more than the limit 512Mi"),
        "{error}"
    );
}

#[test]
fn refreshing_has_an_interval_and_may_tell_the_app() {
    let pairs = [
        ("secret-provider-class", "db"),
        ("refresh-interval", "5m"),
        ("on-refresh", "signal:SIGHUP:web"),
        ("refresh-metrics-port", "9090"),
    ];
    let refresh = read(&pairs).unwrap().refresh.unwrap();
    assert_eq!(refresh.interval.to_string(), "5m");
    assert_eq!(refresh.on_refresh.unwrap().to_string(), "signal:SIGHUP:web");
    assert_eq!(refresh.metrics_port, Some(9090));
    let error = read(&[
        ("secret-provider-class", "db"),
        ("refresh-interval", "5"),
        ("on-refresh", "reload"),
        ("refresh-metrics-port", "80"),
    ])
    .unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
    let request = read(&[
        ("secret-provider-class", "db"),
        ("on-refresh", "http:POST:80/"),
    ])
    .unwrap();
    assert!(
        request.warnings[0].contains("has no effect without"),
        "{:?}",
        request.warnings
    );
}

#[test]
fn an_unknown_annotation_names_the_nearest_one() {
    let warnings = read(&[("secret-provider-class", "db"), ("mountpath", "/x")])
        .unwrap()
        .warnings;
    assert_eq!(
        warnings,
        [
            "annotation aws-secrets-injector.io/mountpath is unknown and has no effect: did you mean aws-secrets-injector.io/mount-path?"
        ]
    );
    assert_eq!(
        read(&[("secret-provider-class", "db"), ("status", "injected")])
            .unwrap()
            .warnings,
        [] as [&str; 0]
    );
}
