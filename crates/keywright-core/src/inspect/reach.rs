//! Why a provider could not be asked: the address, the way, the certificate, the clock.

use super::proxy::{Proxy, Way};
use super::{Finding, Place};
use crate::cause::Cause;
use crate::diagnosis::spoken;

/// What kept a question from being answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The host has no address; what the resolver said.
    NoAddress(String),
    /// Nobody listens there, or the way is closed; what the system said.
    Refused(String),
    /// Nothing came within so many seconds, at this step.
    Silent(Step, u64),
    /// The certificate comes from someone this machine does not trust.
    Untrusted,
    /// The certificate's time is over; when, in seconds since 1970, where that is known.
    Expired(Option<u64>),
    /// The certificate's time has not begun; when it does.
    NotYetValid(Option<u64>),
    /// The certificate is for other names.
    WrongName(Vec<String>),
    /// The other side does not speak TLS at all.
    NotEncrypted,
    /// No agreement for another reason, in the words of the TLS library.
    NoTls(String),
    /// This machine has no trusted certificates.
    NothingTrusted(String),
    /// The connection ended before an answer.
    Broken,
    /// The proxy on the way did not let it through.
    Proxy(ProxyTrouble),
}

/// What a proxy did in place of passing a connection on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyTrouble {
    /// The proxy cannot be reached; what the system said.
    Unreachable(String),
    /// It answered with this status.
    Denied(u16),
    /// It said nothing that a proxy says.
    NoProxy,
    /// It is of a kind that Keywright does not speak.
    Foreign,
}

/// The step at which nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Asking for the address.
    Address,
    /// Opening a connection.
    Connection,
    /// Waiting for the proxy.
    Proxy,
    /// Agreeing on TLS.
    Tls,
    /// Waiting for the answer.
    Answer,
}

/// Where a question was to go.
#[derive(Clone, Debug)]
pub struct Destination<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The host.
    pub host: &'a str,
    /// The port.
    pub port: u16,
    /// Whether it is asked over TLS.
    pub encrypted: bool,
    /// How programs here reach it.
    pub way: &'a Way,
    /// The variable that names trusted certificates here, if one is set.
    pub trust: Option<&'a str>,
    /// The time, in seconds since 1970.
    pub now: Option<u64>,
}

impl Trouble {
    /// The cause that leads to its page.
    pub const fn cause(&self) -> Cause {
        match self {
            Self::NoAddress(_) | Self::Refused(_) | Self::Broken => Cause::Network,
            Self::Silent(Step::Proxy, _) | Self::Proxy(_) => Cause::Proxy,
            Self::Silent(..) => Cause::Timeout,
            Self::Untrusted
            | Self::Expired(_)
            | Self::NotYetValid(_)
            | Self::WrongName(_)
            | Self::NotEncrypted
            | Self::NoTls(_)
            | Self::NothingTrusted(_) => Cause::Tls,
        }
    }
}

/// The finding: what happened, and what mends it.
pub fn explain(trouble: &Trouble, to: &Destination<'_>) -> Finding {
    let place = format!("{}:{}", to.host, to.port);
    let says = format!("{}{}", says(trouble, to), on_the_way(trouble, to));
    let (advice, command) = mend(trouble, to);
    Finding::error(trouble.cause(), says).fixed_by(advice, command).in_place(&Place::file(place))
}

fn says(trouble: &Trouble, to: &Destination<'_>) -> String {
    let (host, port) = (to.host, to.port);
    match trouble {
        Trouble::NoAddress(why) => format!("`{host}` has no address: {why}"),
        Trouble::Refused(why) => format!("`{host}` has an address, and nothing answers at port {port}: {why}"),
        Trouble::Silent(step, seconds) => format!("no {} within {seconds} s", awaited(*step, to)),
        Trouble::Untrusted => {
            format!("the certificate of `{host}` comes from an issuer that this machine does not trust")
        }
        Trouble::Expired(end) => format!("the certificate of `{host}` {}", moment("ended", *end, to.now, "ago")),
        Trouble::NotYetValid(begin) => {
            format!("the certificate of `{host}` {}", moment("does not begin until", *begin, to.now, "from now"))
        }
        Trouble::WrongName(names) if names.is_empty() => format!("the certificate is not for `{host}`"),
        Trouble::WrongName(names) => format!("the certificate is not for `{host}`, it is for {}", names.join(", ")),
        Trouble::NotEncrypted => {
            format!("`{host}` speaks no TLS at port {port}, and the address begins with `https://`")
        }
        Trouble::NoTls(why) => format!("no secure connection with `{host}`: {why}"),
        Trouble::NothingTrusted(why) => format!("this machine has no trusted certificates: {why}"),
        Trouble::Broken => format!("`{host}` took the connection at port {port} and ended it without an answer"),
        Trouble::Proxy(trouble) => proxy_says(trouble, to),
    }
}

