use std::time::Duration;

use kdev_volumes::Bytes;

/// Writes a time with as many digits as tell something.
pub(crate) fn brief(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{:.1}s", time.as_secs_f64().min(59.9)),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// Writes a size to one decimal place: unlike one that was asked for, it is seldom whole.
#[expect(clippy::cast_precision_loss, reason = "one decimal place is left of it")]
pub(crate) fn about(size: Bytes) -> String {
    const UNITS: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];
    let mut unit = 0;
    let mut left = size.get() as f64;
    while left >= 1024.0 && unit + 1 < UNITS.len() {
        left /= 1024.0;
        unit += 1;
    }
    let text = format!("{left:.1}");
    format!("{}{}", text.trim_end_matches(".0"), UNITS[unit])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0B")]
    #[case(1023, "1023B")]
    #[case(1 << 30, "1G")]
    #[case((1 << 30) + (1 << 29), "1.5G")]
    #[case(u64::MAX, "16E")]
    fn a_size_has_one_decimal_place_at_most(#[case] bytes: u64, #[case] text: &str) {
        assert_eq!(about(Bytes::new(bytes)), text);
    }

    #[rstest]
    #[case(0, "0ms")]
    #[case(999, "999ms")]
    #[case(1_250, "1.2s")]
    #[case(59_990, "59.9s")]
    #[case(61_000, "1m1s")]
    #[case(3_660_000, "1h1m")]
    #[case(90_000_000, "1d1h")]
    fn a_time_has_two_units_at_most(#[case] ms: u64, #[case] text: &str) {
        assert_eq!(brief(Duration::from_millis(ms)), text);
    }
}
