//! Writers that are killed in the middle of their work lose nothing that they acknowledged.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use keywright_core::Secret;

use super::{Directory, Event, Happening, History, Timestamp};

/// Each round kills this many writers of one file.
const WRITERS: u64 = 2;
const ROUNDS: u64 = 100;

#[test]
fn two_hundred_killed_writers_lose_no_acknowledged_entry() {
    let home = tempfile::tempdir().expect("a folder");
    let directory = Directory::at(home.path().join("state"));
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let writers: Vec<Child> = (0..WRITERS).map(|_| start_writer(directory.path())).collect();
        for (number, writer) in (0..).zip(writers) {
            // Each is killed at another moment of its life; it writes on while the line is on its way.
            acknowledged += kill_after(writer, (round * WRITERS + number) % 6);
        }
        let mut history = History::open(&directory).expect("it opens");
        let verdict: String = history
            .store
            .read(|transaction| transaction.pragma_query_value(None, "integrity_check", |row| row.get(0)))
            .expect("checked");
        assert_eq!(verdict, "ok", "round {round}");
        let served: u64 = history.entries(None).expect("read").iter().map(|entry| entry.served).sum();
        let kills = (round + 1) * WRITERS;
        // One entry of each writer may be there that it had no time to acknowledge.
        assert!((acknowledged..=acknowledged + kills).contains(&served), "round {round}: {served} of {acknowledged}");
    }
    assert!(acknowledged > ROUNDS * WRITERS, "{acknowledged}: the writers did write");
}

/// Waits for so many acknowledged entries, kills, and counts all that were acknowledged.
fn kill_after(mut writer: Child, entries: u64) -> u64 {
    let mut output = BufReader::new(writer.stdout.take().expect("piped"));
    let mut line = String::new();
    let mut count = 0;
    while count <= entries {
        line.clear();
        assert_ne!(output.read_line(&mut line).expect("readable"), 0, "the writer ended by itself");
        count += u64::from(line.trim_end() == ACKNOWLEDGED);
    }
    writer.kill().expect("killed");
    writer.wait().expect("ended");
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("readable");
    count + rest.lines().filter(|line| *line == ACKNOWLEDGED).count() as u64
}

/// This test binary again, as [`writer`].
fn start_writer(directory: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this file"))
        .args(["--exact", "state::killed::writer", "--ignored", "--nocapture", "--test-threads=1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let mut input = child.stdin.take().expect("piped");
    writeln!(input, "{}", directory.display()).expect("told");
    child
}

/// Writes until it is killed. Standard input names the folder; without one there is nothing to do.
#[test]
#[ignore = "the other side of the test above, which starts it"]
fn writer() {
    let mut folder = String::new();
    std::io::stdin().read_line(&mut folder).expect("readable");
    if folder.is_empty() {
        return;
    }
    let mut history = History::open(&Directory::at(folder.trim_end())).expect("opened");
    // The line that the test harness began.
    println!();
    for number in 0.. {
        let key = Secret::new(format!("sk-proj-{}", number % 50));
        let subject = history.subject("openai", &key, "env://OPENAI_API_KEY");
        let event = Event { subject, at: Timestamp::now(), what: Happening::Good { served: 1 } };
        history.note(&[event], Timestamp::now()).expect("noted");
        println!("{ACKNOWLEDGED}");
        std::io::stdout().flush().expect("told");
    }
}

const ACKNOWLEDGED: &str = "acknowledged";