fn awaited(step: Step, to: &Destination<'_>) -> String {
    let host = to.host;
    match step {
        Step::Address => format!("answer to the question for the address of `{host}`"),
        Step::Connection => {
            format!("connection to `{host}` at port {}: a firewall drops it, or the way is down", to.port)
        }
        Step::Proxy => "answer of the proxy".to_owned(),
        Step::Tls => format!("secure connection with `{host}`: the connection stands, and its other side is silent"),
        Step::Answer => format!("answer of `{host}`: the connection stands, and nothing comes"),
    }
}

fn proxy_says(trouble: &ProxyTrouble, to: &Destination<'_>) -> String {
    let proxy = proxy(to).map_or_else(|| "the proxy".to_owned(), |proxy| format!("the proxy {proxy}"));
    match trouble {
        ProxyTrouble::Unreachable(why) => format!("{proxy} cannot be reached: {why}"),
        ProxyTrouble::Denied(407) => format!("{proxy} wants a user name and a password (407)"),
        ProxyTrouble::Denied(status) => format!("{proxy} does not let `{}` through: it answered {status}", to.host),
        ProxyTrouble::NoProxy => format!("{proxy} does not speak as a proxy does"),
        ProxyTrouble::Foreign => format!("{proxy} speaks SOCKS or TLS, which this check does not: nothing was sent"),
    }
}

/// How programs get there, where that matters and was not said.
fn on_the_way(trouble: &Trouble, to: &Destination<'_>) -> String {
    match (to.way, trouble) {
        (_, Trouble::Proxy(_)) => proxy(to).map(|proxy| format!("; `{}` names it", proxy.variable)).unwrap_or_default(),
        (Way::Direct, _) => String::new(),
        (Way::Excepted(name), _) => format!("; `{name}` keeps it from the proxy"),
        (Way::Through(proxy), _) if to.encrypted => {
            format!("; `{}` sends it through the proxy {proxy}", proxy.variable)
        }
        (Way::Through(proxy), _) => {
            format!("; programs go through the proxy {proxy} of `{}`, this check went directly", proxy.variable)
        }
        (Way::PassedBy(proxy), _) => {
            format!("; programs go through the proxy {proxy} of `{}`, the gateway goes directly", proxy.variable)
        }
        (Way::Unusable(name), _) => format!("; `{name}` is set and cannot be used, this check went directly"),
    }
}

const fn proxy<'a>(to: &Destination<'a>) -> Option<&'a Proxy> {
    match to.way {
        Way::Through(proxy) => Some(proxy),
        Way::Direct | Way::Excepted(_) | Way::Unusable(_) | Way::PassedBy(_) => None,
    }
}

fn moment(verb: &str, at: Option<u64>, now: Option<u64>, direction: &str) -> String {
    let distance = at.zip(now).map(|(at, now)| std::time::Duration::from_secs(at.abs_diff(now)));
    let Some(distance) = distance else {
        return format!("{verb} its time, by the clock of this machine");
    };
    format!("{verb} {} {direction}, by the clock of this machine", spoken(distance))
}

