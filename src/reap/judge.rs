//! What becomes of a volume. Decides, and touches nothing.

use std::fmt;
use std::time::Duration;

use crate::liveness::{Doubt, Liveness};
use crate::state::Phase;

/// What is known of a volume's owner, and of what the owner wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    /// An orphan.
    Dead,
    /// Its owner wanted it to stay.
    Kept,
    Unknown(Doubt),
}

impl Verdict {
    pub(crate) fn of(kept: bool, liveness: Liveness) -> Self {
        match (kept, liveness) {
            // What it wants to stay when it dies is its own still.
            (_, Liveness::Alive) => Self::Alive,
            (true, _) => Self::Kept,
            (false, Liveness::Dead) => Self::Dead,
            (false, Liveness::Unknown(doubt)) => Self::Unknown(doubt),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Alive => "alive",
            Self::Dead => "dead",
            Self::Kept => "kept",
            Self::Unknown(_) => "unknown",
        })
    }
}

/// Whether a volume that is spoken of exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    There,
    Gone,
    /// Its VG cannot be looked at.
    Unseen,
}

/// What is wanted of a cleanup besides the orphans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wish {
    #[default]
    Orphans,
    /// All kept volumes.
    Kept,
    /// The kept volumes that are at least that old.
    KeptOlder(Duration),
    /// These kept volumes, by the names of their LVs, and no orphans.
    KeptNamed(Vec<String>),
    /// These volumes, kept or orphans, and no others.
    Named(Vec<String>),
}

/// What is done with a volume and its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Remove the volume, and then its record.
    Remove,
    /// The volume is gone; drop its record.
    Forget,
    Leave,
}

