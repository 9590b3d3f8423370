//! Proxy variables: which one applies to a host, and what is wrong with one.
//!
//! The rules are those that curl, Python's urllib, requests and httpx have in common: the small spelling is read
//! before the large one, `ALL_PROXY` is the last resort, and `NO_PROXY` lists hosts and domains. Node and Go differ:
//! Node's `fetch` reads none of them unless told to.

use std::fmt;

use super::{Finding, Place, Setting};
use crate::cause::Cause;
use crate::secret::Secret;

/// How programs here reach a host.
#[derive(Clone, Debug)]
pub enum Way {
    /// No variable sends it elsewhere.
    Direct,
    /// A proxy is set, and this variable excepts the host.
    Excepted(String),
    /// Through this proxy.
    Through(Proxy),
    /// Programs go through this proxy, and the gateway goes past it.
    PassedBy(Proxy),
    /// A proxy variable applies and cannot be used; its name.
    Unusable(String),
}

/// A proxy, as a variable names it.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// The variable.
    pub variable: String,
    /// What is spoken with it.
    pub kind: ProxyKind,
    /// Its host, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password, as they stand in the URL: `user:password`, percent-encoded.
    pub user: Option<Secret>,
}

/// What is wrong with a proxy variable; it shows nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// In words.
    pub says: String,
    /// The character concerned, from 0.
    pub at: usize,
}

/// What is spoken with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP.
    Http,
    /// HTTP inside TLS.
    Https,
    /// SOCKS, of any version.
    Socks,
}

