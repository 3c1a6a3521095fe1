//! Calls for several parameters: what AWS answers, and what becomes of each.

use aws_stand_in::{Kind, When};
use serde_json::json;

use crate::support::{ENTRY, FAILOVER, Outcome, Stage};

fn entries(names: &[&str]) -> String {
    let entry = |name: &&str| format!("- {{objectName: {name}, objectType: ssmparameter}}");
    names.iter().map(entry).collect::<Vec<_>>().join("\n")
}

/// Parameters with the region as their value.
async fn stage(names: &[&str]) -> Stage {
    let stage = Stage::start().await;
    for name in names {
        stage.seed().parameter(name, "here").await.unwrap();
        let other = stage.seed_other_region();
        other.parameter(name, "there").await.unwrap();
    }
    stage
}

/// From now on the first region refuses every call that has this name.
fn refuse(stage: &Stage, name: &str, kind: Kind) {
    let when = When {
        operation: Some("GetParameters".to_owned()),
        region: Some("us-east-2".to_owned()),
        object: Some(name.to_owned()),
        ..When::default()
    };
    stage.fail_when(when, kind);
}

fn denied(name: &str) -> Kind {
    let message = format!(
        "User: arn:aws:sts::123456789012:assumed-role/app/x is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:us-east-2:123456789012:parameter{name} because no identity-based policy allows the ssm:GetParameters action"
    );
    Kind::error(400, "AccessDeniedException", &message)
}

/// How often the word is in the output.
fn count(outcome: &Outcome, words: &str) -> usize {
    outcome.stderr.matches(words).count()
}

const NAMES: [&str; 5] = ["/app/a", "/app/b", "/app/bad", "/app/c", "/app/d"];

#[tokio::test]
async fn one_parameter_that_is_refused_fails_over_alone() {
    for kind in [
        Kind::access_denied(),
        denied("/app/bad"),
        Kind::error(
            400,
            "ValidationException",
            "Parameter name: can't be prefixed with \"ssm\"",
        ),
    ] {
        let stage = stage(&NAMES).await;
        refuse(&stage, "/app/bad", kind);
        let outcome = stage.fetch(&FAILOVER, &entries(&NAMES)).await;
        outcome.assert_files(&[
            ("_app_a", "here"),
            ("_app_b", "here"),
            ("_app_bad", "there"),
            ("_app_c", "here"),
            ("_app_d", "here"),
        ]);
        assert_eq!(
            count(&outcome, "trying the failover region"),
            1,
            "{}",
            outcome.stderr
        );
    }
}

#[tokio::test]
async fn one_parameter_that_is_refused_is_blamed_alone() {
    let stage = stage(&NAMES).await;
    refuse(&stage, "/app/bad", Kind::access_denied());
    let outcome = stage.fetch(&[], &entries(&NAMES)).await;
    outcome.assert_error(&[
        "class \"db\": objects[2] \"/app/bad\": Parameter Store in us-east-2: AccessDeniedException",
        "allow ssm:GetParameters",
    ]);
    assert_eq!(count(&outcome, "objects["), 1, "{}", outcome.stderr);
    stage.aws.heal();
    stage.aws.forget();
    // AWS names the parameter: then no others need be asked apart.
    refuse(&stage, "/app/bad", denied("/app/bad"));
    let outcome = stage.fetch(&[], &entries(&NAMES)).await;
    outcome.assert_error(&["objects[2] \"/app/bad\""]);
    assert_eq!(count(&outcome, "objects["), 1, "{}", outcome.stderr);
    assert_eq!(calls(&stage), 2);
}

fn calls(stage: &Stage) -> usize {
    stage.count("GetParameters")
}