pub(crate) fn action(
    lv_name: &str,
    verdict: Verdict,
    presence: Presence,
    phase: Option<Phase>,
    age: Option<Duration>,
    wish: &Wish,
) -> Action {
    let wanted = match (wish, verdict) {
        (Wish::KeptNamed(names), Verdict::Kept) => names.iter().any(|name| name == lv_name),
        (Wish::Named(names), Verdict::Kept | Verdict::Dead) => names.iter().any(|name| name == lv_name),
        (Wish::KeptNamed(_) | Wish::Named(_), _) => return Action::Leave,
        (Wish::Kept, Verdict::Kept) => true,
        (Wish::KeptOlder(least), Verdict::Kept) => age.is_some_and(|age| age >= *least),
        (Wish::Orphans | Wish::Kept | Wish::KeptOlder(_), _) => verdict == Verdict::Dead,
    };
    match (presence, verdict) {
        // A look at the VG that failed proves nothing.
        (Presence::Unseen, _) | (_, Verdict::Alive) => Action::Leave,
        (Presence::There, _) if wanted => Action::Remove,
        (Presence::There, _) => Action::Leave,
        (Presence::Gone, Verdict::Dead | Verdict::Kept) => Action::Forget,
        // It was there once and is not now: nobody can lose it. One that is being made may yet come.
        (Presence::Gone, Verdict::Unknown(_)) if phase != Some(Phase::Creating) => Action::Forget,
        (Presence::Gone, Verdict::Unknown(_)) => Action::Leave,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, Strategy, prop_oneof, proptest};
    use rstest::rstest;
    use serde_json::json;

    use super::*;
    use crate::garbage::{self, Text};
    use crate::here::Here;
    use crate::liveness::{LeaseState, liveness};
    use crate::owner::{Owner, OwnerTag};
    use crate::process::Process;
    use crate::state::Record;
    use Action::{Forget, Leave, Remove};
    use Presence::{Gone, There, Unseen};
    use Verdict::{Alive, Dead, Kept};

    const UNKNOWN: Verdict = Verdict::Unknown(Doubt::OtherHost);

    #[rstest]
    #[case(Alive, There, Leave)]
    #[case(Alive, Gone, Leave)]
    #[case(Alive, Unseen, Leave)]
    #[case(Dead, There, Remove)]
    #[case(Dead, Gone, Forget)]
    #[case(Dead, Unseen, Leave)]
    #[case(Kept, There, Leave)]
    #[case(Kept, Gone, Forget)]
    #[case(Kept, Unseen, Leave)]
    #[case(UNKNOWN, There, Leave)]
    #[case(UNKNOWN, Gone, Forget)]
    #[case(UNKNOWN, Unseen, Leave)]
    fn only_orphans_are_removed(
        #[case] verdict: Verdict,
        #[case] presence: Presence,
        #[case] expected: Action,
    ) {
        assert_eq!(
            action("a", verdict, presence, Some(Phase::Active), None, &Wish::Orphans),
            expected
        );
    }

    #[rstest]
    #[case(Kept, There, Remove)]
    #[case(Dead, There, Remove)]
    #[case(Alive, There, Leave)]
    #[case(UNKNOWN, There, Leave)]
    #[case(Kept, Unseen, Leave)]
    fn kept_ones_go_when_they_are_asked_for(
        #[case] verdict: Verdict,
        #[case] presence: Presence,
        #[case] expected: Action,
    ) {
        assert_eq!(
            action("a", verdict, presence, Some(Phase::Active), None, &Wish::Kept),
            expected
        );
    }

    #[rstest]
    #[case("a", Kept, Remove)]
    #[case("b", Kept, Leave)]
    #[case("a", Alive, Leave)]
    #[case("a", Dead, Leave)]
    #[case("b", Dead, Leave)]
    fn a_name_removes_that_kept_volume_and_nothing_else(
        #[case] lv: &str,
        #[case] verdict: Verdict,
        #[case] expected: Action,
    ) {
        let wish = Wish::KeptNamed(vec!["a".into()]);
        assert_eq!(
            action(lv, verdict, There, Some(Phase::Active), None, &wish),
            expected
        );
    }

    #[rstest]
    #[case(Kept, Some(3), Remove)]
    #[case(Kept, Some(2), Remove)]
    #[case(Kept, Some(1), Leave)]
    #[case::of_unknown_age(Kept, None, Leave)]
    #[case(Alive, Some(3), Leave)]
    #[case(UNKNOWN, Some(3), Leave)]
    #[case::an_orphan(Dead, Some(1), Remove)]
    fn of_kept_ones_the_old_go_when_age_is_asked_for(
        #[case] verdict: Verdict,
        #[case] days: Option<u32>,
        #[case] expected: Action,
    ) {
        let day = Duration::from_secs(24 * 60 * 60);
        let age = days.map(|days| day * days);
        let wish = Wish::KeptOlder(day * 2);
        assert_eq!(
            action("a", verdict, There, Some(Phase::Active), age, &wish),
            expected
        );
    }

    #[rstest]
    #[case(Some(Phase::Creating), Leave)]
    #[case(Some(Phase::Active), Forget)]
    #[case(Some(Phase::Removing), Forget)]
    fn a_volume_that_may_yet_come_is_not_forgotten(#[case] phase: Option<Phase>, #[case] expected: Action) {
        assert_eq!(action("a", UNKNOWN, Gone, phase, None, &Wish::Orphans), expected);
    }

    #[rstest]
    #[case(true, Liveness::Dead, Kept)]
    #[case(true, Liveness::Alive, Alive)]
    #[case(true, Liveness::Unknown(Doubt::OtherHost), Kept)]
    #[case(false, Liveness::Dead, Dead)]
    #[case(false, Liveness::Alive, Alive)]
    #[case(false, Liveness::Unknown(Doubt::OtherHost), UNKNOWN)]
    fn a_kept_volume_is_its_owners_and_then_nobodys(
        #[case] kept: bool,
        #[case] liveness: Liveness,
        #[case] verdict: Verdict,
    ) {
        assert_eq!(Verdict::of(kept, liveness), verdict);
    }

    const BOOT_ID: &str = "f5a2b1c0-1111-2222-3333-444444444444";
    const STARTED: u64 = 81_234_567;

    fn here() -> Here {
        Here {
            boot_id: BOOT_ID.into(),
            pid_ns: 4_026_531_836,
            host: "1a2b3c4d".into(),
        }
    }

    /// What is read of a live owner's record, or tag, after damage; `None` if it cannot be read.
    fn damaged_owners() -> impl Strategy<Value = Option<Owner>> {
        const TAG: &str =
            "kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=0";
        let record = json!({
            "lv_path": "/dev/loop0", "lv_name": "kdev-20251115103045-a3f9d2-test", "pool_name": "embedded", "vg_name": "",
            "volume_spec": {"name": "test", "size": "16M", "env_var": "TEST_DEV", "order": 0}, "kind": "loop",
            "pid": 1234, "allocated_at": "2025-11-15T10:30:45", "session_id": "session-a3f9d2", "start_time": STARTED,
            "boot_id": BOOT_ID, "pid_ns": 4_026_531_836_u64, "host": "1a2b3c4d", "uid": 0, "phase": "active",
        });
        let records = garbage::damaged(record)
            .prop_map(|Text(text)| Some(serde_json::from_slice::<Record>(&text).ok()?.owner()));
        let tags = garbage::torn(TAG).prop_map(|tag| Some(OwnerTag::parse(&tag)?.owner));
        prop_oneof![records, tags]
    }

    /// All that can prove a death without a lease, told once more in other words than `liveness` does.
    fn is_proved_dead(owner: &Owner, process: Process) -> bool {
        let Some(boot) = &owner.boot else { return false };
        let is_a_boot_id = boot.len() == 8 && boot.bytes().all(|digit| b"0123456789abcdef".contains(&digit));
        if boot != &BOOT_ID[..8] {
            return is_a_boot_id && owner.host == Some(here().host);
        }
        let Process::Running { start_time } = process else {
            return false;
        };
        owner.pid_ns == Some(here().pid_ns) && owner.start_time.is_some_and(|started| started != start_time)
    }

    proptest! {
        #![proptest_config(garbage::config())]

        #[test]
        fn garbage_removes_nothing_of_an_owner_that_is_not_proved_dead(
            owner in damaged_owners(),
            process in prop_oneof![Just(Process::Running { start_time: STARTED }), Just(Process::Hidden)],
            presence in prop_oneof![Just(There), Just(Gone), Just(Unseen)],
        ) {
            let Some(owner) = owner else { return Ok(()) };
            let lives = liveness(&owner, LeaseState::Missing, &here(), |_| process);
            let action = action("a", Verdict::of(false, lives), presence, None, None, &Wish::Orphans);
            assert!(action != Remove || is_proved_dead(&owner, process), "{owner:?}: {lives:?}");
            for lease in [LeaseState::Held, LeaseState::Unreadable] {
                let lives = liveness(&owner, lease, &here(), |_| process);
                assert_ne!(lives, Liveness::Dead, "{owner:?}");
            }
        }
    }
}
