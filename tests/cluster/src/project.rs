//! Folders of the project.

use std::path::{Path, PathBuf};

/// The project's root.
pub fn root() -> PathBuf {
    let this = Path::new(env!("CARGO_MANIFEST_DIR"));
    this.ancestors()
        .nth(2)
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// The build folder, for everything that is built or downloaded.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}
