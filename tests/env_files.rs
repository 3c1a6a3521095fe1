//! Env files that the injector writes, read by the parser of the kubelet that the scenarios run on.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(missing_docs, reason = "a test program has no interface")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e::command::run;
use e2e::go;
use proptest::prelude::*;
use provider_class::VariableName;
use provider_class::variables::env_file;
use tempfile::TempDir;

static PARSER: LazyLock<std::path::PathBuf> =
    LazyLock::new(|| go::own_tool("tests/cluster/programs", "env-parser").unwrap());

/// The values of all variables, as the kubelet reads them from the file.
fn read_back(file: &Path, names: &[VariableName]) -> Vec<Vec<u8>> {
    let mut parser = Command::new(&*PARSER);
    parser.arg(file);
    parser.args(names.iter().map(VariableName::as_str));
    let printed = run(&mut parser).unwrap();
    let values: Vec<Vec<u8>> = printed
        .lines()
        .map(|line| BASE64_STANDARD.decode(line).unwrap())
        .collect();
    assert_eq!(values.len(), names.len());
    values
}

/// Writes the values under names of their own, where our writer accepts them all, and reads them back.
fn comes_back(values: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let names: Vec<VariableName> = (0..values.len())
        .map(|index| format!("V{index}").parse().unwrap())
        .collect();
    let variables: Vec<(&VariableName, &[u8])> =
        names.iter().zip(values.iter().map(Vec::as_slice)).collect();
    let Ok(text) = env_file(&variables) else {
        return Err(TestCaseError::reject("refused"));
    };
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("env");
    fs::write(&file, &*text).unwrap();
    prop_assert_eq!(read_back(&file, &names), values);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_the_writer_accepts_the_kubelet_reads_byte_for_byte(
        values in prop::collection::vec("[ -~\t\n\r#='é\u{2028}]{1,40}", 1..6),
    ) {
        let values: Vec<Vec<u8>> = values.into_iter().map(|value| value.replace('\'', "\"").into_bytes()).collect();
        comes_back(&values)?;
    }
}

#[test]
fn the_longest_line_that_the_writer_accepts_is_the_longest_that_the_kubelet_reads() {
    let longest = vec![b'x'; 64 * 1024 - 1 - "V0='".len() - "'".len()];
    comes_back(&[longest.clone(), b"behind it".to_vec()]).unwrap();
    let line = vec![b'y'; 64 * 1024 - 2];
    comes_back(&[[b"a\n", &line[..]].concat(), b"behind it".to_vec()]).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("env");
    fs::write(&file, [b"V0='", &longest[..], b"x'\n"].concat()).unwrap();
    run(Command::new(&*PARSER).arg(&file).arg("V0")).unwrap_err();
}

#[test]
fn the_kubelet_finds_every_name() {
    let names = [
        "1KEY", "Db:x", "a b", "x #y", "it's", "$(X)", "\\", "-", "a\tb", "#a", " a", "a ",
    ];
    let names = names.map(str::parse::<VariableName>);
    assert_eq!(names.iter().filter(|name| name.is_err()).count(), 4);
    let names: Vec<_> = names.into_iter().flatten().collect();
    let variables: Vec<_> = names
        .iter()
        .map(|name| (name, name.as_str().len().to_string()))
        .collect();
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("env");
    fs::write(&file, &*env_file(&variables).unwrap()).unwrap();
    let values: Vec<_> = variables.iter().map(|(_, value)| value.to_vec()).collect();
    assert_eq!(read_back(&file, &names), values);
}

/// Each reason for which the writer refuses a value is one of the kubelet's.
#[test]
fn what_the_writer_refuses_the_kubelet_would_change_or_not_read() {
    for value in ["it's", "a\r\nb", ""] {
        let name: VariableName = "V".parse().unwrap();
        env_file(&[(&name, value.as_bytes())]).unwrap_err();
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("env");
        fs::write(&file, format!("V='{value}'\n")).unwrap();
        let printed = run(Command::new(&*PARSER).arg(&file).arg("V"));
        let read = printed.map(|printed| BASE64_STANDARD.decode(printed.trim()).unwrap());
        // An empty value is read as it is; where the parser's result is used, it counts as a missing one.
        let is_same = read.is_ok_and(|read| read == value.as_bytes());
        assert_eq!(is_same, value.is_empty(), "{value:?}");
    }
}
