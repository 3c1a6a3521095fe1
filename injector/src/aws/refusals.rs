//! The errors of AWS's services and of the Pod Identity agent: what each code means, and what to do about it.
//!
//! What goes in: the service, the code and the message. What comes out: a [`Meaning`], from which follows whether the call is
//! retried, and a remedy. A new code is a new row; no other file compares codes.
//!
//! Sources: the SDK's classifiers for its standard retries, in
//! <https://docs.rs/aws-runtime/latest/aws_runtime/retries/classifiers/index.html>; the failover rules of AWS's provider for the
//! Secrets Store CSI Driver, by which a mistake in the request is final; and the list of errors of each operation.

use crate::aws::cause::Cause;
use crate::aws::outside::{PAGE, STATUS};
use crate::aws::retry::Retry;
use crate::service::Service;

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The object, or that version or label of it, does not exist. Another region would say the same.
    Missing,
    /// The request is wrong. Another region would say the same.
    Mistake,
    /// One name of the call is not a valid one.
    BadName,
    /// No policy allows it.
    Denied,
    /// The service throttles its callers.
    Throttled,
    /// It may pass.
    Transient,
    /// Anything else.
    Other,
}

impl Meaning {
    /// The meaning with the status of the response. The status also tells of codes that are not in the table.
    fn with_status(self, status: u16) -> Self {
        match status {
            429 => Self::Throttled,
            500 | 502 | 503 | 504 if self != Self::Throttled => Self::Transient,
            _ => self,
        }
    }

    fn retry(self) -> Retry {
        match self {
            Self::Throttled => Retry::UntilDeadline,
            Self::Transient => Retry::Few,
            Self::Missing | Self::Mistake | Self::BadName | Self::Denied | Self::Other => {
                Retry::Never
            }
        }
    }

    /// Would the failover region refuse alike?
    pub(super) fn is_final(self) -> bool {
        matches!(self, Self::Missing | Self::Mistake)
    }

    /// May a call for several names succeed without one of them?
    pub(crate) fn is_about_a_name(self) -> bool {
        matches!(self, Self::Mistake | Self::BadName | Self::Denied)
    }
}

/// A row of the table.
struct Row {
    /// `None`: any service.
    service: Option<Service>,
    /// Without `Exception` at its end, which some protocols of AWS add.
    codes: &'static [&'static str],
    /// Phrases, one of which the message contains. None: it may say anything.
    says: &'static [&'static str],
    meaning: Meaning,
    remedy: &'static str,
}

const NO_REFERENCE: &str = "Parameter Store cannot find the secret";
const NO_PARAMETERS: &str = "Parameter Store has no parameter below this path";

const KEY: &str = "allow kms:Decrypt on its key in the policy of the pod's role, and check that the key is enabled";
const CLOCK: &str = "the node's clock is wrong: check its time synchronization";
const TRUST: &str = "the role's trust policy must allow sts:AssumeRoleWithWebIdentity for this ServiceAccount of this cluster's OIDC provider";

const ANY: Option<Service> = None;
const SECRETS: Option<Service> = Some(Service::SecretsManager);
const SSM: Option<Service> = Some(Service::Ssm);
const STS: Option<Service> = Some(Service::Sts);
const AGENT: Option<Service> = Some(Service::PodIdentityAgent);

/// Rows of `SERVICE "code" | "code", ["phrase", …] => Meaning, "remedy";`.
macro_rules! table {
    ($($service:ident $($code:literal)|+ $(, [$($says:expr),+])? => $meaning:ident, $remedy:expr;)+) => {
        &[$(Row {
            service: $service,
            codes: &[$($code),+],
            says: &[$($($says),+)?],
            meaning: Meaning::$meaning,
            remedy: $remedy,
        }),+]
    };
}

