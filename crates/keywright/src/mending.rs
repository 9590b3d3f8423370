//! Mends the dotenv files of a survey: plans first, shows the plan, then writes.
//!
//! `keywright_core::inspect::mend` decides what is changed; here files are read and written. A file is
//! replaced in one step, keeps a backup beside it, and is left alone when it changed since it was read.

mod replace;

use std::path::{Path, PathBuf};

use keywright_core::Dotenv;
use keywright_core::inspect::files::FileStanding;
use keywright_core::inspect::mend::{COMMAND, Mended, ignoring, mend};
use zeroize::Zeroizing;

use self::replace::Target;
pub use self::replace::WriteError;
use crate::sources::{LARGEST_DOTENV_BYTES, Resolver, SourceError, read_bounded};
use crate::survey::{Survey, SurveyedFile, git};

/// What would be changed, file by file.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of the survey.
    pub files: Vec<FilePlan>,
}

/// What would be changed about one dotenv file.
#[derive(Debug)]
pub struct FilePlan {
    /// As the survey names it.
    pub path: String,
    /// What stands in the way, when it cannot be mended.
    pub obstacle: Option<String>,
    target: Option<Target>,
    before: Zeroizing<Vec<u8>>,
    mended: Option<Mended>,
    /// The permission bits before and after, when others could read it.
    mode: Option<(u32, u32)>,
    /// Names that git is told to leave out.
    ignore: Option<Ignore>,
}

/// Lines for `.gitignore`.
#[derive(Debug)]
struct Ignore {
    path: PathBuf,
    shown: String,
    before: Vec<u8>,
    names: Vec<String>,
}

/// What was done about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// As the survey names it.
    pub path: String,
    /// Where the text before is kept, when the text was changed.
    pub backup: Option<String>,
}

impl Plan {
    /// Looks at every dotenv file that loaders read. Changes nothing.
    pub async fn make(survey: &Survey, resolver: &Resolver) -> Self {
        let mut files = Vec::new();
        for file in survey.files.iter().filter(|file| file.facts.standing == FileStanding::Read) {
            files.extend(FilePlan::make(file, survey, resolver).await);
        }
        Self { files }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.files.iter().all(FilePlan::is_empty)
    }

    /// Whether something can be written: not all that is to be done has an obstacle.
    pub fn is_writable(&self) -> bool {
        self.files.iter().any(|file| file.obstacle.is_none())
    }

    /// All of it as a unified diff in which every value is masked.
    pub fn diff(&self) -> String {
        self.files.iter().map(FilePlan::diff).collect()
    }
}

impl FilePlan {
    async fn make(file: &SurveyedFile, survey: &Survey, resolver: &Resolver) -> Option<Self> {
        let written = resolver.directory().join(&file.path);
        let path = file.facts.path.clone();
        // What cannot be read has a finding of its own.
        let before = Zeroizing::new(read_bounded(&written, LARGEST_DOTENV_BYTES).await.ok()?);
        let elsewhere = |name: &str| survey.settings.named(name).any(|setting| setting.place.source != path);
        let mended = match mend(&before, &elsewhere) {
            Ok(mended) => mended,
            Err(why) => {
                let obstacle = was_promised(&path, survey).then(|| why.to_string())?;
                return Some(Self { obstacle: Some(obstacle), ..Self::nothing(path, before) });
            }
        };
        let has_values = Dotenv::parse(mended.text.expose().as_bytes())
            .is_ok_and(|read| read.entries.iter().any(|entry| !entry.value.expose().is_empty()));
        let mut plan = Self::nothing(path, before);
        match Target::of(&written) {
            Ok(target) => {
                let mode = target.mode().filter(|mode| has_values && mode & OTHERS != 0);
                plan.mode = mode.map(|mode| (mode, mode & OWNER));
                plan.ignore = if has_values {
                    plan.ignored_names(&written, &target, !mended.changes.is_empty(), resolver).await
                } else {
                    None
                };
                plan.target = Some(target);
            }
            Err(why) => plan.obstacle = Some(why.to_string()),
        }
        plan.mended = (!mended.changes.is_empty()).then_some(mended);
        (!plan.is_empty()).then_some(plan)
    }

    fn nothing(path: String, before: Zeroizing<Vec<u8>>) -> Self {
        Self { path, obstacle: None, target: None, before, mended: None, mode: None, ignore: None }
    }

    fn is_empty(&self) -> bool {
        self.mended.is_none() && self.mode.is_none() && self.ignore.is_none() && self.obstacle.is_none()
    }

