use kdev_volumes::Bytes;

use crate::amounts::about;
use crate::paint::{Line, Paint};

/// How many cells a bar has.
const CELLS: u64 = 40;

/// Whose room it is: the sign, the colour, and in words.
const SHARES: [(char, Paint, &str); 5] = [
    ('#', Paint::Green, "held"),
    ('+', Paint::Yellow, "kept"),
    ('!', Paint::Red, "dead or stuck"),
    ('?', Paint::Yellow, "of unknown owners"),
    ('~', Paint::Dim, "not ours"),
];

/// Draws the room of a pool, by what is known of the volumes that take it.
pub(super) fn bar<'a>(size: Bytes, free: Bytes, volumes: impl Iterator<Item = (&'a str, Bytes)>) -> Line {
    let taken = size.get().saturating_sub(free.get());
    let mut shares = [0u64; SHARES.len()];
    for (verdict, size) in volumes {
        let share = match verdict {
            "alive" | "removing" => 0,
            "kept" => 1,
            "dead" | "stuck" => 2,
            // Only its record is left.
            "gone" => continue,
            _ => 3,
        };
        shares[share] = shares[share].saturating_add(size.get());
    }
    let ours = shares.iter().copied().fold(0, u64::saturating_add);
    shares[4] = taken.saturating_sub(ours);
    let mut parts = vec![("  [".to_owned(), Paint::Plain)];
    for ((sign, paint, _), cells) in SHARES.into_iter().zip(cells(shares, size.get())) {
        parts.push((sign.to_string().repeat(cells), paint));
    }
    let drawn: usize = parts[1..].iter().map(|(part, _)| part.len()).sum();
    let empty = usize::try_from(CELLS).unwrap_or(usize::MAX).saturating_sub(drawn);
    parts.push((".".repeat(empty), Paint::Dim));
    let percent = taken.saturating_mul(100).checked_div(size.get()).unwrap_or(0);
    let words = SHARES.iter().zip(shares).filter(|(_, share)| *share > 0);
    let words: Vec<String> = words
        .map(|((_, _, word), share)| format!("{} {word}", about(Bytes::new(share))))
        .collect();
    let words = match words.as_slice() {
        [] => String::new(),
        _ => format!(": {}", words.join(", ")),
    };
    parts.push((format!("] {percent}% taken{words}"), Paint::Plain));
    Line::new(parts)
}

/// Each share has at least one cell, unless it is nothing, and all together no more than there are.
fn cells<const SHARES: usize>(shares: [u64; SHARES], size: u64) -> [usize; SHARES] {
    let mut before = 0u64;
    let mut drawn = 0u64;
    shares.map(|share| {
        before = before.saturating_add(share);
        let exact = u128::from(before) * u128::from(CELLS) / u128::from(size.max(1));
        let least = drawn + u64::from(share > 0);
        let until = u64::try_from(exact).unwrap_or(CELLS).max(least).min(CELLS);
        let cells = until - drawn;
        drawn = until;
        usize::try_from(cells).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const M: u64 = 1 << 20;

    /// Of a pool of 400 MiB, so that a cell is 10 MiB.
    #[rstest]
    #[case::empty(400, &[], "  [........................................] 0% taken")]
    #[case::held(300, &[("alive", 60), ("removing", 40)], "  [##########..............................] 25% taken: 100M held")]
    #[case::of_each(
        100,
        &[("alive", 100), ("kept", 50), ("dead", 20), ("stuck", 20), ("unknown", 10), ("gone", 90)],
        "  [##########+++++!!!!?~~~~~~~~~~..........] 75% taken: 100M held, 50M kept, 40M dead or stuck, 10M of unknown owners, 100M not ours"
    )]
    #[case::full(0, &[("alive", 400)], "  [########################################] 100% taken: 400M held")]
    #[case::a_little_is_seen(399, &[("kept", 1)], "  [+.......................................] 0% taken: 1M kept")]
    #[case::a_little_beside_much(
        0, &[("alive", 398), ("kept", 1), ("dead", 1)],
        "  [#######################################+] 100% taken: 398M held, 1M kept, 1M dead or stuck"
    )]
    #[case::being_removed_while_it_was_looked_at(
        400, &[("alive", 500)], "  [########################################] 0% taken: 500M held"
    )]
    fn the_room_is_drawn(#[case] free: u64, #[case] volumes: &[(&str, u64)], #[case] drawn: &str) {
        let volumes = volumes
            .iter()
            .map(|&(verdict, size)| (verdict, Bytes::new(size * M)));
        let bar = bar(Bytes::new(400 * M), Bytes::new(free * M), volumes);
        assert_eq!(bar.text(false), format!("{drawn}\n"));
    }

    #[test]
    fn a_pool_without_room_has_a_bar_too() {
        let bar = bar(Bytes::new(0), Bytes::new(0), [].into_iter());
        assert!(bar.text(false).contains("0% taken"));
    }
}
