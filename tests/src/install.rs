//! The installation as a user does it, and the example from the AWS documentation.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::kubectl::Kubectl;
use crate::{images, project};

/// Namespace of the installation.
pub const NAMESPACE: &str = "aws-secrets-injector";
/// The webhook's Deployment.
pub const DEPLOYMENT: &str = "deployment/aws-secrets-injector";
/// The Secret with its CAs.
pub const AUTHORITIES: &str = "secret/aws-secrets-injector-authorities";

/// Secrets of the example. The names include the suffixes of the ARNs, so that moto finds them.
pub const EXAMPLE_SECRETS: [(&str, &str); 4] = [
    (
        "MySecret-00AACC",
        r#"{"username": "admin", "password": "correct horse"}"#,
    ),
    ("MySecret2-00AABB", "battery staple"),
    ("MySecret3", "third"),
    ("MySecret4", "fourth"),
];

/// The files of the example with their contents.
pub const EXAMPLE_FILES: [(&str, &str); 6] = [
    ("MySecret3", "third"),
    ("MySecret4", "fourth"),
    (
        "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC",
        r#"{"username": "admin", "password": "correct horse"}"#,
    ),
    (
        "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret2-00AABB",
        "battery staple",
    ),
    ("dbpassword", "correct horse"),
    ("dbusername", "admin"),
];

/// The class of the example, verbatim, in an API version.
pub fn example_class(version: &str) -> String {
    format!(
        r#"apiVersion: secrets-store.csi.x-k8s.io/{version}
kind: SecretProviderClass
metadata:
  name: aws-secrets
spec:
  provider: aws
  parameters:
    objects: |
      - objectName: "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret-00AACC"
        jmesPath:
            - path: username
              objectAlias: dbusername
            - path: password
              objectAlias: dbpassword
      - objectName: "arn:aws:secretsmanager:us-east-2:111122223333:secret:MySecret2-00AABB"
      - objectName: "MySecret3"
        objectType: "secretsmanager"
      - objectName: "MySecret4"
        objectType: "secretsmanager"
        objectVersionLabel: "AWSCURRENT"
"#
    )
}

/// A Deployment with two containers that uses the class.
pub fn example_deployment() -> String {
    let container = |name: &str| {
        format!(
            "        - name: {name}
          image: {image}
          imagePullPolicy: IfNotPresent
          securityContext:
            allowPrivilegeEscalation: false
            capabilities: {{drop: [ALL]}}
",
            image = images::APP
        )
    };
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  selector:
    matchLabels: {{app: web}}
  template:
    metadata:
      labels: {{app: web}}
      annotations:
        aws-secrets-injector.io/secret-provider-class: aws-secrets
    spec:
      serviceAccountName: web
      terminationGracePeriodSeconds: 0
      securityContext:
        runAsNonRoot: true
        seccompProfile: {{type: RuntimeDefault}}
      containers:
{}{}",
        container("app"),
        container("second")
    )
}

/// A ServiceAccount with a role for IRSA.
pub fn service_account(name: &str) -> String {
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata:
  name: {name}
  annotations:
    eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/{name}
"
    )
}

/// Applies the CRD and the manifests, with the images that were just built, and with the stand-in as AWS.
pub fn install(kubectl: &Kubectl, aws_url: &str) -> anyhow::Result<()> {
    let manifests = project::root().join("manifests");
    let crd = manifests.join("crd.yaml");
    kubectl.run(&["apply", "-f", &crd.display().to_string()])?;
    wait_for_crd(kubectl)?;
    let overlay = overlay(aws_url)?;
    let applied = kubectl.run(&["apply", "-k", &overlay.display().to_string()]);
    fs::remove_dir_all(&overlay)?;
    applied?;
    kubectl.run(&["-n", NAMESPACE, "rollout", "restart", DEPLOYMENT])?;
    wait(kubectl)
}

/// Waits until the API server serves SecretProviderClasses.
pub fn wait_for_crd(kubectl: &Kubectl) -> anyhow::Result<()> {
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "crd/secretproviderclasses.secrets-store.csi.x-k8s.io",
    ];
    kubectl.run(&established).map(drop)
}

/// The equivalent values for the chart, for `--set`.
pub fn values(aws_url: &str) -> String {
    format!("{},{}", values_of_images(), values_of_tests(aws_url))
}

/// The repositories of the images that were just built.
pub(crate) fn values_of_images() -> String {
    let images = images::REGISTRY;
    format!("image.repository={images}/webhook,injector.image.repository={images}/injector")
}

