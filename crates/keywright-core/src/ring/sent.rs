//! How far a request came that got no answer.

/// How far a request came that got no answer: whether it may run twice if it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It never left: there was no connection.
    Not,
    /// It left, and the provider says that it did not look at it.
    NotTaken,
    /// It left, and the connection ended or stayed silent.
    MayHaveRun,
}

impl Sent {
    /// What that means for whoever sent it.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Not => "The request was not sent.",
            Self::NotTaken => "The request did not run.",
            Self::MayHaveRun => "The request may have run and may be billed, so it was not sent again.",
        }
    }
}

/// Bodies up to this many bytes are kept for another attempt, unless a configuration says otherwise; larger ones are sent once.
pub const REPLAY_LIMIT: usize = 32 * 1024 * 1024;
/// How often a request that the provider did not take is sent again on another connection.
pub const MOST_RESENT: u32 = 2;
/// How many attempts one request has for each key of its ring, whatever sources hand out meanwhile: its value, the next one of
/// its source and the last known good one, each with what [`MOST_RESENT`] allows, and one after a pause.
pub const MOST_ATTEMPTS_PER_KEY: u32 = 3 * (1 + MOST_RESENT) + 1;
