//! Programs that live no longer than their bench, and the folder they write to.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::error::{Error, Result};
use super::noise;

/// Where a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    /// Wherever the kernel likes.
    Any,
    /// The first one.
    First,
    /// The last one.
    Last,
}

/// Who runs where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Everyone on the last core: no request pays for waking another one.
    One,
    /// Generator and upstream on the first core, proxies on the last.
    Split,
    /// Wherever the kernel likes.
    Free,
}

impl Place {
    /// Reads a name of the command line.
    pub(crate) fn parse(name: &str) -> Result<Self> {
        match name {
            "one" => Ok(Self::One),
            "split" => Ok(Self::Split),
            "free" => Ok(Self::Free),
            _ => Err(Error::usage(format!("unknown place `{name}`"))),
        }
    }

    /// For a heading.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::One => "everyone on one core",
            Self::Split => "proxies on one core, generator and upstream on another",
            Self::Free => "wherever the kernel likes",
        }
    }

    /// Where generator and upstream run.
    pub(crate) fn beside(self) -> Core {
        match self {
            Self::One => Core::Last,
            Self::Split => Core::First,
            Self::Free => Core::Any,
        }
    }

    /// Where proxies run.
    pub(crate) fn proxies(self) -> Core {
        match self {
            Self::One | Self::Split => Core::Last,
            Self::Free => Core::Any,
        }
    }
}

/// A running program with a process group of its own; dropping it ends the whole group.
#[derive(Debug)]
pub(crate) struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a command; what it prints goes to `<name>.log` in `scratch`.
    ///
    /// `setpriv` asks the kernel to end it should we be killed without a chance to clean up.
    pub(crate) fn start(name: &str, scratch: &Scratch, core: Core, command: &Command) -> Result<Self> {
        let log = scratch.path(&format!("{name}.log"));
        let cannot = || Error::io(format!("write {}", log.display()));
        let stdout = File::create(&log).map_err(cannot())?;
        let stderr = stdout.try_clone().map_err(cannot())?;
        let mut wrapped = wrap(core, command);
        let child = wrapped
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(stderr)
            .process_group(0)
            .spawn()
            .map_err(Error::io(format!("start {name}")))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// Its process group, which is also the id of its first process.
    pub(crate) fn group(&self) -> u32 {
        self.child.id()
    }

    /// Waits until something accepts connections at `address`.
    pub(crate) async fn wait_for(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.trouble(format!("ended at start with {status}")));
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(self.trouble(format!("does not listen on {address} after {START_LIMIT:?}")))
    }

    /// Waits up to `limit` for a program that ends by itself.
    pub(crate) async fn finish(&mut self, limit: Duration) -> Result<()> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(self.trouble(format!("ended with {status}"))),
                Ok(None) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(source) => return Err(Error::io("wait for a program")(source)),
            }
        }
        Err(self.trouble(format!("did not end in {limit:?}")))
    }

    /// An error about this program that shows the end of its log.
    pub(crate) fn trouble(&self, trouble: String) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(20)..].join("\n");
        Error::Program { program: self.name.clone(), trouble, log: tail }
    }

    /// Asks it to end, waits up to `limit`, then insists.
    #[expect(clippy::disallowed_methods, reason = "a destructor cannot await")]
    pub(crate) fn stop(&mut self, limit: Duration) {
        let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else {
            return;
        };
        let _ = kill_process_group(group, Signal::TERM);
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(10)),
                Ok(Some(_)) | Err(_) => break,
            }
        }
        // Also after a good end: workers may outlive their first process.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.stop(STOP_LIMIT);
    }
}

/// A folder under `target/` that goes away with its owner.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    /// Makes the folder.
    pub(crate) fn new() -> Result<Self> {
        let folder = target_folder()?.join(format!("bench-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(Error::io(format!("make {}", folder.display())))?;
        Ok(Self { folder })
    }

    /// A file or folder in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file in it.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Cargo's target folder: two levels above the program that runs now.
pub(crate) fn target_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(Error::io("find our own program"))?;
    program.parent().and_then(Path::parent).map(Path::to_owned).ok_or_else(|| Error::Io {
        action: "find the target folder".to_owned(),
        source: io::ErrorKind::NotFound.into(),
    })
}

/// A port on loopback that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("find a free port"))?;
    Ok(listener.local_addr().map_err(Error::io("find a free port"))?.port())
}

/// Moves our own process to a core.
pub(crate) fn pin_self(core: Core) -> Result<()> {
    let Some(number) = core.number() else {
        return Ok(());
    };
    let status = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &number, &std::process::id().to_string()])
        .stdout(Stdio::null())
        .status()
        .map_err(Error::io("run taskset"))?;
    if status.success() { Ok(()) } else { Err(Error::program("taskset", format!("ended with {status}"))) }
}

impl Core {
    fn number(self) -> Option<String> {
        match self {
            Self::Any => None,
            Self::First => Some("0".to_owned()),
            Self::Last => Some((noise::cores() - 1).to_string()),
        }
    }
}

fn wrap(core: Core, command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped.args(["--pdeathsig", "TERM"]);
    if let Some(number) = core.number() {
        wrapped.args(["taskset", "--cpu-list", &number]);
    }
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped.env_clear().env("PATH", PATH);
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            wrapped.env(name, value);
        }
    }
    wrapped
}

/// How long a program may take to listen; valgrind is slow.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a program may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// Contenders see nothing of our environment: it may hold real keys.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
