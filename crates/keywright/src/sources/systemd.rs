//! systemd credentials: files that the service manager hands to one service alone.

use super::file::SecretFile;
use super::{BoxFuture, Environment, Reading, Source, SourceError};

/// The credentials of this process. The name asked for is a field; the empty one is the whole credential.
#[derive(Debug)]
pub(super) struct Credential {
    pub(super) environment: Environment,
    pub(super) name: String,
}

impl Source for Credential {
    fn place(&self, field: &str, _: Option<&Reading>) -> String {
        let name = &self.name;
        if field.is_empty() {
            format!("systemd credential {name}")
        } else {
            format!("systemd credential {name}, field {field}")
        }
    }

    fn read<'a>(&'a self, field: &'a str) -> BoxFuture<'a, Result<Option<Reading>, SourceError>> {
        Box::pin(async move {
            let directory = self.environment.value("CREDENTIALS_DIRECTORY").ok_or(SourceError::NoCredentials)?;
            let path = std::path::PathBuf::from(directory).join(&self.name);
            SecretFile { written: path.clone(), path }.read(field).await
        })
    }
}
