//! What one review costs, whatever its author writes: processor time and memory in proportion to its size.
//!
//! The inputs are those of somebody who may create pods and classes of one namespace, up to the sizes that the API server sends. They
//! are measured in a process of their own, in which nothing else happens.

use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::time::TimeValLike as _;
use serde_json::{Value, json};

use crate::api::class;
use crate::cluster;
use crate::webhook::{Webhook, pod};

/// Says that this is the process in which costs are measured.
const MEASURES: &str = "AWS_SECRETS_WEBHOOK_MEASURES";

/// The longest request that the API server takes, and the largest object that it stores.
const REQUEST: usize = 3 * 1024 * 1024;
const STORED: usize = 1536 * 1024;
/// A little less than the longest text that is read.
const READ: usize = 125 * 1024;

/// Memory of a review: so much, and so much for each of its bytes.
const MEMORY: usize = 4 * 1024 * 1024;
const MEMORY_OF_BYTE: usize = 160;

/// Processor time of a review without optimizations, client included: so much, and so much for each of its bytes.
const TIME: Duration = Duration::from_millis(200);
const TIME_OF_BYTE: Duration = Duration::from_micros(5);

/// Processor time of all reviews together, in seconds.
const MOST_SECONDS: u64 = 60;

/// Parts of YAML, of JMESPath and of templates. Repeated, each makes a parser do as much as it can.
const PARTS: [&str; 36] = [
    "x",
    " ",
    "\n",
    "é",
    "[",
    "]",
    "{",
    "{a: ",
    "x,",
    "[],",
    "{},",
    "- ",
    "- a\n",
    "- [a]\n",
    "- {a: b}\n",
    "a: b\n",
    "? a\n",
    ": ",
    "&a ",
    "*a ",
    "- &a [*a]\n",
    "<<: ",
    "!a ",
    "'",
    "\"",
    "\\",
    "# ",
    "|\n",
    "> ",
    "%",
    "---\n",
    "\t",
    "\u{feff}",
    "{{",
    "{%",
    "({[",
];

/// What an entry of `objects` may have instead of a sensible value.
const FIELDS: [&str; 7] = [
    "objectName",
    "objectAlias",
    "objectType",
    "filePermission",
    "objectPath",
    "path",
    "unknown",
];

fn repeated(part: &str, bytes: usize) -> String {
    part.repeat(bytes / part.len())
}

/// As many as there is room for, each with its number.
fn numbered(bytes: usize, part: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() < bytes {
        text += &part(number);
        number += 1;
    }
    text
}

/// A review of a pod or a class.
enum Input {
    Pod(Value),
    Class(Value),
}

fn annotated(annotations: &[(&str, String)]) -> Input {
    let mut pod = pod("db");
    if annotations.iter().any(|(name, _)| *name == "objects") {
        pod["metadata"]["annotations"] = json!({});
    }
    for (name, value) in annotations {
        pod["metadata"]["annotations"][format!("aws-secrets-injector.io/{name}")] =
            value.as_str().into();
    }
    Input::Pod(pod)
}

fn with_parameter(name: &str, value: &str) -> Input {
    let mut class = class("db", "aws", crate::OBJECTS);
    class["spec"]["parameters"]["region"] = "us-east-2".into();
    class["spec"]["parameters"][name] = value.into();
    Input::Class(class)
}

/// A class and a pod with these texts.
fn lists(objects: &str, templates: &str) -> [Input; 2] {
    let mut class = class("db", "aws", objects);
    class["spec"]["parameters"]["templates"] = templates.into();
    class["spec"]["parameters"]["pathTranslation"] = "False".into();
    let parameters = json!({"templates": templates, "pathTranslation": "False"}).to_string();
    let annotated = annotated(&[("objects", objects.to_owned()), ("parameters", parameters)]);
    [Input::Class(class), annotated]
}

