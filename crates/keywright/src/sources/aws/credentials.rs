//! Where AWS credentials come from, in the order of the AWS tools: variables, a web identity, the shared files, the
//! container's or the machine's role.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use keywright_core::Secret;
use serde_json::{Value, json};

use super::{LOGIN, server};
use crate::sources::cloud::Cloud;
use crate::sources::file::{LARGEST_SECRET_BYTES, read_bounded};
use crate::sources::login::Logins;
use crate::sources::remote::{Server, form, sensitive, text};
use crate::sources::{Environment, SourceError};
use crate::trust::ExtraTrust;

/// What a request is signed with.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
    /// Temporary credentials have one.
    pub(super) session_token: Option<Secret>,
}

impl Credentials {
    pub(super) async fn find(environment: &Environment, logins: &Logins, region: &str) -> Result<Self, SourceError> {
        let variable = |name: &str| environment.setting(name);
        if let (Some(id), Some(secret)) = (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
            let session_token = variable("AWS_SESSION_TOKEN").map(Secret::new);
            return Ok(Self { access_key_id: id, secret_access_key: Secret::new(secret), session_token });
        }
        if let Some(kept) = logins.current(LOGIN).and_then(|kept| Self::parse(kept.expose())) {
            return Ok(kept);
        }
        if let (Some(file), Some(role)) = (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN")) {
            return Ok(web_identity(environment, region, &file, &role).await?.kept(logins));
        }
        if let Some(found) = Self::of_profile(profile(environment).await?) {
            return Ok(found);
        }
        let given = match container(environment).await? {
            Some(found) => found,
            None if variable("AWS_PROFILE").is_some() => return Err(NONE),
            None => machine(environment).await?,
        };
        Self::parse(&given.to_string()).map(|found| found.kept(logins)).ok_or(NONE)
    }

    fn of_profile(mut profile: BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            access_key_id: profile.remove("aws_access_key_id")?,
            secret_access_key: Secret::new(profile.remove("aws_secret_access_key")?),
            session_token: profile.remove("aws_session_token").map(Secret::new),
        })
    }

    /// As the metadata services answer, and as they are kept here.
    fn parse(json: &str) -> Option<Self> {
        let answer: Value = serde_json::from_str(json).ok()?;
        Some(Self {
            access_key_id: text(&answer, "/AccessKeyId")?.to_owned(),
            secret_access_key: Secret::new(text(&answer, "/SecretAccessKey")?),
            session_token: text(&answer, "/Token").map(Secret::new),
        })
    }

    fn kept(self, logins: &Logins) -> Self {
        let json = json!({
            "AccessKeyId": self.access_key_id,
            "SecretAccessKey": self.secret_access_key.expose(),
            "Token": self.session_token.as_ref().map(Secret::expose),
        });
        logins.keep(LOGIN, &Secret::new(json.to_string()), KEPT);
        self
    }
}

