//! Tests of the user documentation: the API server accepts every manifest, and the commands do what the text says. Tests that
//! need no cluster are in `tests/documents.rs`.

use std::fs;
use std::path::Path;

use e2e::documents::{Mark, Page, pages, story};
use e2e::install::{self, NAMESPACE, service_account};
use e2e::{images, project};
use serde_json::{Value, json};

use crate::shell::{Shell, folder};
use crate::world::{Namespace, World};

const CLASS: &str = "SecretProviderClass";

pub(crate) fn manifests(world: &World) {
    let mut count = 0;
    for (index, page) in pages().unwrap().iter().enumerate() {
        let mut documents = Vec::new();
        for block in page.blocks() {
            if block.language == "yaml" && block.mark == Mark::None {
                let place = format!("{}:{}", page.path, block.line);
                documents.extend(
                    read(&block.text)
                        .into_iter()
                        .map(|value| (place.clone(), value)),
                );
            }
        }
        if documents.is_empty() {
            continue;
        }
        let namespace = world.namespace(&format!("documents-{index}"));
        // The ServiceAccounts of pods in the pages.
        let accounts = ["web", "default"].map(service_account);
        namespace.apply(&[&accounts[0], &accounts[1]]).unwrap();
        // Pods are refused without their classes.
        documents.sort_by_key(|(_, document)| document["kind"] != CLASS);
        for (place, document) in documents {
            check(&namespace, &place, document);
            count += 1;
        }
    }
    assert!(count > 8);
}

fn read(text: &str) -> Vec<Value> {
    serde_yaml::from_multiple(text).unwrap()
}

/// Sends a manifest to the API server as a dry run. Classes are created, because later pods use them.
fn check(namespace: &Namespace<'_>, place: &str, mut document: Value) {
    let apply = |arguments: &[&str], file: &Path| {
        let file = file.display().to_string();
        let all = [&["apply"], arguments, &["-f", &file]].concat();
        namespace
            .kubectl(&all)
            .unwrap_or_else(|error| panic!("{place}: {error:#}"))
    };
    let folder = folder(&namespace.name);
    let file = folder.join("manifest.json");
    let kind = document["kind"].as_str().map(str::to_owned);
    match kind.as_deref() {
        // The API of Argo CD is not installed.
        Some("Application") => {
            let ignored = document["spec"]["ignoreDifferences"].as_array().unwrap();
            assert_eq!(ignored.len(), 2, "{place}");
        }
        other => {
            if other.is_none() {
                document = pod_with(&document);
                make_classes(namespace, &document);
            }
            document["metadata"]["namespace"] = json!(namespace.name);
            fs::write(&file, document.to_string()).unwrap();
            let how: &[&str] = if other == Some(CLASS) {
                &[]
            } else {
                &["--dry-run=server"]
            };
            apply(how, &file);
        }
    }
}

/// A pod with the annotations of a fragment such as `metadata: {annotations: …}`, and with its spec, if it has one.
fn pod_with(fragment: &Value) -> Value {
    assert!(
        fragment["metadata"]["annotations"].is_object(),
        "{fragment}"
    );
    let spec = match &fragment["spec"] {
        Value::Null => json!({"containers": [{"name": "web", "image": images::APP}]}),
        spec => spec.clone(),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "annotations": fragment["metadata"]["annotations"]},
        "spec": spec,
    })
}

/// Creates the classes that a fragment uses, if the page does not define them.
fn make_classes(namespace: &Namespace<'_>, pod: &Value) {
    let key = "aws-secrets-injector.io/secret-provider-class";
    let Some(names) = pod["metadata"]["annotations"][key].as_str() else {
        return;
    };
    for name in names.split(',') {
        let name = name.split('=').next().unwrap();
        if namespace
            .kubectl(&["get", "secretproviderclass", name])
            .is_err()
        {
            let objects = format!("- {{objectName: {name}, objectType: secretsmanager}}");
            let class = format!(
                "apiVersion: secrets-store.csi.x-k8s.io/v1\nkind: {CLASS}\nmetadata:\n  name: {name}\nspec:\n  provider: aws\n  parameters:\n    objects: \"{objects}\"\n"
            );
            namespace.apply(&[&class]).unwrap();
        }
    }
}

/// Creates what an account with a cluster contains before the page starts.
const ACCOUNT: &str = "
if ! aws eks describe-cluster --name my-cluster >/dev/null 2>&1; then
  vpc=$(aws ec2 create-vpc --cidr-block 10.9.0.0/16 --query Vpc.VpcId --output text)
  subnet=$(aws ec2 create-subnet --vpc-id $vpc --cidr-block 10.9.1.0/24 --query Subnet.SubnetId --output text)
  aws eks create-cluster --name my-cluster --role-arn arn:aws:iam::111122223333:role/eks \\
    --resources-vpc-config subnetIds=$subnet >/dev/null
fi
";

