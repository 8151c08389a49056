//! What is made of the figures of all parts: the table, `benches/results.json`, and the README's section.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

use serde_json::{Value, json};

use crate::book::Part;
use crate::figure::Figure;
use crate::table;

const BEGIN: &str = "<!-- `make bench` writes what follows -->\n";
const END: &str = "<!-- `make bench` has written what precedes -->\n";

/// What is known of the machine on which loop volumes are measured.
pub(crate) fn host() -> Value {
    let cpus = std::thread::available_parallelism().expect("processors");
    let info = fs::read_to_string("/proc/cpuinfo").expect("the processors");
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "cpu": model.map_or("unknown", |(_, model)| model),
        "cpus": cpus,
        "kernel": kernel(),
        "date": said("date", &["--utc", "+%Y-%m-%d %H:%M"]),
        "commit": commit(),
    })
}

/// What is known of the machine on which LVM is measured.
pub(crate) fn bed() -> Value {
    let version = said("lvm", &["version"]);
    let version = version
        .lines()
        .find_map(|line| line.trim().strip_prefix("LVM version:"));
    json!({ "kernel": kernel(), "lvm": version.expect("LVM's version").trim() })
}

fn kernel() -> String {
    said("uname", &["--kernel-release"])
}

/// What the working tree is at, if it is one, with a `+` if it is not just that.
fn commit() -> Option<String> {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(root()).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // What this itself writes does not count.
    let files = [":/", ":!/README.md", ":!/benches/results.json"];
    let changed = git(&[&["status", "--porcelain", "--"], &files[..]].concat())?;
    Some(if changed.is_empty() { commit } else { commit + "+" })
}

fn said(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect(program);
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Prints all figures. `how` is what becomes of them: they are only shown, or written down too, or checked.
pub(crate) fn all(how: &str, files: &[&str]) {
    let parts: Vec<Part> = files.iter().map(|file| Part::read(file)).collect();
    let mut figures: Vec<&Figure> = parts.iter().flat_map(|part| &part.figures).collect();
    figures.sort_by_key(|figure| figure.number.parse().unwrap_or(u32::MAX));
    println!("\n{}", table::text(&figures));
    for figure in &figures {
        if !figure.note.is_empty() {
            println!("{} {}: {}", figure.number, figure.what, figure.note);
        }
    }
    let missed: Vec<&Figure> = figures
        .iter()
        .copied()
        .filter(|figure| figure.is_missed())
        .collect();
    for figure in &missed {
        println!("MISSED {}", figure.told());
    }
    match how {
        "show" => {}
        "write" => {
            let [host, bed] = [&parts[0].machine, &parts[1].machine];
            write_results(host, bed, &figures);
            write_readme(host, bed, &figures);
        }
        "check" => {
            let ours: Vec<String> = missed
                .iter()
                .filter(|figure| figure.is_of_any_machine())
                .map(|figure| format!("{} ({})", figure.number, figure.what))
                .collect();
            if !ours.is_empty() {
                eprintln!("missed on any machine: {}", ours.join(", "));
                exit(1);
            }
        }
        _ => panic!("`{how}` is none of `show`, `write` and `check`"),
    }
}

fn write_results(host: &Value, bed: &Value, figures: &[&Figure]) {
    let told = figures.iter().map(|figure| {
        let mut value = serde_json::to_value(figure).expect("a figure as JSON");
        value["verdict"] = figure.verdict().into();
        // One figure a line, so that one can see what has changed.
        format!("  {value}")
    });
    let told: Vec<String> = told.collect();
    let text = format!(
        "{{\n\"host\": {host},\n\"bed\": {bed},\n\"figures\": [\n{}\n]\n}}\n",
        told.join(",\n")
    );
    fs::write(root().join("benches/results.json"), text).expect("a file of results");
}

fn write_readme(host: &Value, bed: &Value, figures: &[&Figure]) {
    let path: PathBuf = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("the README");
    let (before, rest) = readme
        .split_once(BEGIN)
        .expect("where the README's figures begin");
    let (_, after) = rest.split_once(END).expect("where they end");
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or("unknown").to_owned();
    let machine = format!(
        "{} UTC, on {} x {}, Linux {}; LVs in the test bed, Linux {}, LVM {}.",
        text(host, "date"),
        host["cpus"],
        text(host, "cpu"),
        text(host, "kernel"),
        text(bed, "kernel"),
        text(bed, "lvm"),
    );
    let section = format!("{machine}\n\n{}", table::markdown(figures));
    fs::write(&path, format!("{before}{BEGIN}\n{section}\n{END}{after}")).expect("the README");
}
