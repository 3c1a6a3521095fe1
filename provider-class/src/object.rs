//! One entry of `objects`: a secret or a parameter, and the files it makes.

use crate::arn::Service;
use crate::raw::{Findings, RawExtract, RawFailover, RawObject};
use crate::{Arn, FileMode, FilePath, JmesPath, PathTranslation, Region, Request, Selector};

/// An entry of `objects`, valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Its place in the list, from 0: how messages name it.
    pub index: usize,
    /// What is asked of AWS.
    pub request: Request,
    /// What is asked in the failover region, when the first region failed.
    pub failover: Option<Request>,
    /// The file with the whole value.
    pub file: File,
    /// Files with parts of the value (`jmesPath`).
    pub extracts: Vec<Extract>,
}

/// A file that a class makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where, below the mount.
    pub path: FilePath,
    /// With which permissions.
    pub mode: FileMode,
}

/// An item of `jmesPath`, valid.
#[derive(Clone, Debug, PartialEq)]
pub struct Extract {
    /// Its place in the object's list, from 0.
    pub index: usize,
    /// What is taken out of the JSON.
    pub path: JmesPath,
    /// The file it goes to.
    pub file: File,
}

impl Object {
    /// Every file of this entry with the field that named it, relative to the entry.
    pub fn files(&self) -> impl Iterator<Item = &File> {
        std::iter::once(&self.file).chain(self.extracts.iter().map(|extract| &extract.file))
    }
}

/// What the class says for all its entries.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) region: Option<&'a Region>,
    pub(crate) failover_region: Option<&'a Region>,
    pub(crate) translation: PathTranslation,
}

impl Context<'_> {
    /// Checks one entry; `None` where a problem was found that leaves nothing to work with.
    pub(crate) fn object(self, raw: &RawObject, findings: &mut Findings) -> Option<Object> {
        let entry = format!("objects[{}]", raw.index);
        let mode = raw
            .file_permission
            .as_deref()
            .map(|text| findings.keep(format!("{entry}.filePermission"), text.parse()));
        let mode = mode.map_or(Some(FileMode::DEFAULT), |mode| mode);
        let extracts = raw.jmes_path.iter().enumerate();
        let extracts: Vec<_> = extracts
            .map(|(index, extract)| self.extract(&entry, index, extract, mode, findings))
            .collect();
        let Some(name) = raw.name.as_deref() else {
            findings.problem(
                format!("{entry}.objectName"),
                "is required: the name or ARN of a secret or parameter",
            );
            return None;
        };
        let file_field = if raw.alias.is_some() {
            "objectAlias"
        } else {
            "objectName"
        };
        let file_name = raw.alias.as_deref().unwrap_or(name);
        let path = findings.keep(
            format!("{entry}.{file_field}"),
            FilePath::translate(file_name, self.translation),
        );
        let service = service(
            &entry,
            name,
            raw.kind.as_deref(),
            self.region,
            "region",
            findings,
        );
        let request = service.and_then(|service| {
            request(
                &entry,
                service,
                name,
                raw.version.as_deref(),
                raw.version_label.as_deref(),
                findings,
            )
        });
        let failover = match (&raw.failover, self.failover_region) {
            (Some(failover), _) => self.failover(&entry, raw, failover, service, findings),
            (None, Some(_)) => same_in_failover_region(&entry, name, request.as_ref(), findings),
            (None, None) => None,
        };
        Some(Object {
            index: raw.index,
            request: request?,
            failover,
            file: File {
                path: path?,
                mode: mode?,
            },
            extracts: extracts.into_iter().collect::<Option<_>>()?,
        })
    }

    fn extract(
        self,
        entry: &str,
        index: usize,
        raw: &RawExtract,
        parent: Option<FileMode>,
        findings: &mut Findings,
    ) -> Option<Extract> {
        let item = format!("{entry}.jmesPath[{index}]");
        let mode = raw
            .file_permission
            .as_deref()
            .map(|text| findings.keep(format!("{item}.filePermission"), text.parse()));
        let path = raw
            .path
            .as_deref()
            .ok_or("is required: a JMESPath expression, such as the key to take out".to_owned())
            .and_then(|text| text.parse::<JmesPath>().map_err(|error| error.to_string()));
        let path = findings.keep(format!("{item}.path"), path);
        let file = raw
            .alias
            .as_deref()
            .ok_or("is required: the name of the file for this part".to_owned())
            .and_then(|alias| {
                FilePath::translate(alias, self.translation).map_err(|error| error.to_string())
            });
        let file = findings.keep(format!("{item}.objectAlias"), file);
        let mode = mode.unwrap_or(parent)?;
        Some(Extract {
            index,
            path: path?,
            file: File { path: file?, mode },
        })
    }

    fn failover(
        self,
        entry: &str,
        raw: &RawObject,
        failover: &RawFailover,
        service: Option<Service>,
        findings: &mut Findings,
    ) -> Option<Request> {
        let field = format!("{entry}.failoverObject");
        if self.failover_region.is_none() {
            findings.problem(&field, "needs the parameter failoverRegion");
        }
        if raw.alias.is_none() {
            findings.problem(
                format!("{entry}.objectAlias"),
                "is required with a failoverObject: one file name for both regions",
            );
        }
        if failover.version != raw.version {
            findings.problem(
                format!("{field}.objectVersion"),
                "must be the same as the entry's objectVersion: one version in both regions",
            );
        }
        let Some(name) = failover.name.as_deref() else {
            findings.problem(
                format!("{field}.objectName"),
                "is required: the name or ARN in the failover region",
            );
            return None;
        };
        let kind = service.map(kind_of);
        let service = self::service(
            &field,
            name,
            kind,
            self.failover_region,
            "failoverRegion",
            findings,
        )?;
        let label = failover
            .version_label
            .as_deref()
            .or(raw.version_label.as_deref());
        request(
            &field,
            service,
            name,
            failover.version.as_deref(),
            label,
            findings,
        )
    }
}

