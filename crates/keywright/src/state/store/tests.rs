use std::collections::BTreeMap;

use super::*;

fn directory(home: &tempfile::TempDir) -> Directory {
    Directory::at(home.path().join("state"))
}

#[cfg(unix)]
#[test]
fn every_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().expect("a folder");
    let directory = directory(&home);
    let mut store = Store::open(&directory).expect("made");
    store.write(|transaction| transaction.execute("DELETE FROM history", [])).expect("written");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(directory.path()), 0o700);
    let files = std::fs::read_dir(directory.path()).expect("a folder").flatten();
    let modes: BTreeMap<_, _> = files.map(|file| (file.file_name(), mode(&file.path()))).collect();
    assert!(modes.len() >= 3 && modes.values().all(|mode| *mode == 0o600), "{modes:?}");
}

/// What is done to a state that was good, and what is said about it then.
#[cfg(unix)]
#[test]
fn each_trouble_has_its_own_words_and_advice() {
    use std::os::unix::fs::PermissionsExt;
    type Harm = fn(&Path);
    fn chmod(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    }
    let cases: [(&str, Harm, &str, &str); 5] = [
        ("open folder", |dir| chmod(dir, 0o755), "is open to other users (mode 755)", "chmod 700"),
        ("open file", |dir| chmod(&dir.join(FILE), 0o644), "is open to other users (mode 644)", "chmod 600"),
        ("no database", |dir| std::fs::write(dir.join(FILE), "x".repeat(4_096)).expect("written"), "is damaged", "mv "),
        (
            "newer schema",
            |dir| {
                let connection = Connection::open(dir.join(FILE)).expect("opened");
                connection.pragma_update(None, "user_version", 4_711).expect("written");
            },
            "was written by a newer keywright (its schema is 4711",
            "newer keywright",
        ),
        (
            "a folder in its place",
            |dir| {
                std::fs::remove_file(dir.join(FILE)).expect("removed");
                std::fs::create_dir(dir.join(FILE)).expect("made");
                chmod(&dir.join(FILE), 0o700);
            },
            "permission denied",
            "ls -ld",
        ),
    ];
    for (name, harm, says, helps) in cases {
        let home = tempfile::tempdir().expect("a folder");
        let directory = directory(&home);
        drop(Store::open(&directory).expect("made"));
        harm(directory.path());
        let error = Store::open(&directory).expect_err(name);
        assert!(error.to_string().contains(says), "{name}: {error}");
        let help = error.help().unwrap_or_default();
        assert!(help.contains(helps), "{name}: {help}");
    }
}

#[test]
fn a_full_disk_loses_nothing_that_was_written() {
    let home = tempfile::tempdir().expect("a folder");
    let mut store = Store::open(&directory(&home)).expect("made");
    let add = |store: &mut Store, name: &str, bytes: usize| {
        store.write(|transaction| {
            let sql = "INSERT INTO history VALUES (?1, zeroblob(16), ?2, '', 0, 0, NULL, 0, NULL, NULL)";
            transaction.execute(sql, (name, "x".repeat(bytes)))
        })
    };
    add(&mut store, "first", 10).expect("there is room");
    // SQLite answers as it does when the disk is full.
    let pages: u32 =
        store.ask(|connection| connection.pragma_query_value(None, "page_count", |row| row.get(0))).expect("read");
    store.ask(|connection| connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))).expect("set");
    let error = add(&mut store, "second", 100_000).expect_err("no room");
    assert!(matches!(error, StateError::Full { .. }), "{error}");
    assert!(error.help().is_some_and(|help| help.contains("Make room")));
    let names: Vec<String> = store
        .read(|t| t.prepare("SELECT provider FROM history")?.query_map([], |row| row.get(0))?.collect())
        .expect("read");
    assert_eq!(names, ["first"]);
}

#[test]
fn looking_does_not_make_it() {
    let home = tempfile::tempdir().expect("a folder");
    assert!(Store::open_existing(&directory(&home)).expect("nothing is wrong").is_none());
    assert!(!directory(&home).path().exists());
    drop(Store::open(&directory(&home)).expect("made"));
    assert!(Store::open_existing(&directory(&home)).expect("nothing is wrong").is_some());
}

#[test]
fn many_may_open_and_write_at_one_time() {
    let home = tempfile::tempdir().expect("a folder");
    let directory = directory(&home);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let directory = directory.clone();
            scope.spawn(move || {
                let mut store = Store::open(&directory).expect("opened");
                for row in 0..25 {
                    let provider = format!("{writer}-{row}");
                    let sql = "INSERT INTO history VALUES (?1, zeroblob(16), '', '', 0, 0, NULL, 0, NULL, NULL)";
                    store.write(|transaction| transaction.execute(sql, [provider])).expect("written");
                }
            });
        }
    });
    let mut store = Store::open(&directory).expect("opened");
    let rows: i64 = store.read(|t| t.query_row("SELECT count(*) FROM history", [], |row| row.get(0))).expect("read");
    assert_eq!(rows, 200);
}

#[test]
fn a_file_of_an_older_schema_is_brought_up_to_date() {
    let home = tempfile::tempdir().expect("a folder");
    let directory = directory(&home);
    directory.create().expect("made");
    private::touch(&directory.file(FILE)).expect("made");
    let mut store = Store::open(&directory).expect("an empty file is schema 0");
    let version: u32 = store.read(|t| t.pragma_query_value(None, "user_version", |row| row.get(0))).expect("read");
    assert_eq!(version, migrations::newest());
}
