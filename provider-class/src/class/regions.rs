//! Rules about a class's region. They are checked where it is known: while the class is parsed if it names its region, or
//! else in [`Class::resolve`](crate::Class::resolve).

use super::field_path::Path;
use super::findings::Findings;
use super::parameters::AssumeRole;
use crate::Region;

/// Checks the parameters that depend on the class's region.
pub(crate) fn check_parameters(
    region: &Region,
    failover_region: Option<&Region>,
    assume_role: Option<&AssumeRole>,
    findings: &Findings<'_>,
) {
    if failover_region == Some(region) {
        findings.problem(
            &Path::parameter("failoverRegion"),
            format!("{region} is already the class's region: name another one, or remove it"),
        );
    }
    if let (Some(role), Some(partition)) = (assume_role, region.partition())
        && role.arn.partition() != partition
    {
        findings.problem(
            &Path::parameter("assumeRoleArn"),
            format!(
                "is in the partition {:?}, but the region {region} is in {partition:?}: name a role in that partition",
                role.arn.partition()
            ),
        );
    }
}

/// What is wrong with an ARN that is in another region than `region`, the value of `parameter`.
pub(crate) fn disagreement(arn: &Region, parameter: &str, region: &Region) -> Option<String> {
    (arn != region).then(|| {
        format!("is an ARN in {arn}, but the class's {parameter} is {region}: they must agree")
    })
}