impl fmt::Display for Proxy {
    /// Host and port; never the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// The way to a host; `variable` reads the environment.
pub fn way(variable: impl Fn(&str) -> Option<String>, encrypted: bool, host: &str, port: u16) -> Way {
    let set = |name: &&str| variable(name).filter(|value| !value.trim().is_empty());
    let names = if encrypted { FOR_HTTPS } else { FOR_HTTP };
    let Some((name, value)) = names.iter().find_map(|name| Some((*name, set(name)?))) else {
        return Way::Direct;
    };
    let exception = EXCEPTIONS.iter().find_map(|name| Some((*name, set(name)?)));
    if let Some((exception, list)) = exception
        && excepts(&list, host, port)
    {
        return Way::Excepted(exception.to_owned());
    }
    Proxy::parse(name, &value).map_or_else(|_| Way::Unusable(name.to_owned()), Way::Through)
}

/// Whether a `NO_PROXY` list names a host: `*`, the host itself, or a domain that it is below, each with or
/// without a port.
fn excepts(list: &str, host: &str, port: u16) -> bool {
    let host = host.to_ascii_lowercase();
    let names = |entry: &str| {
        let entry = entry.trim().to_ascii_lowercase();
        let (name, wanted) = match entry.rsplit_once(':') {
            Some((name, digits)) if !name.contains(':') || name.ends_with(']') => {
                (name.to_owned(), digits.parse().ok())
            }
            _ => (entry.clone(), None),
        };
        let name = name.trim_matches(['[', ']']);
        let domain = name.strip_prefix("*.").or_else(|| name.strip_prefix('.')).unwrap_or(name);
        let below = || host.strip_suffix(domain).is_some_and(|front| front.ends_with('.'));
        wanted.is_none_or(|wanted: u16| wanted == port)
            && !domain.is_empty()
            && (name == "*" || host == domain || below())
    };
    list.split([',', ' ']).any(names)
}

impl Proxy {
    /// Reads a variable's value.
    pub fn parse(variable: &str, value: &str) -> Result<Self, Defect> {
        let wrong = |says: String, at: usize| Defect { says, at };
        if let Some(at) = value.chars().position(|c| !c.is_ascii_graphic() || matches!(c, '"' | '\'')) {
            return Err(wrong(
                format!("`{variable}` holds a character that no address has, at character {}", at + 1),
                at,
            ));
        }
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        let at = value.len() - rest.len();
        let (kind, usual) = match scheme.to_ascii_lowercase().as_str() {
            "http" => (ProxyKind::Http, 80),
            "https" => (ProxyKind::Https, 443),
            "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => (ProxyKind::Socks, 1080),
            _ => return Err(wrong(format!("`{variable}` has a scheme that no proxy speaks"), 0)),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, address) = rest.rsplit_once('@').map_or((None, rest), |(user, address)| (Some(user), address));
        let at = at + (rest.len() - address.len());
        let (host, port) = split_port(address)
            .ok_or_else(|| wrong(format!("the port in `{variable}` is no number from 1 to 65535"), at))?;
        if !is_host(host) {
            return Err(wrong(format!("`{variable}` names no host"), at));
        }
        Ok(Self {
            variable: variable.to_owned(),
            kind,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(usual),
            user: user.map(Secret::new),
        })
    }
}

/// Host and port; `None` when what follows the host is no port.
fn split_port(address: &str) -> Option<(&str, Option<u16>)> {
    let end =
        if address.starts_with('[') { address.find(']')? + 1 } else { address.find(':').unwrap_or(address.len()) };
    let (host, rest) = address.split_at(end);
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Some((host, None)),
        Some("") => Some((host, None)),
        Some(port) => port.parse().ok().filter(|port| *port > 0).map(|port| (host, Some(port))),
        None => None,
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    host.trim_end_matches('.').split('.').all(label)
}

/// What is strange about one proxy variable.
pub(super) fn inspect(setting: &Setting) -> Finding {
    match Proxy::parse(&setting.name, setting.value.expose()) {
        Ok(proxy) => {
            Finding::note(Cause::Proxy, format!("`{}` sends requests through the proxy {proxy}", setting.name))
        }
        Err(Defect { says, at }) => Finding::error(Cause::Proxy, says)
            .at(at)
            .fixed_by("Set it again as `http://host:port`, or remove it.", Some(format!("unset {}", setting.name))),
    }
}

/// Two spellings of one variable with different values: which one counts depends on the program.
pub fn two_spellings(variable: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let names = [FOR_HTTPS, FOR_HTTP, EXCEPTIONS].concat();
    let mut findings: Vec<Finding> = Vec::new();
    for small in names.iter().filter(|name| name.starts_with(|c: char| c.is_ascii_lowercase())) {
        let large = small.to_ascii_uppercase();
        let differ =
            matches!((variable(small), variable(&large)), (Some(one), Some(other)) if one.trim() != other.trim());
        let place = Place::variable(small);
        if differ && !findings.iter().any(|known| known.place.as_ref() == Some(&place)) {
            let says = format!("`{small}` and `{large}` differ: which of them counts depends on the program");
            let fix = "Keep one value for both.";
            let command = format!("export {large}=\"${small}\"");
            findings.push(Finding::warning(Cause::Proxy, says).fixed_by(fix, Some(command)).in_place(&place));
        }
    }
    findings
}

/// A server on this machine that programs look for behind a proxy.
pub fn local_behind_proxy(host: &str, way: &Way) -> Option<Finding> {
    let local = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    let Way::Through(proxy) = way else { return None };
    let says =
        format!("`{}` sends requests for {host} through the proxy {proxy}, and it means this machine", proxy.variable);
    let command = "export NO_PROXY=\"${NO_PROXY:+$NO_PROXY,}localhost,127.0.0.1\"";
    local.then(|| {
        Finding::warning(Cause::Proxy, says)
            .fixed_by("Except this machine from the proxy.", Some(command.to_owned()))
            .in_place(&Place::variable(&proxy.variable))
    })
}

const FOR_HTTPS: &[&str] = &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
const FOR_HTTP: &[&str] = &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"];
const EXCEPTIONS: &[&str] = &["no_proxy", "NO_PROXY"];

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    fn told(set: &[(&str, &str)], encrypted: bool, host: &str, port: u16) -> String {
        match way(environment(set), encrypted, host, port) {
            Way::Direct => "direct".to_owned(),
            Way::Excepted(name) => format!("excepted by {name}"),
            Way::Through(proxy) => format!("{}: {proxy}", proxy.variable),
            Way::PassedBy(proxy) => format!("past {proxy}"),
            Way::Unusable(name) => format!("unusable {name}"),
        }
    }

