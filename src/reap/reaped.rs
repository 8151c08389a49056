use crate::backend::Leftover;

/// What a sweep has done.
#[derive(Debug, Default)]
pub(crate) struct Reaped {
    /// The names of the volumes that were removed.
    pub(crate) removed: Vec<String>,
    /// The records that were dropped because their volumes are gone.
    pub(crate) forgotten: Vec<String>,
    /// The volumes that could not be removed; they stay on record.
    pub(crate) left: Vec<Leftover>,
    /// What else could not be done, each as a sentence.
    pub(crate) failures: Vec<String>,
}

impl Reaped {
    /// Tells of it on standard error, if there is anything to tell.
    pub(crate) fn tell(&self) {
        self.tell_of("that dead processes left");
    }

    /// Does so, of volumes that are these.
    pub(crate) fn tell_of(&self, which: &str) {
        if !self.removed.is_empty() {
            eprintln!(
                "kdev: removed {} {which}: {}",
                volumes(self.removed.len()),
                self.removed.join(", ")
            );
        }
        for left in &self.left {
            eprintln!("kdev: could not remove {left}, it stays on record");
        }
        for failure in &self.failures {
            eprintln!("kdev: {failure}");
        }
    }
}

fn volumes(count: usize) -> String {
    match count {
        1 => "1 volume".to_owned(),
        _ => format!("{count} volumes"),
    }
}
