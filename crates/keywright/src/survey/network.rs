//! The variables that decide how this machine reaches a provider: proxies, and files of trusted certificates.

use std::path::{Path, PathBuf};

use keywright_core::Catalogue;
use keywright_core::inspect::certificates::{self, Takes, TrustVariable, Trusted, VARIABLES};
use keywright_core::inspect::setting::Settings;
use keywright_core::inspect::{Finding, base_url, proxy};

use crate::http::Origin;
use crate::sources::Environment;
use crate::trust::{ExtraTrust, TrustError};

/// How programs here reach an origin.
pub fn way(environment: &Environment, origin: &Origin) -> proxy::Way {
    proxy::way(|name| environment.text(name), origin.is_encrypted(), origin.host(), origin.port())
}

/// The variable that replaces the trusted certificates of this process, if one is set.
pub fn trust_variable(environment: &Environment) -> Option<&'static str> {
    REPLACE_TRUST.iter().copied().find(|name| environment.text(name).is_some_and(|value| !value.is_empty()))
}

/// What is strange about them.
pub(super) fn inspect(environment: &Environment, directory: &Path, settings: &Settings) -> Vec<Finding> {
    let trust = VARIABLES.iter().filter_map(|variable| {
        let value = environment.text(variable.name).filter(|value| !value.trim().is_empty())?;
        certificates::inspect(variable, &state(variable, &value, directory))
    });
    let spellings = proxy::two_spellings(|name| environment.text(name));
    trust.chain(spellings).chain(local_servers(environment, settings)).collect()
}

/// Base URLs of this machine that a proxy stands before. One finding a host.
fn local_servers(environment: &Environment, settings: &Settings) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for provider in Catalogue::builtin().providers() {
        let url = base_url::in_force(settings, provider).map(|setting| setting.value.expose());
        let origin = url.and_then(|url| Origin::parse(url, "").ok());
        let finding = origin.and_then(|origin| proxy::local_behind_proxy(origin.host(), &way(environment, &origin)));
        findings.extend(finding.filter(|new| !findings.contains(new)));
    }
    findings
}

fn state(variable: &TrustVariable, value: &str, directory: &Path) -> Trusted {
    let paths: Vec<PathBuf> = match variable.takes {
        Takes::Folders => std::env::split_paths(value).map(|path| directory.join(path)).collect(),
        Takes::File | Takes::Either => vec![directory.join(value)],
    };
    let folder = paths.iter().any(|path| path.is_dir());
    match (variable.takes, folder) {
        (Takes::Folders | Takes::Either, true) => Trusted::Usable,
        (Takes::File, true) => Trusted::Unreadable("it is a directory".to_owned()),
        (Takes::Folders, false) => Trusted::Missing,
        (Takes::File | Takes::Either, false) => paths.first().map_or(Trusted::Missing, |path| file(path)),
    }
}

fn file(path: &Path) -> Trusted {
    // A device or a pipe may never end.
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Trusted::Missing,
        Err(error) => return Trusted::Unreadable(error.kind().to_string()),
        Ok(facts) if !facts.is_file() => return Trusted::Unreadable("it is no file".to_owned()),
        Ok(facts) if facts.len() > LARGEST => return Trusted::Unreadable("it is too large".to_owned()),
        Ok(_) => {}
    }
    match ExtraTrust::read(path) {
        Ok(_) | Err(TrustError::Unusable { .. }) => Trusted::Usable,
        Err(TrustError::Unreadable { source, .. }) => Trusted::Unreadable(source.kind().to_string()),
        Err(TrustError::NotPem { .. } | TrustError::Empty { .. }) => Trusted::Empty,
    }
}

/// What replaces the system's certificates for OpenSSL, httpx and this program.
const REPLACE_TRUST: &[&str] = &["SSL_CERT_FILE", "SSL_CERT_DIR"];
/// The bundle of Mozilla's roots has a quarter of a megabyte.
const LARGEST: u64 = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use keywright_core::inspect::Severity;

    use super::*;

    fn found(variables: &[(&str, &str)], files: &[(&str, &str)]) -> Vec<(Severity, String)> {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        let environment = Environment::given(variables.iter().copied());
        let settings = variables
            .iter()
            .map(|(name, value)| keywright_core::inspect::Setting::variable(name, keywright_core::Secret::new(*value)));
        let found = inspect(&environment, folder.path(), &Settings::new(settings.collect()));
        found.into_iter().map(|finding| (finding.severity, finding.says)).collect()
    }

    #[test]
    fn a_file_of_certificates_is_looked_at() {
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let files = [("good.pem", certificate.cert.pem()), ("text.pem", "no certificate".to_owned())];
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let (error, warning) = (Some(Severity::Error), Some(Severity::Warning));
        let cases = [
            ("SSL_CERT_FILE", "good.pem", None, ""),
            ("SSL_CERT_FILE", "none.pem", error, "does not exist"),
            ("SSL_CERT_FILE", "text.pem", error, "holds no certificate"),
            ("SSL_CERT_FILE", ".", error, "it is a directory"),
            ("SSL_CERT_FILE", "/dev/zero", error, "it is no file"),
            ("REQUESTS_CA_BUNDLE", ".", None, ""),
            ("SSL_CERT_DIR", "none:.", None, ""),
            ("SSL_CERT_DIR", "none", warning, "does not exist"),
            ("NODE_EXTRA_CA_CERTS", "none.pem", warning, "does not exist"),
        ];
        for (name, value, expected, words) in cases {
            let found = found(&[(name, value)], &files);
            let (severity, says) =
                found.first().map_or((None, ""), |(severity, says)| (Some(*severity), says.as_str()));
            assert_eq!(severity, expected, "{name}={value}: {says}");
            assert!(says.contains(words), "{name}={value}: {says}");
        }
    }

    #[test]
    fn a_local_base_url_behind_a_proxy_is_told_once() {
        let set = [
            ("HTTP_PROXY", "http://proxy:3128"),
            ("OPENAI_BASE_URL", "http://127.0.0.1:4200/openai/v1"),
            ("TOGETHER_BASE_URL", "http://127.0.0.1:4200/together/v1"),
        ];
        let told = found(&set, &[]);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].1.contains("127.0.0.1 through the proxy proxy:3128"), "{told:?}");
        let excepted = [set.as_slice(), &[("no_proxy", "localhost,127.0.0.1")]].concat();
        assert_eq!(found(&excepted, &[]), []);
    }
}
