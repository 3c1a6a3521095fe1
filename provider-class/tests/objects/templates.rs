//! The parameter `templates`.

use std::collections::BTreeMap;

use super::*;

const OBJECTS: &str =
    "- {objectName: a, objectType: secretsmanager, jmesPath: [{path: p, objectAlias: password}]}
- {objectName: b, objectType: secretsmanager, wholeFile: false, jsonKeys: {prefix: db-}}
- {objectName: c, objectType: secretsmanager, optional: true}";

fn with(templates: &str) -> Result<Class, String> {
    parse_with(&[("templates", templates)], OBJECTS)
}

/// The text of the only template's file.
fn rendered(templates: &str, files: &[(&str, &str)]) -> Result<String, String> {
    let files: BTreeMap<&str, &[u8]> = files
        .iter()
        .map(|(name, value)| (*name, value.as_bytes()))
        .collect();
    match with(templates).unwrap().render(&files) {
        Ok(made) => Ok(String::from_utf8(made[0].contents.bytes.to_vec()).unwrap()),
        Err(errors) => Err(errors[0].to_string()),
    }
}

fn text(template: &str) -> String {
    format!(
        "- objectAlias: x\n  template: {}\n",
        serde_json::json!(template)
    )
}

#[test]
fn a_template_is_a_file() {
    let class = with("- {objectAlias: x/y, template: \"{{ files['a'] }}\", filePermission: \"0400\"}\n- {objectAlias: z, format: json}")
        .unwrap();
    let template = &class.templates[0];
    assert_eq!(template.file.path.as_str(), "x_y");
    assert_eq!(template.file.mode.to_string(), "0400");
    assert_eq!(paths(&class), ["a", "password", "c", "x_y", "z"]);
    assert_eq!(with("").unwrap().templates, []);
}

#[test]
fn mistakes_are_named_with_entry_field_and_line() {
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
            text("\n{{ files['pasword'] }}"),
            "templates[0].template (line 2 of templates): needs the file \"pasword\", which no entry of objects makes: did you mean \"password\"? (line 2, column 1 of the template)",
        ),
        (
            text("a\n{{ x"),
            "templates[0].template (line 2 of templates): has a placeholder that names no file",
        ),
        (
            text("{{ files['a'] | md5 }}"),
            "templates[0].template (line 2 of templates): has the unknown filter \"md5\"",
        ),
        (
            "- {objectAlias: x, template: x, format: json}".to_owned(),
            "templates[0] (line 1 of templates): has both template and format",
        ),
        (
            "- {objectAlias: x, template: x, uppercase: true}".to_owned(),
            "templates[0] (line 1 of templates): has files or uppercase, which need a format",
        ),
        (
            "- objectAlias: x\n  format: toml".to_owned(),
            "templates[0].format (line 2 of templates): \"toml\" is not a format",
        ),
        (
            "- {objectAlias: x, format: json, uppercase: 2}".to_owned(),
            "templates[0].uppercase (line 1 of templates): \"2\" is not a boolean",
        ),
        (
            "- {objectAlias: x, format: json, files: a}".to_owned(),
            "templates[0].files (line 1 of templates): must be a list of names of files, such as [NAME, NAME], not a string",
        ),
        (
            "- objectAlias: x\n  format: json\n  files:\n  - a\n  - [a]".to_owned(),
            "templates[0].files[1] (line 5 of templates): must be the name of a file, not a list",
        ),
        (
            "- objectAlias: x\n  format: json\n  files: [a, pasword]".to_owned(),
            "templates[0].files[1] (line 3 of templates): needs the file \"pasword\", which no entry of objects makes: did you mean \"password\"?",
        ),
        (
            "- objectAlias: x\n  format: dotenv\n  files: [a, db-user]".to_owned(),
            "templates[0].format (line 2 of templates): cannot have the key \"db-user\" of the file \"db-user\"",
        ),
        (
            "- {objectAlias: x, template: x}\n".repeat(51),
            "templates: has 51 entries, but can have at most 50",
        ),
        (
            format!("- {{objectAlias: x, template: {}}}\n", "x".repeat(64_000)),
            "templates: has 64031 bytes, but can have at most 64000",
        ),
        (
            format!(
                "- {{objectAlias: x, format: json, files: &f [{}]}}\n{}",
                "letters,".repeat(2_000),
                "- {objectAlias: y, format: json, files: *f}\n".repeat(5)
            ),
            "templates: has 640",
        ),
    ] {
        let error = problem(with(&templates));
        assert!(error.starts_with(words), "{words}\n{error}");
    }
    for template in [
        "{{ files[\"db-user\"] }}",
        "{{ files[\"password\"] | b64decode }}",
        "{{ files[\"c\"] | default(\"\") }}",
    ] {
        assert_eq!(with(&text(template)).unwrap().warnings, [], "{template}");
    }
}