fn mend(trouble: &Trouble, to: &Destination<'_>) -> (String, Option<String>) {
    let (host, port) = (to.host, to.port);
    let scheme = if to.encrypted { "https" } else { "http" };
    let certificate = format!(
        "openssl s_client -connect {host}:{port} -servername {host} </dev/null | openssl x509 -noout -issuer -subject -dates"
    );
    let (advice, command) = match trouble {
        Trouble::NoAddress(_) | Trouble::Silent(Step::Address, _) => (
            "Check the spelling of the host, the network, the VPN and the name server of this machine.".to_owned(),
            format!("getent hosts {host}"),
        ),
        Trouble::Refused(_) | Trouble::Silent(Step::Connection | Step::Answer, _) | Trouble::Broken => (
            "See whether anything else here reaches it; any answer, even 401, means that the way is open.".to_owned(),
            format!("curl -sv {scheme}://{host}:{port}/ -o /dev/null"),
        ),
        Trouble::Untrusted | Trouble::NothingTrusted(_) => return untrusted(trouble, to, certificate),
        Trouble::Expired(_) | Trouble::NotYetValid(_) => (
            "Set the clock of this machine if it is wrong; else whoever runs that server has to renew the certificate."
                .to_owned(),
            "date -u".to_owned(),
        ),
        Trouble::WrongName(_) => (
            "Check the host in the base URL; if it is right, something on the way answers in its place.".to_owned(),
            certificate,
        ),
        Trouble::NotEncrypted => (
            "Write `http://` in the base URL if that server is yours and close; else ask for its secure port."
                .to_owned(),
            format!("curl -sv http://{host}:{port}/ -o /dev/null"),
        ),
        Trouble::NoTls(_) | Trouble::Silent(Step::Tls, _) => (
            "See what the other side offers; a proxy or a filter on the way is the usual reason.".to_owned(),
            certificate,
        ),
        Trouble::Proxy(_) | Trouble::Silent(Step::Proxy, _) => return mend_proxy(trouble, to),
    };
    (advice, Some(command))
}

fn untrusted(trouble: &Trouble, to: &Destination<'_>, look: String) -> (String, Option<String>) {
    match (to.trust, trouble) {
        (Some(variable), _) => (
            format!("`{variable}` replaces the certificates of the system: remove it, or add the missing root to its file."),
            Some(format!("unset {variable}")),
        ),
        (None, Trouble::NothingTrusted(_)) => (
            "Install the package with the root certificates of your system.".to_owned(),
            Some("apt-get install ca-certificates".to_owned()),
        ),
        (None, _) => (
            "See who issued it. If your company inspects traffic, add its root to the system, and name the file for \
             programs in SSL_CERT_FILE, REQUESTS_CA_BUNDLE and NODE_EXTRA_CA_CERTS, for keywright.toml in ca_certificate."
                .to_owned(),
            Some(look),
        ),
    }
}

fn mend_proxy(trouble: &Trouble, to: &Destination<'_>) -> (String, Option<String>) {
    let Some(proxy) = proxy(to) else {
        return ("Check the proxy variables of this shell.".to_owned(), Some("env | grep -i _proxy".to_owned()));
    };
    let except = format!("export NO_PROXY=\"${{NO_PROXY:+$NO_PROXY,}}{}\"", to.host);
    match trouble {
        Trouble::Proxy(ProxyTrouble::Denied(407)) => (
            "Write user name and password into the proxy's address, percent-encoded.".to_owned(),
            Some(format!("export {}=\"http://USER:PASSWORD@{proxy}\"", proxy.variable)),
        ),
        Trouble::Proxy(ProxyTrouble::Denied(_)) => (
            "Ask for an exception for this host, or leave the proxy out if a direct way is open.".to_owned(),
            Some(except),
        ),
        _ => (format!("Correct `{}`, or go around the proxy if a direct way is open.", proxy.variable), Some(except)),
    }
}

/// A clock that differs from a provider's by more than a few minutes; `ahead` is how many seconds this machine is
/// before the provider, negative when it is behind.
pub fn clock(ahead: i64, provider: &str) -> Option<Finding> {
    let apart = ahead.unsigned_abs();
    (apart > TOLERATED).then(|| {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        let span = spoken(std::time::Duration::from_secs(apart));
        let says = format!(
            "the clock of this machine is {span} {direction} that of {provider}: certificates and signed tokens seem expired, \
             or not yet valid"
        );
        Finding::warning(Cause::Tls, says)
            .fixed_by("Let the system set its clock.", Some("sudo timedatectl set-ntp true".to_owned()))
            .in_place(&Place::file("the clock of this machine"))
    })
}