/// Without a failoverObject the failover region has the same name; but an ARN belongs to its own region.
fn same_in_failover_region(
    entry: &str,
    name: &str,
    request: Option<&Request>,
    findings: &mut Findings,
) -> Option<Request> {
    if Arn::looks_like(name) {
        findings.warning(entry, "has no failover: an ARN exists in its own region alone, so name the other region's in a failoverObject");
        return None;
    }
    request.cloned()
}

/// The value of `objectType` for a service.
fn kind_of(service: Service) -> &'static str {
    match service {
        Service::SecretsManager => "secretsmanager",
        Service::Ssm => "ssmparameter",
    }
}

/// Which service an entry belongs to, by its type and its ARN; `region` is where the ARN has to be.
fn service(
    entry: &str,
    name: &str,
    kind: Option<&str>,
    region: Option<&Region>,
    parameter: &str,
    findings: &mut Findings,
) -> Option<Service> {
    let type_field = format!("{entry}.objectType");
    let by_kind = match kind {
        Some("secretsmanager") => Some(Service::SecretsManager),
        Some("ssmparameter") => Some(Service::Ssm),
        Some(other) => {
            findings.problem(
                &type_field,
                format!("{other:?} is neither \"secretsmanager\" nor \"ssmparameter\""),
            );
            return None;
        }
        None => None,
    };
    if !Arn::looks_like(name) {
        if by_kind.is_none() {
            findings.problem(&type_field, "is required where objectName is not an ARN: \"secretsmanager\" or \"ssmparameter\"");
        }
        return by_kind;
    }
    let arn: Arn = findings.keep(format!("{entry}.objectName"), name.parse())?;
    if let Some(region) = region.filter(|region| **region != arn.region) {
        let message = format!(
            "is an ARN in {}, but the class's {parameter} is {region}: they must agree",
            arn.region
        );
        findings.problem(format!("{entry}.objectName"), message);
    }
    if by_kind.is_some_and(|service| service != arn.service) {
        let message = format!(
            "does not agree with the ARN, which is of type {:?}",
            kind_of(arn.service)
        );
        findings.problem(&type_field, message);
        return None;
    }
    Some(arn.service)
}

fn request(
    entry: &str,
    service: Service,
    name: &str,
    version: Option<&str>,
    label: Option<&str>,
    findings: &mut Findings,
) -> Option<Request> {
    match service {
        Service::SecretsManager => Some(Request::secret(name, version, label)),
        Service::Ssm => parameter(entry, name, version, label, findings),
    }
}

fn parameter(
    entry: &str,
    name: &str,
    version: Option<&str>,
    label: Option<&str>,
    findings: &mut Findings,
) -> Option<Request> {
    let (base, inline) = split_selector(name);
    if base.is_empty() || inline.is_some_and(str::is_empty) {
        findings.problem(
            format!("{entry}.objectName"),
            "needs a name before the \":\" and a version or label behind it",
        );
        return None;
    }
    let selector = match (inline, version, label) {
        (None, None, None) => None,
        (Some(selector), None, None) => Some(Selector::of(selector)),
        (None, Some(version), None) => {
            if !version.parse::<u64>().is_ok_and(|number| number > 0) {
                let message = format!("{version:?} is not the number of a parameter's version");
                findings.problem(format!("{entry}.objectVersion"), message);
                return None;
            }
            Some(Selector::of(version))
        }
        (None, None, Some(label)) => Some(Selector::of(label)),
        _ => {
            let message = "names a version or label more than once: use one of objectVersion, objectVersionLabel and \":…\" in objectName";
            findings.problem(entry, message);
            return None;
        }
    };
    Some(Request::Parameter {
        name: base.to_owned(),
        selector,
    })
}

/// Splits the `:version` or `:label` off a parameter's name or ARN.
fn split_selector(name: &str) -> (&str, Option<&str>) {
    let resource = if Arn::looks_like(name) {
        name.find(":parameter/").map_or(0, |at| at + 1)
    } else {
        0
    };
    match name[resource..].split_once(':') {
        Some((base, selector)) => (&name[..resource + base.len()], Some(selector)),
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_inline_selectors_of_names_and_arns() {
        assert_eq!(split_selector("/app/db:3"), ("/app/db", Some("3")));
        assert_eq!(split_selector("/app/db"), ("/app/db", None));
        let arn = "arn:aws:ssm:us-east-2:111122223333:parameter/app/db";
        assert_eq!(split_selector(arn), (arn, None));
        assert_eq!(split_selector(&format!("{arn}:live")), (arn, Some("live")));
    }
}