#[tokio::test]
async fn a_hundred_parameters_with_a_bad_one_cost_few_calls() {
    let names: Vec<String> = (0..100).map(|n| format!("/app/p{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stage = Stage::start().await;
    for name in &names {
        stage.seed().parameter(name, "here").await.unwrap();
    }
    refuse(&stage, "/app/p37", Kind::access_denied());
    let outcome = stage.fetch(&[], &entries(&names)).await;
    outcome.assert_error(&["objects[37] \"/app/p37\""]);
    assert_eq!(count(&outcome, "objects["), 1, "{}", outcome.stderr);
    // Ten for the tens, and two for each halving of the one with the bad name.
    assert!(calls(&stage) <= 10 + 2 * 4, "{}", calls(&stage));
}

#[tokio::test]
async fn a_role_that_is_not_accepted_is_asked_for_once() {
    let stage = stage(&NAMES).await;
    let kind = Kind::error(
        400,
        "UnrecognizedClientException",
        "The security token is invalid.",
    );
    refuse(&stage, "/app/bad", kind);
    let outcome = stage.fetch(&[], &entries(&NAMES)).await;
    outcome.assert_error(&["objects[4]", "check that the region is enabled"]);
    assert_eq!(calls(&stage), 1);
}

#[tokio::test]
async fn versions_of_one_parameter_of_the_failover_region_stay_apart() {
    let stage = Stage::start().await;
    let there = stage.seed_other_region();
    there.parameter("/x", "one").await.unwrap();
    there.parameter("/x", "two").await.unwrap();
    refuse(
        &stage,
        "/",
        Kind::error(500, "InternalServerError", "broken"),
    );
    let objects = "- {objectName: /b, objectType: ssmparameter, objectVersion: \"2\", objectAlias: b, failoverObject: {objectName: /x, objectVersion: \"2\"}}
- {objectName: /a, objectType: ssmparameter, objectVersion: \"1\", objectAlias: a, failoverObject: {objectName: /x, objectVersion: \"1\"}}
- {objectName: /c, objectType: ssmparameter, objectVersion: \"2\", objectAlias: c, failoverObject: {objectName: /x, objectVersion: \"2\"}}";
    let outcome = stage.fetch(&FAILOVER, objects).await;
    outcome.assert_files(&[("a", "one"), ("b", "two"), ("c", "two")]);
}

const REFERENCE: &str = "/aws/reference/secretsmanager/app/x";

#[tokio::test]
async fn a_parameter_that_stands_for_a_secret_is_found() {
    let reference = "/aws/reference/secretsmanager/token";
    let stage = stage(&["token"]).await;
    stage.seed().secret("token", "secret").await.unwrap();
    // The stand-in names the secret, and the parameter has the same name.
    let outcome = stage.fetch(&[], &entries(&["token", reference])).await;
    let files = [
        ("_aws_reference_secretsmanager_token", "secret"),
        ("token", "here"),
    ];
    outcome.assert_files(&files);
    // AWS's own answer, as its documentation has it.
    let answer = json!({"InvalidParameters": [], "Parameters": [
        {"Name": reference, "Type": "SecureString", "Value": "secret", "Version": 0,
         "ARN": "arn:aws:secretsmanager:us-east-2:123456789012:secret:token-E18LRP",
         "SourceResult": "{\"Name\":\"token\",\"SecretString\":\"secret\"}", "LastModifiedDate": 1_526_334_434.743},
        {"Name": "token", "Type": "String", "Value": "here", "Version": 1,
         "ARN": "arn:aws:ssm:us-east-2:123456789012:parameter/token"}]});
    refuse(&stage, "token", Kind::Answer(answer));
    let outcome = stage.fetch(&[], &entries(&["token", reference])).await;
    outcome.assert_files(&files);
}

#[tokio::test]
async fn a_reference_to_no_secret_says_so() {
    let stage = stage(&["/app/a"]).await;
    let answer = json!({"Parameters": [], "InvalidParameters": [REFERENCE]});
    refuse(&stage, REFERENCE, Kind::Answer(answer));
    stage
        .fetch(&[], &entries(&[REFERENCE]))
        .await
        .assert_error(&[
            "InvalidParameters: Parameter Store cannot find the secret",
            "correct the part after /aws/reference/secretsmanager/ in objectName",
        ]);
}

#[tokio::test]
async fn two_answers_of_500_and_then_success_are_no_line_in_the_log() {
    let stage = Stage::start().await;
    stage.seed().secret("a", "value").await.unwrap();
    let broken = Kind::error(500, "InternalServiceError", "broken");
    stage.fail_times("GetSecretValue", broken, 2);
    let outcome = stage.fetch(&[], ENTRY).await;
    outcome.assert_files(&[("a", "value")]);
    assert_eq!(stage.count("GetSecretValue"), 3);
    let lines: Vec<_> = outcome.stderr.lines().collect();
    assert!(
        matches!(lines[..], [line] if line.contains("secrets written")),
        "{}",
        outcome.stderr
    );
}

#[tokio::test]
async fn each_refusal_has_the_hint_that_helps() {
    let stage = Stage::start().await;
    for (operation, kind, words) in [
        (
            "GetSecretValue",
            Kind::error(
                400,
                "InvalidSignatureException",
                "Signature expired: 20261125T020000Z is now earlier than 20261125T021500Z (20261125T022000Z - 5 min.)",
            ),
            "the node's clock is wrong",
        ),
        (
            "GetSecretValue",
            Kind::Page {
                status: 403,
                text: "<html><body>Blocked</body></html>".to_owned(),
            },
            "HTTP status 403; this response is not from AWS",
        ),
        (
            "GetSecretValue",
            Kind::error(400, "AccessDeniedException", "Access to KMS is not allowed"),
            "allow kms:Decrypt on its key",
        ),
        (
            "AssumeRoleWithWebIdentity",
            Kind::Page {
                status: 403,
                text: "<html>".to_owned(),
            },
            "this response is not from AWS",
        ),
        (
            "AssumeRoleWithWebIdentity",
            Kind::error(
                403,
                "RegionDisabledException",
                "STS is not activated in this region",
            ),
            "activate STS in this region",
        ),
        (
            "AssumeRoleWithWebIdentity",
            Kind::error(400, "InvalidIdentityToken", "Incorrect token audience"),
            "a client ID of the cluster's OIDC provider",
        ),
        (
            "AssumeRoleWithWebIdentity",
            Kind::error(400, "IDPCommunicationError", "Could not verify token"),
            "check that its URL is public",
        ),
    ] {
        stage.fail(operation, kind);
        stage.fetch(&[], ENTRY).await.assert_error(&[words]);
        stage.aws.heal();
    }
}

#[tokio::test]
async fn the_agents_refusals_have_the_hint_that_helps() {
    let stage = Stage::start().await;
    for (status, text, words) in [
        (
            400,
            "[12345]: (AccessDeniedException): Unauthorized Exception! EKS does not have permissions to assume the associated role., fault: client",
            "trust policy must allow sts:AssumeRole and sts:TagSession for pods.eks.amazonaws.com",
        ),
        (
            404,
            "ResourceNotFoundException: (12345): No association found for the specified service account",
            "create a Pod Identity association",
        ),
    ] {
        stage.fail("PodIdentityCredentials", Kind::error(status, "", text));
        let outcome = stage.fetch_with_agent(ENTRY).await;
        outcome.assert_error(&[text, words]);
        stage.aws.heal();
    }
}
