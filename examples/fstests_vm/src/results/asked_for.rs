//! The kernel's complaints that a test provokes.

use std::collections::BTreeSet;

use super::trouble::TroubleKind;

/// Words of a script, each of which asks for failed requests.
///
/// Devices that fail (`common/dmerror`, `dmflakey`, `dmdust`, the targets of `_require_dm_target`, a pool that runs
/// full), made-up SCSI disks, failures injected into requests or file systems, and file systems shut down under
/// what is stacked on them.
const FAILED_REQUESTS: [&str; 16] = [
    "_dmerror_",
    "_init_flakey",
    "_init_dust",
    "_dmthin_",
    "_require_dm_target",
    "_require_dmhugedisk",
    "_require_log_writes",
    "scsi_debug",
    "fail_make_request",
    "_require_error_injection",
    "_require_xfs_io_error_injection",
    "_shutdown",
    "src/godown",
    "\"shutdown",
    "'shutdown",
    "-c shutdown",
];

/// Words that ask for warnings: the test switches fstests' own check of dmesg off or filters what it finds.
///
/// None of them asks for an oops, a report of KASAN or a hang: what these tests provoke are warnings and assertions.
const WARNINGS: [&str; 4] = [
    "_disable_dmesg_check",
    "_add_dmesg_filter",
    "_check_dmesg ",
    "_xfs_prepare_for_eio_shutdown",
];

/// Returns which kinds of trouble the test with this script asks for.
pub(crate) fn asked_for(script: &str) -> BTreeSet<TroubleKind> {
    use TroubleKind::{Assertion, DiskError, IoError, Warning};
    let mut kinds = BTreeSet::new();
    for line in script.lines().map(without_comment) {
        let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
        if has(&FAILED_REQUESTS) {
            kinds.extend([IoError, DiskError]);
        }
        if has(&WARNINGS) {
            kinds.extend([Warning, Assertion]);
        }
    }
    kinds
}

/// Returns the line without a comment; `#` inside of a word, as in `$#`, begins none.
fn without_comment(line: &str) -> &str {
    let start = line
        .match_indices('#')
        .find(|(at, _)| line[..*at].chars().next_back().is_none_or(char::is_whitespace));
    start.map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::asked_for;
    use crate::results::trouble::TroubleKind::{self, Assertion, DiskError, IoError, Warning};

    const IO: &[TroubleKind] = &[IoError, DiskError];
    const WARN: &[TroubleKind] = &[Assertion, Warning];

    #[rstest]
    #[case("_init_flakey\n_mount_flakey\n", IO)]
    #[case(". ./common/dmerror\n_dmerror_init\n", IO)]
    #[case("_require_dm_target thin-pool", IO)]
    #[case("_require_scsi_debug", IO)]
    #[case("SCSI_DEBUG_DEV=`_get_scsi_debug_dev 512`", IO)]
    #[case("_require_fail_make_request", IO)]
    #[case("  _scratch_shutdown -f  # no log", IO)]
    #[case("$XFS_IO_PROG -x -c \"shutdown -f\" $SCRATCH_MNT", IO)]
    #[case("$here/src/godown -f $SCRATCH_MNT", IO)]
    #[case("_require_xfs_io_error_injection \"rmap_finish_one\"", IO)]
    #[case("_disable_dmesg_check", WARN)]
    #[case("_add_dmesg_filter \"Internal error\"", WARN)]
    #[case("_check_dmesg _filter_aiodio_dmesg", WARN)]
    #[case("# to be potent, we don't want to simply _disable_dmesg_check", &[])]
    #[case("echo $# # _scratch_shutdown", &[])]
    #[case("echo \"after a shutdown\"", &[])]
    #[case("_scratch_mkfs\n_scratch_mount\n", &[])]
    #[case("", &[])]
    fn a_script_asks_by_what_it_calls(#[case] script: &str, #[case] expected: &[TroubleKind]) {
        assert_eq!(asked_for(script).into_iter().collect::<Vec<_>>(), {
            let mut expected = expected.to_vec();
            expected.sort();
            expected
        });
    }
}