    /// Variables and their values.
    type Variables<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn the_variable_of_the_scheme_comes_first_and_the_small_spelling_before_the_large() {
        let proxy = "http://proxy:3128";
        let cases: [(Variables<'_>, bool, &str); 8] = [
            (&[], true, "direct"),
            (&[("HTTPS_PROXY", proxy)], true, "HTTPS_PROXY: proxy:3128"),
            (&[("HTTPS_PROXY", proxy)], false, "direct"),
            (&[("HTTP_PROXY", proxy)], true, "direct"),
            (&[("ALL_PROXY", "socks5h://u:p@[::1]")], true, "ALL_PROXY: [::1]:1080"),
            (&[("HTTPS_PROXY", "http://large"), ("https_proxy", "small")], true, "https_proxy: small:80"),
            (&[("https_proxy", " "), ("HTTPS_PROXY", proxy)], true, "HTTPS_PROXY: proxy:3128"),
            (&[("HTTPS_PROXY", "http://proxy:99999")], true, "unusable HTTPS_PROXY"),
        ];
        for (set, encrypted, expected) in cases {
            assert_eq!(told(set, encrypted, "api.openai.com", 443), expected, "{set:?}");
        }
    }

    #[test]
    fn no_proxy_names_hosts_and_domains() {
        let cases = [
            ("*", "api.openai.com", true),
            ("api.openai.com", "api.openai.com", true),
            ("API.OpenAI.com:443", "api.openai.com", true),
            ("api.openai.com:80", "api.openai.com", false),
            ("openai.com", "api.openai.com", true),
            (".openai.com", "api.openai.com", true),
            ("*.openai.com", "api.openai.com", true),
            ("localhost, .openai.com", "api.openai.com", true),
            ("enai.com", "api.openai.com", false),
            ("", "api.openai.com", false),
            (",", "api.openai.com", false),
            ("[::1]:443", "::1", true),
            ("::1", "::1", true),
            ("127.0.0.1", "127.0.0.1", true),
        ];
        for (list, host, excepted) in cases {
            let told = told(&[("HTTPS_PROXY", "http://proxy"), ("NO_PROXY", list)], true, host, 443);
            assert_eq!(told == "excepted by NO_PROXY", excepted, "{list} {host}: {told}");
        }
    }

    #[test]
    fn a_proxy_that_cannot_be_used_says_why_and_shows_nothing() {
        let cases = [
            ("http://user:hunter2@proxy:port", 20, "port"),
            ("http://user:hunter2@proxy:0", 20, "port"),
            ("http://user:hunter2@", 20, "no host"),
            ("ftp://user:hunter2@proxy", 0, "scheme"),
            ("http://user:hunter2@pro xy", 23, "character 24"),
            ("\"http://user:hunter2@proxy\"", 0, "character 1"),
            ("http://user:hunter2@[::1", 20, "port"),
            ("http://user:hunter2@[nohost]:1", 20, "no host"),
        ];
        for (value, at, says) in cases {
            let defect = Proxy::parse("HTTPS_PROXY", value).expect_err(value);
            assert!(defect.says.contains(says), "{value}: {}", defect.says);
            assert_eq!(defect.at, at, "{value}");
            assert!(!format!("{defect:?}").contains("hunter2"), "{defect:?}");
        }
    }

    #[test]
    fn spellings_that_differ_are_told_once() {
        let set = [("all_proxy", "a"), ("ALL_PROXY", "b"), ("https_proxy", "c"), ("HTTPS_PROXY", "c ")];
        let found = two_spellings(environment(&set));
        assert_eq!(found.iter().map(|finding| finding.says.contains("all_proxy")).collect::<Vec<_>>(), [true]);
    }

    #[test]
    fn only_a_local_server_is_missed_behind_a_proxy() {
        let proxy = Way::Through(Proxy::parse("HTTP_PROXY", "proxy:3128").expect("a proxy"));
        assert!(local_behind_proxy("127.0.0.1", &proxy).is_some());
        assert!(local_behind_proxy("localhost", &proxy).is_some());
        assert!(local_behind_proxy("api.openai.com", &proxy).is_none());
        assert!(local_behind_proxy("localhost", &Way::Direct).is_none());
    }
}
