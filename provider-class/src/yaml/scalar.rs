//! What a scalar without quotes means.

use super::Value;

/// The value of a scalar without quotes: a number or boolean of YAML 1.2, or a string.
pub(super) fn value(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Scalar("true".to_owned()),
        "false" | "False" | "FALSE" => Value::Scalar("false".to_owned()),
        _ => match number(text) {
            Some(number) => Value::Scalar(number),
            None => Value::String(text.to_owned()),
        },
    }
}

/// A number as Go prints it. Digits after a leading zero are a string: `0400` is a file's mode.
fn number(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = digits.strip_prefix(prefix) {
            let is_number = digits.chars().all(|c| c.is_digit(radix));
            let number = u64::from_str_radix(digits, radix).ok()?;
            return is_number.then(|| format!("{sign}{number}"));
        }
    }
    match digits {
        ".inf" | ".Inf" | ".INF" => return Some(format!("{sign}inf")),
        ".nan" | ".NaN" | ".NAN" => return Some("NaN".to_owned()),
        _ => {}
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
        return (!has_leading_zero).then(|| format!("{sign}{digits}"));
    }
    let number: f64 = digits.parse().ok()?;
    number.is_finite().then(|| format!("{sign}{number}"))
}

/// Is it a string for Go's reader, which has the booleans and numbers of YAML 1.1?
pub(crate) fn is_string_for_go(text: &str) -> bool {
    const BOOLEANS: [&str; 8] = ["y", "yes", "n", "no", "on", "off", "true", "false"];
    let lower = text.to_ascii_lowercase();
    let rest = text.get(1..).unwrap_or_default();
    // As written in a sentence: yes, Yes or YES.
    let is_word = rest == lower.get(1..).unwrap_or_default() || text == text.to_ascii_uppercase();
    if is_word && BOOLEANS.contains(&lower.as_str()) {
        return false;
    }
    let digits = text.replace('_', "");
    let digits = digits.strip_prefix(['-', '+']).unwrap_or(&digits);
    let is_octal = digits.len() > 1 && digits.bytes().all(|b| b.is_ascii_digit());
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    !(begins && (is_octal || number(digits).is_some()))
}
