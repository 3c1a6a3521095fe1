//! Makes text from AWS, a proxy, the Pod Identity agent or the API server safe for messages.

use std::collections::HashSet;
use std::sync::Arc;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use hyper::Request;
use provider_class::printable::printable;
use zeroize::Zeroizing;

/// More than AWS's longest sentences, which name a role, a resource and a policy.
const LONGEST_MESSAGE: usize = 1000;
const LONGEST_CODE: usize = 64;
/// Letters and digits in a row that a message and a secret do not have in common by chance.
const PIECE: usize = 8;
/// Printed in place of a message that repeats a secret of the request.
const REPEATED: &str =
    "the message repeats the token or the signature of the request, so it is not shown";

/// The code of a response that has none begins with this, and ends with the status.
pub(crate) const STATUS: &str = "HTTP status";
/// Printed in place of HTML, which neither AWS nor the agent sends.
pub(crate) const PAGE: &str = "an HTML page";

/// The headers with a secret.
const HEADERS: [&str; 3] = [
    "authorization",
    "proxy-authorization",
    "x-amz-security-token",
];
/// The field of a form with a secret.
const FIELD: &[u8] = b"WebIdentityToken=";

/// The secrets of a request: the pod's token, the session's token, the signature, the proxy's password. No message may repeat
/// one of them. The response carries them to whoever reads its error.
#[derive(Clone, Default)]
pub(crate) struct Sent(Arc<[Zeroizing<Vec<u8>>]>);

impl Sent {
    pub(crate) fn of(request: &Request<SdkBody>) -> Self {
        let headers = HEADERS.iter().filter_map(|name| {
            let value = request.headers().get(*name)?.to_str().ok()?;
            // `Bearer TOKEN`, `… Signature=…`, or just the token.
            let value = value.trim_end_matches('=');
            value.rsplit([' ', '=']).next().map(str::as_bytes)
        });
        let body = request.body().bytes().unwrap_or_default();
        let field = body
            .windows(FIELD.len())
            .position(|window| window == FIELD)
            .and_then(|start| {
                body[start + FIELD.len()..]
                    .split(|byte| *byte == b'&')
                    .next()
            });
        Self(headers.chain(field).map(letters).collect())
    }

    /// Those of the request that a response answers.
    pub(crate) fn with(response: &HttpResponse) -> Self {
        response.extension().cloned().unwrap_or_default()
    }

    /// The first line of an error's text, cut to length. AWS says in the following ones how a request should have been signed.
    pub(crate) fn message(&self, text: &str) -> String {
        let line = text.trim_start().lines().next().unwrap_or_default();
        let end = line.char_indices().nth(LONGEST_MESSAGE);
        // Escapes would stand between the letters of a secret.
        if self.is_repeated_in(end.map_or(line, |(end, _)| &line[..end])) {
            REPEATED.to_owned()
        } else {
            printable(line.trim_end(), LONGEST_MESSAGE)
        }
    }

    /// An error's code, or the response's status in place of one.
    pub(crate) fn code_or_status(&self, code: Option<&str>, status: u16) -> String {
        let code = code.and_then(|code| self.code(code));
        code.unwrap_or_else(|| format!("{STATUS} {status}"))
    }

    /// An error's code, if it has the form of one.
    pub(crate) fn code(&self, text: &str) -> Option<String> {
        let is_code = (1..=LONGEST_CODE).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        (is_code && !self.is_repeated_in(text)).then(|| text.to_owned())
    }

    /// Does a text have a piece of a secret, whatever stands between its letters?
    fn is_repeated_in(&self, text: &str) -> bool {
        let text = letters(text.as_bytes());
        let pieces: HashSet<&[u8]> = text.windows(PIECE).collect();
        self.0
            .iter()
            .any(|secret| secret.windows(PIECE).any(|piece| pieces.contains(piece)))
    }
}

/// The letters and digits.
fn letters(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let letters = text.iter().copied().filter(u8::is_ascii_alphanumeric);
    Zeroizing::new(letters.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJzaG9wOndlYiJ9.c2lnbmF0dXJl";

    fn sent(headers: &[(&'static str, &str)], body: &str) -> Sent {
        let mut request = Request::new(SdkBody::from(body));
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Sent::of(&request)
    }

    #[test]
    fn a_message_that_repeats_a_secret_is_not_shown() {
        let session = "IQoJb3JpZ2luX2VjEXAMPLE+/=".repeat(20);
        let signed = "AWS4-HMAC-SHA256 Credential=ASIA/20260101/us-east-2/secretsmanager/aws4_request, SignedHeaders=host, Signature=9f86d081884c7d659a2f";
        let form = format!("Action=AssumeRoleWithWebIdentity&WebIdentityToken={TOKEN}&Version=1");
        let spaced: String = TOKEN.chars().flat_map(|letter| [letter, ' ']).collect();
        let tabs: String = TOKEN.chars().flat_map(|letter| [letter, '\t']).collect();
        for (sent, repeated) in [
            (sent(&[("authorization", TOKEN)], ""), TOKEN),
            (
                sent(&[("authorization", &format!("Bearer {TOKEN}"))], ""),
                TOKEN,
            ),
            (sent(&[], &form), TOKEN),
            (sent(&[], &form), &spaced),
            (sent(&[], &form), &tabs),
            (sent(&[("authorization", signed)], ""), "9f86d081884c7d65"),
            (sent(&[("x-amz-security-token", &session)], ""), &session),
            (
                sent(&[("proxy-authorization", "Basic dXNlcjpwYXNzd29yZA==")], ""),
                "dXNlcjpwYXNzd29yZA==",
            ),
        ] {
            for text in [
                repeated.to_owned(),
                format!("your token {repeated} is bad"),
                repeated[repeated.len() / 2..].to_owned(),
            ] {
                assert_eq!(sent.message(&text), REPEATED, "{text}");
            }
            assert_eq!(sent.code(&repeated[..PIECE + 4]), None);
        }
    }

    #[test]
    fn what_aws_says_is_shown() {
        let signed = "AWS4-HMAC-SHA256 Credential=ASIA/20260101/us-east-2/secretsmanager/aws4_request, SignedHeaders=host, Signature=9f86d081884c7d659a2f";
        let sent = sent(
            &[("authorization", signed), ("x-amz-security-token", TOKEN)],
            "",
        );
        for (text, expected) in [
            (
                "User: arn:aws:sts::123456789012:assumed-role/app/shop.web-7d4b9 is not authorized to perform: secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:us-east-2:123456789012:secret:app/denied because no identity-based policy allows it",
                None,
            ),
            (
                "The signature does not match.\n\nThe Canonical String for this request should have been\n'POST\nx-amz-security-token:abc'",
                Some("The signature does not match."),
            ),
            ("a\u{1b}[2J\rERROR b", Some(r"a\u{1b}[2J\rERROR b")),
            ("", None),
        ] {
            assert_eq!(sent.message(text), expected.unwrap_or(text));
        }
        assert_eq!(
            sent.message(&"word ".repeat(1 << 18)).chars().count(),
            LONGEST_MESSAGE + 1
        );
        assert_eq!(
            sent.code("AccessDeniedException").as_deref(),
            Some("AccessDeniedException")
        );
        for code in ["", "a b", "a\u{1b}", "a\n", &"x".repeat(LONGEST_CODE + 1)] {
            assert_eq!(sent.code(code), None, "{code}");
        }
    }
}
