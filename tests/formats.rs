//! The formats of templates, read back by the programs that read such files. They come from PyPI and npm, at pinned versions.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use e2e::command::run;
use e2e::project::{root, target};
use provider_class::{Class, SecretProviderClassSpec};
use tempfile::TempDir;

const DOTENV: &str = "dotenv@17.4.2";

/// The folder with the readers, made once per list of versions.
static READERS: LazyLock<PathBuf> = LazyLock::new(|| {
    let list = fs::read_to_string(source("requirements.txt")).unwrap() + DOTENV;
    let folder = target().join("readers");
    let done = folder.join("done");
    if fs::read_to_string(&done).is_ok_and(|versions| versions == list) {
        return folder;
    }
    let _ = fs::remove_dir_all(&folder);
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).unwrap();
    run(program(&folder, "python3")
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
        ])
        .arg(source("requirements.txt")))
    .unwrap();
    run(program(&folder, "npm")
        .args(["install", "--silent", "--no-save", "--prefix"])
        .arg(&folder)
        .arg(DOTENV))
    .unwrap();
    fs::write(done, list).unwrap();
    folder
});

fn source(name: &str) -> PathBuf {
    root().join("tests/readers").join(name)
}

/// A program of the readers, which finds the others on its path.
fn program(folder: &Path, name: &str) -> Command {
    let bin = folder.join("bin");
    let mut command = Command::new(bin.join(name));
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", bin.display()));
    command
}

type Values = BTreeMap<String, String>;
/// The name of a reader, and what it makes of a file.
type Reader<'a> = (&'a str, &'a dyn Fn(&Path) -> Values);

fn json(command: &mut Command) -> Values {
    serde_json::from_str(&run(command).unwrap()).unwrap()
}

fn python(reader: &str, file: &Path) -> Values {
    let mut python = program(&READERS, "python3");
    json(python.arg(source("read.py")).arg(reader).arg(file))
}

fn npm_dotenv(file: &Path) -> Values {
    let script = "console.log(JSON.stringify(require('dotenv').parse(require('fs').readFileSync(process.argv[1]))))";
    let mut node = program(&READERS, "node");
    json(node.current_dir(&*READERS).args(["-e", script]).arg(file))
}

fn node_env_file(file: &Path) -> Values {
    let mut node = program(&READERS, "node");
    node.env_clear()
        .arg(format!("--env-file={}", file.display()));
    let mut values = json(node.args(["-e", "console.log(JSON.stringify(process.env))"]));
    // From Python, which starts Node here.
    values.remove("LC_CTYPE");
    values
}

