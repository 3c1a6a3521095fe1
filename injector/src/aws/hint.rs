//! What to do about a failure.

use crate::aws::Cause;
use crate::service::Service;

const NO_ANSWER: &str = "check that the pod can reach the endpoint: network policies, NAT gateway or VPC endpoint, proxy, and AWS_ENDPOINT_URL or its service-specific form if it is set";
const UNTRUSTED: &str = "check which server answers there; if a proxy intercepts TLS, set AWS_CA_BUNDLE to a file with its CA certificate";
const AGENT_SILENT: &str = "check that the agent's add-on runs on the node (Fargate has none), and that no network policy blocks the pod's traffic to it";
const NOT_AWS: &str =
    "this response is not from AWS: check which proxy, firewall or gateway answers at the endpoint";
const CLOCK: &str = "the node's clock is wrong: check its time synchronization";
const EXPLICIT_DENY: &str = "a policy denies this explicitly, and no other policy can override that: change the policy of the type that AWS names";
const VPC_ENDPOINT: &str = "allow this in the VPC endpoint's policy";
const KEY: &str = "allow kms:Decrypt on its key in the policy of the pod's role, and check that the key is enabled";

/// What to do about a failure, if that is known.
pub(super) fn of(service: Service, cause: &Cause) -> Option<&'static str> {
    let is_agent = service == Service::PodIdentityAgent;
    let cause = match cause {
        Cause::Deadline {
            last: Some(last), ..
        } => last,
        cause => cause,
    };
    let (code, message) = match cause {
        Cause::Refused { code, message } => (code.as_str(), message.as_str()),
        Cause::NoResponse(_) | Cause::Deadline { .. } if is_agent => return Some(AGENT_SILENT),
        Cause::NoResponse(_) | Cause::Deadline { .. } => return Some(NO_ANSWER),
        Cause::Untrusted(_) => return Some(UNTRUSTED),
        Cause::Malformed(_) | Cause::NotSent | Cause::Setup(_) => return None,
    };
    if is_agent {
        return Some(of_agent(code, message));
    }
    if cause.is_throttling() {
        return Some("raise the service's quota, or start fewer pods at once");
    }
    if code.starts_with("AccessDenied") {
        if message.contains("with an explicit deny") {
            return Some(EXPLICIT_DENY);
        }
        if message.contains("VPC endpoint policy") {
            return Some(VPC_ENDPOINT);
        }
    }
    let own = match service {
        Service::SecretsManager => of_secrets_manager(code, message),
        Service::Ssm => of_parameter_store(code, message),
        Service::Sts => of_sts(code, message),
        Service::PodIdentityAgent => None,
    };
    own.or_else(|| of_any(code, message))
}

/// Does a message contain one of the phrases?
fn says(message: &str, phrases: &[&str]) -> bool {
    phrases.iter().any(|phrase| message.contains(phrase))
}

fn of_any(code: &str, message: &str) -> Option<&'static str> {
    Some(match code {
        "RequestExpired" | "RequestTimeTooSkewed" => CLOCK,
        "InvalidSignatureException" | "SignatureDoesNotMatch" => {
            if says(message, &["expired", "not yet current"]) {
                CLOCK
            } else {
                "the request was modified in transit: check the proxy or gateway between the pod and AWS"
            }
        }
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredTokenException"
        | "ExpiredToken" => {
            "AWS does not accept the role's credentials here: check that the region is enabled in the account"
        }
        "HTTP status 407" => "set the proxy's user and password in HTTPS_PROXY",
        _ if code.starts_with("HTTP status") => NOT_AWS,
        _ => return None,
    })
}

fn of_secrets_manager(code: &str, message: &str) -> Option<&'static str> {
    Some(match code {
        "ResourceNotFoundException" => {
            "create the secret (or that version or label of it) in this region, or correct objectName"
        }
        "InvalidRequestException" => {
            "restore the secret if it is scheduled for deletion, or correct objectVersion and objectVersionLabel"
        }
        "InvalidParameterException" if message.contains("ClientRequestToken") => {
            "objectVersion must be a version id of 32 to 64 characters: correct it, or use objectVersionLabel for a label"
        }
        "ValidationException" => "correct objectName: it is not a valid secret name or ARN",
        "DecryptionFailure" | "DecryptionFailureException" => KEY,
        _ if code.starts_with("AccessDenied") && message.contains("KMS") => KEY,
        _ if code.starts_with("AccessDenied") => {
            "allow secretsmanager:GetSecretValue (and secretsmanager:DescribeSecret, to refresh) on this secret in the policy of the pod's role, and kms:Decrypt if it uses a customer managed key"
        }
        _ => return None,
    })
}

/// For a parameter that refers to a secret: the failure is about the secret.
pub(crate) const NO_REFERENCE: &str = "Parameter Store cannot find the secret";

