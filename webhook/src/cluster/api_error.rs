//! A failed request to the API server, with advice about this project's RBAC rules.

use std::fmt;
use std::sync::Arc;

/// A failed request to the API server. Clones share it.
#[derive(Clone, Debug)]
pub struct ApiError(Arc<kube::Error>);

impl From<kube::Error> for ApiError {
    fn from(error: kube::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl std::error::Error for ApiError {}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&certs::describe(&self.0))?;
        match &*self.0 {
            kube::Error::Api(status) if status.code == 403 => f.write_str(
                "; re-apply this version's manifests: they contain the required RBAC rules",
            ),
            _ => Ok(()),
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
    fn a_missing_permission_comes_with_its_remedy() {
        assert_eq!(of(409, "was changed"), "was changed");
        assert!(of(403, "is forbidden").starts_with("is forbidden; re-apply this version's"));
    }
}
