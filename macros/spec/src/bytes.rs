use std::fmt;
use std::str::FromStr;

use crate::SpecError;

/// A size in bytes.
///
/// Written as a whole number with a base-2 unit (`"10G"`, `"512M"`, `"64KiB"`); a number without a
/// unit is bytes. Letters may be of either case. [`Display`](fmt::Display) writes the same form, in
/// the largest unit that needs no fraction.
///
/// LVM itself reads a bare number as MiB and accepts fractions in the locale's notation. Neither
/// is taken over: a size means one thing wherever it is written.
///
/// ```
/// # use kdev_volumes_spec::Bytes;
/// let size: Bytes = "10G".parse()?;
/// assert_eq!(size.get(), 10 << 30);
/// assert_eq!(Bytes::new(1536 << 20).to_string(), "1536M");
/// # Ok::<(), kdev_volumes_spec::SpecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(u64);

/// Unit letters and the power of two each stands for, largest first.
const UNITS: [(char, u32); 6] = [('E', 60), ('P', 50), ('T', 40), ('G', 30), ('M', 20), ('K', 10)];

impl Bytes {
    /// Makes a size from a number of bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Rounds up to a whole number of `unit`s; `None` if that is more than a `u64` of bytes.
    ///
    /// ```
    /// # use kdev_volumes_spec::Bytes;
    /// let extent: Bytes = "4M".parse()?;
    /// assert_eq!(Bytes::new(5_000_000).round_up(extent), Some("8M".parse()?));
    /// # Ok::<(), kdev_volumes_spec::SpecError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `unit` is zero.
    pub fn round_up(self, unit: Bytes) -> Option<Bytes> {
        self.0.checked_next_multiple_of(unit.0).map(Self)
    }
}

impl FromStr for Bytes {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let bad = |hint: String| SpecError::Size {
            text: text.to_owned(),
            hint,
        };
        let trimmed = text.trim();
        let digits = trimmed
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(digits);
        if number.is_empty() {
            return Err(bad("a size is a whole number and a unit, such as \"10G\"".into()));
        }
        let unit = unit.trim_start();
        if unit.starts_with(['.', ',']) {
            return Err(bad(
                "whole numbers only; use a smaller unit, such as \"1536M\" for 1.5G".into(),
            ));
        }
        let shift = shift_of(unit).ok_or_else(|| {
            bad(format!(
                "unknown unit `{unit}`; try \"{number}G\", or one of K, M, G, T, P"
            ))
        })?;
        let too_large = || bad("more than 8 EiB, the largest size a device can have".into());
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(1 << shift))
            .filter(|&n| n <= i64::MAX as u64)
            .ok_or_else(too_large)?;
        if bytes == 0 {
            return Err(bad("a volume cannot be empty".into()));
        }
        Ok(Self(bytes))
    }
}

/// The power of two that a unit stands for: `G`, `GB` and `GiB` are the same, as for `lvcreate -L`.
fn shift_of(unit: &str) -> Option<u32> {
    let unit = unit.to_ascii_uppercase();
    if unit.is_empty() || unit == "B" {
        return Some(0);
    }
    let letter = unit
        .strip_suffix("IB")
        .or_else(|| unit.strip_suffix('B'))
        .unwrap_or(&unit);
    UNITS
        .iter()
        .find(|(name, _)| letter.len() == 1 && letter.starts_with(*name))
        .map(|&(_, shift)| shift)
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS
            .iter()
            .find(|&&(_, shift)| self.0 != 0 && self.0 % (1 << shift) == 0);
        let text = match whole {
            Some((letter, shift)) => format!("{}{letter}", self.0 >> shift),
            None => format!("{}B", self.0),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("1", 1)]
    #[case("4096", 4096)]
    #[case("512B", 512)]
    #[case("1K", 1 << 10)]
    #[case("512M", 512 << 20)]
    #[case("10G", 10 << 30)]
    #[case("10g", 10 << 30)]
    #[case("10GB", 10 << 30)]
    #[case("10GiB", 10 << 30)]
    #[case(" 10 GiB ", 10 << 30)]
    #[case("2T", 2 << 40)]
    #[case("7E", 7 << 60)]
    fn a_size_is_read_in_base_two(#[case] text: &str, #[case] bytes: u64) {
        assert_eq!(text.parse::<Bytes>().unwrap().get(), bytes);
    }

    #[rstest]
    #[case("", "a whole number and a unit")]
    #[case("G", "a whole number and a unit")]
    #[case("-1G", "a whole number and a unit")]
    #[case("10Q", "try \"10G\"")]
    #[case("10GG", "unknown unit `GG`")]
    #[case("10iB", "unknown unit `iB`")]
    #[case("10é", "unknown unit `é`")]
    #[case("1.5G", "1536M")]
    #[case("1,5G", "1536M")]
    #[case("0", "cannot be empty")]
    #[case("0G", "cannot be empty")]
    #[case("8E", "8 EiB")]
    #[case("99999999999999999999", "8 EiB")]
    fn a_bad_size_is_refused_with_a_hint(#[case] text: &str, #[case] hint: &str) {
        let message = text.parse::<Bytes>().unwrap_err().to_string();
        assert!(message.contains(hint), "{message}");
    }

    #[rstest]
    #[case(10 << 30, "10G")]
    #[case(1536 << 20, "1536M")]
    #[case(4097, "4097B")]
    #[case(0, "0B")]
    fn a_size_is_written_without_a_fraction(#[case] bytes: u64, #[case] text: &str) {
        assert_eq!(Bytes::new(bytes).to_string(), text);
    }

    #[test]
    fn what_is_written_is_read_back() {
        for bytes in [1, 511, 512, 1 << 20, (1 << 20) + 1, 10 << 30, i64::MAX as u64] {
            assert_eq!(
                Bytes::new(bytes).to_string().parse::<Bytes>().unwrap().get(),
                bytes
            );
        }
    }

    #[test]
    fn sizes_are_rounded_up_to_extents() {
        let extent = Bytes::new(4 << 20);
        assert_eq!(Bytes::new(5 << 20).round_up(extent), Some(Bytes::new(8 << 20)));
        assert_eq!(Bytes::new(8 << 20).round_up(extent), Some(Bytes::new(8 << 20)));
        assert_eq!(Bytes::new(u64::MAX).round_up(extent), None);
    }
}
