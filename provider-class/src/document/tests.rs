use super::*;

const CLASS: &str = "apiVersion: secrets-store.csi.x-k8s.io/v1alpha1\nkind: SecretProviderClass\nmetadata: {name: NAME}\nspec: {provider: aws, parameters: {objects: '- objectName: x'}}\n";

#[test]
fn reads_several_documents_and_skips_empty_ones() {
    let text = format!(
        "---\n{}---\n# nothing\n---\n{}",
        CLASS.replace("NAME", "a"),
        CLASS.replace("v1alpha1", "v1").replace("NAME", "b")
    );
    let documents = Document::read_all(&text).unwrap();
    let names: Vec<_> = documents
        .iter()
        .map(|document| document.class.metadata.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn knows_the_lines_of_a_literal_block() {
    let block = CLASS.replace(
        "{provider: aws, parameters: {objects: '- objectName: x'}}",
        "\n  parameters:\n    objects: | # the list\n      - objectName: x\n",
    );
    let documents = Document::read_all(&format!("{block}---\n{block}---\n{CLASS}")).unwrap();
    let places: Vec<_> = documents
        .iter()
        .map(|document| {
            let mut field =
                Field::from(crate::class::field_path::Path::parameter("objects").index(0));
            field.place = Some(Place { line: 1, column: 3 });
            let place = document.place(&mut field).unwrap();
            (place.line, place.column, field.place.is_some())
        })
        .collect();
    assert_eq!(places, [(7, 9, false), (16, 9, false), (22, 36, true)]);
}

#[test]
fn a_byte_order_mark_is_no_matter() {
    let text = format!("\u{feff}{}", CLASS.replace("NAME", "a"));
    assert_eq!(Document::read_all(&text).unwrap().len(), 1);
}

#[test]
fn parameters_without_quotes_are_doubted() {
    let text = CLASS.replace("objects:", "usePodIdentity: true, objects:");
    let warnings = &Document::read_all(&text).unwrap()[0].warnings;
    assert_eq!(
        warnings[0].to_string(),
        "usePodIdentity: must be a string for Kubernetes: write usePodIdentity: \"true\""
    );
    assert_eq!(warnings.len(), 1);
}

#[test]
fn a_list_in_place_of_the_string_gets_the_mend_and_its_entries_are_checked() {
    let text = CLASS.replace(
        "'- objectName: x'",
        "[{objectName: x}], secretObjects: [{}], region: [1]",
    );
    let text = text.replace("NAME", "a");
    let document = &Document::read_all(&text).unwrap()[0];
    let error = document.parse().unwrap_err().to_string();
    let lines: Vec<_> = error.lines().collect();
    assert_eq!(lines.len(), 4, "{error}");
    assert!(lines[0].ends_with("write \"objects: |\""), "{error}");
    assert!(
        lines[1].contains("parameters.secretObjects: must be a string, not a list: secretObjects belongs under spec"),
        "{error}"
    );
    assert!(lines[2].contains("region: must be a string"), "{error}");
    assert!(
        lines[3].contains("objects[0] \"x\": objectType: is required"),
        "{error}"
    );
}

#[test]
fn opens_lists_and_passes_over_other_kinds() {
    let item = |name: &str| {
        let class = CLASS.replace("NAME", name);
        class
            .lines()
            .map(|line| format!("  {line}\n"))
            .collect::<Vec<_>>()
            .concat()
            .replacen("  ", "- ", 1)
    };
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}- {{kind: Service, apiVersion: v1}}\n{}",
        item("a"),
        item("b")
    );
    let text = format!(
        "# Source: chart/templates/x.yaml\n---\n\n---\nkind: Deployment\nspec: {{x: !tag y}}\n---\n{list}---\n{}---\nplain text\n---\n!tag {{}}\n",
        CLASS.replace("NAME", "c")
    );
    let contents = Contents::read(&text);
    assert_eq!(contents.errors, []);
    let names: Vec<_> = contents
        .classes
        .iter()
        .map(|document| {
            (
                document.class.metadata.name.as_str(),
                document.number.to_string(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            ("a", "item 1 of document 2".to_owned()),
            ("b", "item 3 of document 2".to_owned()),
            ("c", "document 3".to_owned()),
        ]
    );
    assert_eq!(
        kinds(&contents.others),
        "1 Deployment, 1 Service, 2 without a kind"
    );
}

#[test]
fn problems_have_their_places_in_the_file() {
    let text = "kind: List
items:
- apiVersion: secrets-store.csi.x-k8s.io/v1
  kind: SecretProviderClass
  metadata:
    name: a
  spec:
    provider: aws
    parameters:
      pathTranslation: long
      objects: |

        - objectName: a
          objectType: ssn
";
    let contents = Contents::read(text);
    let invalid = contents.classes[0].parse().unwrap_err();
    let ClassError::Invalid(mut invalid) = invalid else {
        panic!("{invalid}")
    };
    let problems = invalid.problems.iter_mut();
    let places: Vec<_> = problems
        .map(|problem| contents.classes[0].place(&mut problem.field).unwrap())
        .map(|place| (place.line, place.column))
        .collect();
    assert_eq!(places, [(10, 7), (14, 11)], "{invalid}");
}

#[test]
fn what_stands_before_broken_yaml_is_read() {
    let contents = Contents::read(&format!("{}---\na: [\n", CLASS.replace("NAME", "a")));
    assert_eq!(contents.classes.len(), 1);
    let [error] = contents.errors.as_slice() else {
        panic!("{:?}", contents.errors)
    };
    assert!(error.to_string().starts_with("document 2: "), "{error}");
    assert!(
        error.place().is_some_and(|place| place.line >= 6),
        "{error:?}"
    );
}

#[test]
fn a_provider_that_is_almost_aws_is_told() {
    let text = CLASS.replace("NAME", "a");
    for (provider, words) in [
        (
            "provider: AWS",
            "is \"AWS\", which no pod can use: write \"provider: aws\"",
        ),
        ("provider: ''", "is required: write \"provider: aws\""),
        ("other: x", "is required: write \"provider: aws\""),
    ] {
        let text = text.replace("provider: aws", provider);
        let document = &Document::read_all(&text).unwrap()[0];
        let error = document.parse().unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(
            error.contains("objects[0] \"x\": objectType"),
            "the others too: {error}"
        );
    }
    let document =
        &Document::read_all(&text.replace("provider: aws", "provider: azure")).unwrap()[0];
    assert_eq!(
        document.parse().unwrap_err().to_string(),
        "class \"a\": provider: is \"azure\", but only provider \"aws\" is supported here"
    );
}

#[test]
fn says_what_is_wrong_with_which_document() {
    let error = |text: &str| Document::read_all(text).unwrap_err().to_string();
    assert_eq!(
        error("# nothing"),
        "contains no SecretProviderClass of provider \"aws\""
    );
    assert_eq!(
        error("kind: Pod\n---\nkind: Pod\n---\nkind: Job\n"),
        "contains no SecretProviderClass of provider \"aws\", but 1 Job, 2 Pod"
    );
    assert!(
        error(&CLASS.replace("kind: SecretProviderClass", "kind: secretproviderclass"))
            .contains("document 1 is not a SecretProviderClass: its kind is \"secretproviderclass\"; write \"kind: SecretProviderClass\"")
    );
    assert!(error(&CLASS.replace("kind: SecretProviderClass\n", "")).contains("its kind is \"\""));
    assert!(error(&CLASS.replace("v1alpha1", "v2")).contains("v2\" is not known"));
    assert!(
        error(&CLASS.replace("csi.x-k8s.io/v1alpha1", "csi.x-k8s.io.evil/v1"))
            .contains("is not known")
    );
    assert!(error(&CLASS.replace("name: NAME", "")).contains("metadata.name is required"));
    assert!(
        error(&CLASS.replace("name: NAME", "name: [a]"))
            .contains("is not a SecretProviderClass: metadata.name must be a string, not a list")
    );
    assert!(error("a: [").contains("document 1: "));
}

#[test]
fn what_kubernetes_refuses_is_an_error_with_its_line() {
    let text = "apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata:
  name: My_Class
  labels: {tier: 1, \"a b\": c}
  annotations:
    example.com/n: 5
spec:
  provider: aws
  parameters:
    objects: |
      - {objectName: a, objectType: secretsmanager}
  secretObjects:
    - secretName: 123
      type: Opaque
      labels: {managed: true}
      data:
        - {objectName: a, key: 8080}
        - objectName: a
          key: on
";
    let found = |text: &str| {
        let mut contents = Contents::read(text);
        let document = contents.classes.remove(0);
        let ClassError::Invalid(invalid) = document.parse().unwrap_err() else {
            panic!("{document:?}")
        };
        let problems = invalid.problems.into_iter();
        let lines = problems.map(|mut problem| {
            let line = document.place(&mut problem.field).unwrap().line;
            format!("{line} {problem}")
        });
        lines.collect::<Vec<_>>()
    };
    let expected = [
        "4 metadata.name: \"My_Class\" is not a name in Kubernetes",
        "5 metadata.labels.tier: must be a string for Kubernetes: write the number in quotes",
        "5 metadata.labels.a b: \"a b\" is not a name of a label",
        "7 metadata.annotations.example.com/n: must be a string for Kubernetes: write the number in quotes",
        "14 secretObjects[0]: secretName: must be a string: quote",
        "16 secretObjects[0]: labels: the value of \"managed\" must be a string",
        "18 secretObjects[0]: data[0].key: must be a string",
        "20 secretObjects[0]: data[1].key: must be a string",
    ];
    let all = found(text);
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    for (problem, expected) in all.iter().zip(expected) {
        let expected = expected.replacen("secretObjects[0]: ", "secretObjects[0].", 1);
        let problem = problem.replacen("secretObjects[0] \"123\": ", "secretObjects[0].", 1);
        assert!(problem.starts_with(&expected), "{problem}");
    }
    let (head, _) = text.split_once("  secretObjects").unwrap();
    let head = head
        .replace("My_Class", "a")
        .replace("tier: 1, \"a b\": c", "a: b")
        .replace(": 5", ": '5'");
    let all = found(&format!("{head}  secretObjects:\n    secretName: a\n"));
    assert!(
        all[0].starts_with(
            "13 secretObjects: must be a list of secretName, type and data, not a mapping"
        ),
        "{all:?}"
    );
    assert_eq!(all.len(), 1);
    let numbers = format!("{head}  secretObjects: []\n").replace(
        "parameters:",
        "parameters:\n    region: us-east-2\n    pathTranslation: y",
    );
    let warnings = Contents::read(&numbers).classes[0]
        .parse()
        .unwrap()
        .warnings;
    assert_eq!(
        warnings[0].to_string(),
        "pathTranslation: must be a string for Kubernetes: write pathTranslation: \"y\""
    );
}

#[test]
fn fields_of_spec_that_kubectl_refuses_are_found() {
    let spec = "spec:\n  provider: aws\n  parameter: {objects: '[{objectName: a, objectType: secretsmanager}]'}\n  provider: aws\n";
    let text = CLASS.replace(
        "spec: {provider: aws, parameters: {objects: '- objectName: x'}}\n",
        spec,
    );
    let error = Document::read_all(&text).unwrap()[0].parse().unwrap_err();
    let error = error.to_string();
    for expected in [
        "parameter: is not a field of Kubernetes' SecretProviderClass: did you mean parameters?",
        "provider: is given more than once: kubectl refuses that; remove one",
    ] {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_file_of_any_depth_is_read_or_refused() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        let blocks = "- ".repeat(levels);
        Contents::read(&format!("{blocks}&a {open}{close}\n{blocks}*a\n"))
    };
    assert_eq!(nested(127).errors, []);
    for levels in [129, 100_000] {
        let error = nested(levels).errors[0].to_string();
        assert!(error.contains("more than 128 brackets"), "{error}");
    }
}