fn shell(file: &Path) -> Values {
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().env("PATH", "/usr/bin:/bin");
    shell
        .args(["-c", ". \"$1\" && exec env -0", "sh"])
        .arg(file);
    let variables = run(&mut shell).unwrap();
    let variables = variables.split_terminator('\0');
    let variables = variables.filter_map(|variable| variable.split_once('='));
    let own = variables.filter(|(name, _)| name.starts_with('V'));
    own.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn serde_json(file: &Path) -> Values {
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn serde_yaml(file: &Path) -> Values {
    serde_yaml::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

/// The file of a format with these values; `None` if the format refuses one of them.
fn written(format: &str, values: &Values) -> Option<Vec<u8>> {
    let objects = values.keys();
    let objects =
        objects.map(|name| format!("- {{objectName: {name}, objectType: secretsmanager}}\n"));
    let objects = objects.collect::<Vec<_>>().concat();
    let templates = format!("- {{objectAlias: file, format: {format}}}");
    let spec = SecretProviderClassSpec::aws([("objects", objects), ("templates", templates)]);
    let files = values.iter();
    let files: BTreeMap<&str, &[u8]> = files
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let class = Class::parse("formats", &spec).unwrap();
    let made = class.render(&files).ok()?;
    Some(made[0].contents.bytes.to_vec())
}

const AWKWARD: [&str; 34] = [
    "",
    " ",
    " a b ",
    "'",
    "\"",
    "`",
    "\\",
    "C:\\temp",
    "C:\\temp\\",
    "x\\\\y",
    "it's",
    "it's \\n",
    "say \"hi\"",
    "it's \"both\"",
    "$HOME",
    "${HOME}",
    "$(id)",
    "`id`",
    "# no comment",
    "a #b",
    "a\nb",
    "a\n\nB=c\n",
    "'\n",
    "\r",
    "a\r\nb",
    "\t",
    "é🔑",
    "=",
    "a=b=c",
    "\u{1}\u{7f}\u{85}\u{a0}\u{2028}\u{feff}",
    "null",
    "- a: b",
    "{{x}}",
    "!a %b @c &d *e",
];

/// Texts of awkward characters, the same in each run.
fn generated() -> impl Iterator<Item = String> {
    let characters: Vec<char> = "'\"`\\$#\n =ab{(é!:".chars().collect();
    let mut state = 1_u64;
    let mut next = move |most: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % most
    };
    (0..400).map(move |_| {
        (0..next(7))
            .map(|_| characters[next(characters.len())])
            .collect()
    })
}

/// The values that a format takes, all in one file, so that each also stands between others.
fn values(format: &str) -> Values {
    let all = AWKWARD
        .iter()
        .map(|value| (*value).to_owned())
        .chain(generated());
    let all = all
        .enumerate()
        .map(|(index, value)| (format!("V{index}"), value));
    all.filter(|(name, value)| {
        let one = Values::from([(name.clone(), value.clone())]);
        written(format, &one).is_some()
    })
    .collect()
}

fn comes_back(format: &str, readers: &[Reader<'_>]) {
    let values = values(format);
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, written(format, &values).unwrap()).unwrap();
    for (reader, read) in readers {
        let found = read(&file);
        for (name, value) in &values {
            assert_eq!(
                found.get(name),
                Some(value),
                "{reader} reads {name} of {format}"
            );
        }
        let others: Vec<&String> = found
            .keys()
            .filter(|name| !values.contains_key(*name))
            .collect();
        assert!(others.is_empty(), "{reader} reads {others:?} of {format}");
    }
}

#[test]
fn dotenv_comes_back_from_all_three_readers() {
    comes_back(
        "dotenv",
        &[
            ("npm's dotenv", &npm_dotenv),
            ("node --env-file", &node_env_file),
            ("python-dotenv", &|file| python("python-dotenv", file)),
        ],
    );
}

/// What is refused is refused because a reader differs, and not more.
#[test]
fn dotenv_refuses_few_values() {
    let taken = values("dotenv");
    let refused = AWKWARD.iter().enumerate();
    let refused = refused.filter(|(index, _)| !taken.contains_key(&format!("V{index}")));
    let refused: Vec<&str> = refused.map(|(_, value)| *value).collect();
    assert_eq!(
        refused,
        [
            "\\",
            "C:\\temp\\",
            "x\\\\y",
            "it's \\n",
            "it's \"both\"",
            "${HOME}",
            "\r",
            "a\r\nb"
        ]
    );
}

#[test]
fn shell_comes_back_from_a_posix_shell() {
    comes_back("shell", &[("sh", &shell)]);
    assert_eq!(values("shell").len(), AWKWARD.len() + 400);
}

#[test]
fn json_yaml_and_properties_come_back_whatever_they_are() {
    comes_back(
        "json",
        &[
            ("python", &|file| python("json", file)),
            ("serde_json", &serde_json),
        ],
    );
    comes_back(
        "yaml",
        &[
            ("PyYAML", &|file| python("pyyaml", file)),
            ("serde-saphyr", &serde_yaml),
        ],
    );
    comes_back(
        "properties",
        &[("javaproperties", &|file| python("javaproperties", file))],
    );
    for format in ["json", "yaml", "properties"] {
        assert_eq!(values(format).len(), AWKWARD.len() + 400);
    }
}