/// Every field, with texts that are read and with longer ones.
fn texts() -> Vec<(String, Input)> {
    let mut inputs = Vec::new();
    for part in PARTS {
        let text = repeated(part, READ);
        for annotation in ["objects", "parameters"] {
            let input = annotated(&[(annotation, text.clone())]);
            inputs.push((format!("annotation {annotation} of {part:?}"), input));
        }
        for parameter in ["objects", "templates", "region"] {
            let input = with_parameter(parameter, &text);
            inputs.push((format!("parameter {parameter} of {part:?}"), input));
        }
        // JSON may need two bytes for each.
        let long = repeated(part, READ / 2);
        let short = repeated(part, READ / 4 / FIELDS.len());
        let name = json!({"objectName": long, "objectType": "secretsmanager"});
        let path = json!({"path": long, "objectAlias": "b"});
        let path = json!({"objectName": "a", "objectType": "secretsmanager", "jmesPath": [path]});
        let mut all = json!({"jmesPath": [{}]});
        for field in FIELDS {
            all[field] = short.as_str().into();
            all["jmesPath"][0][field] = short.as_str().into();
        }
        for (which, item) in [("objectName", name), ("path", path), ("all fields", all)] {
            let input = with_parameter("objects", &json!([item]).to_string());
            inputs.push((format!("{which} of {part:?}"), input));
        }
    }
    for annotation in aws_secrets_webhook::pod::annotations::ANNOTATIONS {
        for (part, bytes) in [("a=/b,", READ), ("{a: ", REQUEST)] {
            let input = annotated(&[(annotation.name, repeated(part, bytes))]);
            inputs.push((format!("annotation {} of {part:?}", annotation.name), input));
        }
    }
    inputs
}

/// Many of something, each small.
fn many() -> Vec<(String, Input)> {
    let mut inputs = Vec::new();
    let mut add = |name: &str, input: Input| inputs.push((name.to_owned(), input));

    let entries = |part: &dyn Fn(usize) -> String| numbered(READ, part);
    for (name, objects) in [
        (
            "secrets",
            entries(&|n| format!("- {{objectName: s{n}, objectType: secretsmanager}}\n")),
        ),
        (
            "equal secrets",
            entries(&|_| "- {objectName: s, objectType: secretsmanager}\n".to_owned()),
        ),
        (
            "paths",
            entries(&|n| format!("- {{objectPath: /p{n}/, objectType: ssmparameter}}\n")),
        ),
        (
            "unknown fields",
            entries(&|n| format!("- {{objectNam{n}: a}}\n")),
        ),
        (
            "bad types",
            entries(&|n| format!("- {{objectName: a{n}, objectType: secretsmanage}}\n")),
        ),
        ("anchors", entries(&|n| format!("- &a{n} [a]\n- *a{n}\n"))),
    ] {
        add(name, with_parameter("objects", &objects));
        add(name, annotated(&[("objects", objects)]));
    }
    let anchor = format!("- &a [{}]\n", repeated("x,", READ / 2));
    add(
        "aliases",
        with_parameter("objects", &(anchor + &repeated("- *a\n", READ / 2))),
    );

    let parameters = numbered(READ, |n| format!("p{n}: x\n"));
    add(
        "parameters of a pod",
        annotated(&[
            ("objects", crate::OBJECTS.to_owned()),
            ("parameters", parameters),
        ]),
    );
    let mut of_class = class("db", "aws", crate::OBJECTS);
    for number in 0..STORED / 16 {
        of_class["spec"]["parameters"][format!("p{number}")] = "x".into();
    }
    add("parameters of a class", Input::Class(of_class));

    for (name, secrets) in [
        ("empty secretObjects", vec![json!({}); READ / 4]),
        (
            "secretObjects of one field",
            vec![json!({"a": 0}); READ / 8],
        ),
        (
            "secretObjects of lists",
            vec![json!({"data": vec![json!({}); 1000]}); 30],
        ),
        (
            "more secretObjects than are read",
            vec![json!({"a": 0}); STORED / 8],
        ),
    ] {
        let mut of_secrets = class("db", "aws", crate::OBJECTS);
        of_secrets["spec"]["secretObjects"] = secrets.into();
        add(name, Input::Class(of_secrets));
    }
    let mut labelled = class("db", "aws", crate::OBJECTS);
    for number in 0..STORED / 40 {
        labelled["metadata"]["labels"][format!("l{number}")] = "x".into();
        labelled["metadata"]["annotations"][format!("a{number}")] = "x".into();
    }
    add("labels and annotations of a class", Input::Class(labelled));

    let mut unknown = pod("db");
    for number in 0..REQUEST / 48 {
        let name = format!("aws-secrets-injector.io/mount-pat{number}");
        unknown["metadata"]["annotations"][name] = "x".into();
    }
    add("unknown annotations", Input::Pod(unknown));
    let mut long = pod("db");
    long["metadata"]["annotations"]
        [format!("aws-secrets-injector.io/{}", "é".repeat(REQUEST / 2))] = "x".into();
    add("an unknown annotation that is long", Input::Pod(long));
    inputs
}

