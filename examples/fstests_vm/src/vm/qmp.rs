//! QEMU's own word on how a machine ended, by its machine protocol (QMP).

use std::io::{self, Write};

use serde_json::{Value, json};

/// What QEMU tells of its own accord.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The machine ended, with QEMU's reason: `guest-shutdown`, `guest-reset` after a panic,
    /// `host-qmp-quit`, ...
    Shutdown(String),
    /// The guest's kernel said through a device of QEMU's that it panics.
    Panicked,
}

/// Reads a line of QEMU's; `None` if it tells nothing of the machine's end.
pub(crate) fn read(line: &str) -> Option<Told> {
    let told: Value = serde_json::from_str(line).ok()?;
    match told.get("event")?.as_str()? {
        "SHUTDOWN" => {
            let reason = told.pointer("/data/reason").and_then(Value::as_str);
            Some(Told::Shutdown(reason.unwrap_or("unknown").to_owned()))
        }
        "GUEST_PANICKED" => Some(Told::Panicked),
        _ => None,
    }
}

/// Opens the conversation; before this QEMU answers nothing.
pub(crate) fn greet(to: &mut impl Write) -> io::Result<()> {
    execute(to, &json!({ "execute": "qmp_capabilities" }))
}

/// Sends a break down the console's line, which with the letter that follows is a magic SysRq.
pub(crate) fn send_break(to: &mut impl Write) -> io::Result<()> {
    execute(
        to,
        &json!({ "execute": "chardev-send-break", "arguments": { "id": "console" } }),
    )
}

/// Ends QEMU.
pub(crate) fn quit(to: &mut impl Write) -> io::Result<()> {
    execute(to, &json!({ "execute": "quit" }))
}

fn execute(to: &mut impl Write, command: &Value) -> io::Result<()> {
    to.write_all(format!("{command}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::poweroff(
        r#"{"timestamp": {"seconds": 1, "microseconds": 6}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#,
        Some(Told::Shutdown("guest-shutdown".into()))
    )]
    #[case::without_a_reason(r#"{"event": "SHUTDOWN"}"#, Some(Told::Shutdown("unknown".into())))]
    #[case::panic(
        r#"{"event": "GUEST_PANICKED", "data": {"action": "pause"}}"#,
        Some(Told::Panicked)
    )]
    #[case::other(r#"{"event": "RTC_CHANGE", "data": {"offset": 0}}"#, None)]
    #[case::greeting(r#"{"QMP": {"version": {}, "capabilities": ["oob"]}}"#, None)]
    #[case::answer(r#"{"return": {}}"#, None)]
    #[case::half(r#"{"event": "SHUTD"#, None)]
    #[case::nothing("", None)]
    fn qemu_tells(#[case] line: &str, #[case] told: Option<Told>) {
        assert_eq!(read(line), told);
    }
}