/// The difference from a user's installation: the AWS endpoint, and that pods can write Kubernetes Secrets.
pub fn values_of_tests(aws_url: &str) -> String {
    format!("injector.env.AWS_ENDPOINT_URL={aws_url},secretObjects.sync=true")
}

/// Waits until the webhook is ready.
pub fn wait(kubectl: &Kubectl) -> anyhow::Result<()> {
    let waited = kubectl.run(&[
        "-n",
        NAMESPACE,
        "rollout",
        "status",
        "--timeout=180s",
        DEPLOYMENT,
    ]);
    waited.map(drop).with_context(|| {
        let pods = kubectl
            .run(&["-n", NAMESPACE, "describe", "pods"])
            .unwrap_or_default();
        let logs = kubectl
            .run(&[
                "-n",
                NAMESPACE,
                "logs",
                "--all-containers",
                "--prefix",
                DEPLOYMENT,
            ])
            .unwrap_or_default();
        format!("the webhook did not start:\n{pods}\n{logs}")
    })
}

/// Starts over with a CA and serving certificates of these lifetimes, and this number of replicas. Existing certificates keep
/// their lifetime, and running replicas restore a deleted Secret and CAs in a caBundle stay there, so both are deleted while no
/// replica runs.
pub fn restart_with_lifetimes(
    kubectl: &Kubectl,
    authority: &str,
    serving: &str,
    replicas: usize,
) -> anyhow::Result<()> {
    let webhook = |arguments: &[&str]| kubectl.run(&[&["-n", NAMESPACE], arguments].concat());
    webhook(&["scale", DEPLOYMENT, "--replicas=0"])?;
    webhook(&["wait", "--for=delete", "pod", "--all", "--timeout=120s"])?;
    webhook(&["delete", AUTHORITIES])?;
    let empty = r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": ""}]"#;
    for kind in ["mutating", "validating"] {
        let configuration = format!("{kind}webhookconfiguration/aws-secrets-injector");
        webhook(&["patch", &configuration, "--type=json", "-p", empty])?;
    }
    let authority = format!("AUTHORITY_LIFETIME={authority}");
    let serving = format!("CERTIFICATE_LIFETIME={serving}");
    webhook(&["set", "env", DEPLOYMENT, &authority, &serving])?;
    webhook(&["scale", DEPLOYMENT, &format!("--replicas={replicas}")])?;
    wait(kubectl)
}

/// What the chart adds with `secretObjects.sync`.
const SYNC: &str = "apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: aws-secrets-injector-sync
rules:
  - apiGroups: [authorization.k8s.io]
    resources: [subjectaccessreviews]
    verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: aws-secrets-injector-sync
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: aws-secrets-injector-sync
subjects:
  - kind: ServiceAccount
    name: aws-secrets-injector
    namespace: aws-secrets-injector
";

/// A kustomization of `manifests/install.yaml`, as users write for their own settings. Namespaces with the label `own-release`
/// are left to another release.
fn overlay(aws_url: &str) -> anyhow::Result<PathBuf> {
    let folder = project::target().join(format!("overlay-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    // kustomize accepts only relative paths.
    let installed = project::root().join("manifests/install.yaml");
    fs::copy(&installed, folder.join("install.yaml")).context("manifests/install.yaml")?;
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [install.yaml, sync.yaml]
images:
  - name: ghcr.io/aws-secrets-injector/webhook
    newName: {registry}/webhook
patches:
  - target: {{kind: MutatingWebhookConfiguration|ValidatingWebhookConfiguration}}
    patch: |
      - op: add
        path: /webhooks/0/namespaceSelector/matchExpressions/-
        value: {{key: own-release, operator: DoesNotExist}}
  - target: {{kind: Deployment, name: aws-secrets-injector}}
    patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata:
        name: aws-secrets-injector
      spec:
        template:
          spec:
            containers:
              - name: webhook
                env:
                  - name: INJECTOR_IMAGE
                    value: {injector}
                  - name: INJECTOR_ENV
                    value: AWS_ENDPOINT_URL={aws_url}
                  - name: ALLOW_SECRET_SYNC
                    value: \"true\"
",
        registry = images::REGISTRY,
        injector = images::INJECTOR,
    );
    fs::write(folder.join("kustomization.yaml"), text)?;
    fs::write(folder.join("sync.yaml"), SYNC)?;
    Ok(folder)
}
