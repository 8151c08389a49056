use std::fmt;

use crate::here::Here;
use crate::owner::Owner;
use crate::process::Process;

/// Whether the owner of a volume still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    Alive,
    /// Proved dead; only then may its volumes be taken back.
    Dead,
    /// Nothing proves either.
    Unknown(Doubt),
}

/// Why an owner's death cannot be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    UnreadableLease,
    OtherHost,
    OtherPidNamespace,
    HiddenProcess,
    SaysTooLittle,
    AnotherUser,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnreadableLease => "its lease is not a file that this user can read and trust",
            Self::OtherHost => "its owner is on another host",
            Self::OtherPidNamespace => "its owner is in another pid namespace and has no lease here",
            Self::HiddenProcess => "its owner's process is hidden from this user",
            Self::AnotherUser => "it is another user's, who has its lease",
            Self::SaysTooLittle => "its record does not say enough of its owner",
        })
    }
}

/// What became of a session's lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseState {
    /// Somebody holds the lock: the owner, or a reaper that is at work on it.
    Held,
    /// The lock can be had: who held it is gone.
    Free,
    /// There is no such file, or not where we look.
    Missing,
    /// The file is there, and we may not open it or do not trust it.
    Unreadable,
}

/// Judges an owner by its lease, else by what the kernel says of its process.
///
/// `process` is looked up only where its pid means something: on this boot, in this pid namespace.
pub(crate) fn liveness(
    owner: &Owner,
    lease: LeaseState,
    here: &Here,
    process: impl FnOnce(u32) -> Process,
) -> Liveness {
    let this_boot = Owner::short_boot(&here.boot_id);
    let same_boot = owner
        .boot
        .as_ref()
        .zip(this_boot)
        .map(|(boot, this)| *boot == this);
    let same_host = same_boot == Some(true) || owner.host.as_ref() == Some(&here.host);
    match lease {
        LeaseState::Held => return Liveness::Alive,
        LeaseState::Unreadable => return Liveness::Unknown(Doubt::UnreadableLease),
        // A lock is the kernel's word for its own processes. On a shared file system another host's
        // lock may well not be seen here.
        LeaseState::Free if same_host || owner.boot.is_none() => return Liveness::Dead,
        LeaseState::Free => return Liveness::Unknown(Doubt::OtherHost),
        LeaseState::Missing => {}
    }
    match same_boot {
        None => return Liveness::Unknown(Doubt::SaysTooLittle),
        // A machine that has been booted since has no process of then.
        Some(false) if same_host => return Liveness::Dead,
        Some(false) => return Liveness::Unknown(Doubt::OtherHost),
        Some(true) => {}
    }
    if owner.pid_ns != Some(here.pid_ns) {
        return Liveness::Unknown(Doubt::OtherPidNamespace);
    }
    match (process(owner.pid), owner.start_time) {
        (Process::Absent | Process::Zombie, _) => Liveness::Dead,
        (Process::Running { start_time }, Some(started)) if start_time == started => Liveness::Alive,
        (Process::Running { .. }, Some(_)) => Liveness::Dead,
        (Process::Running { .. }, None) => Liveness::Unknown(Doubt::SaysTooLittle),
        (Process::Hidden, _) => Liveness::Unknown(Doubt::HiddenProcess),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use Doubt::{HiddenProcess, OtherHost, OtherPidNamespace, SaysTooLittle, UnreadableLease};
    use LeaseState::{Free, Held, Missing, Unreadable};
    use Liveness::{Alive, Dead, Unknown};
    use Process::{Absent, Hidden, Running, Zombie};

    const SAME: Process = Running { start_time: 77 };
    const RECYCLED: Process = Running { start_time: 78 };

    fn here() -> Here {
        Here {
            boot_id: "f5a2b1c0-1111-2222-3333-444444444444".into(),
            pid_ns: 4_026_531_836,
            host: "1a2b3c4d".into(),
        }
    }

    fn owner(boot: &str, pid_ns: u64, host: &str) -> Owner {
        Owner {
            pid: 1234,
            start_time: Some(77),
            boot: Some(boot.into()),
            pid_ns: Some(pid_ns),
            host: Some(host.into()),
            uid: Some(0),
        }
    }

    const BOOT: &str = "f5a2b1c0";
    const EARLIER: &str = "00000000";
    const NS: u64 = 4_026_531_836;
    const HOST: &str = "1a2b3c4d";

    #[rstest]
    // A lease tells, whatever the process table says.
    #[case::held(BOOT, NS, HOST, Held, Absent, Alive)]
    #[case::held_elsewhere(EARLIER, 1, "ffffffff", Held, Absent, Alive)]
    #[case::free(BOOT, NS, HOST, Free, SAME, Dead)]
    #[case::free_in_other_namespace(BOOT, 1, HOST, Free, Absent, Dead)]
    #[case::free_after_reboot(EARLIER, NS, HOST, Free, Absent, Dead)]
    #[case::free_on_other_host(EARLIER, NS, "ffffffff", Free, Absent, Unknown(OtherHost))]
    #[case::unreadable(BOOT, NS, HOST, Unreadable, Absent, Unknown(UnreadableLease))]
    // No lease: the process tells, where its pid means something.
    #[case::runs(BOOT, NS, HOST, Missing, SAME, Alive)]
    #[case::gone(BOOT, NS, HOST, Missing, Absent, Dead)]
    #[case::zombie(BOOT, NS, HOST, Missing, Zombie, Dead)]
    #[case::recycled_pid(BOOT, NS, HOST, Missing, RECYCLED, Dead)]
    #[case::hidden(BOOT, NS, HOST, Missing, Hidden, Unknown(HiddenProcess))]
    #[case::other_namespace(BOOT, 1, HOST, Missing, Absent, Unknown(OtherPidNamespace))]
    #[case::renamed_host_same_boot(BOOT, NS, "ffffffff", Missing, SAME, Alive)]
    #[case::rebooted(EARLIER, NS, HOST, Missing, SAME, Dead)]
    #[case::rebooted_other_namespace(EARLIER, 1, HOST, Missing, Absent, Dead)]
    #[case::other_host(EARLIER, NS, "ffffffff", Missing, Absent, Unknown(OtherHost))]
    fn an_owner_is_dead_only_by_proof(
        #[case] boot: &str,
        #[case] pid_ns: u64,
        #[case] host: &str,
        #[case] lease: LeaseState,
        #[case] process: Process,
        #[case] verdict: Liveness,
    ) {
        assert_eq!(
            liveness(&owner(boot, pid_ns, host), lease, &here(), |_| process),
            verdict
        );
    }

    #[rstest]
    #[case::missing(Missing, Unknown(SaysTooLittle))]
    #[case::free(Free, Dead)]
    fn a_record_of_another_program_proves_nothing_by_its_pid(
        #[case] lease: LeaseState,
        #[case] verdict: Liveness,
    ) {
        let bare = Owner {
            pid: 1234,
            start_time: None,
            boot: None,
            pid_ns: None,
            host: None,
            uid: None,
        };
        assert_eq!(liveness(&bare, lease, &here(), |_| Absent), verdict);
    }

    #[test]
    fn a_pid_of_elsewhere_is_not_looked_up_here() {
        let looked_up = |_| panic!("this pid means nothing here");
        liveness(&owner(EARLIER, NS, HOST), Missing, &here(), looked_up);
        liveness(&owner(BOOT, 1, HOST), Missing, &here(), looked_up);
    }
}
