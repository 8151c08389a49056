//! Parts of what errors say.

use std::time::Duration;

use crate::allocate::whole_seconds;
use crate::thin::{LIMIT, Thin};

pub(super) fn in_queue(before: usize, waited: Duration) -> String {
    let mut text = String::new();
    if !waited.is_zero() {
        text.push_str(&format!(", after {} of waiting", whole_seconds(waited)));
    }
    match before {
        0 => {}
        1 => text.push_str(", and 1 other waits for it who came earlier"),
        count => text.push_str(&format!(", and {count} others wait for it who came earlier")),
    }
    text
}

pub(super) fn of_which(staying: &[String]) -> String {
    match staying {
        [] => String::new(),
        _ => format!(", of which stays {}", staying.join(", ")),
    }
}

pub(super) fn of_thin(thin: Option<&Thin>) -> String {
    match thin {
        None => String::new(),
        Some(thin) if thin.is_at_limit() => {
            format!("; nothing more is given out while {LIMIT}% or more of it are written: {thin}")
        }
        Some(thin) => format!("; {thin}"),
    }
}

/// One a line, for people who have to do something about each.
pub(super) fn listed(items: &[String]) -> String {
    items.iter().map(|item| format!("\n  - {item}")).collect()
}

pub(super) fn installing(program: &str, package: Option<&str>) -> String {
    match package {
        Some(package) => format!("apt-get install {package}"),
        None => format!("apt-file search {program}"),
    }
}

pub(super) fn said(stderr: &str) -> String {
    match stderr.trim() {
        "" => " and said nothing".to_owned(),
        text => format!(
            ": {}",
            text.lines().map(str::trim).collect::<Vec<_>>().join(" / ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Error;

    #[test]
    fn a_failed_command_is_a_whole_report() {
        let err = Error::Command {
            command: "lvcreate -n x vg".into(),
            ended: "ended with exit status 5".into(),
            stderr: "  first\n  second\n".into(),
        };
        assert_eq!(
            err.to_string(),
            "`lvcreate -n x vg` ended with exit status 5: first / second"
        );
    }
}
