use super::*;

const NOW: Moment = Moment(1_000_000);
const KEY: Event = Event::Refused(Cause::InvalidKey);
const ACCOUNT: Event = Event::Refused(Cause::QuotaExhausted);

fn go(health: Health, event: Event) -> (Health, Option<Task>) {
    step(health, event, NOW, &Backoff::default())
}

fn suspect() -> Health {
    Health::Suspect { cause: Cause::InvalidKey, since: Moment(999_000) }
}

fn out(cause: Cause, round: u32) -> Health {
    Health::Quarantined { cause, since: Moment(1), retry_at: Moment(2), round }
}

#[test]
fn one_refusal_makes_a_key_suspect_and_asks_for_one_look() {
    assert_eq!(
        go(Health::Active, KEY),
        (Health::Suspect { cause: Cause::InvalidKey, since: NOW }, Some(Task::Confirm))
    );
}

#[test]
fn refusals_in_flight_are_one_event() {
    assert_eq!(go(suspect(), KEY), (suspect(), None));
    let gone = out(Cause::InvalidKey, 0);
    assert_eq!(go(gone, KEY), (gone, None));
    assert_eq!(go(gone, Event::Served), (gone, None));
}

#[test]
fn a_look_decides() {
    let (health, _) = go(suspect(), Event::Probed(Look::Refused(Cause::Expired)));
    assert!(matches!(health, Health::Quarantined { cause: Cause::Expired, round: 0, .. }));
    assert_eq!(go(suspect(), Event::Probed(Look::Works)).0, Health::Probation { cause: Cause::InvalidKey, round: 0 });
    let (health, _) = go(suspect(), Event::Probed(Look::Unknown));
    assert!(matches!(health, Health::Quarantined { cause: Cause::InvalidKey, .. }));
}

#[test]
fn a_quarantined_key_is_looked_at_again_with_backoff() {
    let (health, task) = go(out(Cause::InvalidKey, 2), Event::Due);
    assert_eq!(task, Some(Task::Confirm));
    assert_eq!(health.due_at(), Some(NOW.after(Duration::from_secs(80))));
    let (health, _) = go(out(Cause::InvalidKey, 2), Event::Probed(Look::Works));
    assert_eq!(health, Health::Probation { cause: Cause::InvalidKey, round: 3 });
}

#[test]
fn probation_ends_with_the_first_answer() {
    let probation = Health::Probation { cause: Cause::InvalidKey, round: 1 };
    assert_eq!(go(probation, Event::Served).0, Health::Active);
    assert!(matches!(go(probation, KEY).0, Health::Quarantined { round: 2, .. }));
}

#[test]
fn an_account_without_credit_comes_back_by_traffic_only() {
    assert!(matches!(go(Health::Active, ACCOUNT), (Health::Quarantined { round: 0, .. }, None)));
    let (health, task) = go(out(Cause::QuotaExhausted, 0), Event::Due);
    assert_eq!((health, task), (Health::Probation { cause: Cause::QuotaExhausted, round: 0 }, None));
}

#[test]
fn a_rate_limit_rests_the_key_and_keeps_the_longer_pause() {
    let (resting, _) = go(Health::Active, Event::RateLimited(Some(Duration::from_secs(9))));
    assert_eq!(resting, Health::CoolingDown { until: NOW.after(Duration::from_secs(9)) });
    assert_eq!(go(resting, Event::RateLimited(Some(Duration::from_secs(3)))).0, resting);
    assert_eq!(step(resting, Event::Due, Moment(2_000_000), &Backoff::default()).0, Health::Active);
}

#[test]
fn a_refusal_that_is_not_the_keys_fault_changes_nothing() {
    for cause in [Cause::ModelNotFound, Cause::ContextTooLong, Cause::ServerError, Cause::AssistantsGone] {
        assert_eq!(go(Health::Active, Event::Refused(cause)), (Health::Active, None));
    }
}

#[test]
fn another_value_makes_any_key_active() {
    for health in [Health::Active, suspect(), out(Cause::Expired, 3)] {
        assert_eq!(go(health, Event::Replaced), (Health::Active, None));
    }
}

#[test]
fn short_pauses_are_waited_for_once() {
    let short = Some(Duration::from_millis(174));
    assert_eq!(next(Cause::RateLimit, short, false), Next::SameKeyAfter(Duration::from_millis(174)));
    assert_eq!(next(Cause::RateLimit, short, true), Next::OtherAccount);
    assert_eq!(next(Cause::RateLimit, None, false), Next::OtherAccount);
    assert_eq!(next(Cause::ModelNotFound, None, false), Next::Relay);
}

#[test]
fn the_wait_between_looks_doubles_and_is_bounded() {
    let backoff = Backoff::default();
    assert_eq!(backoff.wait(0), Duration::from_secs(10));
    assert_eq!(backoff.wait(3), Duration::from_secs(80));
    assert_eq!(backoff.wait(u32::MAX), backoff.longest);
}

#[test]
fn all_keys_at_once_point_at_the_provider() {
    assert!(same_moment(&[Moment(1000), Moment(2500)]));
    assert!(!same_moment(&[Moment(1000), Moment(60_000)]));
    assert!(!same_moment(&[Moment(1000)]));
}
