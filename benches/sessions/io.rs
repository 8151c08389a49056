//! Reading and writing through a volume, by fio, and what is beneath it: the ninth figure.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use kdev_volumes::Pool;

use crate::book::Book;
use crate::children::run;
use crate::figure::Figure;
use crate::lvm;
use crate::measure::{Series, Unit, in_turns};
use crate::volumes::spec;

const ROUNDS: usize = 7;

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
    let output = Command::new("dmsetup").arg("table").arg(lv).output().expect("dmsetup");
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
    let mut file = File::options().write(true).open(path).expect("a place to write to");
    std::io::copy(&mut std::io::Read::take(std::io::repeat(1), size), &mut file).expect("room");
    file.sync_all().expect("a disk that takes it");
}

fn compare(book: &mut Book, what: &str, ours: &Place, name: &str, other: &Place, least: Option<f64>) {
    for (rw, told) in [("randread", "random reads"), ("randwrite", "random writes")] {
        for depth in [1, 16] {
            let [ours, other] = in_turns(
                ROUNDS,
                [&mut || iops(ours, rw, depth), &mut || iops(other, rw, depth)],
            )
            .map(|values| Series::new(Unit::Iops, values));
            let percent = 100.0 * ours.median() / other.median();
            let what = format!("{what}, 4 KiB {told}, direct, {depth} at once");
            let figure = Figure::of("9", &what, ours)
                .beside(name, other)
                .valued(percent, Unit::Percent);
            book.add(&match least {
                Some(least) => figure.at_least(least),
                None => figure,
            });
        }
    }
}

fn iops(place: &Place, rw: &str, depth: u32) -> f64 {
    let out = tempfile::NamedTempFile::new().expect("a file");
    let mut fio = Command::new("fio");
    fio.args(["--name=bench", "--thread", "--bs=4k", "--direct=1", "--ioengine=libaio"])
        .args(["--size=64m", "--time_based", "--runtime=500ms", "--output-format=json"])
        .arg(format!("--rw={rw}"))
        .arg(format!("--iodepth={depth}"))
        .arg(format!("--offset={}", place.offset))
        .arg(format!("--filename={}", place.path.display()))
        .arg(format!("--output={}", out.path().display()));
    run(&mut fio);
    let told = fs::read_to_string(out.path()).expect("what fio has told");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON of fio's");
    let job = &told["jobs"][0];
    assert_eq!(job["error"], 0, "{job}");
    let kind = if rw == "randread" { "read" } else { "write" };
    let iops = job[kind]["iops"].as_f64().expect("a number of IOPS");
    assert!(iops > 0.0, "{job}");
    iops
}
