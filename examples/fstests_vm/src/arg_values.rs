//! Reads the values of arguments, and says of one that cannot be what can.

use std::ffi::OsString;
use std::time::Duration;

use kdev_volumes::Bytes;

/// Less than this is too little for any kernel with a filesystem under test.
const LEAST_MEMORY: Bytes = Bytes::new(64 << 20);

/// Reads the memory of a machine.
pub(crate) fn memory(text: &str) -> Result<Bytes, String> {
    match text.parse::<Bytes>() {
        Ok(memory) if memory >= LEAST_MEMORY => Ok(memory),
        Err(err) => Err(err.to_string()),
        Ok(memory) => Err(format!(
            "no kernel runs tests in {memory} (give at least {LEAST_MEMORY})"
        )),
    }
}

/// Reads a limit of time, which is not nothing.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        Ok(_) => Err("nothing can be done in no time".to_owned()),
        Err(err) => Err(format!("{err} (a time is such as 90s, 15m or 1h30m)")),
    }
}

/// Reads a time scale.
pub(crate) fn factor(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor > 0.0 && factor <= 1000.0 => Ok(factor),
        Ok(_) => Err("a time scale is more than 0 and at most 1000".to_owned()),
        Err(err) => Err(err.to_string()),
    }
}

/// Reads a variable of the environment and its value, which may be anything.
pub(crate) fn variable(text: &str) -> Result<(String, OsString), String> {
    let (name, value) = text.split_once('=').ok_or("it is not NAME=VALUE")?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let plain = !name.is_empty() && name.bytes().all(is_name) && !name.as_bytes()[0].is_ascii_digit();
    match plain {
        true => Ok((name.to_owned(), value.into())),
        false => Err(format!("`{name}` is not the name of a variable")),
    }
}
