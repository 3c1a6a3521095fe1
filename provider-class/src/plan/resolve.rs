//! Makes the plan for a class in a region.

use super::{NoRegion, Plan};
use crate::class::findings::Findings;
use crate::class::problem::{InvalidClass, Problem};
use crate::class::regions::{check_parameters, disagreement};
use crate::{Class, Region};

/// Why a class has no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// No region is known.
    #[error(transparent)]
    NoRegion(#[from] NoRegion),
    /// The class contradicts the default region.
    #[error(transparent)]
    Invalid(#[from] InvalidClass),
}

impl Class {
    /// The requests that fetch the class; `default_region` is used if the class names no region.
    ///
    /// # Errors
    /// No region, or everything in the class that contradicts the default one.
    pub fn resolve(&self, default_region: Option<&Region>) -> Result<Plan, ResolveError> {
        let region = self.resolve_region(default_region)?;
        Ok(Plan::of(self, region))
    }

    /// The region that the class is fetched from: the same checks as [`Class::resolve`], without the requests.
    ///
    /// # Errors
    /// As for [`Class::resolve`].
    pub fn resolve_region<'a>(
        &'a self,
        default_region: Option<&'a Region>,
    ) -> Result<&'a Region, ResolveError> {
        if let Some(region) = &self.region {
            return Ok(region);
        }
        let region = default_region.ok_or_else(|| NoRegion {
            class: self.name.clone(),
        })?;
        let findings = Findings::default();
        check_parameters(
            region,
            self.failover_region.as_ref(),
            self.assume_role.as_ref(),
            &findings,
        );
        if let Some(arn) = &self.arn_region
            && let Some(message) = disagreement(&arn.region, "region", region)
        {
            let field = arn.field.clone();
            findings.push(Problem { field, message });
        }
        let problems = findings.found().problems;
        if problems.is_empty() {
            return Ok(region);
        }
        let name = self.name.clone();
        Err(InvalidClass { name, problems }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SecretProviderClassSpec;

    fn class(parameters: &[(&str, &str)]) -> Result<Class, String> {
        let objects = ("objects", "- {objectName: a, objectType: secretsmanager}");
        let spec = SecretProviderClassSpec::aws([&[objects], parameters].concat());
        Class::parse("db", &spec).map_err(|error| error.to_string())
    }

    /// The problems with a region: of the class, or the default one.
    fn problems(region: &str, parameters: &[(&str, &str)]) -> [String; 2] {
        let default = region.parse().unwrap();
        let by_default = class(parameters).unwrap().resolve(Some(&default));
        let own = [parameters, &[("region", region)]].concat();
        [
            class(&own).map_or_else(|error| error, |_| String::new()),
            by_default.map_or_else(|error| error.to_string(), |_| String::new()),
        ]
    }

    #[test]
    fn the_failover_region_is_another_one() {
        let same = problems("us-east-2", &[("failoverRegion", "us-east-2")]);
        for problem in same {
            assert!(
                problem.starts_with("class \"db\": failoverRegion: us-east-2 is already the"),
                "{problem}"
            );
        }
        let another = problems("us-west-2", &[("failoverRegion", "us-east-2")]);
        assert_eq!(another, ["", ""]);
    }

    #[test]
    fn the_role_is_in_the_partition_of_the_region() {
        let role = ("assumeRoleArn", "arn:aws-cn:iam::111122223333:role/other");
        for problem in problems("us-east-2", &[role]) {
            assert!(problem.contains("partition \"aws-cn\""), "{problem}");
        }
        assert_eq!(problems("cn-north-1", &[role]), ["", ""]);
    }

    #[test]
    fn an_arn_is_in_the_region() {
        let objects = "- objectName: arn:aws:ssm:us-west-2:111122223333:parameter/a";
        let expected = "class \"db\": objects[0] \"arn:aws:ssm:us-west-2:111122223333:parameter/a\": objectName (line 1 of objects): is an ARN in us-west-2, but the class's region is us-east-2: they must agree";
        for problem in problems("us-east-2", &[("objects", objects)]) {
            assert_eq!(problem, expected);
        }
    }

    #[test]
    fn no_region_fits_arns_of_two() {
        let objects = "\
- objectName: arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf
- objectName: arn:aws:ssm:us-west-2:111122223333:parameter/b
- objectName: arn:aws:ssm:us-east-1:111122223333:parameter/c
- objectName: arn:aws-cn:ssm:cn-north-1:111122223333:parameter/d";
        let error = class(&[("objects", objects)]).unwrap_err();
        let expected = "\
class \"db\": objects[1] \"arn:aws:ssm:us-west-2:111122223333:parameter/b\": objectName (line 2 of objects): is an ARN in us-west-2, but objectName of objects[0] \"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf\" has one in us-east-1: write a class for each region
class \"db\": objects[3] \"arn:aws-cn:ssm:cn-north-1:111122223333:parameter/d\": objectName (line 4 of objects): is an ARN in cn-north-1, but objectName of objects[0] \"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf\" has one in us-east-1: write a class for each region";
        assert_eq!(error, expected);
    }

    #[test]
    fn the_parameters_fit_the_region_of_the_arns() {
        let arn = "- objectName: arn:aws:ssm:us-east-1:111122223333:parameter/a";
        let error =
            |name: &str, value: &str| class(&[("objects", arn), (name, value)]).unwrap_err();
        let role = error("assumeRoleArn", "arn:aws-cn:iam::111122223333:role/other");
        assert!(role.contains("partition \"aws-cn\""), "{role}");
        let failover = error("failoverRegion", "us-east-1");
        assert!(failover.contains("us-east-1 is already"), "{failover}");
    }

    #[test]
    fn no_region_says_where_it_was_looked_for() {
        let error = class(&[]).unwrap().resolve(None).unwrap_err().to_string();
        for place in [
            "the parameters",
            "AWS_REGION",
            "topology.kubernetes.io/region",
        ] {
            assert!(error.contains(place), "{error}");
        }
    }
}