/// Pods with many containers, variables, volumes and the like.
fn pods() -> Vec<(String, Input)> {
    let mut inputs = Vec::new();
    for (name, field, item) in [
        ("containers", "containers", json!({"name": "web"})),
        ("empty containers", "containers", json!({})),
        (
            "init containers",
            "initContainers",
            json!({"name": "web", "env": [{"name": "A"}]}),
        ),
        (
            "ephemeral containers",
            "ephemeralContainers",
            json!({"name": "web"}),
        ),
        ("volumes", "volumes", json!({"name": "v", "emptyDir": {}})),
        ("tolerations", "tolerations", json!({"key": "a"})),
        ("unknown fields", "unknown", json!({"key": "a"})),
    ] {
        for bytes in [60_000, REQUEST - 4096] {
            let mut many = pod("db");
            many["spec"][field] = vec![item.clone(); bytes / item.to_string().len()].into();
            inputs.push((format!("{bytes} bytes of {name}"), Input::Pod(many)));
        }
    }
    for (name, item) in [
        ("env", json!({"name": "A", "value": "b"})),
        (
            "env",
            json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}),
        ),
        ("envFrom", json!({"secretRef": {"name": "a"}})),
        (
            "volumeMounts",
            json!({"name": "v", "mountPath": "/mnt/secrets-store/a", "subPath": "a"}),
        ),
        ("ports", json!({"containerPort": 1})),
        ("command", json!("a")),
        ("args", json!("")),
    ] {
        for bytes in [60_000, REQUEST - 4096] {
            let mut many = pod("db");
            many["spec"]["containers"][0][name] =
                vec![item.clone(); bytes / item.to_string().len()].into();
            inputs.push((format!("{bytes} bytes of {name}"), Input::Pod(many)));
        }
    }
    for part in ["x", "\u{1b}", "é", "\"", "/.."] {
        let mut long = pod("db");
        let text = repeated(part, REQUEST / 4);
        long["spec"]["containers"][0]["image"] = text.as_str().into();
        long["spec"]["containers"][0]["volumeMounts"] =
            json!([{"name": "x", "mountPath": format!("/mnt/secrets-store/{text}")}]);
        inputs.push((format!("texts of {part:?}"), Input::Pod(long)));
    }
    inputs
}

