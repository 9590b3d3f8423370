//! Hidden input at the controlling terminal, whoever owns stdin.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::getpgrp;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr,
    tcgetpgrp, tcsetattr,
};
use tokio::sync::oneshot;

use super::editor::{Editor, Line};

/// The terminal that this process was started from.
#[derive(Clone, Debug)]
pub(crate) struct Console(Arc<File>);

impl Console {
    /// `None` where there is none: in a service, a container, a build.
    pub(crate) fn open() -> Option<Self> {
        let file = File::options().read(true).write(true).open("/dev/tty").ok()?;
        tcgetattr(&file).ok()?;
        Some(Self(Arc::new(file)))
    }

    /// Whether we may read from it: it has one process group at a time.
    pub(crate) fn is_ours(&self) -> bool {
        tcgetpgrp(&*self.0).is_ok_and(|group| group == getpgrp())
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }

    /// Drops what was typed and not read.
    pub(super) fn forget_input(&self) {
        let _ = tcflush(&*self.0, QueueSelector::IFlush);
    }
}

/// A question that is being asked. Dropping it takes it back; the terminal is then as it was.
pub(crate) struct Question {
    answer: Option<oneshot::Receiver<Line>>,
    /// Its end makes the reader stop.
    withdraw: Option<PipeWriter>,
    reader: Option<JoinHandle<()>>,
}

impl Question {
    /// Asks. Input is read by a thread of its own: not every system lets a terminal be waited for otherwise.
    pub(crate) fn ask(console: &Console, prompt: String) -> io::Result<Self> {
        let (withdrawn, withdraw) = io::pipe()?;
        let (to_asker, answer) = oneshot::channel();
        let console = console.clone();
        let reader = std::thread::Builder::new().name("question".to_owned()).spawn(move || {
            // A terminal that went away gives no answer any more.
            let line = read_line(&console, &prompt, &withdrawn).unwrap_or(Some(Line::GivenUp));
            if let Some(line) = line {
                let _ = to_asker.send(line);
            }
        })?;
        Ok(Self { answer: Some(answer), withdraw: Some(withdraw), reader: Some(reader) })
    }

    /// What the person entered.
    pub(crate) async fn answer(mut self) -> Line {
        let Some(answer) = &mut self.answer else {
            return Line::GivenUp;
        };
        answer.await.unwrap_or(Line::GivenUp)
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        drop(self.withdraw.take());
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
    }
}

/// Reads one line with echo off; `None` when the question was withdrawn.
fn read_line(console: &Console, prompt: &str, withdrawn: &PipeReader) -> io::Result<Option<Line>> {
    let mut file = console.file();
    let hidden = Hidden::begin(file)?;
    file.write_all(prompt.as_bytes())?;
    let mut editor = Editor::new();
    let mut chunk = [0; 256];
    let line = 'line: loop {
        let mut ready = [PollFd::new(file, PollFlags::IN), PollFd::new(withdrawn, PollFlags::IN)];
        match poll(&mut ready, None) {
            Err(rustix::io::Errno::INTR) => continue,
            polled => polled?,
        };
        if !ready[1].revents().is_empty() {
            break None;
        }
        let read = file.read(&mut chunk)?;
        if read == 0 {
            break Some(Line::GivenUp);
        }
        for byte in &mut chunk[..read] {
            if let Some(line) = editor.push(std::mem::take(byte)) {
                break 'line Some(line);
            }
        }
    };
    drop(hidden);
    file.write_all(b"\n")?;
    Ok(line)
}

/// The terminal without echo; as it was before when this is dropped.
struct Hidden<'a> {
    file: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn begin(file: &'a File) -> io::Result<Self> {
        let before = tcgetattr(file)?;
        let mut hidden = before.clone();
        // Ctrl-C answers the question; it must not reach the program that waits for the key.
        hidden
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN);
        hidden.input_modes.remove(InputModes::IXON);
        // The program may have left it raw.
        hidden.output_modes.insert(OutputModes::OPOST | OutputModes::ONLCR);
        hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed before the question was meant for the program.
        tcsetattr(file, OptionalActions::Flush, &hidden)?;
        Ok(Self { file, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // What is left of a paste with more than one line must not reach a shell.
        let _ = tcsetattr(self.file, OptionalActions::Flush, &self.before);
    }
}
