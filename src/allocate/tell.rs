//! What is said of those who wait for room.

use std::time::Duration;

use kdev_volumes_spec::Bytes;

use crate::patience::{Patience, VARIABLE};
use crate::request::{Request, with_attempt};
use crate::source::Source;

/// Says what a test waits for, and who has it; `so_far` is nothing when it is said first.
pub(super) fn waiting(
    request: &Request,
    want: Bytes,
    sources: &[&Source],
    before: usize,
    so_far: Duration,
    patience: Patience,
) -> String {
    let names: Vec<&str> = sources.iter().map(|source| source.name()).collect();
    let held: Vec<String> = sources.iter().map(|source| source.held()).collect();
    let held: Vec<&str> = held.iter().map(String::as_str).collect();
    waiting_text(&whose(request), want, &names, before, &held, so_far, patience)
}

/// Says that a test has its volumes after all.
pub(super) fn served(request: &Request, pool: &str, waited: Duration) -> String {
    format!(
        "kdev: {} has its room in pool `{pool}`, after {} of waiting",
        whose(request),
        whole_seconds(waited)
    )
}

fn whose(request: &Request) -> String {
    match &request.test {
        Some(test) => format!("`{}`", with_attempt(test, request.attempt)),
        None => "a session".to_owned(),
    }
}

fn waiting_text(
    whose: &str,
    want: Bytes,
    pools: &[&str],
    before: usize,
    held: &[&str],
    so_far: Duration,
    patience: Patience,
) -> String {
    let held = pools.iter().zip(held).filter(|(_, held)| !held.is_empty());
    let held = held.map(|(pool, held)| match pools {
        [_] => format!("; held: {held}"),
        _ => format!("; held of `{pool}`: {held}"),
    });
    let held: String = held.collect();
    let pools = match pools {
        [pool] => format!("pool `{pool}`"),
        _ => format!("one of the pools `{}`", pools.join("`, `")),
    };
    let before = match before {
        0 => "first in the queue".to_owned(),
        count => format!("{count} before it in the queue"),
    };
    let so_far = match so_far.is_zero() {
        true => "begins to wait".to_owned(),
        false => format!("has waited {}", whole_seconds(so_far)),
    };
    let at_most = match patience.0 {
        Some(patience) => format!("gives up after {}", whole_seconds(patience)),
        None => "never gives up".to_owned(),
    };
    format!("kdev: {whose} {so_far} for {want} in {pools}, {before}{held}; it {at_most} ({VARIABLE})")
}

/// A wait of less than a second took some time, too.
pub(crate) fn whole_seconds(time: Duration) -> String {
    match time.as_secs() {
        0 => "less than a second".to_owned(),
        seconds => humantime::format_duration(Duration::from_secs(seconds)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::at_once(
        &["fast"], 0, &["3G by `it$a` (pid 7)"], 0, Some(600),
        "kdev: `it$b` begins to wait for 1G in pool `fast`, first in the queue; held: 3G by `it$a` (pid 7); it gives up after 10m (KDEV_WAIT)"
    )]
    #[case::later(
        &["fast"], 2, &[""], 20, Some(5400),
        "kdev: `it$b` has waited 20s for 1G in pool `fast`, 2 before it in the queue; it gives up after 1h 30m (KDEV_WAIT)"
    )]
    #[case::of_several(
        &["fast", "sata"], 1, &["3G by `it$a` (pid 7)", "2G by `it$c` (pid 8)"], 70, None,
        "kdev: `it$b` has waited 1m 10s for 1G in one of the pools `fast`, `sata`, 1 before it in the queue; held of `fast`: 3G by `it$a` (pid 7); held of `sata`: 2G by `it$c` (pid 8); it never gives up (KDEV_WAIT)"
    )]
    fn it_is_said_what_for_and_who_has_it(
        #[case] pools: &[&str],
        #[case] before: usize,
        #[case] held: &[&str],
        #[case] so_far: u64,
        #[case] patience: Option<u64>,
        #[case] expected: &str,
    ) {
        let want = "1G".parse().unwrap();
        let so_far = Duration::from_secs(so_far);
        let patience = Patience(patience.map(Duration::from_secs));
        let said = waiting_text("`it$b`", want, pools, before, held, so_far, patience);
        assert_eq!(said, expected);
    }
}
