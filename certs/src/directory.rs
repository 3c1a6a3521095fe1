//! A certificate from a mounted directory, e.g. from cert-manager: `tls.crt` and `tls.key`, reloaded when they change.
//! cert-manager writes the `caBundle`.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::pair::{CERTIFICATE, KEY, Serving, Unusable};
use crate::shown::Shown;
use crate::status::Problem;

/// How often the files are read.
const INTERVAL: Duration = Duration::from_secs(5);

/// The directory and its last content.
pub(crate) struct Directory {
    path: PathBuf,
    shown: Option<Serving>,
}

impl Directory {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, shown: None }
    }

    /// Serves the certificate in the files if it has changed and is usable. Returns when to check again.
    pub(crate) async fn look(
        &mut self,
        shown: &mut Shown,
        now: SystemTime,
    ) -> Result<SystemTime, Problem> {
        let [certificate, key] = read(&self.path).await?;
        let is_known = self.shown.as_ref().is_some_and(|serving| {
            serving.chain().as_bytes() == certificate && serving.key().as_bytes() == key
        });
        if !is_known {
            let serving = parse(&certificate, &key).map_err(|error| self.problem(error))?;
            shown.show(&serving, None);
            self.shown = Some(serving);
        }
        Ok(now + INTERVAL)
    }

    fn problem(&self, error: Unusable) -> Problem {
        let path = self.path.clone();
        match error {
            Unusable::KeyMismatch { .. } => Problem::KeyMismatch { path },
            error => Problem::UnusableFile { path, error },
        }
    }
}

/// Both files. The kubelet replaces all files of a volume at once with the symbolic link `..data`. Resolved once, it leads to
/// a directory in which they match.
async fn read(path: &Path) -> Result<[Vec<u8>; 2], Problem> {
    let linked = path.join("..data");
    let directory = match tokio::fs::canonicalize(&linked).await {
        Ok(directory) => directory,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(unreadable(linked, &error)),
    };
    let file = async |name| {
        let path = directory.join(name);
        let content = tokio::fs::read(&path).await;
        content.map_err(|error| unreadable(path, &error))
    };
    Ok([file(CERTIFICATE).await?, file(KEY).await?])
}

fn parse(certificate: &[u8], key: &[u8]) -> Result<Serving, Unusable> {
    let text = |field, bytes| std::str::from_utf8(bytes).map_err(|_| Unusable::NotText(field));
    Serving::from_pem(text(CERTIFICATE, certificate)?, text(KEY, key)?)
}

fn unreadable(path: PathBuf, error: &std::io::Error) -> Problem {
    Problem::DirectoryUnreadable {
        path,
        message: error.to_string(),
    }
}