/// Templates that a language with loops would execute, and names that are long and nearly right.
fn templates() -> Vec<(String, Input)> {
    let list = |template: &str| json!([{"objectAlias": "t", "template": template}]).to_string();
    let long = format!("{}/", "a".repeat(250)).repeat(8);
    let aliases: Vec<Value> = (0..55)
        .map(|number| json!({"objectName": "a", "objectType": "secretsmanager", "objectAlias": format!("{long}{number}")}))
        .collect();
    let mut unknown =
        format!("- {{objectAlias: t, template: &t '{{{{ files[\"{long}b\"] }}}}'}}\n");
    unknown += &numbered(900, |number| {
        format!("- {{objectAlias: t{number}, template: *t}}\n")
    });
    let mut inputs = Vec::new();
    for (name, objects, templates) in [
        (
            "placeholders",
            crate::OBJECTS.to_owned(),
            list(&repeated("{{ files[\"db\"] }}", 45_000)),
        ),
        (
            "unknown files",
            crate::OBJECTS.to_owned(),
            list(&numbered(45_000, |n| format!("{{{{ files[\"d{n}\"] }}}}"))),
        ),
        (
            "filters",
            crate::OBJECTS.to_owned(),
            list(&format!(
                "{{{{ files[\"db\"] {} }}}}",
                repeated("| upper ", 45_000)
            )),
        ),
        (
            "defaults",
            crate::OBJECTS.to_owned(),
            list(&numbered(45_000, |n| {
                format!("{{{{ files[\"db\"] | default(\"{n}\") }}}}")
            })),
        ),
        (
            "loops",
            numbered(60 * 50, |n| {
                format!("- {{objectName: s{n}, objectType: secretsmanager}}\n")
            }),
            list(&format!(
                "{{% set big = \"{}\" %}}{start}{start}{start}{{% set x = \"aaaaaaaaaa\" | replace(\"a\", big) %}}{end}{end}{end}",
                "a".repeat(40_000),
                start = "{% for a in files %}",
                end = "{% endfor %}",
            )),
        ),
        ("nearest names", json!(aliases).to_string(), unknown),
    ] {
        for input in lists(&objects, &templates) {
            inputs.push((format!("templates: {name}"), input));
        }
    }
    inputs
}

#[test]
fn a_review_costs_in_proportion_to_its_size_whatever_is_in_it() {
    if std::env::var_os(MEASURES).is_some() {
        // What takes far too long has no end otherwise.
        setrlimit(Resource::RLIMIT_CPU, MOST_SECONDS, MOST_SECONDS).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        return runtime.unwrap().block_on(measure());
    }
    let this = std::thread::current().name().unwrap().to_owned();
    let mut measuring = Command::new(std::env::current_exe().unwrap());
    measuring
        .args(["--exact", &this, "--nocapture"])
        .env(MEASURES, "1")
        // What one review gives back must not hide what the next one takes.
        .env("MALLOC_ARENA_MAX", "1")
        .env("MALLOC_TRIM_THRESHOLD_", "0")
        .env("MALLOC_MMAP_THRESHOLD_", "65536");
    let output = measuring.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

async fn measure() {
    let webhook = Webhook::start(cluster()).await;
    let mut too_much = Vec::new();
    let inputs = [texts, many, pods, templates];
    for (name, input) in inputs.into_iter().flat_map(|inputs| inputs()) {
        let mut connection = webhook.connect().await.unwrap();
        let (path, body) = match &input {
            Input::Pod(pod) => ("/mutate-pods", crate::webhook::pod_request(pod)),
            Input::Class(class) => (
                "/validate-classes",
                crate::webhook::class_request(class, None),
            ),
        };
        let body = crate::webhook::review(body).to_string();
        let bytes = body.len();
        eprint!("{name}: {bytes} bytes take ");
        let (resident, before) = (resident(), processor_time());
        connection.post(path, body).await;
        let time = processor_time().saturating_sub(before);
        let memory = peak().saturating_sub(resident);
        eprintln!("{time:?} and {memory} bytes of memory");
        let most = TIME + TIME_OF_BYTE * u32::try_from(bytes).unwrap();
        if time > most || memory > MEMORY + bytes * MEMORY_OF_BYTE {
            too_much.push(name);
        }
    }
    assert!(too_much.is_empty(), "{too_much:?}");
}

/// What this process has used so far.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let time = usage.user_time() + usage.system_time();
    Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap())
}

/// What it has in memory now. From now on [`peak`] tells the most.
fn resident() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    status("VmRSS:")
}

fn peak() -> usize {
    status("VmHWM:")
}

/// A line of the process's status, in bytes.
fn status(field: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1024
}
