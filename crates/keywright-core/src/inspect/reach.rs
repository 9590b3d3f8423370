//! Why a provider could not be asked: the address, the way, the certificate, the clock.

mod mend;

use self::mend::mend;
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
mod tests;
