use std::fmt;
use std::time::Duration;

/// How often, in a measure that the clock comes back to: both systemd's calendar and cron's go by that.
///
/// ```
/// use std::time::Duration;
/// use kdev_volumes::timer::Every;
///
/// assert_eq!(Every::default().to_string(), "15m");
/// assert!(Every::new(Duration::from_secs(7 * 60)).is_none(), "an hour is no multiple of it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every(Measure);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    /// A divisor of 60.
    Minutes(u64),
    /// A divisor of 24.
    Hours(u64),
    Day,
}

impl Every {
    /// What can be had, for people.
    pub const CHOICE: &str =
        "minutes that divide an hour, such as 15m, hours that divide a day, such as 6h, or 1d";

    /// Takes a time that divides an hour or a day; `None` if it does not.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use kdev_volumes::timer::Every;
    /// let six_hours = Every::new(Duration::from_secs(6 * 3600)).unwrap();
    /// assert_eq!(six_hours.to_string(), "6h");
    /// ```
    pub fn new(time: Duration) -> Option<Self> {
        let seconds = time.as_secs();
        if time.subsec_nanos() != 0 || seconds == 0 {
            return None;
        }
        let measure = match (seconds % 60, seconds / 60) {
            (0, minutes @ 1..60) if 60 % minutes == 0 => Measure::Minutes(minutes),
            (0, 1440) => Measure::Day,
            (0, minutes) if minutes % 60 == 0 && minutes < 1440 && 1440 % minutes == 0 => {
                Measure::Hours(minutes / 60)
            }
            _ => return None,
        };
        Some(Self(measure))
    }

    /// Writes it for `OnCalendar=` (systemd.time(7)).
    pub(super) fn calendar(self) -> String {
        match self.0 {
            Measure::Minutes(minutes) => format!("*:0/{minutes}"),
            Measure::Hours(hours) => format!("0/{hours}:00"),
            Measure::Day => "*-*-* 00:00:00".to_owned(),
        }
    }

    /// Writes it for crontab(5).
    pub(super) fn cron(self) -> String {
        match self.0 {
            Measure::Minutes(minutes) => format!("*/{minutes} * * * *"),
            Measure::Hours(hours) => format!("0 */{hours} * * *"),
            Measure::Day => "0 0 * * *".to_owned(),
        }
    }

    /// By how much it may be late, in seconds, so that many machines do not begin at once.
    pub(super) fn delay(self) -> u64 {
        let seconds = match self.0 {
            Measure::Minutes(minutes) => minutes * 60,
            Measure::Hours(hours) => hours * 3600,
            Measure::Day => 24 * 3600,
        };
        (seconds / 5).min(1800)
    }
}

impl Default for Every {
    fn default() -> Self {
        Self(Measure::Minutes(15))
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Measure::Minutes(minutes) => write!(f, "{minutes}m"),
            Measure::Hours(hours) => write!(f, "{hours}h"),
            Measure::Day => f.write_str("1d"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const MINUTE: u64 = 60;
    const HOUR: u64 = 3600;

    #[rstest]
    #[case(MINUTE, "1m", "*:0/1", "*/1 * * * *", 12)]
    #[case(15 * MINUTE, "15m", "*:0/15", "*/15 * * * *", 180)]
    #[case(30 * MINUTE, "30m", "*:0/30", "*/30 * * * *", 360)]
    #[case(HOUR, "1h", "0/1:00", "0 */1 * * *", 720)]
    #[case(6 * HOUR, "6h", "0/6:00", "0 */6 * * *", 1800)]
    #[case(24 * HOUR, "1d", "*-*-* 00:00:00", "0 0 * * *", 1800)]
    fn a_divisor_of_an_hour_or_a_day_is_a_measure(
        #[case] seconds: u64,
        #[case] text: &str,
        #[case] calendar: &str,
        #[case] cron: &str,
        #[case] delay: u64,
    ) {
        let every = Every::new(Duration::from_secs(seconds)).unwrap();
        assert_eq!(every.to_string(), text);
        assert_eq!(
            (every.calendar().as_str(), every.cron().as_str()),
            (calendar, cron)
        );
        assert_eq!(every.delay(), delay);
    }

    #[rstest]
    #[case::nothing(Duration::ZERO)]
    #[case::seconds(Duration::from_secs(90))]
    #[case::a_part_of_a_second(Duration::from_millis(60_500))]
    #[case::no_divisor_of_an_hour(Duration::from_secs(7 * MINUTE))]
    #[case::no_divisor_of_a_day(Duration::from_secs(5 * HOUR))]
    #[case::hours_and_minutes(Duration::from_secs(90 * MINUTE))]
    #[case::two_days(Duration::from_secs(48 * HOUR))]
    #[case::for_ever(Duration::MAX)]
    fn any_other_time_is_none(#[case] time: Duration) {
        assert_eq!(Every::new(time), None);
    }
}
