//! The two forms of variables: the kubelet's env file, and null-separated assignments.

use zeroize::Zeroizing;

use super::{ENV_FILE, ENVIRON_FILE, EnvMethod, VariableName};
use crate::FileMode;

/// Bytes that a line of an env file may have: the kubelet's scanner reads no longer ones, the line break included.
///
/// Source: `MaxScanTokenSize` of <https://pkg.go.dev/bufio#pkg-constants>.
const LONGEST_LINE: usize = 64 * 1024 - 1;

/// Bytes that Linux passes to a program in one variable, its name, `=` and the byte at its end included.
///
/// Source: `MAX_ARG_STRLEN` of <https://man7.org/linux/man-pages/man2/execve.2.html>.
const LONGEST_VARIABLE: usize = 128 * 1024;

/// What a value has that cannot be handed on. Never the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnwritableValue {
    /// Env files have no way to write it.
    #[error(
        "has a single quote ('), which env files cannot hold: set the annotation aws-secrets-injector.io/env-method: exec, or generate the secret without single quotes"
    )]
    Quote,
    /// The kubelet's scanner drops the CR.
    #[error(
        "has line breaks of Windows (CR LF), which env files cannot hold: set the annotation aws-secrets-injector.io/env-method: exec, or store it with LF"
    )]
    CarriageReturn,
    /// Beyond what the kubelet's scanner reads.
    #[error(
        "has a line of more than 64 KiB, which env files cannot hold: set the annotation aws-secrets-injector.io/env-method: exec"
    )]
    LongLine,
    /// For the kubelet an empty value is a missing one.
    #[error(
        "is empty, which the kubelet takes for missing: set the annotation aws-secrets-injector.io/env-method: exec, or, in a container without command, give the variable the value \"\" in the container's env instead"
    )]
    Empty,
    /// The kubelet sends variables to the container runtime as text.
    #[error(
        "is not UTF-8 text, which the kubelet cannot pass on: set the annotation aws-secrets-injector.io/env-method: exec"
    )]
    Binary,
    /// Variables end at one.
    #[error("has a NUL byte, which no environment variable can hold: read the file instead")]
    Nul,
    /// Beyond what Linux hands to a program.
    #[error(
        "is too long for an environment variable (128 KiB with its name): read the file instead"
    )]
    TooLong,
}

impl EnvMethod {
    /// The name of the file of all variables in [`Variables::directory`](super::Variables::directory).
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Kubelet => ENV_FILE,
            Self::Exec => ENVIRON_FILE,
        }
    }

    /// Who may read that file: only the kubelet, or every user of the containers that mount it.
    pub fn file_mode(self) -> FileMode {
        match self {
            Self::Kubelet => FileMode::OWNER_READS,
            Self::Exec => FileMode::ALL_READ,
        }
    }

    /// The contents of that file.
    ///
    /// # Errors
    /// Every variable whose value cannot be written.
    pub fn file_text<'a>(
        self,
        variables: &[(&'a VariableName, &[u8])],
    ) -> Result<Zeroizing<Vec<u8>>, Vec<(&'a VariableName, UnwritableValue)>> {
        match self {
            Self::Kubelet => env_file(variables),
            Self::Exec => null_separated(variables),
        }
    }

    /// Checks one value before anything is written.
    ///
    /// # Errors
    /// Why the variable cannot have this value.
    pub fn check(self, name: &VariableName, value: &[u8]) -> Result<(), UnwritableValue> {
        match self {
            Self::Kubelet => check_line(name, value),
            Self::Exec => check_variable(name, value),
        }
    }
}