/// The settings of the profile in both shared files; those of the credentials file win.
pub(super) async fn profile(environment: &Environment) -> Result<BTreeMap<String, String>, SourceError> {
    let name = environment.setting("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    let file = |variable: &str, usual: &str| {
        let home = || environment.setting("HOME").map(|home| PathBuf::from(home).join(".aws").join(usual));
        environment.setting(variable).map(PathBuf::from).or_else(home)
    };
    let mut settings = BTreeMap::new();
    for (path, heading) in [
        (file("AWS_CONFIG_FILE", "config"), if name == "default" { name.clone() } else { format!("profile {name}") }),
        (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), name.clone()),
    ] {
        let Some(path) = path else { continue };
        match read_bounded(&path, LARGEST_SECRET_BYTES).await {
            Ok(bytes) => settings.extend(section(&String::from_utf8_lossy(&bytes), &heading)),
            Err(SourceError::NoFile) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(settings)
}

/// One section of an INI file.
fn section(file: &str, heading: &str) -> BTreeMap<String, String> {
    let mut inside = false;
    let mut settings = BTreeMap::new();
    for line in file.lines() {
        let text = line.trim();
        if let Some(name) = text.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = name.trim() == heading;
        } else if let Some((name, value)) = text.split_once('=').filter(|_| inside && !text.starts_with(['#', ';']))
            // An indented line belongs to the setting above it.
            && !line.starts_with([' ', '\t'])
        {
            settings.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
    settings
}

/// Exchanges a token of Kubernetes or a pipeline for credentials of a role.
async fn web_identity(
    environment: &Environment,
    region: &str,
    file: &str,
    role: &str,
) -> Result<Credentials, SourceError> {
    let token = read_bounded(Path::new(file), LARGEST_SECRET_BYTES).await?;
    let token = Secret::new(String::from_utf8(token).map_err(|_| SourceError::NotUtf8)?);
    let session = environment.setting("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "keywright".to_owned());
    let body = form([
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", &session),
        ("WebIdentityToken", token.expose().trim()),
    ]);
    let server = server(environment, "sts", region)?;
    let request = server.request(Method::POST, "/").header("content-type", "application/x-www-form-urlencoded");
    let (status, answer) = server.ask(request, body).await?;
    let answer = String::from_utf8_lossy(&answer);
    if status != 200 {
        let expired = element(&answer, "Code").is_some_and(|code| code.starts_with("ExpiredToken"));
        return Err(if expired { SourceError::CloudExpired(Cloud::Aws) } else { Cloud::Aws.login_refusal(status) });
    }
    let found = (|| {
        Some(Credentials {
            access_key_id: element(&answer, "AccessKeyId")?.to_owned(),
            secret_access_key: Secret::new(element(&answer, "SecretAccessKey")?),
            session_token: Some(Secret::new(element(&answer, "SessionToken")?)),
        })
    })();
    found.ok_or(SourceError::CloudStrange { cloud: Cloud::Aws, status })
}

/// The text of the first element of this name. Credentials are letters, digits and `+/=`: nothing in them is escaped.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let rest = &xml[xml.find(&format!("<{name}>"))? + name.len() + 2..];
    rest.split('<').next().map(str::trim)
}

/// The role of an ECS task or an EKS pod.
async fn container(environment: &Environment) -> Result<Option<Value>, SourceError> {
    let relative = environment.setting("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    let relative = relative.map(|path| format!("http://169.254.170.2{path}"));
    let Some(url) = relative.or_else(|| environment.setting("AWS_CONTAINER_CREDENTIALS_FULL_URI")) else {
        return Ok(None);
    };
    let (url, query) = url.split_once('?').map_or((url.as_str(), None), |(url, query)| (url, Some(query)));
    let server = metadata(url)?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut request = server.request(Method::GET, &query);
    let token = match environment.setting("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => String::from_utf8(read_bounded(Path::new(&file), LARGEST_SECRET_BYTES).await?).ok(),
        None => environment.setting("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
    };
    if let Some(token) = token {
        request = request.header("authorization", sensitive(token.trim())?);
    }
    let (status, answer) = server.ask_json(request, "").await?;
    if status == 200 { Ok(Some(answer)) } else { Err(Cloud::Aws.login_refusal(status)) }
}

/// The role of an EC2 machine, by the second version of its metadata service.
async fn machine(environment: &Environment) -> Result<Value, SourceError> {
    if environment.setting("AWS_EC2_METADATA_DISABLED").is_some_and(|set| set.eq_ignore_ascii_case("true")) {
        return Err(NONE);
    }
    let url = environment.setting("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    let server = metadata(url.as_deref().unwrap_or("http://169.254.169.254"))?;
    let request = server.request(Method::PUT, "/latest/api/token");
    // Away from EC2 nobody answers, or somebody else does.
    let (status, session) =
        server.ask(request.header("x-aws-ec2-metadata-token-ttl-seconds", "600"), "").await.map_err(|_| NONE)?;
    let session = String::from_utf8(session.to_vec()).ok().filter(|_| status == 200).ok_or(NONE)?;
    let roles = "/latest/meta-data/iam/security-credentials/";
    let role = told(&server, roles, &session).await?;
    let role = String::from_utf8_lossy(&role).lines().next().unwrap_or_default().trim().to_owned();
    let answer = told(&server, &format!("{roles}{role}"), &session).await?;
    serde_json::from_slice(&answer).map_err(|_| NONE)
}

/// What the metadata service tells at a path.
async fn told(server: &Server, path: &str, session: &str) -> Result<Bytes, SourceError> {
    let request = server.request(Method::GET, path).header("x-aws-ec2-metadata-token", sensitive(session)?);
    let (status, body) = server.ask(request, "").await?;
    if status == 200 { Ok(body) } else { Err(NONE) }
}

fn metadata(url: &str) -> Result<Server, SourceError> {
    let server = Server::at(url, &ExtraTrust::default(), SourceError::BadCloudEndpoint(Cloud::Aws))?;
    Ok(server.within(METADATA_LIMIT))
}

const NONE: SourceError = SourceError::NoCloudLogin(Cloud::Aws);
/// The services beside a program answer at once or never.
const METADATA_LIMIT: Duration = Duration::from_secs(2);
/// Roles give credentials that last an hour at least; new ones are given out some minutes before the old ones end.
const KEPT: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_read_as_the_aws_tools_read_it() {
        let file = "[default]\nregion = eu-west-1\n\n# [profile team]\n[profile team]\naws_access_key_id=AKIA1\n\
                    s3 =\n  addressing_style = path\n; region = us-east-1\naws_secret_access_key = a/b+c=\n[other]\nregion=x\n";
        let found = section(file, "profile team");
        let expected = [("aws_access_key_id", "AKIA1"), ("aws_secret_access_key", "a/b+c="), ("s3", "")];
        assert_eq!(found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
        assert_eq!(section(file, "default").get("region").map(String::as_str), Some("eu-west-1"));
        assert!(section(file, "team").is_empty());
    }

    #[tokio::test]
    async fn variables_come_before_the_profile() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("credentials");
        std::fs::write(&file, "[default]\naws_access_key_id = FILE\naws_secret_access_key = s\n").expect("written");
        let file = file.to_str().expect("UTF-8");
        let base = [("AWS_SHARED_CREDENTIALS_FILE", file), ("AWS_EC2_METADATA_DISABLED", "true")];
        let keys = [("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t")];
        let cases: Vec<(Vec<(&str, &str)>, _)> = vec![
            (base.into(), Ok("FILE")),
            ([&base[..], &keys].concat(), Ok("ENV")),
            ([&base[..], &[("AWS_PROFILE", "team")]].concat(), Err(NONE)),
            (vec![base[1]], Err(NONE)),
        ];
        for (variables, expected) in cases {
            let environment = Environment::given(variables.iter().copied());
            let found = Credentials::find(&environment, &Logins::default(), "us-east-1").await;
            assert_eq!(
                found.as_ref().map(|found| found.access_key_id.as_str()),
                expected.as_ref().copied(),
                "{variables:?}"
            );
        }
    }

    #[test]
    fn an_answer_in_xml_gives_its_elements() {
        let xml =
            "<A><Credentials><AccessKeyId>ASIA1</AccessKeyId>\n<SessionToken> a+b= </SessionToken></Credentials></A>";
        assert_eq!((element(xml, "AccessKeyId"), element(xml, "SessionToken")), (Some("ASIA1"), Some("a+b=")));
        assert_eq!(element(xml, "SecretAccessKey"), None);
    }
}
