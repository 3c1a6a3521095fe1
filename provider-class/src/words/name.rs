//! The names that AWS allows. A name that it does not allow is most often an unrendered template, or copied from another
//! tool's file.
//!
//! Sources: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>,
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>,
//! <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_LabelParameterVersion.html>,
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html>.

use super::jmes_hint;

/// Why a name cannot be that of a secret or parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidName {
    #[error(
        "{name} looks like an unrendered template, because no name in AWS has {sign:?}: render the file before you apply it, or write the name itself"
    )]
    Template { name: String, sign: String },
    #[error("{name} has quotes in it, which no name in AWS has: remove the inner ones")]
    Quotes { name: String },
    #[error(
        "{name} ends in an IAM policy's wildcards for the six characters that AWS adds: remove \"-??????\""
    )]
    Suffix { name: String },
    #[error("{name} is a pattern, as in an IAM policy: write the name of one secret or parameter")]
    Pattern { name: String },
    #[error("{name} has {blank} {place}, which no name in AWS has: {remedy}")]
    Blank {
        name: String,
        blank: String,
        place: &'static str,
        remedy: &'static str,
    },
    #[error("{name} has the form of an ECS task definition, NAME:KEY:STAGE:VERSION: {remedy}")]
    Ecs { name: String, remedy: String },
    #[error(
        "{name} has a \":\", which no secret's name has: write a version's ID as objectVersion, a stage as objectVersionLabel, and take a key out with jmesPath"
    )]
    Colon { name: String },
    #[error("{name} has {character:?}, but {what} name has only letters, digits and {others}")]
    Character {
        name: String,
        character: char,
        what: &'static str,
        others: &'static str,
    },
    #[error("{name} is {length} characters long, but {what} name has at most {most}")]
    TooLong {
        name: String,
        length: usize,
        what: &'static str,
        most: usize,
    },
    #[error(
        "{name} has {levels} levels, but a parameter's name has at most {MAX_LEVELS} above its last part"
    )]
    TooDeep { name: String, levels: usize },
    #[error(
        "{name} has levels, but does not start with \"/\" as such a parameter's name does: write {fixed}"
    )]
    NoSlash { name: String, fixed: String },
    #[error("{name} has an empty level, which no parameter's name has: write {fixed}")]
    EmptyLevel { name: String, fixed: String },
    #[error(
        "{name} starts with {start:?}, which is reserved for the parameters that AWS publishes below /aws/: correct the name"
    )]
    Reserved { name: String, start: String },
    #[error(
        "{label} is not a parameter label: labels have up to 100 letters, digits and .-_, and do not start with a digit, aws or ssm"
    )]
    Label { label: String },
    #[error("{path} is no path of parameters: it starts with \"/\", such as \"/app\"")]
    Path { path: String },
    #[error("{id} is {length} characters long, but a secret's version ID has 32 to 64: {remedy}")]
    VersionId {
        id: String,
        length: usize,
        remedy: &'static str,
    },
    #[error("{label} is {length} characters long, but a secret's stage has at most {MAX_STAGE}")]
    Stage { label: String, length: usize },
}

/// Characters of a secret's name. With its ARN's suffix it is seven longer.
const MAX_SECRET: usize = 512;
const SUFFIX: usize = 7;
/// Characters of a parameter's name: 1,011 with the start of its ARN, which is 45 long in the regions with the shortest
/// names (`arn:aws:ssm:us-east-2:111122223333:parameter/`).
const MAX_PARAMETER: usize = 1011 - 45;
/// Levels above a parameter's last part.
const MAX_LEVELS: usize = 15;
const MAX_LABEL: usize = 100;
const MAX_STAGE: usize = 256;
const VERSION_ID: std::ops::RangeInclusive<usize> = 32..=64;

/// A secret as a parameter: Parameter Store gives the value of a secret by such a name.
/// Source: <https://docs.aws.amazon.com/systems-manager/latest/userguide/integration-ps-secretsmanager.html>.
pub(crate) const REFERENCE: &str = "/aws/reference/secretsmanager/";