/// For a path without parameters.
pub(crate) const NO_PARAMETERS: &str = "Parameter Store has no parameter below this path";

fn of_parameter_store(code: &str, message: &str) -> Option<&'static str> {
    const ABOUT_KEY: [&str; 4] = ["KMS", "kms:", "ciphertext", "master key"];
    Some(match code {
        "InvalidParameters" if message == NO_REFERENCE => {
            "create the secret (or that version or label of it) in this region, or correct the part after /aws/reference/secretsmanager/ in objectName"
        }
        "InvalidParameters" if message == NO_PARAMETERS => {
            "create a parameter below it (with that label, if there is one), or correct objectPath"
        }
        "TooManyParameters" => "use a longer path, or recursive: false",
        "InvalidParameters" => {
            "create the parameter (or that version or label of it) in this region, or correct objectName"
        }
        "ValidationException" => {
            "correct objectName: a parameter name may contain only letters, digits and . - _ /"
        }
        "InvalidKeyId" => KEY,
        _ if code.starts_with("AccessDenied") && message.contains("secretsmanager:") => {
            "allow secretsmanager:GetSecretValue on the secret that this parameter refers to, in the policy of the pod's role"
        }
        _ if code.starts_with("AccessDenied") && says(message, &ABOUT_KEY) => KEY,
        _ if code.starts_with("AccessDenied") && message.contains("GetParametersByPath") => {
            "allow ssm:GetParametersByPath on this path in the policy of the pod's role, and kms:Decrypt if a parameter uses a customer managed key"
        }
        _ if code.starts_with("AccessDenied") => {
            "allow ssm:GetParameters on this parameter in the policy of the pod's role, and kms:Decrypt if it uses a customer managed key"
        }
        _ => return None,
    })
}

fn of_sts(code: &str, message: &str) -> Option<&'static str> {
    let is_second_role =
        message.contains("sts:AssumeRole") && !message.contains("sts:AssumeRoleWithWebIdentity");
    Some(match code {
        "InvalidIdentityToken" if message.contains("audience") => {
            "the token's audience must be a client ID of the cluster's OIDC provider in IAM: add sts.amazonaws.com to its client IDs, or the value of the ServiceAccount's annotation eks.amazonaws.com/audience"
        }
        "InvalidIdentityToken" => {
            "register the cluster's OIDC provider in IAM, and check that the token's audience is one of its client IDs"
        }
        "IDPCommunicationError" => {
            "IAM cannot reach the cluster's OIDC issuer: check that its URL is public"
        }
        "RegionDisabledException" => {
            "activate STS in this region in the account's IAM settings, or use another region in the class"
        }
        "ExpiredTokenException" | "ExpiredToken" => {
            "the pod's token has expired: check the node's clock"
        }
        _ if code.starts_with("AccessDenied") && is_second_role => {
            "the policy of the pod's role must allow sts:AssumeRole on the role of assumeRoleArn, and that role's trust policy must allow it for the pod's role"
        }
        _ if code.starts_with("AccessDenied") => {
            "the role's trust policy must allow sts:AssumeRoleWithWebIdentity for this ServiceAccount of this cluster's OIDC provider"
        }
        _ => return None,
    })
}

/// Printed in place of HTML, which the agent never sends.
pub(crate) const PAGE: &str = "an HTML page";

/// The agent's text contains the error of the EKS Auth API.
fn of_agent(code: &str, message: &str) -> &'static str {
    if message == PAGE {
        "this response is not from the agent: check which server answers at its address, and AWS_CONTAINER_CREDENTIALS_FULL_URI if it is set"
    } else if says(message, &["eks-auth:AssumeRoleForPodIdentity"]) {
        "allow eks-auth:AssumeRoleForPodIdentity in the policy of the node's role"
    } else if says(
        message,
        &["AccessDenied", "does not have permissions to assume"],
    ) {
        "the role's trust policy must allow sts:AssumeRole and sts:TagSession for pods.eks.amazonaws.com"
    } else if says(message, &["ExpiredToken", "InvalidToken"]) {
        "the agent rejects the pod's token: check the node's clock"
    } else if code.starts_with("HTTP status 5") || code == "HTTP status 429" {
        "check the agent's log: kubectl -n kube-system logs daemonset/eks-pod-identity-agent"
    } else {
        "create a Pod Identity association for this ServiceAccount, and check that the agent's add-on runs on the node"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(service: Service, answers: &[(&str, &str, &str)]) {
        for (code, message, words) in answers {
            let cause = Cause::Refused {
                code: (*code).to_owned(),
                message: (*message).to_owned(),
            };
            let hint = of(service, &cause).unwrap_or_default();
            assert!(hint.contains(words), "{code}: {message}: {hint}");
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
        let silent = Cause::NoResponse(String::new());
        let hint = of(Service::PodIdentityAgent, &silent).unwrap_or_default();
        assert!(hint.contains("Fargate has none"));
    }
}