/// Otherwise each unknown name of a long list is compared with all others.
#[test]
fn one_unknown_file_gets_a_hint() {
    let both = [
        text("{{ files['pasword'] }}"),
        text("{{ files['passwort'] }}").replace(": x", ": y"),
    ];
    let Err(error) = with(&both.concat()) else {
        panic!()
    };
    assert_eq!(error.matches("did you mean").count(), 1, "{error}");
    assert_eq!(error.matches("needs the file").count(), 2, "{error}");
}

#[test]
fn an_optional_file_needs_a_default() {
    let class = with(&text("{{ files['a'] }}\n{{ files['c'] }}")).unwrap();
    let warning = class.warnings[0].to_string();
    assert!(
        warning.starts_with("templates[0].template (line 2 of templates): needs the optional file \"c\", and pods do not start while it is missing: add | default(\"\") (line 2, column 1"),
        "{warning}"
    );
    let template = text("a{{ files['c'] | upper | default('none') }}\n");
    assert_eq!(rendered(&template, &[]).as_deref(), Ok("anone\n"));
    assert_eq!(rendered(&template, &[("c", "x")]).as_deref(), Ok("aX\n"));
    let error = rendered(&text("\n {{ files['db-x'] }}"), &[]).unwrap_err();
    assert_eq!(
        error,
        "templates[0].template: needs the file \"db-x\", which does not exist: correct the name, or add | default(\"…\") for an optional file (line 2, column 2 of the template)"
    );
}

/// An SSH key without its last line break is no key.
#[test]
fn the_final_line_break_stays() {
    for end in ["", "\n", "\n\n", "\r\n"] {
        let template = text(&format!("{{{{ files['a'] }}}}{end}"));
        assert_eq!(
            rendered(&template, &[("a", "key")]),
            Ok(format!("key{end}"))
        );
    }
}

#[test]
fn a_format_has_all_files_of_objects_or_those_that_it_names() {
    let files = [("a", "1"), ("db-user", "app"), ("password", "p\"w")];
    let all =
        "- {objectAlias: x, format: json, uppercase: true}\n- {objectAlias: y, template: text}";
    assert_eq!(
        rendered(all, &files).as_deref(),
        Ok("{\n  \"A\": \"1\",\n  \"DB-USER\": \"app\",\n  \"PASSWORD\": \"p\\\"w\"\n}\n")
    );
    let some = "- {objectAlias: x, format: dotenv, files: [password, c]}";
    assert_eq!(rendered(some, &files).as_deref(), Ok("password='p\"w'\n"));
    let missing = "- {objectAlias: x, format: json, files: [db-host]}";
    let error = rendered(missing, &files).unwrap_err();
    assert!(
        error.starts_with("templates[0].format: needs the file \"db-host\", which does not exist"),
        "{error}"
    );
    let hyphen = "- {objectAlias: x, format: shell}";
    let error = rendered(hyphen, &files).unwrap_err();
    assert!(
        error.starts_with("templates[0].format: cannot have the key \"db-user\""),
        "{error}"
    );
    let carriage = rendered(
        "- {objectAlias: x, format: dotenv, files: [a]}",
        &[("a", "hunter2\r")],
    )
    .unwrap_err();
    assert!(
        carriage.contains("needs the file \"a\", which has a carriage return")
            && !carriage.contains("hunter2"),
        "{carriage}"
    );
}

#[test]
fn an_output_has_a_bound() {
    let template = text(&"{{ files['a'] }}".repeat(20));
    let error = rendered(&template, &[("a", &"x".repeat(64_000))]).unwrap_err();
    assert_eq!(
        error,
        "templates[0].template: makes more than 1048576 bytes: make it shorter"
    );
    let nested = text(&format!("{{{{ files['a']{} }}}}", " | tojson".repeat(8)));
    let error = rendered(&nested, &[("a", &"\\".repeat(60_000))]).unwrap_err();
    assert!(error.contains("makes more than 1048576 bytes"), "{error}");
    let many = text(&format!("{{{{ files['a']{} }}}}", " | upper".repeat(9)));
    let error = problem(with(&many));
    assert!(error.contains("has more than 8 filters"), "{error}");
    let file = text(&"{{ files['a'] }}".repeat(16));
    let all = (0..6).map(|n| file.replace(": x", &format!(": x{n}")));
    let all: Vec<_> = all.collect();
    let error = rendered(&all.concat(), &[("a", &"x".repeat(64_000))]).unwrap_err();
    assert_eq!(
        error,
        "templates[4].template: makes more than 4194304 bytes together with the templates before it: make them shorter"
    );
}

#[test]
fn a_text_that_is_no_yaml_is_told_with_its_line() {
    let error = problem(with("- objectAlias: x\n- {objectAlias: x"));
    let start = "templates (line 2 of templates): is not valid YAML: ";
    assert!(error.starts_with(start), "{error}");
}