/// The first row that fits counts.
const TABLE: &[Row] = table! {
    // The agent sends no code, and its text contains the error of the EKS Auth API.
    AGENT "HTTP status", [PAGE] => Other, "this response is not from the agent: check which server answers at its address, and AWS_CONTAINER_CREDENTIALS_FULL_URI if it is set";
    AGENT "HTTP status", ["eks-auth:AssumeRoleForPodIdentity"] => Other, "allow eks-auth:AssumeRoleForPodIdentity in the policy of the node's role";
    AGENT "HTTP status", ["AccessDenied", "does not have permissions to assume"] => Other, "the role's trust policy must allow sts:AssumeRole and sts:TagSession for pods.eks.amazonaws.com";
    AGENT "HTTP status", ["ExpiredToken", "InvalidToken"] => Other, "the agent rejects the pod's token: check the node's clock";
    AGENT "HTTP status 5" => Transient, "check the agent's log: kubectl -n kube-system logs daemonset/eks-pod-identity-agent";
    AGENT "HTTP status 429" => Throttled, "check the agent's log: kubectl -n kube-system logs daemonset/eks-pod-identity-agent";
    AGENT "HTTP status" => Other, "create a Pod Identity association for this ServiceAccount, and check that the agent's add-on runs on the node; or, to use IRSA, annotate the ServiceAccount with eks.amazonaws.com/role-arn and leave usePodIdentity out of the class";

    ANY "Throttling" | "Throttled" | "TooManyRequests" | "RequestLimitExceeded" | "RequestThrottled" | "SlowDown" | "BandwidthLimitExceeded" | "LimitExceeded" | "PriorRequestNotComplete" | "TransactionInProgress" | "HTTP status 429" => Throttled, "raise the service's quota, or start fewer pods at once";
    ANY "AccessDenied", ["with an explicit deny"] => Denied, "a policy denies this explicitly, and no other policy can override that: change the policy of the type that AWS names";
    ANY "AccessDenied", ["VPC endpoint policy"] => Denied, "allow this in the VPC endpoint's policy";

    SECRETS "ResourceNotFound" => Missing, "create the secret (or that version or label of it) in this region, or correct objectName";
    SECRETS "InvalidRequest" => Mistake, "restore the secret if it is scheduled for deletion, or correct objectVersion and objectVersionLabel";
    SECRETS "InvalidParameter", ["ClientRequestToken"] => Mistake, "objectVersion must be a version id of 32 to 64 characters: correct it, or use objectVersionLabel for a label";
    SECRETS "InvalidParameter" => Mistake, "";
    SECRETS "Validation" => BadName, "correct objectName: it is not a valid secret name or ARN";
    SECRETS "DecryptionFailure" => Mistake, KEY;
    SECRETS "AccessDenied", ["KMS"] => Denied, KEY;
    SECRETS "AccessDenied" => Denied, "allow secretsmanager:GetSecretValue (and secretsmanager:DescribeSecret, to refresh) on this secret in the policy of the pod's role, and kms:Decrypt if it uses a customer managed key";

    SSM "InvalidParameters", [NO_REFERENCE] => Missing, "create the secret (or that version or label of it) in this region, or correct the part after /aws/reference/secretsmanager/ in objectName";
    SSM "InvalidParameters", [NO_PARAMETERS] => Missing, "create a parameter below it (with that label, if there is one), or correct objectPath";
    SSM "InvalidParameters" => Missing, "create the parameter (or that version or label of it) in this region, or correct objectName";
    SSM "TooManyParameters" => Mistake, "use a longer path, or recursive: false";
    SSM "Validation" => BadName, "correct objectName: a parameter name may contain only letters, digits and . - _ /";
    SSM "InvalidKeyId" => Mistake, KEY;
    SSM "AccessDenied", ["secretsmanager:"] => Denied, "allow secretsmanager:GetSecretValue on the secret that this parameter refers to, in the policy of the pod's role";
    SSM "AccessDenied", ["KMS", "kms:", "ciphertext", "master key"] => Denied, KEY;
    SSM "AccessDenied", ["GetParametersByPath"] => Denied, "allow ssm:GetParametersByPath on this path in the policy of the pod's role, and kms:Decrypt if a parameter uses a customer managed key";
    SSM "AccessDenied" => Denied, "allow ssm:GetParameters on this parameter in the policy of the pod's role, and kms:Decrypt if it uses a customer managed key";

    STS "InvalidIdentityToken", ["audience"] => Mistake, "the token's audience must be a client ID of the cluster's OIDC provider in IAM: add sts.amazonaws.com to its client IDs, or the value of the ServiceAccount's annotation eks.amazonaws.com/audience";
    STS "InvalidIdentityToken" => Mistake, "register the cluster's OIDC provider in IAM, and check that the token's audience is one of its client IDs";
    STS "IDPCommunicationError" => Transient, "IAM cannot reach the cluster's OIDC issuer: check that its URL is public";
    STS "RegionDisabled" => Other, "activate STS in this region in the account's IAM settings, or use another region in the class";
    STS "ExpiredToken" => Mistake, "the pod's token has expired: check the node's clock";
    STS "AccessDenied", ["sts:AssumeRoleWithWebIdentity"] => Denied, TRUST;
    STS "AccessDenied", ["sts:TagSession"] => Denied, "for session tags, the policy of the pod's role must allow sts:TagSession on the role of assumeRoleArn, and that role's trust policy must allow it for the pod's role";
    STS "AccessDenied", ["sts:AssumeRole"] => Denied, "the policy of the pod's role must allow sts:AssumeRole on the role of assumeRoleArn, and that role's trust policy must allow it for the pod's role";
    STS "AccessDenied" => Denied, TRUST;

    // The SDK's client learns the time from each answer, and signs the next attempt with it.
    ANY "RequestExpired" | "RequestTimeTooSkewed" => Transient, CLOCK;
    ANY "InvalidSignature" | "SignatureDoesNotMatch", ["expired", "not yet current"] => Transient, CLOCK;
    ANY "InvalidSignature" | "SignatureDoesNotMatch" => Transient, "the request was modified in transit: check the proxy or gateway between the pod and AWS";
    ANY "RequestTimeout" => Transient, "";
    ANY "UnrecognizedClient" | "InvalidClientTokenId" | "ExpiredToken" => Other, "AWS does not accept the role's credentials here: check that the region is enabled in the account";
    ANY "HTTP status 407" => Other, "set the proxy's user and password in HTTPS_PROXY";
    ANY "HTTP status" => Other, "this response is not from AWS: check which proxy, firewall or gateway answers at the endpoint";
};

