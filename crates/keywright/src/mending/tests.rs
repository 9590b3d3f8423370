use std::fs;

use super::*;
use crate::sources::Environment;
use crate::survey::Scope;

const DIRTY: &str = "FIREWORKS_API_KEY = fw_AAAAAAAAAAAAAAAAAAAAAAAA\n";
const MENDED: &str = "FIREWORKS_API_KEY=fw_AAAAAAAAAAAAAAAAAAAAAAAA\n";

/// The plan for a folder whose `.env` holds these bytes.
async fn plan(bytes: &[u8]) -> (tempfile::TempDir, Plan) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join(".env"), bytes).expect("written");
    let resolver = Resolver::new(Environment::given([("HOME", "")]), folder.path());
    let survey = Survey::take(&resolver, &Scope::default()).await;
    let plan = Plan::make(&survey, &resolver).await;
    (folder, plan)
}

fn text(folder: &tempfile::TempDir) -> String {
    fs::read_to_string(folder.path().join(".env")).expect("it is there")
}

fn files(folder: &tempfile::TempDir) -> usize {
    fs::read_dir(folder.path()).expect("a folder").count()
}

#[tokio::test]
async fn a_file_that_somebody_wrote_meanwhile_is_left_as_it_is() {
    let (folder, dirty) = plan(DIRTY.as_bytes()).await;
    fs::write(folder.path().join(".env"), "NEWER=1\n").expect("written");
    assert!(matches!(dirty.files[0].apply(), Err(WriteError::Changed)));
    assert_eq!((text(&folder).as_str(), files(&folder)), ("NEWER=1\n", 1));
}

#[tokio::test]
async fn a_file_that_was_replaced_meanwhile_is_left_as_it_is() {
    let (folder, dirty) = plan(DIRTY.as_bytes()).await;
    // The same text, and another file: who replaced it may not be done.
    fs::write(folder.path().join("other"), DIRTY).expect("written");
    fs::rename(folder.path().join("other"), folder.path().join(".env")).expect("moved");
    assert!(matches!(dirty.files[0].apply(), Err(WriteError::Changed)));
    assert_eq!((text(&folder).as_str(), files(&folder)), (DIRTY, 1));
}

#[tokio::test]
async fn a_plan_is_carried_out_once() {
    let (folder, dirty) = plan(DIRTY.as_bytes()).await;
    let done = dirty.files[0].apply().expect("nothing stands in the way");
    assert_eq!(done, Done { path: ".env".to_owned(), backup: Some(".env.bak".to_owned()) });
    assert_eq!((text(&folder).as_str(), files(&folder)), (MENDED, 2));
    assert!(matches!(dirty.files[0].apply(), Err(WriteError::Changed)));
    assert_eq!(files(&folder), 2);
}

#[tokio::test]
async fn what_was_promised_and_cannot_be_done_is_said() {
    let latin1 = [b"# caf\xe9\n", DIRTY.as_bytes()].concat();
    let (folder, dirty) = plan(&latin1).await;
    assert!(!dirty.is_empty() && !dirty.is_writable());
    assert_eq!(dirty.diff(), "# .env: not mended: it is neither UTF-8 nor UTF-16 text\n");
    assert!(matches!(dirty.files[0].apply(), Err(WriteError::NotMended(_))));
    assert_eq!(fs::read(folder.path().join(".env")).expect("it is there"), latin1);
    let (_folder, clean) = plan(b"# caf\xe9\n").await;
    assert!(clean.is_empty());
}
