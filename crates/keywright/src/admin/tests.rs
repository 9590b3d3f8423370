//! An admin API that changes between the plan and its end.

use keywright_core::Catalogue;
use keywright_emulator::{Emulator, KeySpec, sample_admin_key};

use super::*;
use crate::http::Versions;

#[tokio::test]
async fn a_service_account_that_got_another_key_is_not_deleted() {
    let provider = Catalogue::builtin().provider("openai").expect("in the catalogue");
    let emulator = Emulator::builder().start().await.expect("an emulator");
    emulator.set_key("openai", &sample_admin_key(), KeySpec::valid().project("proj_x")).expect("an admin key");
    let origin = Origin::parse(&emulator.base_url("openai"), "/v1").expect("a URL");
    let limit = Duration::from_secs(20);
    let connector = Connector::new(limit, Versions::Http1).expect("a connector");
    let key = Secret::new(sample_admin_key());
    let admin = Admin::of(provider, &connector, &origin, &key, limit).expect("it has one");

    let account = Make::ServiceAccount { project: "proj_x".to_owned(), name: "ci".to_owned(), lifetime_seconds: None };
    let old = admin.make(&account).await.expect("a key").key;
    let before = admin.plan(&old, &Wanted::default()).await.expect("a plan");
    let End::ServiceAccount { project, id: account, .. } = before.end.clone() else {
        panic!("the account has one key: {before:?}");
    };
    let other = Make::AccountKey { project, account, name: "other".to_owned(), lifetime_seconds: None };
    let other = admin.make(&other).await.expect("another key").key;
    assert!(matches!(admin.end(&before.end).await, Err(AdminError::NotAlone)));
    for key in [&old, &other] {
        let plan = admin.plan(key, &Wanted::default()).await.expect("both are listed as before");
        assert!(matches!(plan.end, End::ByHand { .. }), "{plan:?}");
    }
}