/// An env file of the kubelet, from which it reads back every value byte for byte. The error names the variables whose values
/// cannot be written.
///
/// Source: `ParseEnv` of <https://pkg.go.dev/k8s.io/kubernetes/pkg/kubelet/util/env>: `NAME='value'`, without escapes.
///
/// # Errors
/// Every variable whose value cannot be written.
pub fn env_file<'a>(
    variables: &[(&'a VariableName, &[u8])],
) -> Result<Zeroizing<Vec<u8>>, Vec<(&'a VariableName, UnwritableValue)>> {
    write(variables, check_line, |name, value| {
        [name.as_bytes(), b"='", value, b"'\n"].concat()
    })
}

/// `NAME=value` for each variable, with a null byte behind it: the form of `/proc/PID/environ`.
///
/// # Errors
/// Every variable whose value cannot be written.
pub fn null_separated<'a>(
    variables: &[(&'a VariableName, &[u8])],
) -> Result<Zeroizing<Vec<u8>>, Vec<(&'a VariableName, UnwritableValue)>> {
    write(variables, check_variable, |name, value| {
        [name.as_bytes(), b"=", value, b"\0"].concat()
    })
}

fn write<'a>(
    variables: &[(&'a VariableName, &[u8])],
    check: impl Fn(&VariableName, &[u8]) -> Result<(), UnwritableValue>,
    entry: impl Fn(&str, &[u8]) -> Vec<u8>,
) -> Result<Zeroizing<Vec<u8>>, Vec<(&'a VariableName, UnwritableValue)>> {
    let mut unwritable = Vec::new();
    // At its final size from the start: a buffer that grows leaves copies of secrets behind.
    let size = variables
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + "=''\n".len())
        .sum();
    let mut text = Zeroizing::new(Vec::with_capacity(size));
    for (name, value) in variables {
        match check(name, value) {
            Ok(()) => text.extend_from_slice(&Zeroizing::new(entry(name.as_str(), value))),
            Err(reason) => unwritable.push((*name, reason)),
        }
    }
    if unwritable.is_empty() {
        Ok(text)
    } else {
        Err(unwritable)
    }
}

/// What every environment variable must be, however it gets to the program.
fn check_variable(name: &VariableName, value: &[u8]) -> Result<(), UnwritableValue> {
    if value.contains(&0) {
        return Err(UnwritableValue::Nul);
    }
    if name.as_str().len() + value.len() + "=\0".len() > LONGEST_VARIABLE {
        return Err(UnwritableValue::TooLong);
    }
    Ok(())
}

/// What a value in an env file must be.
fn check_line(name: &VariableName, value: &[u8]) -> Result<(), UnwritableValue> {
    check_variable(name, value)?;
    if value.is_empty() {
        return Err(UnwritableValue::Empty);
    }
    if value.contains(&b'\'') {
        return Err(UnwritableValue::Quote);
    }
    if value.windows(2).any(|pair| pair == b"\r\n") {
        return Err(UnwritableValue::CarriageReturn);
    }
    if std::str::from_utf8(value).is_err() {
        return Err(UnwritableValue::Binary);
    }
    let mut lines = value.split(|byte| *byte == b'\n');
    let first = lines.next().map_or(0, <[u8]>::len);
    // The name and the quote before the first line; a quote may end any of them.
    let longest = lines
        .map(<[u8]>::len)
        .chain([first + name.as_str().len() + "='".len()])
        .max()
        .unwrap_or_default();
    if longest + "'".len() > LONGEST_LINE {
        return Err(UnwritableValue::LongLine);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> VariableName {
        text.parse().unwrap()
    }

    fn refused(value: &[u8]) -> Option<UnwritableValue> {
        let name = name("A");
        env_file(&[(&name, value)])
            .err()
            .map(|unwritable| unwritable[0].1)
    }

    #[test]
    fn values_stand_in_single_quotes_as_they_are() {
        let (a, b) = (name("A"), name("b.c"));
        let text = env_file(&[(&a, b" $x \\n\n# \"\xc3\xa9\r"), (&b, b"1")]).unwrap();
        assert_eq!(text.as_slice(), b"A=' $x \\n\n# \"\xc3\xa9\r'\nb.c='1'\n");
    }

    #[test]
    fn what_an_env_file_cannot_hold_is_refused_with_the_reason() {
        let long = vec![b'x'; LONGEST_LINE];
        let lines = [&long[..100], b"\n", &long[1..], b"\nx"].concat();
        for (value, reason) in [
            (&b"it's"[..], Some(UnwritableValue::Quote)),
            (b"a\r\nb", Some(UnwritableValue::CarriageReturn)),
            (b"a\rb\n", None),
            (b"", Some(UnwritableValue::Empty)),
            (b"\xff", Some(UnwritableValue::Binary)),
            (b"a\0b", Some(UnwritableValue::Nul)),
            (&long, Some(UnwritableValue::LongLine)),
            (&long[4..], None),
            (&lines, None),
            (
                &[&long[..], b"\nx"].concat(),
                Some(UnwritableValue::LongLine),
            ),
            (&lines.repeat(3), Some(UnwritableValue::TooLong)),
        ] {
            assert_eq!(refused(value), reason, "{} bytes", value.len());
        }
    }

    #[test]
    fn every_variable_that_cannot_be_written_is_named() {
        let names = [name("A"), name("B"), name("C")];
        let variables = [
            (&names[0], &b"'"[..]),
            (&names[1], b"fine"),
            (&names[2], b""),
        ];
        let unwritable = env_file(&variables).unwrap_err();
        assert_eq!(
            unwritable,
            [
                (&names[0], UnwritableValue::Quote),
                (&names[2], UnwritableValue::Empty)
            ]
        );
    }

    #[test]
    fn null_separated_variables_hold_every_byte_but_null() {
        let (a, b) = (name("A"), name("B"));
        let text = null_separated(&[(&a, b"it's\r\n\xff"), (&b, b"")]).unwrap();
        assert_eq!(text.as_slice(), b"A=it's\r\n\xff\0B=\0");
        assert_eq!(
            null_separated(&[(&a, b"\0")]).unwrap_err(),
            [(&a, UnwritableValue::Nul)]
        );
    }
}
