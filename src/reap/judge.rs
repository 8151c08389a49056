//! What becomes of a volume. Decides, and touches nothing.

use std::fmt;

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
    /// These kept volumes, by the names of their LVs, and no orphans.
    KeptNamed(Vec<String>),
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
    wish: &Wish,
) -> Action {
    let wanted = match (wish, verdict) {
        (Wish::KeptNamed(names), Verdict::Kept) => names.iter().any(|name| name == lv_name),
        (Wish::KeptNamed(_), _) => return Action::Leave,
        (Wish::Kept, Verdict::Kept) => true,
        (Wish::Orphans | Wish::Kept, _) => verdict == Verdict::Dead,
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
    use rstest::rstest;

    use super::*;
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
            action("a", verdict, presence, Some(Phase::Active), &Wish::Orphans),
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
            action("a", verdict, presence, Some(Phase::Active), &Wish::Kept),
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
        assert_eq!(action(lv, verdict, There, Some(Phase::Active), &wish), expected);
    }

    #[rstest]
    #[case(Some(Phase::Creating), Leave)]
    #[case(Some(Phase::Active), Forget)]
    #[case(Some(Phase::Removing), Forget)]
    fn a_volume_that_may_yet_come_is_not_forgotten(#[case] phase: Option<Phase>, #[case] expected: Action) {
        assert_eq!(action("a", UNKNOWN, Gone, phase, &Wish::Orphans), expected);
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
}
