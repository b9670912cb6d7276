//! `[schema_registry]` of the host file and `[source.schema_registry]` of a connector file, which have the same keys.

use std::path::PathBuf;

use super::environment::Environment;
use super::report::Report;
use super::section::Section;
use crate::formats::registry::{ApicurioId, Credentials, RegistrySettings, RegistryTls};

/// What one place says of the registry.
#[derive(Clone, Debug, Default)]
pub(super) struct RegistryLayer {
    urls: Option<Vec<String>>,
    credentials: Option<Credentials>,
    tls: Option<RegistryTls>,
    apicurio_id: Option<ApicurioId>,
}

impl RegistryLayer {
    /// The variables `SCHEMA_REGISTRY_URL`, `SCHEMA_REGISTRY_USERNAME` and `SCHEMA_REGISTRY_PASSWORD`.
    pub(super) fn of_environment(environment: &Environment, report: &Report) -> Self {
        let text = |name| environment.get(name).map(str::trim).map(str::to_owned);
        let urls = text("SCHEMA_REGISTRY_URL").and_then(|text| {
            split_urls([text.as_str()])
                .map_err(|message| report.variable("SCHEMA_REGISTRY_URL", message))
                .ok()
        });
        let password = text("SCHEMA_REGISTRY_PASSWORD").unwrap_or_default();
        report.secret(&password);
        let credentials =
            text("SCHEMA_REGISTRY_USERNAME").map(|username| Credentials::Basic { username, password });
        Self { urls, credentials, ..Self::default() }
    }

    /// The table of a file. Nothing is read from it but its own keys.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            urls: read_urls(section),
            credentials: read_credentials(section),
            tls: read_tls(section),
            apicurio_id: section.choice(
                "apicurio_id",
                vec![
                    ("auto", ApicurioId::Auto),
                    ("content", ApicurioId::Content),
                    ("global", ApicurioId::Global),
                ],
            ),
        }
    }

    /// Fills what is open with what `lower` says.
    pub(super) fn or(self, lower: Self) -> Self {
        Self {
            urls: self.urls.or(lower.urls),
            credentials: self.credentials.or(lower.credentials),
            tls: self.tls.or(lower.tls),
            apicurio_id: self.apicurio_id.or(lower.apicurio_id),
        }
    }

    /// The registry, if there is a URL.
    fn settings(self) -> Option<RegistrySettings> {
        Some(RegistrySettings {
            urls: self.urls?,
            credentials: self.credentials,
            tls: self.tls.unwrap_or_default(),
            apicurio_id: self.apicurio_id.unwrap_or_default(),
        })
    }
}

/// Reads `[source.schema_registry]`: what the connector's own file says, then the environment, then `[defaults]`, then the
/// host file. Credentials and certificates of the host file are for the registry of the host file: a connector with a URL of
/// its own does not get them.
pub(super) fn read_source(
    mut section: Section<'_>,
    environment: &RegistryLayer,
    host: &RegistryLayer,
) -> Option<RegistrySettings> {
    let written = RegistryLayer::read(&mut section);
    let has_own_url = written.urls.is_some();
    let login = if section.has("bearer_token") { "bearer_token" } else { "username" };
    let layer = RegistryLayer {
        urls: section.or_environment("url", written.urls, environment.urls.clone()),
        credentials: section.or_environment(login, written.credentials, environment.credentials.clone()),
        ..written
    };
    section.finish();
    if has_own_url { layer.settings() } else { layer.or(host.clone()).settings() }
}

fn read_urls(section: &mut Section<'_>) -> Option<Vec<String>> {
    let texts = section.texts("url")?;
    split_urls(texts.iter().map(String::as_str)).map_err(|message| section.error("url", message, None)).ok()
}

/// URLs separated by commas, without slashes at their ends.
fn split_urls<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Vec<String>, String> {
    let mut urls: Vec<String> = Vec::new();
    for url in texts.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|url| !url.is_empty())
    {
        check_url(url, "write it as http://host:8081 or https://host:8081")?;
        let url = url.trim_end_matches('/').to_owned();
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    if urls.is_empty() { Err("must name at least one URL".to_owned()) } else { Ok(urls) }
}

/// Whether a text is the base URL of a server. `example` says in errors how to write it.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_url(url: &str, example: &str) -> Result<(), String> {
    let uri: ureq::http::Uri = url.parse().map_err(|_| format!("not a URL: {example}"))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("the URL holds a user: set the login separately instead".to_owned());
    }
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().unwrap_or_default().is_empty() {
        return Err(format!("{url:?} is not the URL of a server: {example}"));
    }
    if uri.query().is_some() || url.contains('#') {
        return Err(format!("{url:?} is not a base URL: leave out everything from ? or # on"));
    }
    Ok(())
}

fn read_credentials(section: &mut Section<'_>) -> Option<Credentials> {
    let (username, password) = (section.name("username"), section.text("password"));
    let token = section.name("bearer_token");
    for secret in [&password, &token].into_iter().flatten() {
        section.report().secret(secret);
    }
    match (username, password, token) {
        (Some(_), _, Some(_)) => {
            section.error(
                "bearer_token",
                "both a user name and a bearer token are given",
                Some("keep one of them".to_owned()),
            );
            None
        }
        (Some(username), password, None) => {
            Some(Credentials::Basic { username, password: password.unwrap_or_default() })
        }
        (None, Some(_), None) => {
            section.error("password", "a password without a user name", Some("set username, too".to_owned()));
            None
        }
        (None, _, token) => token.map(Credentials::Bearer),
    }
}

fn read_tls(section: &mut Section<'_>) -> Option<RegistryTls> {
    let keys = ["tls_ca_file", "tls_certificate_file", "tls_key_file"];
    let [ca_file, certificate_file, key_file] = keys.map(|key| read_file(section, key));
    let key_password = section.text("tls_key_password");
    if let Some(password) = &key_password {
        section.report().secret(password);
    }
    if certificate_file.is_none() && (key_file.is_some() || key_password.is_some()) {
        let help = "set tls_certificate_file, too";
        section.error("tls_key_file", "a private key without a certificate", Some(help.to_owned()));
    }
    let tls = RegistryTls { ca_file, certificate_file, key_file, key_password };
    (tls != RegistryTls::default()).then_some(tls)
}

fn read_file(section: &mut Section<'_>, key: &'static str) -> Option<PathBuf> {
    let path = PathBuf::from(section.name(key)?);
    if let Err(error) = std::fs::File::open(&path) {
        section.error(key, format!("cannot read {}: {error}", path.display()), None);
        return None;
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_split_and_checked() {
        let split = |text| split_urls([text]);
        assert_eq!(
            split("http://a:8081/, https://b/apis/ccompat/v7 ,http://a:8081"),
            Ok(vec!["http://a:8081".to_owned(), "https://b/apis/ccompat/v7".to_owned()])
        );
        for (text, expected) in [
            ("", "must name at least one URL"),
            ("a:8081", "is not the URL of a server"),
            ("localhost", "is not the URL of a server"),
            ("ftp://a", "is not the URL of a server"),
            ("http://", "not a URL"),
            ("http://me:s3cret@a", "the URL holds a user"),
            ("http://a/?x=1", "is not a base URL"),
        ] {
            let error = split(text).unwrap_err();
            assert!(error.contains(expected) && !error.contains("s3cret"), "{text}: {error}");
        }
    }
}