/// A name in quotes, cut to what a line of a message can hold.
pub(crate) fn shown(name: &str) -> String {
    format!("{:?}", cut(name))
}

/// A name, cut to what a line of a message can hold.
pub(crate) fn cut(name: &str) -> String {
    const MOST: usize = 100;
    match name.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

/// Refuses what no name or ARN contains: signs of templates, quotes, wildcards and spaces.
pub(crate) fn written(text: &str) -> Result<(), InvalidName> {
    const SIGNS: [&str; 9] = ["${", "$(", "{{", "<%", "$", "{", "}", "<", ">"];
    let name = shown(text);
    if let Some(sign) = SIGNS.iter().find(|sign| text.contains(**sign)) {
        let sign = (*sign).to_owned();
        return Err(InvalidName::Template { name, sign });
    }
    if text.contains(['"', '\'', '`', '“', '”', '‘', '’', '„']) {
        return Err(InvalidName::Quotes { name });
    }
    if text.contains(['*', '?']) {
        let is_suffix = text
            .strip_suffix("-??????")
            .is_some_and(|start| !start.contains(['*', '?']));
        return Err(if is_suffix {
            InvalidName::Suffix { name }
        } else {
            InvalidName::Pattern { name }
        });
    }
    match text.chars().find_map(|c| Some((c, blank(c)?))) {
        None => Ok(()),
        Some((character, blank)) => {
            let inner = text.trim_matches(|c| self::blank(c).is_some());
            let (place, remedy) = match () {
                () if inner.contains(character) => ("in it", "write the name as AWS shows it"),
                () if text.ends_with(character) => ("at its end", "remove it"),
                () => ("at its start", "remove it"),
            };
            Err(InvalidName::Blank {
                name,
                blank,
                place,
                remedy,
            })
        }
    }
}

/// The name of a space, or of a character that cannot be seen.
pub(crate) fn blank(character: char) -> Option<String> {
    let code = u32::from(character);
    match character {
        ' ' => Some("a space".to_owned()),
        '\t' => Some("a tab".to_owned()),
        '\n' | '\r' => Some("a line break".to_owned()),
        '\u{a0}' | '\u{202f}' => Some(format!("a no-break space (U+{code:04X})")),
        '\u{ad}'
        | '\u{61c}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}' => Some(format!("an invisible character (U+{code:04X})")),
        _ if character.is_whitespace() => Some(format!("a space (U+{code:04X})")),
        _ if character.is_control() => Some(format!("a control character (U+{code:04X})")),
        _ => None,
    }
}

/// Checks a secret's name, or the name in its ARN, where AWS has added its six characters.
pub(crate) fn secret(text: &str, in_arn: bool) -> Result<(), InvalidName> {
    if let Some((_, rest)) = text.split_once(':') {
        let name = shown(text);
        return Err(match ecs(rest) {
            Some(remedy) => InvalidName::Ecs { name, remedy },
            None => InvalidName::Colon { name },
        });
    }
    let most = if in_arn {
        MAX_SECRET + SUFFIX
    } else {
        MAX_SECRET
    };
    plain(text, "a secret's", "/_+=.@-!", most)
}

/// What to write instead of ECS's `:KEY:STAGE:VERSION`, each of which may be empty.
fn ecs(rest: &str) -> Option<String> {
    let parts: Vec<&str> = rest.split(':').collect();
    let [key, stage, version] = parts.as_slice() else {
        return None;
    };
    let mut remedy = vec![format!("remove {}", shown(&format!(":{rest}")))];
    if !key.is_empty() {
        let path = jmes_hint::yaml(&jmes_hint::key(key));
        remedy.push(format!("take the key with jmesPath (path: {path})"));
    }
    for (field, value) in [("objectVersionLabel", stage), ("objectVersion", version)] {
        if !value.is_empty() {
            remedy.push(format!("write {field}: {value}"));
        }
    }
    Some(remedy.join(", and "))
}

fn is_plain(character: char, others: &str) -> bool {
    character.is_ascii_alphanumeric() || others.contains(character)
}

/// Letters, digits and some others, up to a length.
fn plain(
    text: &str,
    what: &'static str,
    others: &'static str,
    most: usize,
) -> Result<(), InvalidName> {
    if let Some(character) = text.chars().find(|c| !is_plain(*c, others)) {
        return Err(InvalidName::Character {
            name: shown(text),
            character,
            what,
            others,
        });
    }
    let length = text.chars().count();
    if length > most {
        return Err(InvalidName::TooLong {
            name: shown(text),
            length,
            what,
            most,
        });
    }
    Ok(())
}

/// Checks a parameter's name without its version or label; in an ARN it has no slash in front.
pub(crate) fn parameter(text: &str, in_arn: bool) -> Result<(), InvalidName> {
    let full = if in_arn && text.contains('/') {
        format!("/{text}")
    } else {
        text.to_owned()
    };
    if let Some(secret) = full.strip_prefix(REFERENCE) {
        return self::secret(secret, false);
    }
    let name = shown(text);
    let path = full.strip_prefix('/').unwrap_or(&full);
    plain(path, "a parameter's", ".-_/", MAX_PARAMETER)?;
    let levels = path.matches('/').count();
    if path.split('/').any(str::is_empty) {
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let slash = if parts.len() > 1 { "/" } else { "" };
        let fixed = shown(&format!("{slash}{}", parts.join("/")));
        return Err(InvalidName::EmptyLevel { name, fixed });
    }
    if levels > 0 && !full.starts_with('/') {
        let fixed = shown(&format!("/{path}"));
        return Err(InvalidName::NoSlash { name, fixed });
    }
    if levels > MAX_LEVELS {
        let levels = levels + 1;
        return Err(InvalidName::TooDeep { name, levels });
    }
    let is_aws_own = full.starts_with("/aws/");
    match reserved(path) {
        Some(start) if !is_aws_own => Err(InvalidName::Reserved { name, start }),
        _ => Ok(()),
    }
}

/// Checks a path of parameters. Returns it without the slash at its end: nothing for the root.
pub(crate) fn path(text: &str) -> Result<&str, InvalidName> {
    written(text)?;
    let path = text.strip_suffix('/').unwrap_or(text);
    if !text.starts_with('/') {
        let path = shown(text);
        return Err(InvalidName::Path { path });
    }
    if !path.is_empty() {
        parameter(path, false)?;
    }
    Ok(path)
}

/// The prefix that is reserved for AWS, as written.
fn reserved(name: &str) -> Option<String> {
    let start: String = name.chars().take(3).collect();
    ["aws", "ssm"]
        .iter()
        .any(|reserved| start.eq_ignore_ascii_case(reserved))
        .then_some(start)
}

/// Checks the label of a parameter. One of a secret as a parameter is a stage or a version's ID of Secrets Manager.
pub(crate) fn label(text: &str, parameter: &str) -> Result<(), InvalidName> {
    let own_rules = parameter.starts_with(REFERENCE)
        || reserved(text).is_none() && !text.starts_with(|c: char| c.is_ascii_digit());
    if own_rules
        && !text.is_empty()
        && text.len() <= MAX_LABEL
        && text.chars().all(|c| is_plain(c, ".-_"))
    {
        Ok(())
    } else {
        let label = shown(text);
        Err(InvalidName::Label { label })
    }
}

/// Checks the ID of a secret's version.
pub(crate) fn version_id(text: &str) -> Result<(), InvalidName> {
    written(text)?;
    let length = text.chars().count();
    if VERSION_ID.contains(&length) {
        return Ok(());
    }
    let remedy = match () {
        () if text.eq_ignore_ascii_case("latest") => {
            "remove objectVersion; the default is the current version"
        }
        () if text.starts_with("AWS") => "write it as objectVersionLabel",
        () => "write the ID that AWS shows, or a stage as objectVersionLabel",
    };
    Err(InvalidName::VersionId {
        id: shown(text),
        length,
        remedy,
    })
}

/// Checks the stage of a secret's version.
pub(crate) fn stage(text: &str) -> Result<(), InvalidName> {
    written(text)?;
    let length = text.chars().count();
    if length <= MAX_STAGE {
        return Ok(());
    }
    let label = shown(text);
    Err(InvalidName::Stage { label, length })
}
