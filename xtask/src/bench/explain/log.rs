//! Logs to read: made from a seed, the same in every run.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use super::super::error::{Error, Result};

/// What a log looks like.
#[derive(Clone, Copy, Debug)]
pub(super) enum Log {
    /// Lines of many programs, and a failure in one of 50,000.
    Quiet,
    /// A failure in every other line.
    Dense,
    /// One line without end, with a failure at its end.
    OneLine,
}

impl Log {
    pub(super) const ALL: [Self; 3] = [Self::Quiet, Self::Dense, Self::OneLine];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Quiet => "a failure in 50,000 lines",
            Self::Dense => "a failure in every other line",
            Self::OneLine => "one line",
        }
    }

    /// Writes about this many bytes.
    pub(super) fn write(self, path: &Path, bytes: u64) -> Result<()> {
        let failed = || Error::io(format!("write {}", path.display()));
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed())?);
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut written = 0;
        while written < bytes {
            let line = match self {
                Self::Quiet if random.below(50_000) == 0 => TRACE.to_owned(),
                Self::Dense if random.below(2) == 0 => limit(&mut random),
                Self::Quiet | Self::Dense => ordinary(&mut random),
                Self::OneLine => format!("{{\"bytes\":{},\"ok\":true}},", random.below(1_000_000)),
            };
            out.write_all(line.as_bytes()).map_err(failed())?;
            written += line.len() as u64;
        }
        if matches!(self, Self::OneLine) {
            out.write_all(TRACE.as_bytes()).map_err(failed())?;
        }
        out.flush().map_err(failed())
    }
}

fn ordinary(random: &mut Random) -> String {
    let (one, two) = (random.below(9_999), random.below(250));
    match random.below(6) {
        0 => format!(
            "10.0.{two}.7 - - [21/Nov/2026:06:41:24 +0000] \"GET /static/{one}.js HTTP/1.1\" 304 0 \"-\" \"Mozilla/5.0\"\n"
        ),
        1 => format!("2026-11-20 10:22:31,{two:03} INFO  worker[{two}] job {one} finished in {two} ms\n"),
        2 => format!(
            "{{\"level\":\"info\",\"msg\":\"request\",\"path\":\"/v2/items/{one}\",\"status\":200,\"ms\":{two}}}\n"
        ),
        3 => format!("Nov 20 10:22:31 web-{two} systemd[1]: Started session {one} of user deploy.\n"),
        4 => format!("DEBUG sqlalchemy.engine SELECT id, name FROM items WHERE id = {one} LIMIT {two}\n"),
        _ => format!("[pod/web-{two}-x2x7k/app] ready, {one} connections\n"),
    }
}

fn limit(random: &mut Random) -> String {
    let number = random.below(1_000_000);
    format!(
        "2026-11-20 10:22:31,748 ERROR openai.RateLimitError: Error code: 429 - {{'error': {{'message': 'Rate limit reached for \
         requests', 'code': 'rate_limit_exceeded'}}}} request {number}\n"
    )
}

/// A linear congruential generator: enough to vary lines.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What a person pastes.
pub(super) const TRACE: &str = "\
Traceback (most recent call last):
  File \"/app/main.py\", line 12, in <module>
    answer = client.chat.completions.create(model=\"gpt-4o-mini\", messages=[{\"role\": \"user\", \"content\": \"Hello\"}])
openai.AuthenticationError: Error code: 401 - {'error': {'message': 'Incorrect API key provided: sk-proj-********************************aB3x. \
You can find your API key at https://platform.openai.com/account/api-keys.', 'type': 'invalid_request_error', 'param': None, \
'code': 'invalid_api_key'}}
";
