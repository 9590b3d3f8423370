//! What the process does to itself before it holds a key.

use std::panic::PanicHookInfo;

/// Keeps panic messages, which may hold anything, out of every output.
pub fn guard_panics() {
    std::panic::set_hook(Box::new(report_panic));
}

#[expect(clippy::print_stderr, reason = "the terminal may be what panicked, and this text holds no foreign content")]
fn report_panic(info: &PanicHookInfo<'_>) {
    let place =
        info.location().map_or_else(|| "an unknown place".to_owned(), |at| format!("{}:{}", at.file(), at.line()));
    eprintln!("error: keywright failed at {place}; this is a bug in keywright, not in your keys");
    eprintln!("  = help: report it with the command you ran; the details are withheld because they may hold a key");
}

/// The limits that were lowered, to be given back to a child.
#[derive(Debug, Default)]
pub(crate) struct Hardened {
    #[cfg(target_os = "linux")]
    core: Option<rustix::process::Rlimit>,
}

/// No core dump of this process, and no other process of this user may read its memory.
#[cfg(target_os = "linux")]
pub(crate) fn harden() -> Hardened {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
    let before = getrlimit(Resource::Core);
    let lowered = Rlimit { current: Some(0), maximum: before.maximum };
    let limited = setrlimit(Resource::Core, lowered);
    if let Err(error) = limited.and(set_dumpable_behavior(DumpableBehavior::NotDumpable)) {
        tracing::warn!(%error, "core dumps of this process stay possible");
    }
    Hardened { core: Some(before) }
}

/// Elsewhere core dumps stay as the system has them.
#[cfg(not(target_os = "linux"))]
pub(crate) fn harden() -> Hardened {
    Hardened::default()
}

impl Hardened {
    /// Gives the limits back to a child, which has its own say about core dumps.
    pub(crate) fn release(&self, child: u32) {
        #[cfg(target_os = "linux")]
        {
            use rustix::process::{Pid, Resource, Rlimit, prlimit};
            let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
            if let (Some(pid), Some(core)) = (pid, &self.core) {
                let core = Rlimit { current: core.current, maximum: core.maximum };
                // The child may be gone already.
                let _ = prlimit(Some(pid), Resource::Core, core);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = child;
    }
}
