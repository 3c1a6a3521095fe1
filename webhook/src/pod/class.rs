//! A class of a pod.

use std::collections::BTreeMap;
use std::sync::Arc;

use provider_class::Class;

use crate::pod::csi::CsiVolume;

/// A class of a pod, and the directory for its files. Clones share the class.
#[derive(Clone, Debug, PartialEq)]
pub struct MountedClass {
    /// The directory, an absolute path.
    pub mount_path: String,
    /// The volume of the pod's own that becomes the directory. Its containers mount it where they like.
    pub volume: Option<CsiVolume>,
    /// The class.
    pub class: Arc<Class>,
    /// Its parameters as the user wrote them, for the injector.
    pub parameters: Arc<BTreeMap<String, String>>,
    /// Its `resourceVersion`, or 0 for one that only an annotation describes.
    pub version: u64,
}
