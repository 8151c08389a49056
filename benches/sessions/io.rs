//! Reading and writing through a volume, by fio, and what is beneath it: the ninth figure.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use kdev_volumes::Pool;

use crate::book::Book;
use crate::children::run;
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit};
use crate::volumes::spec;

/// Where there is a target, more turns: the two differ by a few percent, and neighbouring turns by more.
const ROUNDS: usize = 45;
const ROUNDS_WITHOUT_A_TARGET: usize = 9;

/// Where reads and writes go to: a device or file, and from which byte on.
struct Place {
    path: PathBuf,
    offset: u64,
}

pub(crate) fn on_an_lv(book: &mut Book) {
    let pool = Pool::from_env().expect("a pool");
    let session = pool.allocate(&spec(1)).expect("a session");
    let lv = Place {
        path: session.volumes()[0].path().to_owned(),
        offset: 0,
    };
    let raw = beneath(&lv.path);
    compare(book, "LV", &lv, "the disk beneath", &raw, Some(95.0));
    session.close().expect("a volume that can be given back");
    lvm::expect_empty();
}

pub(crate) fn on_a_loop(book: &mut Book) {
    let pool = Pool::embedded().expect("loop devices");
    let session = pool.allocate(&spec(1)).expect("a session");
    let volume = Place {
        path: session.volumes()[0].path().to_owned(),
        offset: 0,
    };
    let file = tempfile::NamedTempFile::new().expect("a file");
    let plain = Place {
        path: file.path().to_owned(),
        offset: 0,
    };
    // A first write finds room for a block, and the next ones do not.
    for place in [&volume, &plain] {
        fill(&place.path, session.volumes()[0].size().get());
    }
    compare(book, "loop volume", &volume, "a file beside it", &plain, None);
    session.close().expect("a volume that can be given back");
    lvm::expect_no_records();
}

/// The same blocks of the device on which an LV of one piece is.
fn beneath(lv: &Path) -> Place {
    let output = Command::new("dmsetup")
        .arg("table")
        .arg(lv)
        .output()
        .expect("dmsetup");
    let table = String::from_utf8(output.stdout).expect("a table");
    let words: Vec<&str> = table.split_whitespace().collect();
    let ["0", _, "linear", device, sector] = words[..] else {
        panic!("an LV in one piece, not {table:?}");
    };
    let path = fs::canonicalize(Path::new("/dev/block").join(device)).expect("the device beneath");
    let offset = 512 * sector.parse::<u64>().expect("a sector");
    Place { path, offset }
}

fn fill(path: &Path, size: u64) {
    let mut file = File::options()
        .write(true)
        .open(path)
        .expect("a place to write to");
    std::io::copy(&mut std::io::Read::take(std::io::repeat(1), size), &mut file).expect("room");
    file.sync_all().expect("a disk that takes it");
}

fn compare(book: &mut Book, what: &str, ours: &Place, name: &str, other: &Place, least: Option<f64>) {
    for (rw, told) in [("randread", "random reads"), ("randwrite", "random writes")] {
        for depth in [1, 16] {
            let rounds = least.map_or(ROUNDS_WITHOUT_A_TARGET, |_| ROUNDS);
            let [ours, other] = in_one_run([ours, other], rw, depth, rounds);
            let what = format!("{what}, 4 KiB {told}, direct, {depth} at once");
            let figure = Figure::of("9", &what, ours).percent_of(name, other);
            book.add(&match least {
                Some(least) => figure.at_least(least),
                None => figure,
            });
        }
    }
}

/// One run of fio's, in which the two take short turns: what else a machine does comes and goes.
fn in_one_run(places: [&Place; 2], rw: &str, depth: u32, rounds: usize) -> [Series; 2] {
    let out = tempfile::NamedTempFile::new().expect("a file");
    let mut fio = Command::new("fio");
    fio.args([
        "--thread",
        "--bs=4k",
        "--direct=1",
        "--ioengine=libaio",
        "--size=64m",
    ])
    .args(["--time_based", "--runtime=200ms", "--output-format=json"])
    .arg(format!("--rw={rw}"))
    .arg(format!("--iodepth={depth}"))
    .arg(format!("--output={}", out.path().display()));
    let turns: Vec<usize> = (0..2 * rounds)
        .map(|turn| (turn / 2 + turn) % places.len())
        .collect();
    for &which in &turns {
        fio.arg(format!("--name={which}"))
            // Not before those before it have ended.
            .arg("--stonewall")
            .arg(format!("--offset={}", places[which].offset))
            .arg(format!("--filename={}", places[which].path.display()));
    }
    run(&mut fio);
    let told = fs::read_to_string(out.path()).expect("what fio has told");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON of fio's");
    let jobs = told["jobs"].as_array().expect("the jobs");
    assert_eq!(jobs.len(), turns.len());
    let kind = if rw == "randread" { "read" } else { "write" };
    let mut values = [Vec::new(), Vec::new()];
    for (job, which) in jobs.iter().zip(turns) {
        assert_eq!(
            (&job["error"], &job["jobname"]),
            (&0.into(), &which.to_string().into())
        );
        let iops = job[kind]["iops"].as_f64().expect("a number of IOPS");
        assert!(iops > 0.0, "{job}");
        values[which].push(iops);
    }
    values.map(|values| Series::new(Unit::Iops, values))
}