impl Row {
    fn fits(&self, service: Service, code: &str, message: &str) -> bool {
        let code = code.strip_suffix("Exception").unwrap_or(code);
        self.service.is_none_or(|own| own == service)
            && self
                .codes
                .iter()
                .any(|own| *own == code || own.starts_with(STATUS) && code.starts_with(own))
            && (self.says.is_empty() || self.says.iter().any(|phrase| message.contains(phrase)))
    }
}

fn row(service: Service, cause: &Cause) -> Option<&'static Row> {
    let Cause::Refused { code, message } = cause else {
        return None;
    };
    TABLE.iter().find(|row| row.fits(service, code, message))
}

/// What a cause means, if it is a refusal.
pub(super) fn meaning(service: Service, cause: &Cause) -> Option<Meaning> {
    let is_refused = matches!(cause, Cause::Refused { .. });
    is_refused.then(|| row(service, cause).map_or(Meaning::Other, |row| row.meaning))
}

/// What to do about a refusal, if that is known.
pub(super) fn remedy(service: Service, cause: &Cause) -> Option<&'static str> {
    let remedy = row(service, cause)?.remedy;
    (!remedy.is_empty()).then_some(remedy)
}

/// Whether another attempt may succeed after a refusal with this status.
pub(crate) fn retry(service: Service, cause: &Cause, status: u16) -> Retry {
    let meaning = meaning(service, cause).unwrap_or(Meaning::Other);
    meaning.with_status(status).retry()
}