    /// The dotenv file, and its backup when there will be one, as far as the next commit would hold them.
    async fn ignored_names(
        &self,
        written: &Path,
        target: &Target,
        has_backup: bool,
        resolver: &Resolver,
    ) -> Option<Ignore> {
        let folder = written.parent()?;
        let mut places = vec![written.to_owned()];
        // A link may lead out of this folder; what is there is not named by this folder's `.gitignore`.
        if has_backup && target.is_beside(written) {
            places.push(target.backup().ok()?);
        }
        let path = folder.join(".gitignore");
        let before = match read_bounded(&path, LARGEST_DOTENV_BYTES).await {
            Ok(before) => before,
            Err(SourceError::NoFile) => Vec::new(),
            Err(_) => return None,
        };
        let known = String::from_utf8_lossy(&before).into_owned();
        let mut names = Vec::new();
        for place in places {
            let name = place.file_name()?.to_str()?.to_owned();
            let listed = known.lines().any(|line| line.trim_end() == ignoring("", &[&name]).trim_end());
            if !listed && git::commits(&place, resolver.environment()).await == Some(true) {
                names.push(name);
            }
        }
        let shown = Path::new(&self.path).with_file_name(".gitignore").display().to_string();
        (!names.is_empty()).then_some(Ignore { path, shown, before, names })
    }

    fn diff(&self) -> String {
        let path = &self.path;
        if let Some(obstacle) = &self.obstacle {
            return format!("# {path}: not mended: {obstacle}\n");
        }
        let mode = self.mode.map(|(before, after)| {
            format!("# {path}: mode {before:o} becomes {after:o}, so that its owner alone reads it\n")
        });
        let text = self.mended.as_ref().map(|mended| mended.diff(path));
        let ignore = self.ignore.as_ref().map(Ignore::diff);
        [mode, text, ignore].into_iter().flatten().collect()
    }

    /// Does it.
    pub fn apply(&self) -> Result<Done, WriteError> {
        let Some(target) = self.target.as_ref().filter(|_| self.obstacle.is_none()) else {
            return Err(WriteError::NotMended(self.obstacle.clone().unwrap_or_default()));
        };
        // First what keeps the backup out of a repository, then the backup.
        if let Some(ignore) = &self.ignore {
            ignore.write()?;
        }
        let mode = self.mode.map(|(_, after)| after);
        let backup = match &self.mended {
            Some(mended) => Some(target.replace(&self.before, mended.text.expose().as_bytes(), mode)?),
            None => mode.map_or(Ok(None), |mode| target.set_mode(mode).map(|()| None))?,
        };
        let beside = |name: PathBuf| Path::new(&self.path).with_file_name(name.file_name().unwrap_or_default());
        Ok(Done { path: self.path.clone(), backup: backup.map(|name| beside(name).display().to_string()) })
    }
}

impl Ignore {
    /// Lines at the end of `.gitignore`.
    fn diff(&self) -> String {
        let (path, count) = (&self.shown, self.names.len());
        let lines = self.before.split_inclusive(|byte| *byte == b'\n').count();
        let mut diff = format!("--- {path}\n+++ {path}\n@@ -{lines},0 +{},{count} @@\n", lines + 1);
        for line in ignoring("", &self.names()).lines() {
            diff.extend(["+", line, "\n"]);
        }
        diff
    }

    fn names(&self) -> Vec<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    fn write(&self) -> Result<(), WriteError> {
        let before = String::from_utf8(self.before.clone()).map_err(|_| WriteError::NotText(self.shown.clone()))?;
        let after = ignoring(&before, &self.names());
        if self.path.symlink_metadata().is_err() {
            return replace::create(&self.path, after.as_bytes());
        }
        Target::of(&self.path)?.rewrite(&self.before, after.as_bytes(), None)
    }
}

/// Whether a finding promised that the file would be mended.
fn was_promised(path: &str, survey: &Survey) -> bool {
    let files = survey.files.iter().flat_map(|file| &file.findings);
    let keys = survey.credentials.iter().flat_map(|key| &key.findings);
    let rest = survey.findings.iter().map(|(_, finding)| finding);
    files.chain(keys).chain(rest).any(|finding| {
        let command = finding.fix.as_ref().and_then(|fix| fix.command.as_deref());
        command == Some(COMMAND) && finding.place.as_ref().is_some_and(|place| place.source == path)
    })
}

/// The bits of those who are neither the owner nor of the file's group. A file that its group reads on purpose stays.
const OTHERS: u32 = 0o007;
/// The owner's bits.
const OWNER: u32 = 0o700;

#[cfg(test)]
mod tests;
