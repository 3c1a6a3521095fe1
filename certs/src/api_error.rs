//! What the API server says, in words for people: kube's own text repeats the whole status, and hides why a connection
//! failed.

use std::error::Error as _;
use std::fmt;

/// A failed request to the API server.
#[derive(Debug)]
pub struct ApiError(Box<kube::Error>);

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        Self(Box::new(error))
    }
}

impl std::error::Error for ApiError {}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            kube::Error::Api(status) if status.code == 403 => write!(
                f,
                "{}; apply the manifests of this version again, they hold the rights that it needs",
                status.message
            ),
            kube::Error::Api(status) => f.write_str(&status.message),
            error => {
                f.write_str("no answer from the API server")?;
                let mut cause = error.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    fn of(code: u16, message: &str) -> String {
        let status = Status::failure(message, "reason").with_code(code);
        ApiError::from(kube::Error::Api(status.boxed())).to_string()
    }

    #[test]
    fn says_the_message_and_what_to_do_where_a_right_is_missing() {
        assert_eq!(of(409, "was changed"), "was changed");
        assert!(of(403, "is forbidden").starts_with("is forbidden; apply the manifests"));
    }

    #[test]
    fn says_why_there_was_no_answer() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = ApiError::from(kube::Error::Service(refused.into()));
        assert_eq!(
            error.to_string(),
            "no answer from the API server: connection refused"
        );
    }
}