/// Seconds that two clocks may differ: signed tokens are usually given five minutes.
const TOLERATED: u64 = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::proxy;

    const NOW: u64 = 1_790_000_000;

    fn told(trouble: &Trouble, way: &Way, trust: Option<&str>) -> (Cause, String, String) {
        let to = Destination {
            provider: "OpenAI",
            host: "api.openai.com",
            port: 443,
            encrypted: true,
            way,
            trust,
            now: Some(NOW),
        };
        let finding = explain(trouble, &to);
        let fix = finding.fix.expect("every trouble has a mend");
        (finding.cause, finding.says, fix.command.expect("and its command"))
    }

    #[test]
    fn every_trouble_has_its_cause_its_words_and_its_command() {
        let cases = [
            (Trouble::NoAddress("no such host".to_owned()), Cause::Network, "no address: no such host", "getent hosts"),
            (
                Trouble::Refused("refused".to_owned()),
                Cause::Network,
                "nothing answers at port 443",
                "curl -sv https://",
            ),
            (Trouble::Silent(Step::Address, 5), Cause::Timeout, "within 5 s", "getent hosts"),
            (Trouble::Silent(Step::Connection, 5), Cause::Timeout, "firewall", "curl -sv"),
            (Trouble::Silent(Step::Tls, 5), Cause::Timeout, "secure connection", "openssl s_client"),
            (Trouble::Silent(Step::Answer, 9), Cause::Timeout, "nothing comes within 9 s", "curl -sv"),
            (Trouble::Untrusted, Cause::Tls, "does not trust", "openssl s_client"),
            (Trouble::Expired(Some(NOW - 7200)), Cause::Tls, "ended 2 h ago", "date -u"),
            (Trouble::Expired(None), Cause::Tls, "ended its time", "date -u"),
            (Trouble::NotYetValid(Some(NOW + 7200)), Cause::Tls, "until 2 h from now", "date -u"),
            (Trouble::WrongName(vec!["portal.example".to_owned()]), Cause::Tls, "it is for portal.example", "openssl"),
            (Trouble::NotEncrypted, Cause::Tls, "speaks no TLS", "curl -sv http://"),
            (Trouble::NoTls("bad record".to_owned()), Cause::Tls, "bad record", "openssl"),
            (Trouble::NothingTrusted("none".to_owned()), Cause::Tls, "no trusted certificates", "ca-certificates"),
            (Trouble::Broken, Cause::Network, "without an answer", "curl -sv"),
        ];
        for (trouble, cause, words, command) in cases {
            let (found, says, run) = told(&trouble, &Way::Direct, None);
            assert_eq!(found, cause, "{trouble:?}");
            assert!(says.contains(words), "{trouble:?}: {says}");
            assert!(run.contains(command), "{trouble:?}: {run}");
        }
    }

    #[test]
    fn a_variable_that_replaces_the_trusted_certificates_is_the_first_suspect() {
        let (_, _, command) = told(&Trouble::Untrusted, &Way::Direct, Some("SSL_CERT_FILE"));
        assert_eq!(command, "unset SSL_CERT_FILE");
    }

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let proxy = proxy::Proxy::parse("HTTPS_PROXY", "http://me:hunter2@proxy:3128").expect("a proxy");
        let way = Way::Through(proxy);
        let cases = [
            (ProxyTrouble::Denied(407), "wants a user name and a password", "USER:PASSWORD@proxy:3128"),
            (ProxyTrouble::Denied(403), "it answered 403", "NO_PROXY"),
            (ProxyTrouble::Unreachable("refused".to_owned()), "cannot be reached: refused", "NO_PROXY"),
            (ProxyTrouble::NoProxy, "does not speak as a proxy", "NO_PROXY"),
            (ProxyTrouble::Foreign, "nothing was sent", "NO_PROXY"),
        ];
        for (trouble, words, mend) in cases {
            let (cause, says, command) = told(&Trouble::Proxy(trouble), &way, None);
            assert_eq!(cause, Cause::Proxy);
            assert!(says.contains(words) && says.contains("the proxy proxy:3128"), "{says}");
            assert!(says.contains("`HTTPS_PROXY`") && command.contains(mend), "{says} {command}");
            assert!(!says.contains("hunter2") && !command.contains("hunter2"));
        }
    }

    #[test]
    fn a_clock_is_a_finding_when_it_is_minutes_off() {
        for (ahead, words) in
            [(0, None), (300, None), (-300, None), (301, Some("5 min ahead of")), (-7200, Some("2 h behind"))]
        {
            let says = clock(ahead, "OpenAI").map(|finding| finding.says);
            assert_eq!(says.is_some(), words.is_some(), "{ahead}");
            assert!(says.is_none_or(|says| says.contains(words.unwrap_or_default())), "{ahead}");
        }
    }
}