/// All stories, in an order that restores the installation at the end.
pub(crate) fn stories(world: &World) {
    let pages = pages().unwrap();
    check_prints_files_and_policy(world, &pages);
    pod_identity(world, &pages);
    remove(world, &["install.yaml", "crd.yaml"]);
    irsa(world, &pages);
    remove(world, &["crd.yaml"]);
    Shell::new(world, "own-images").run(&story(&pages, "own-images"));
    remove(world, &["install.yaml", "crd.yaml"]);
    operations(world, &pages);
    remove(world, &["install.yaml", "crd.yaml"]);
    Shell::new(world, "manifests-applied").run(&story(&pages, "manifests"));
    install::install(&world.kubectl, &world.aws.stand_in.url()).unwrap();
    using(world, &pages);
}

/// Ends the pods of a namespace at once: nobody waits for what they still have to do.
fn kill_pods(world: &World, namespace: &str) {
    let now = ["--force", "--grace-period=0", "--wait=false"];
    let delete = ["-n", namespace, "delete", "pods", "--all"];
    let _ = world.kubectl.run(&[&delete[..], &now].concat());
}

/// Deletes the objects in manifests.
fn remove(world: &World, manifests: &[&str]) {
    let deployments = ["-n", NAMESPACE, "delete", "deployments", "--all"];
    let _ = world.kubectl.run(&deployments);
    kill_pods(world, NAMESPACE);
    for file in manifests {
        let file = project::root().join("manifests").join(file);
        let file = file.display().to_string();
        world
            .kubectl
            .run(&["delete", "--ignore-not-found", "--wait", "-f", &file])
            .unwrap();
    }
}

fn check_prints_files_and_policy(world: &World, pages: &[Page]) {
    let shell = Shell::new(world, "check");
    let fields = pages
        .iter()
        .find(|page| page.path == "docs/class-fields.md")
        .unwrap();
    let blocks = fields.blocks();
    let class = blocks
        .iter()
        .find(|block| block.text.contains(CLASS))
        .unwrap();
    fs::write(shell.folder.join("my-class.yaml"), &class.text).unwrap();
    let printed = shell.run(&story(pages, "check"));
    for words in [
        "db-user",
        "tls.pem",
        "secretsmanager:GetSecretValue",
        "ssm:GetParameters",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
}

fn pod_identity(world: &World, pages: &[Page]) {
    let _ = world.kubectl.run(&[
        "delete",
        "namespace",
        "shop",
        "--ignore-not-found",
        "--wait",
    ]);
    let shell = Shell::new(world, "pod-identity");
    shell.run(&(ACCOUNT.to_owned() + &story(pages, "pod-identity")));
    let class = world
        .kubectl
        .get(&["-n", "shop", "secretproviderclass", "db"])
        .unwrap();
    assert_eq!(class["spec"]["parameters"]["usePodIdentity"], "true");
    let trusted = &shell.json("trust.json")["Statement"][0]["Principal"]["Service"];
    assert_eq!(trusted, "pods.eks.amazonaws.com");
    kill_pods(world, "shop");
    world
        .kubectl
        .run(&["delete", "namespace", "shop", "--wait"])
        .unwrap();
}

fn irsa(world: &World, pages: &[Page]) {
    let shell = Shell::new(world, "irsa");
    let printed = shell.run(&(ACCOUNT.to_owned() + &story(pages, "irsa")));
    for file in ["password", "shop_db", "username"] {
        assert!(
            printed.lines().any(|line| line == file),
            "{file}: {printed}"
        );
    }
    assert!(
        printed.lines().any(|line| line.starts_with("admin")),
        "{printed}"
    );
    let condition = &shell.json("trust.json")["Statement"][0]["Condition"]["StringEquals"];
    let of_the_token = |name: &str| {
        let mut conditions = condition.as_object().unwrap().iter();
        let found = conditions.find(|(key, _)| key.ends_with(name));
        let (key, value) = found.unwrap();
        assert!(
            key.starts_with("oidc.eks.us-east-2.amazonaws.com/id/"),
            "{key}"
        );
        value
    };
    assert_eq!(of_the_token(":sub"), "system:serviceaccount:shop:web");
    assert_eq!(of_the_token(":aud"), "sts.amazonaws.com");
    let calls = world.aws.stand_in.calls_of("shop");
    assert!(
        calls.iter().any(|call| call.operation == "GetSecretValue"),
        "{calls:?}"
    );
}

/// The README's steps, from a secret to a file.
fn using(world: &World, pages: &[Page]) {
    let printed = Shell::new(world, "use").run(&story(pages, "use"));
    assert!(
        printed.lines().any(|line| line.starts_with("admin")),
        "{printed}"
    );
}

fn operations(world: &World, pages: &[Page]) {
    let printed = Shell::new(world, "operations").run(&story(pages, "operations"));
    for words in [
        "aws_secrets_webhook_ready 1",
        "Rollback was a success",
        "has been upgraded",
        "uninstalled",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    let left = world
        .kubectl
        .run(&["get", "mutatingwebhookconfigurations", "-o", "name"])
        .unwrap();
    // Other scenarios have releases of their own, with longer names.
    let mut names = left.lines().filter_map(|line| line.rsplit('/').next());
    assert!(!names.any(|name| name == NAMESPACE), "{left}");
    world
        .kubectl
        .run(&[
            "get",
            "crd",
            "secretproviderclasses.secrets-store.csi.x-k8s.io",
        ])
        .unwrap();
}
