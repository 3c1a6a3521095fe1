//! Creates secrets and parameters in moto, in any account and region.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::http;

/// An account and region.
#[derive(Debug)]
pub struct Seed {
    moto: SocketAddr,
    account: String,
    region: String,
    access_key: OnceCell<String>,
}

impl Seed {
    pub(crate) fn new(moto: SocketAddr, account: &str, region: &str) -> Self {
        Self {
            moto,
            account: account.to_owned(),
            region: region.to_owned(),
            access_key: OnceCell::new(),
        }
    }

    /// Creates a secret with a string. A name with the suffix of an ARN is found by that ARN.
    pub async fn secret(&self, name: &str, value: &str) -> anyhow::Result<Value> {
        self.json(
            "secretsmanager",
            "CreateSecret",
            &json!({"Name": name, "SecretString": value}),
        )
        .await
    }

    /// Creates a secret with binary data in base64.
    pub async fn binary_secret(&self, name: &str, base64: &str) -> anyhow::Result<Value> {
        self.json(
            "secretsmanager",
            "CreateSecret",
            &json!({"Name": name, "SecretBinary": base64}),
        )
        .await
    }

    /// Gives a secret a new current version.
    pub async fn update_secret(&self, name: &str, value: &str) -> anyhow::Result<Value> {
        self.json(
            "secretsmanager",
            "PutSecretValue",
            &json!({"SecretId": name, "SecretString": value}),
        )
        .await
    }

    /// Creates a parameter, or a new version of it.
    pub async fn parameter(&self, name: &str, value: &str) -> anyhow::Result<Value> {
        let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
        self.json("ssm", "PutParameter", &body).await
    }

    /// Calls any operation of Secrets Manager or SSM.
    pub async fn json(
        &self,
        service: &str,
        operation: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let prefix = if service == "ssm" {
            "AmazonSSM"
        } else {
            service
        };
        let key = self.access_key().await?;
        let request = Request::post("/")
            .header("host", self.moto.to_string())
            .header("x-amz-target", format!("{prefix}.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", format!("AWS4-HMAC-SHA256 Credential={key}/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=none", self.region))
            .body(Full::new(Bytes::from(body.to_string())))?;
        let answer = self.send(operation, request).await?;
        serde_json::from_str(&answer).with_context(|| format!("{operation}: not JSON"))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.moto)
    }

    pub(crate) fn region(&self) -> &str {
        &self.region
    }

    pub(crate) async fn access_key(&self) -> anyhow::Result<&String> {
        self.access_key.get_or_try_init(|| self.assume_role()).await
    }

    /// moto identifies an account by an access key that it issued for one of its roles.
    async fn assume_role(&self) -> anyhow::Result<String> {
        let form = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleSessionName=seed&WebIdentityToken=none&RoleArn=arn%3Aaws%3Aiam%3A%3A{}%3Arole%2Fseed",
            self.account
        );
        let request = Request::post("/")
            .header("host", format!("sts.{}.amazonaws.com", self.region))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))?;
        let answer = self.send("AssumeRoleWithWebIdentity", request).await?;
        let key = answer
            .split_once("<AccessKeyId>")
            .and_then(|(_, rest)| rest.split_once("</AccessKeyId>"));
        Ok(key.context("STS returned no access key")?.0.to_owned())
    }

    async fn send(&self, operation: &str, request: Request<Full<Bytes>>) -> anyhow::Result<String> {
        let answer = http::send(self.moto, request).await?;
        let status = answer.status();
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        ensure!(status.is_success(), "{operation}: {status}: {text}");
        Ok(text)
    }
}
