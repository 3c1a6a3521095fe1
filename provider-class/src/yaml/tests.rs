//! Tests of the reader.

use super::*;

fn items(text: &str) -> Vec<Node> {
    match parse(text).unwrap().value {
        Value::List(items) => items,
        other => panic!("{other:?}"),
    }
}

fn fields(node: &Node) -> Vec<(&str, &str)> {
    let fields = node.fields().iter();
    fields
        .map(|(key, value)| (key.as_str(), value.text().unwrap_or_default()))
        .collect()
}

fn message(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn scalars_keep_their_meaning_as_text() {
    let list = "[1, 0400, True, ~, 1.50, 'x', -3, \"0600\", +5, 0x1f, 0o17, 1e3, 'true', 1_0, !!str 7, !!int 7]";
    let texts: Vec<_> = items(list)
        .iter()
        .map(|node| match &node.value {
            Value::Scalar(text) => format!("#{text}"),
            Value::String(text) => text.clone(),
            _ => node.kind().to_owned(),
        })
        .collect();
    assert_eq!(
        texts,
        [
            "#1", "0400", "#true", "null", "#1.5", "x", "#-3", "0600", "#5", "#31", "#15", "#1000",
            "true", "1_0", "7", "#7"
        ]
    );
}

#[test]
fn kubernetes_reads_more_words_and_digits_as_something_else_than_strings() {
    for text in [
        "on", "Yes", "NO", "y", "true", "1", "0400", "089", "1_000", "-1", ".5", "5.", "1e21",
        "0x1F", ".inf", "+.INF", ".NaN",
    ] {
        assert!(
            !items(&format!("[{text}]"))[0].is_string_in_kubernetes(),
            "{text}"
        );
        assert!(
            items(&format!("['{text}']"))[0].is_string_in_kubernetes(),
            "{text}"
        );
        let block = format!("- |-\n  {text}");
        assert!(items(&block)[0].is_string_in_kubernetes(), "{text}");
    }
    for text in [
        "oN",
        "a",
        "1e",
        "_1",
        "0x",
        "12:30",
        "2001-01-01",
        "1.2.3",
        "+",
        ".",
    ] {
        assert!(
            items(&format!("[{text}]"))[0].is_string_in_kubernetes(),
            "{text}"
        );
    }
}

#[test]
fn anchors_and_merges_work() {
    let list = items(
        "- &a {x: 1, y: 2}\n- {<<: *a, y: 3}\n- {<<: [*a, {z: 4, x: 5}]}\n- {x: 6, <<: *a}\n- *a\n- {'<<': 7}",
    );
    assert_eq!(fields(&list[1]), [("x", "1"), ("y", "3")]);
    assert_eq!(fields(&list[2]), [("z", "4"), ("x", "1"), ("y", "2")]);
    assert_eq!(fields(&list[3]), [("x", "1"), ("y", "2")], "as Go does");
    assert_eq!(fields(&list[4]), fields(&list[0]));
    assert_eq!(fields(&list[5]), [("<<", "7")]);
}

#[test]
fn the_last_of_equal_keys_counts() {
    let node = parse("a: 1\nb: 2\na: 3").unwrap();
    assert_eq!(node.get("a").unwrap().text(), Some("3"));
}

#[test]
fn aliases_repeat_no_more_than_a_multiple_of_the_text() {
    let anchor = format!("- &a [{}]\n", vec!["x"; 5000].join(", "));
    let text = anchor + &"- *a\n".repeat(5000);
    assert!(message(&text).contains("repeat too much"));
    let all: Vec<_> = (0..5000).map(|n| format!("k{n}: 1, ")).collect();
    let all = all.concat();
    let list = items(&format!("- &a {{{all}}}\n- {{<<: *a, {all}}}\n"));
    assert_eq!(fields(&list[0]), fields(&list[1]));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..30 {
        let alias = format!("*a{}", n - 1);
        bomb = format!("{bomb}a{n}: &a{n} [{}]\n", [alias.as_str(); 9].join(", "));
    }
    assert!(message(&bomb).contains("repeat too much"));
    let mut deep = "a0: &a0 [x]\n".to_owned();
    for n in 1..1000 {
        deep = format!("{deep}a{n}: &a{n} [[[[[[[[*a{}]]]]]]]]\n", n - 1);
    }
    assert!(message(&deep).contains("nested too deeply"));
}

#[test]
fn what_has_no_meaning_is_refused_with_its_place() {
    for (text, expected) in [
        (
            "- a\n- !secret x",
            "have no meaning here: quote the value at line 2 column 11",
        ),
        (
            "- {? [a] : b}",
            "a field's name cannot be a list at line 1 column 6",
        ),
        (
            "- {<<: 1}",
            "<< merges a mapping, not a number or boolean at line 1 column 4",
        ),
        ("- &a [*a]", "is in its own value at line 1 column 7"),
        (
            "- a\n---\n- b",
            "a second document begins: remove the line --- at line 2 column 1",
        ),
        ("- *b", "found unknown anchor at line 1 column 3"),
        ("a: [", "at line 1 column 4"),
        (&"[".repeat(100_000), "more than 32 brackets"),
        (&"- ".repeat(100_000), "more than 32 brackets"),
        (&"{a: ".repeat(100_000), "more than 32 brackets"),
    ] {
        let message = message(text);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn brackets_in_texts_are_not_open() {
    let entry =
        "- {objectName: a, objectType: secretsmanager, jmesPath: [{path: b, objectAlias: c}]}\n";
    parse(&entry.repeat(1000)).unwrap();
    let brackets = "[{".repeat(1000);
    for scalar in [
        format!("- '{brackets}'"),
        format!("- \"{brackets}\""),
        format!("- a{brackets}"),
        format!("- |\n  {brackets}\n\n   {brackets}"),
        format!("# {brackets}\n- a"),
    ] {
        parse(&scalar).unwrap();
    }
}

fn steps(path: &str) -> Vec<Step> {
    let parts = path.split('.').filter(|part| !part.is_empty());
    parts
        .map(|part| match part.parse() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::Key(part.to_owned().into()),
        })
        .collect()
}

#[test]
fn a_field_has_the_place_of_its_name_and_a_missing_one_that_of_what_should_hold_it() {
    let text = "# comment\n- objectName: a\n\n- objectname: b\n  jmesPath:\n    - path: x\n      objectAlias: [1]\n-\n- text\n- [x, y]\n- {a: {b: 2}}\n- k: *z\n".replace("[1]", "&z [1]");
    let node = parse(&text).unwrap();
    for (path, line, column) in [
        ("0.objectName", 2, 3),
        ("1.jmesPath.0.objectAlias", 7, 7),
        ("1.objectName", 4, 3),
        ("1.objectType", 4, 3),
        ("1.jmesPath.0", 6, 7),
        ("3", 9, 3),
        ("4.1", 10, 7),
        ("5.a.b", 11, 8),
        ("5.c", 11, 4),
        ("6.k", 12, 3),
        ("9", 2, 1),
    ] {
        let place = node.nearest(&steps(path)).place;
        assert_eq!(place, Some(Place { line, column }), "{path}");
    }
}

#[test]
fn a_literal_block_knows_where_its_first_line_begins() {
    for (text, line, column) in [
        ("a: |\n  b", 2, 3),
        ("a: | # c\n\n\n    b", 2, 5),
        ("a: &x |2-\n    b", 2, 3),
    ] {
        let style = parse(text).unwrap().get("a").unwrap().style;
        assert_eq!(style, Style::Literal(Place { line, column }), "{text}");
    }
    assert_eq!(
        parse("a: >\n  b").unwrap().get("a").unwrap().style,
        Style::Quoted
    );
    parse("|+\n\n    \r").unwrap();
}
