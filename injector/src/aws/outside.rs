//! Makes text from AWS, a proxy or the Pod Identity agent safe for messages.

use provider_class::printable::printable;

/// More than AWS's longest sentences, which name a role, a resource and a policy.
const LONGEST_MESSAGE: usize = 1000;
const LONGEST_CODE: usize = 100;
/// Longer than any name that AWS quotes, and shorter than any token of STS or of Kubernetes.
const LONGEST_WORD: usize = 200;
/// How a JSON web token begins, however short it is.
const TOKEN_BEGIN: &str = "eyJ";
/// Where a message begins to repeat the request: AWS says how it should have been signed, which includes the session token,
/// and other servers print its headers.
const REPEATED: [&str; 2] = ["the canonical string for this request", "authorization:"];

/// An error's text: on one line, cut to length, and without tokens, which a response could repeat from the request.
pub(crate) fn message(text: &str) -> String {
    // The rest is cut anyway, and a long text need not be searched to its end.
    let text: String = text.chars().take(LONGEST_MESSAGE * 8).collect();
    let lower = text.to_ascii_lowercase();
    let repeated = REPEATED.iter().filter_map(|begin| lower.find(begin)).min();
    let mut rest = text[..repeated.unwrap_or(text.len())].trim();
    let mut safe = String::new();
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_token = word.len() > LONGEST_WORD || is_web_token(word);
        safe += if is_token { "…" } else { word };
        let next = after.find(is_of_token).unwrap_or(after.len());
        safe += &after[..next];
        rest = &after[next..];
    }
    printable(&safe, LONGEST_MESSAGE)
}

/// An error's code.
pub(crate) fn code(text: &str) -> String {
    printable(text, LONGEST_CODE)
}

/// Characters of base64 in both alphabets, which tokens consist of, and the percent sign of forms.
fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_+/=.%".contains(c)
}

fn is_web_token(word: &str) -> bool {
    word.find(TOKEN_BEGIN)
        .is_some_and(|begin| word[begin..].contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_left_out_and_names_stay() {
        let session = "IQoJb3JpZ2luX2VjEXAMPLE+/=".repeat(20);
        for (text, expected) in [
            (
                "User: arn:aws:sts::123456789012:assumed-role/app/shop.web-7d4b9 is not authorized to perform: ssm:GetParameters on resource: arn:aws:ssm:us-east-2:123456789012:parameter/app/denied because no identity-based policy allows it",
                None,
            ),
            (
                "token eyJhbGciOiJ.eyJzdWIi.c2ln is bad",
                Some("token … is bad"),
            ),
            ("WebIdentityToken=eyJhbGciOiJ.eyJzdWIi.c2ln&x", Some("…&x")),
            (&format!("a {session} b"), Some("a … b")),
            (
                "The signature does not match. The Canonical String for this request should have been\n'POST\nx-amz-security-token:abc'",
                Some("The signature does not match."),
            ),
            (
                "GET / HTTP/1.1\r\nProxy-Authorization: Basic dXNlcjpw",
                Some(r"GET / HTTP/1.1\r\nProxy-"),
            ),
            ("a\nERROR b\u{1b}[2J", Some(r"a\nERROR b\u{1b}[2J")),
        ] {
            assert_eq!(message(text), expected.unwrap_or(text));
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(
            message(&"word ".repeat(1 << 18)).chars().count(),
            LONGEST_MESSAGE + 1
        );
        let token = format!("{}eyJhbGciOiJ.{}", "x ".repeat(490), "A".repeat(5000));
        assert!(
            !message(&token).contains('A'),
            "a token is left out before the cut"
        );
    }
}
