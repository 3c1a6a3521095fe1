//! The record of a call, read from the request: service, operation, region, objects and caller.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use serde::Serialize;
use serde_json::Value;

/// A recorded call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Call {
    /// `GetSecretValue`, `GetParameters`, `AssumeRoleWithWebIdentity` …
    pub operation: String,
    /// From the signature. An unsigned call has none.
    pub region: Option<String>,
    /// Names or ARNs in the call.
    pub objects: Vec<String>,
    /// The caller, as far as it is known.
    pub caller: Caller,
    /// For STS: the role.
    pub role: Option<String>,
    /// For STS: the session's name.
    pub session: Option<String>,
    /// For STS: the session's tags, as `key=value`.
    pub tags: Vec<String>,
    /// For STS: the token's audiences.
    pub audiences: Vec<String>,
    /// For STS: when the token expires, in seconds since 1970.
    pub expires: Option<u64>,
}

/// The caller of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// Subject of the web identity token, such as `system:serviceaccount:shop:web`. For later calls, of the token for which
    /// their credentials were issued.
    pub subject: Option<String>,
    /// The access key of the signature.
    pub access_key: Option<String>,
}

impl Call {
    /// Reads a request.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Self {
        let mut call = Self::default();
        if let Some((access_key, region)) = signature(headers) {
            call.caller.access_key = Some(access_key);
            call.region = Some(region);
        }
        match headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
        {
            Some(target) => {
                target
                    .rsplit('.')
                    .next()
                    .unwrap_or_default()
                    .clone_into(&mut call.operation);
                call.objects = objects(&serde_json::from_slice(body).unwrap_or_default());
            }
            None => call.read_query(&String::from_utf8_lossy(body)),
        }
        call
    }

    /// Reads an STS call, which is a form.
    fn read_query(&mut self, body: &str) {
        for (key, value) in body.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = decode(value);
            match key {
                "Action" => self.operation = value,
                "RoleArn" => self.role = Some(value),
                "RoleSessionName" => self.session = Some(value),
                "WebIdentityToken" => {
                    let claims = claims(&value);
                    self.caller.subject = claims["sub"].as_str().map(str::to_owned);
                    self.audiences = strings(&claims["aud"]);
                    self.expires = claims["exp"].as_u64();
                }
                _ if key.starts_with("Tags.member.") && key.ends_with(".Key") => {
                    self.tags.push(value);
                }
                _ if key.starts_with("Tags.member.") && key.ends_with(".Value") => {
                    if let Some(tag) = self.tags.last_mut() {
                        *tag = format!("{tag}={value}");
                    }
                }
                _ => {}
            }
        }
    }
}

/// Access key and region of a version 4 signature.
fn signature(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get("authorization")?.to_str().ok()?;
    let scope = header.split_once("Credential=")?.1.split(',').next()?;
    let mut parts = scope.split('/');
    let key = parts.next()?;
    let region = parts.nth(1)?;
    Some((key.to_owned(), region.to_owned()))
}

fn objects(body: &Value) -> Vec<String> {
    let fields = ["SecretId", "Names", "Name", "Path"];
    fields
        .iter()
        .map(|field| &body[*field])
        .flat_map(strings)
        .chain(filters(body))
        .collect()
}

/// `Label=live` for a filter of GetParametersByPath.
fn filters(body: &Value) -> Vec<String> {
    let filters = body["ParameterFilters"].as_array().into_iter().flatten();
    filters
        .map(|filter| {
            let key = filter["Key"].as_str().unwrap_or_default();
            format!("{key}={}", strings(&filter["Values"]).join("|"))
        })
        .collect()
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// The unverified claims of a JSON web token; null if there are none.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// Decodes percent and plus signs in forms.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| {
            byte.and_then(|byte| char::from(byte).to_digit(16))
                .unwrap_or_default()
        };
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_json_calls() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-amz-target",
            "secretsmanager.GetSecretValue".parse().unwrap(),
        );
        headers.insert("authorization", "AWS4-HMAC-SHA256 Credential=ASIAX/20260101/us-east-2/secretsmanager/aws4_request, SignedHeaders=host".parse().unwrap());
        let call = Call::read(&headers, br#"{"SecretId": "a/b"}"#);
        assert_eq!(
            (call.operation.as_str(), call.region.as_deref()),
            ("GetSecretValue", Some("us-east-2"))
        );
        assert_eq!(call.objects, ["a/b"]);
        assert_eq!(call.caller.access_key.as_deref(), Some("ASIAX"));
    }

    #[test]
    fn reads_the_token_of_an_sts_call() {
        let token = format!(
            "h.{}.s",
            URL_SAFE_NO_PAD
                .encode(r#"{"sub": "system:serviceaccount:a:b", "aud": ["sts.amazonaws.com"], "exp": 1767225600}"#)
        );
        let call = Call::read(
            &HeaderMap::new(),
            format!(
                "Action=AssumeRoleWithWebIdentity&RoleArn=arn%3Aaws%3Aiam&WebIdentityToken={token}"
            )
            .as_bytes(),
        );
        assert_eq!(
            call.caller.subject.as_deref(),
            Some("system:serviceaccount:a:b")
        );
        assert_eq!(call.audiences, ["sts.amazonaws.com"]);
        assert_eq!(call.expires, Some(1_767_225_600));
        assert_eq!(call.role.as_deref(), Some("arn:aws:iam"));
    }
}
