//! The pod's tokens, which the kubelet keeps fresh in files.

use std::path::Path;

use zeroize::Zeroizing;

/// Reads a token. The error names the variable that led to the file.
pub(crate) fn read(variable: &str, path: &Path) -> Result<Zeroizing<String>, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("the token file {} ({variable}): {error}", path.display()))?;
    let text = Zeroizing::new(text);
    match text.trim() {
        "" => Err(format!(
            "the token file {} ({variable}) is empty",
            path.display()
        )),
        token => Ok(Zeroizing::new(token.to_owned())),
    }
}
