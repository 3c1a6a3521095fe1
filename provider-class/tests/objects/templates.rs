//! The parameter `templates`.

use super::*;

const OBJECTS: &str =
    "- {objectName: a, objectType: secretsmanager, jmesPath: [{path: p, objectAlias: password}]}
- {objectName: b, objectType: secretsmanager, wholeFile: false, jsonKeys: {prefix: db-}}";

fn with(templates: &str) -> Result<Class, String> {
    parse_with(&[("templates", templates)], OBJECTS)
}

#[test]
fn a_template_is_a_file() {
    let class = with("- {objectAlias: x/y, template: \"{{ files.a }}\", filePermission: \"0400\"}")
        .unwrap();
    let template = &class.templates[0];
    assert_eq!(template.file.path.as_str(), "x_y");
    assert_eq!(template.file.mode.to_string(), "0400");
    assert_eq!(paths(&class), ["a", "password", "x_y"]);
    assert_eq!(with("").unwrap().templates, []);
}

#[test]
fn mistakes_are_named_with_entry_field_and_line() {
    let text = |template: &str| {
        format!(
            "- objectAlias: x\n  template: {}\n",
            serde_json::json!(template)
        )
    };
    for (templates, words) in [
        (
            "a: b".to_owned(),
            "templates: must be a YAML list of objectAlias and template",
        ),
        ("- [".to_owned(), "templates (line"),
        (
            "- {template: x}".to_owned(),
            "templates[0].objectAlias (line 1 of templates): is required",
        ),
        (
            "- {objectAlias: x}".to_owned(),
            "templates[0].template (line 1 of templates): is required",
        ),
        (
            "- {objectAlias: ../x, template: x}".to_owned(),
            "templates[0].objectAlias (line 1 of templates): \"../x\" leads out",
        ),
        (
            "- {objectAlias: x, template: x, filePermission: 1}".to_owned(),
            "templates[0].filePermission (line 1 of templates): ",
        ),
        (
            "- {objectAlias: a, template: x}".to_owned(),
            "templates[0] (line 1 of templates): writes the file \"a\"",
        ),
        (
            text("{{ files.pasword }}"),
            "templates[0].template (line 2 of templates): needs the file \"pasword\", which no entry of objects makes (line 1 of the template): did you mean \"password\"?",
        ),
        (
            text("a\n{{ x"),
            "templates[0].template (line 2 of templates): is not a template",
        ),
        (
            text("{{ files.a|md5 }}"),
            "templates[0].template (line 2 of templates): has an unknown filter",
        ),
        (
            "- {objectAlias: x, template: x}\n".repeat(51),
            "templates: has 51 entries, but can have at most 50",
        ),
    ] {
        let error = problem(with(&templates));
        assert!(error.starts_with(words), "{words}\n{error}");
    }
    for template in [
        "{{ files[\"db-user\"] }}",
        "{{ files[\"password\"]|b64decode }}",
        "{% for n in files %}{{ n }}{% endfor %}",
    ] {
        with(&text(template)).unwrap();
    }
}

#[test]
fn templates_that_never_end_are_refused_soon() {
    let loops = "{% for a in files %}".repeat(40) + &"{% endfor %}".repeat(40);
    let entry = format!("- objectAlias: x\n  template: \"{loops}\"\n");
    let started = std::time::Instant::now();
    let error = problem(with(&entry));
    assert!(error.contains("takes too many steps"), "{error}");
    assert!(started.elapsed().as_secs() < 2);
}
