//! What volumes cost, beside the naive way and beside what a target allows. `benches/run` starts this.
//!
//! Each figure is measured in turns within one run, since ratios hold on any machine and times do not. What
//! did not happen as it should is a panic, and not a figure.

mod book;
mod children;
mod counts;
mod figure;
mod growth;
mod io;
mod lvm;
mod measure;
mod orphans;
mod others;
mod report;
mod startup;
mod status;
mod table;
mod together;
mod volumes;

use std::env;

use kdev_volumes::kdev_volumes;

use crate::book::Book;

/// Makes this a program with annotated tests, so that its constructor has to look for the dead.
#[kdev_volumes(test = "64M")]
#[expect(dead_code, reason = "its declaration is what counts")]
fn annotated() {}

/// What is measured, by the numbers of the figures that it adds.
type Parts<'a> = &'a [(&'a [&'a str], fn(&mut Book))];

const ON_THE_HOST: Parts = &[
    (&["4"], volumes::on_loops),
    (&["5"], startup::all),
    (&["7"], growth::of_records),
    (&["9"], io::on_a_loop),
    (&["+"], others::all),
];

const IN_THE_BED: Parts = &[
    (&["1", "2", "3"], volumes::on_lvm),
    (&["7"], growth::of_a_vg),
    (&["8"], together::eight),
    (&["6"], orphans::fifty),
    (&["10"], status::of_two_hundred),
    (&["9"], io::on_an_lv),
];

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["host", file, ref numbers @ ..] => measure(Book::new(file, report::host()), ON_THE_HOST, numbers),
        ["lvm", file, ref numbers @ ..] => measure(Book::new(file, report::bed()), IN_THE_BED, numbers),
        ["report", how, ref files @ ..] => report::all(how, files),
        [verb, ref more @ ..] if children::serve(verb, more) => {}
        // `cargo bench` and `cargo test --benches` come without one of these words.
        _ => eprintln!("run this by `make bench`"),
    }
}

/// All parts, or those with one of these numbers.
fn measure(mut book: Book, parts: Parts, numbers: &[&str]) {
    for (theirs, part) in parts {
        if numbers.is_empty() || theirs.iter().any(|number| numbers.contains(number)) {
            part(&mut book);
        }
    }
}
