use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Quotes a word for the shell, whatever bytes it has.
pub(super) fn quoted(word: &OsStr) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend_from_slice(br"'\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

/// Returns the file from which the guest takes `check`'s arguments.
pub(crate) fn arguments<'a>(arguments: impl IntoIterator<Item = &'a OsStr>) -> Vec<u8> {
    let mut script = b"set --".to_vec();
    for argument in arguments {
        script.push(b' ');
        script.extend(quoted(argument));
    }
    script.push(b'\n');
    script
}

/// Returns the file from which the guest takes variables.
pub(crate) fn environment(variables: &[(String, OsString)]) -> Vec<u8> {
    let mut script = Vec::new();
    for (name, value) in variables {
        script.extend_from_slice(format!("export {name}=").as_bytes());
        script.extend(quoted(value));
        script.push(b'\n');
    }
    script
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_shell_gets_back_what_was_quoted() {
        let hostile = [
            "a b",
            "'",
            "''x'",
            "$(reboot)",
            "`x`",
            "\\",
            "\"",
            "*",
            "",
            "\n",
            "-e",
        ];
        let mut script = arguments(hostile.iter().map(OsStr::new));
        script.extend_from_slice(b"printf '%s\\0' \"$@\"");
        let output = Command::new("sh")
            .arg("-c")
            .arg(OsStr::from_bytes(&script))
            .output()
            .unwrap();
        let expected: Vec<u8> = hostile
            .iter()
            .flat_map(|word| [word.as_bytes(), b"\0"].concat())
            .collect();
        assert_eq!(output.stdout, expected);
    }

    #[test]
    fn variables_arrive_as_they_are() {
        let mut script = environment(&[("MKFS_OPTIONS".into(), "-O 'x y' $HOME".into())]);
        script.extend_from_slice(b"printenv MKFS_OPTIONS");
        let output = Command::new("sh")
            .arg("-c")
            .arg(OsStr::from_bytes(&script))
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"-O 'x y' $HOME\n");
    }
}
