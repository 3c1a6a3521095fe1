//! Tests of the nesting.

use proptest::prelude::*;

use super::*;
use crate::yaml::Node;

const MOST: usize = OF_LIST;

fn check(text: &str) -> Result<(), InvalidYaml> {
    super::check(text, MOST)
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

fn reads(text: &str) -> Option<Node> {
    crate::yaml::read(text).ok()
}

#[test]
fn the_place_of_the_first_bracket_too_many_is_told() {
    assert_eq!(check(&nested(MOST)), Ok(()));
    let error = check(&format!("a: 1\nb: {}", nested(MOST + 1))).unwrap_err();
    assert_eq!(
        error.place,
        Some(Place {
            line: 2,
            column: 36
        })
    );
    assert_eq!(
        error.message,
        "more than 32 brackets ([ and {) are open at line 2 column 36: close them"
    );
}

#[test]
fn a_text_with_many_brackets_that_are_not_nested_is_read() {
    let entry =
        "- {objectName: a, objectType: secretsmanager, jmesPath: [{path: b, objectAlias: c}]}\n";
    assert_eq!(check(&entry.repeat(1000)), Ok(()));
    let brackets = "[{".repeat(1000);
    for scalar in [
        format!("- '{brackets}'"),
        format!("- \"{brackets}\""),
        format!("- a{brackets}"),
        format!("- a\n  {brackets}"),
        format!("- |\n  {brackets}\n\n   {brackets}"),
        format!("- a: >2-\n\n\n    {brackets}\n  b: |\n    {brackets}"),
        format!("# {brackets}"),
        format!("- a # {brackets}"),
        format!("- [a, # {brackets}\n  b]"),
    ] {
        assert_eq!(check(&scalar), Ok(()), "{scalar:.40}");
    }
}

#[test]
fn nothing_hides_a_nested_text() {
    let bomb = nested(MOST + 1);
    for before in [
        "--- ",
        "\u{feff}",
        "# it's\n",
        "# a\u{85}",
        "# a\r",
        "- a\n  'b\n- ",
        "a: |\n  'b\nc: ",
        "- a: |\n  b: ",
        "- - |\n    {\"\n  - ",
        "a: >\n b\n\n\nc: \"d\"\ne: ",
        "- !<tag:[> ",
        "- !'a ",
        "- &a ",
        "- {? 'a]': 1, b: ",
        "- [\"]\", ",
        "- ['it''s]', ",
        "%YAML 1.1\n--- ",
        "? ",
        "? a\n: ",
        "a: b: |\n c: ",
    ] {
        let text = format!("{before}{bomb}");
        assert!(check(&text).is_err(), "{before:?}");
    }
}

/// What a list can consist of: words, indicators, quotes and line ends, in any order.
fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "a", "b: ", "c:\n", "- ", "-", "? ", ": ", ":", "[", "]", "{", "}", ", ", ",", "'", "\"",
        "''", "\\\"", "#", " # ", "|\n", ">-\n", "|1\n", "\n", "\n  ", "\n    ", " ", "&a ", "*a",
        "!t ", "!<t> ", "---\n", "---", "\u{85}", "\r", "\t", "é", "%", "null",
    ]);
    prop::collection::vec(fragment, 0..24).prop_map(|fragments| fragments.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever the reader reads before it: nesting is found, and nothing else is taken for it.
    #[test]
    fn brackets_count_where_the_reader_sees_them(before in fragments()) {
        let with = |value: &str| format!("{before}\nzz: {value}\n");
        let is_key = matches!(
            reads(&with("1")),
            Some(Node::Map(fields)) if fields.last() == Some(&("zz".to_owned(), Node::Scalar("1".to_owned())))
        );
        if is_key {
            prop_assert!(check(&with(&nested(MOST + 1))).is_err());
            prop_assert_eq!(check(&with(&nested(MOST / 2))), Ok(()));
        }
    }
}
