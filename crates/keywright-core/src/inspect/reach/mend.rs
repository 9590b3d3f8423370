//! What to do when a provider could not be asked.

use super::{Destination, ProxyTrouble, Step, Trouble, proxy};

/// What to do about a trouble, and the command that begins it.
pub(super) fn mend(trouble: &Trouble, to: &Destination<'_>) -> (String, Option<String>) {
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
