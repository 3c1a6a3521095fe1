//! Readable errors of the API server. kube's own text repeats the whole status and hides why a connection failed.

use std::error::Error as _;

/// What the API server says, or why it did not answer.
pub fn describe(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return status.message.clone();
    }
    let mut text = "no answer from the API server".to_owned();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::core::Status;

    #[test]
    fn says_the_message_of_the_api_server() {
        let status = Status::failure("was changed", "Conflict").with_code(409);
        let error = kube::Error::Api(status.boxed());
        assert_eq!(describe(&error), "was changed");
    }

    #[test]
    fn says_why_there_was_no_answer() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = kube::Error::Service(refused.into());
        assert_eq!(
            describe(&error),
            "no answer from the API server: connection refused"
        );
    }
}
