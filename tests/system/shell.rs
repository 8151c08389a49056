//! Completions and manual pages.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::scene::{Say, Scene};

/// All commands, as they are typed.
fn commands(scene: &Scene) -> Vec<Vec<String>> {
    let below = |command: &[String]| -> Vec<Vec<String>> {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let help = scene.kdev(&[&words[..], &["--help"]].concat()).good();
        let Some((_, list)) = help.split_once("\nCommands:\n") else {
            return Vec::new();
        };
        let list = list.lines().take_while(|line| !line.is_empty());
        let names = list.filter_map(|line| {
            line.strip_prefix("  ")?
                .split(' ')
                .next()
                .filter(|name| !name.is_empty())
        });
        names
            .filter(|name| *name != "help")
            .map(|name| [command, &[name.to_owned()]].concat())
            .collect()
    };
    let first = below(&[]);
    let second = first.iter().flat_map(|command| below(command));
    first.iter().cloned().chain(second).collect()
}

/// The long options that the help of a command names.
fn options(scene: &Scene, command: &[String]) -> Vec<String> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    let help = scene.kdev(&[&words[..], &["--help"]].concat()).good();
    let (_, options) = help.split_once("\nOptions:\n").expect(&help);
    let at = options.lines().filter_map(|line| {
        line.trim_start()
            .strip_prefix("--")
            .or_else(|| Some(line.trim_start().strip_prefix('-')?.split_once("--")?.1))
    });
    at.map(|option| {
        let end = option.find(|letter: char| !letter.is_ascii_lowercase() && letter != '-');
        format!("--{}", &option[..end.unwrap_or(option.len())])
    })
    .collect()
}

#[test]
fn every_shell_is_told_of_every_command() {
    let scene = Scene::embedded();
    let commands = commands(&scene);
    assert!(commands.len() > 10, "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = scene.kdev(&["completions", shell]).good();
        for command in &commands {
            assert!(said.contains(command.last().unwrap()), "{shell} {command:?}");
        }
    }
    assert_eq!(scene.kdev(&["completions", "dos"]).say().code, Some(2));
    assert_eq!(scene.kdev(&["completions"]).say().code, Some(2));
}

#[test]
fn bash_completes_commands_options_and_values() {
    let scene = Scene::embedded();
    let file = scene.path("kdev.bash");
    fs::write(&file, scene.kdev(&["completions", "bash"]).good()).unwrap();
    let complete = |line: &str| {
        // As readline asks for it: the words, which of them the cursor is in, and what comes before.
        let asked = r#"set -u; source "$1"; complete -p kdev >/dev/null; read -ra COMP_WORDS <<<"$2x"
            COMP_WORDS[-1]=${COMP_WORDS[-1]%x}; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMP_LINE=$2; COMP_POINT=${#2}
            _kdev kdev "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"; printf '%s\n' "${COMPREPLY[@]}""#;
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", asked, "bash"]).arg(&file).arg(line);
        bash.good()
    };
    assert_eq!(complete("kdev metr"), "metrics\n");
    assert_eq!(complete("kdev pool cle"), "cleanup\n");
    assert_eq!(complete("kdev pool status --wat"), "--watch\n");
    assert_eq!(complete("kdev metrics --by t"), "test\n");
    for command in commands(&scene) {
        let said = complete(&format!("kdev {} --", command.join(" ")));
        for option in options(&scene, &command) {
            assert!(
                said.lines().any(|line| line == option),
                "{command:?} {option}: {said}"
            );
        }
    }
}

#[test]
fn each_command_has_a_page_that_man_takes_and_that_names_each_option() {
    let scene = Scene::embedded();
    let dir = scene.path("man1");
    let said = scene.kdev(&["man", dir.to_str().unwrap()]).good();
    let commands = commands(&scene);
    assert_eq!(said.lines().count(), commands.len() + 1, "{said}");
    let mut files: Vec<(PathBuf, Vec<String>)> = vec![(dir.join("kdev.1"), Vec::new())];
    for command in commands {
        files.push((dir.join(format!("kdev-{}.1", command.join("-"))), command));
    }
    for (file, command) in files {
        let mut man = scene.program("man");
        man.env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "100")
            .env("MANPAGER", "cat")
            .env("MAN_KEEP_FORMATTING", "");
        man.args(["--warnings=mac,reg,range,syntax,missing,escape", "--local-file"])
            .arg(&file);
        let said = man.say();
        assert_eq!(
            (said.code, said.err.as_str()),
            (Some(0), ""),
            "{}",
            file.display()
        );
        let foot = format!("kdev {}", env!("CARGO_PKG_VERSION"));
        assert!(
            said.out.lines().last().unwrap().starts_with(&foot),
            "{}",
            said.out
        );
        for option in options(&scene, &command) {
            assert!(
                said.out.contains(&option),
                "{} {option}: {}",
                file.display(),
                said.out
            );
        }
    }
    let main = scene.kdev(&["man"]).good();
    assert_eq!(main, fs::read_to_string(dir.join("kdev.1")).unwrap());
    assert!(main.contains("KERNELDEV_DEVICE_POOL"), "{main}");
}
