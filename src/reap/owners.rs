use std::collections::BTreeMap;

use crate::error::Result;
use crate::here::Here;
use crate::lease::Lease;
use crate::liveness::{Doubt, LeaseState, Liveness, liveness};
use crate::owner::OwnerTag;
use crate::process::Process;
use crate::reap::judge::Verdict;
use crate::session_id::SessionId;
use crate::state::{Kind, State};

/// Tells which owners live. Asks for each session's lease once, and holds on to those that nobody else
/// holds.
pub(super) struct Owners<'a> {
    state: &'a State,
    here: &'static Here,
    leases: BTreeMap<SessionId, (LeaseState, Option<Lease>)>,
}

impl<'a> Owners<'a> {
    /// `seized` are leases of owners that are known to be dead.
    pub(super) fn new(state: &'a State, seized: BTreeMap<SessionId, Lease>) -> Result<Self> {
        let free = |lease| (LeaseState::Free, Some(lease));
        Ok(Self {
            state,
            here: Here::get()?,
            leases: seized
                .into_iter()
                .map(|(session, lease)| (session, free(lease)))
                .collect(),
        })
    }

    pub(super) fn verdict(&mut self, kind: Kind, tag: &OwnerTag, kept: bool) -> Verdict {
        Verdict::of(kept, self.liveness(kind, tag))
    }

    /// What an ordinary user may not remove is not known to be dead either: for that there are the user whose it
    /// is, and root.
    pub(super) fn liveness(&mut self, kind: Kind, tag: &OwnerTag) -> Liveness {
        match self.liveness_of(tag) {
            Liveness::Dead if kind == Kind::Lvm && is_anothers(tag) => Liveness::Unknown(Doubt::AnotherUser),
            told => told,
        }
    }

    fn liveness_of(&mut self, tag: &OwnerTag) -> Liveness {
        let dir = self.state.dir();
        let (lease, _) = self
            .leases
            .entry(tag.session.clone())
            .or_insert_with(|| Lease::probe(dir, &tag.session));
        liveness(&tag.owner, *lease, self.here, Process::find)
    }

    /// Returns the leases of the dead, which are held on to.
    pub(super) fn into_free_leases(self) -> BTreeMap<SessionId, Lease> {
        self.leases
            .into_iter()
            .filter_map(|(session, (_, lease))| Some((session, lease?)))
            .collect()
    }
}

/// Tells whether an LV is another user's, by its tag. To root all are root's to remove.
pub(super) fn is_anothers(tag: &OwnerTag) -> bool {
    let me = nix::unistd::geteuid();
    !me.is_root() && tag.owner.uid.is_some_and(|uid| uid != me.as_raw())
}
