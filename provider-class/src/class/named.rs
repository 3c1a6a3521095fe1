//! The fields that name an object in AWS.

use super::cursor::Fields;

/// Fields that an entry and its `failoverObject` have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Named<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) path: Option<&'a str>,
    pub(super) version: Option<&'a str>,
    pub(super) label: Option<&'a str>,
}

impl<'a> Named<'a> {
    pub(super) fn read(fields: &mut Fields<'a>) -> Self {
        Self {
            name: fields.text("objectName"),
            path: fields.text("objectPath"),
            version: fields.text("objectVersion"),
            label: fields.text("objectVersionLabel"),
        }
    }

    /// The name or path, for messages.
    pub(super) fn title(&self) -> Option<&'a str> {
        self.name.or(self.path)
    }
}
