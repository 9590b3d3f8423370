//! The proxy that holds the keys: a request survives a revoked key.
//!
//! A request goes through five phases, one file each: `admit` (who is asking), `plan` (which
//! provider, which path), `attempt` (swap the header, send, read what came back, decide), `relay`
//! (stream the bytes untouched) and `settle` (tell the ring). The decisions themselves are
//! `keywright-core`'s. Nothing on this path waits for a lock, a database or another request.

mod admit;
mod alarm;
mod all_out;
mod answer;
mod attempt;
mod body;
mod choose;
mod clock;
pub mod config;
mod drain;
mod file_watch;
mod headers;
mod judge;
mod keeper;
mod key;
mod last_failure;
mod limiter;
mod listen;
mod live;
mod metrics;
mod model;
mod offer;
mod pace;
mod park;
mod parking;
mod plan;
mod pool;
mod relay;
mod reload;
pub mod report;
mod serve;
mod settle;
mod shared;
mod stand_in;
mod start;
mod upgrade;
mod watch;
mod wire;

pub use config::{
    Config, ConfigProblem, GatewaySettings, IfMissing, KeySettings, PathPolicy, ProviderSettings, RouteSettings,
    VirtualKeySettings,
};
pub use file_watch::FileWatch;
pub use last_failure::LastFailure;
pub use offer::Offered;
pub use parking::Need;
pub use report::{KeyReport, ProviderReport, Report};
pub use start::{Gateway, StartError, StartOptions};
