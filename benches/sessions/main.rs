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

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["host", file] => {
            let mut book = Book::new(file, report::host());
            volumes::on_loops(&mut book);
            startup::all(&mut book);
            growth::of_records(&mut book);
            io::on_a_loop(&mut book);
            others::all(&mut book);
        }
        ["lvm", file] => {
            let mut book = Book::new(file, report::bed());
            volumes::on_lvm(&mut book);
            growth::of_a_vg(&mut book);
            together::eight(&mut book);
            orphans::fifty(&mut book);
            status::of_two_hundred(&mut book);
            io::on_an_lv(&mut book);
        }
        ["report", how, ref files @ ..] => report::all(how, files),
        [verb, ref more @ ..] if children::serve(verb, more) => {}
        // `cargo bench` and `cargo test --benches` come without one of these words.
        _ => eprintln!("run this by `make bench`"),
    }
}