/// Refusals that no service sends in this form: the answer says so in another one.
impl Cause {
    /// A secret that is being deleted.
    pub(crate) fn deleted() -> Self {
        refused(
            "InvalidRequestException",
            "the secret is scheduled for deletion",
        )
    }

    /// A parameter that does not exist.
    pub(crate) fn no_parameter() -> Self {
        refused("InvalidParameters", "Parameter Store has no such parameter")
    }

    /// A parameter that refers to a secret, which does not exist.
    pub(crate) fn no_reference() -> Self {
        refused("InvalidParameters", NO_REFERENCE)
    }

    /// A path without parameters.
    pub(crate) fn no_parameters() -> Self {
        refused("InvalidParameters", NO_PARAMETERS)
    }

    /// A path with more parameters than this.
    pub(crate) fn too_many_parameters(most: usize) -> Self {
        let message = format!("there are more than {most} parameters below this path");
        refused("TooManyParameters", &message)
    }
}

fn refused(code: &str, message: &str) -> Cause {
    Cause::Refused {
        code: code.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str, message: &str) -> Cause {
        refused(code, message)
    }

    #[track_caller]
    fn check(service: Service, answers: &[(&str, &str, &str)]) {
        for (code, message, words) in answers {
            let remedy = remedy(service, &of(code, message)).unwrap_or_default();
            assert!(remedy.contains(words), "{code}: {message}: {remedy}");
        }
    }

    #[test]
    fn secrets_manager() {
        check(
            Service::SecretsManager,
            &[
                (
                    "AccessDeniedException",
                    "User is not authorized to perform: secretsmanager:GetSecretValue",
                    "allow secretsmanager:GetSecretValue",
                ),
                (
                    "AccessDeniedException",
                    "Access to KMS is not allowed",
                    "allow kms:Decrypt on its key",
                ),
                (
                    "AccessDeniedException",
                    "x with an explicit deny in a service control policy",
                    "denies this explicitly",
                ),
                (
                    "AccessDeniedException",
                    "x because no VPC endpoint policy allows the secretsmanager:GetSecretValue action",
                    "VPC endpoint's policy",
                ),
                (
                    "InvalidParameterException",
                    "ClientRequestToken must be 32-64 characters long.",
                    "objectVersionLabel",
                ),
                ("ValidationException", "Invalid name.", "correct objectName"),
                (
                    "InvalidRequestException",
                    "was marked for deletion",
                    "restore the secret",
                ),
                (
                    "InvalidSignatureException",
                    "Signature expired: a is now earlier than b",
                    "node's clock",
                ),
                (
                    "InvalidSignatureException",
                    "Signature not yet current: a is still later than b",
                    "node's clock",
                ),
                (
                    "SignatureDoesNotMatch",
                    "The request signature we calculated does not match",
                    "modified in transit",
                ),
                ("HTTP status 403", "", "not from AWS"),
                ("HTTP status 407", "", "proxy's user and password"),
                ("ThrottlingException", "Rate exceeded", "quota"),
                ("ExpiredTokenException", "", "region is enabled"),
            ],
        );
    }

    #[test]
    fn parameter_store() {
        check(
            Service::Ssm,
            &[
                (
                    "AccessDeniedException",
                    "User is not authorized to perform: ssm:GetParameters",
                    "allow ssm:GetParameters",
                ),
                (
                    "AccessDeniedException",
                    "The ciphertext refers to a customer master key that does not exist",
                    "allow kms:Decrypt on its key",
                ),
                (
                    "AccessDeniedException",
                    "not authorized to perform: secretsmanager:GetSecretValue on resource: x",
                    "that this parameter refers to",
                ),
                (
                    "ValidationException",
                    "Parameter name: can't be prefixed with \"ssm\"",
                    "correct objectName",
                ),
                ("InvalidParameters", NO_REFERENCE, "create the secret"),
                (
                    "InvalidParameters",
                    "Parameter Store has no such parameter",
                    "create the parameter",
                ),
            ],
        );
    }

    #[test]
    fn sts() {
        check(
            Service::Sts,
            &[
                (
                    "AccessDenied",
                    "Not authorized to perform sts:AssumeRoleWithWebIdentity",
                    "trust policy must allow sts:AssumeRoleWithWebIdentity",
                ),
                (
                    "AccessDenied",
                    "User: x is not authorized to perform: sts:AssumeRole on resource: y",
                    "role of assumeRoleArn",
                ),
                (
                    "InvalidIdentityToken",
                    "No OpenIDConnect provider found in your account",
                    "register the cluster's OIDC provider",
                ),
                (
                    "InvalidIdentityToken",
                    "Incorrect token audience",
                    "eks.amazonaws.com/audience",
                ),
                (
                    "RegionDisabledException",
                    "STS is not activated in this region",
                    "activate STS",
                ),
                (
                    "IDPCommunicationError",
                    "Could not verify token",
                    "OIDC issuer",
                ),
                (
                    "ExpiredTokenException",
                    "Token expired: current date/time",
                    "node's clock",
                ),
            ],
        );
    }

    #[test]
    fn the_agent() {
        check(
            Service::PodIdentityAgent,
            &[
                (
                    "HTTP status 400",
                    "[1]: (AccessDeniedException): Unauthorized Exception! EKS does not have permissions to assume the associated role., fault: client",
                    "sts:TagSession for pods.eks.amazonaws.com",
                ),
                (
                    "HTTP status 400",
                    "(AccessDeniedException): User: x is not authorized to perform: eks-auth:AssumeRoleForPodIdentity",
                    "node's role",
                ),
                (
                    "HTTP status 404",
                    "ResourceNotFoundException: (1): No association found for the specified service account",
                    "create a Pod Identity association",
                ),
                (
                    "HTTP status 400",
                    "(ExpiredTokenException): Token expired",
                    "node's clock",
                ),
                (
                    "HTTP status 500",
                    "(InternalServerException): try again",
                    "agent's log",
                ),
            ],
        );
    }

    #[test]
    fn a_refusal_is_retried_by_its_code_or_status() {
        for (code, status, expected) in [
            ("AccessDeniedException", 400, Retry::Never),
            ("ResourceNotFoundException", 400, Retry::Never),
            ("ExpiredTokenException", 403, Retry::Never),
            ("HTTP status 403", 403, Retry::Never),
            ("HTTP status 501", 501, Retry::Never),
            ("InternalServiceError", 500, Retry::Few),
            ("HTTP status 502", 502, Retry::Few),
            ("ServiceUnavailable", 503, Retry::Few),
            ("HTTP status 504", 504, Retry::Few),
            ("RequestTimeout", 400, Retry::Few),
            ("RequestTimeoutException", 400, Retry::Few),
            ("IDPCommunicationError", 400, Retry::Few),
            ("InvalidSignatureException", 400, Retry::Few),
            ("RequestExpired", 400, Retry::Few),
            ("ThrottlingException", 400, Retry::UntilDeadline),
            ("SlowDown", 503, Retry::UntilDeadline),
            ("Odd", 429, Retry::UntilDeadline),
            ("HTTP status 429", 429, Retry::UntilDeadline),
        ] {
            let retry = retry(Service::Sts, &of(code, ""), status);
            assert_eq!(retry, expected, "{code} {status}");
        }
    }

    /// Those of the table, and any other that ends as most codes do.
    #[test]
    fn codes_stand_in_no_other_file() {
        let mut directories =
            vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
        let codes = TABLE.iter().flat_map(|row| row.codes);
        let codes = codes.filter(|code| !code.starts_with(STATUS));
        let codes = codes.map(|code| format!("\"{code}"));
        let codes: Vec<String> = codes.chain(["Exception\"".to_owned()]).collect();
        let mut read = 0;
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                if path.ends_with("aws/refusals.rs") || path.ends_with("tests.rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap_or_default();
                let found = codes.iter().find(|own| code.contains(*own));
                assert_eq!(found, None, "{}", path.display());
                read += 1;
            }
        }
        assert!(read > 50, "{read} files");
    }
}
