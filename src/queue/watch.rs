//! Being woken by what changes in the state directory.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::state_dir::StateDir;

/// Sees tickets go, and records change. Where the kernel gives no inotify(7), or no more of it, it sees
/// nothing, and who waits looks by himself now and then, as he does in any case.
#[derive(Debug)]
pub(crate) struct Watch {
    watching: Option<(Inotify, WatchDescriptor)>,
    records: std::ffi::OsString,
}

/// What has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Somebody has left the queue, or died in it.
    pub(crate) queue: bool,
    /// The records were replaced.
    pub(crate) records: bool,
}

impl Watch {
    /// Watches from now on. What is looked at after that is not older than what is seen.
    pub(crate) fn new(dir: &StateDir) -> Self {
        let file = dir.records_file();
        Self {
            watching: watch(dir).ok(),
            records: file.file_name().unwrap_or_default().to_owned(),
        }
    }

    /// Waits until something has changed, or for that long.
    pub(crate) fn wait(&self, at_most: Duration) -> Seen {
        let Some((inotify, queue)) = &self.watching else {
            std::thread::sleep(at_most);
            return Seen::default();
        };
        // A millisecond more, so that a time that is waited for has come.
        let timeout = PollTimeout::try_from(at_most + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
        // An interruption is as good as a change: the caller looks at the clock again.
        let _ = poll(&mut fds, timeout);
        let events = inotify.read_events().unwrap_or_default();
        let is_records = |name: Option<&OsStr>| name == Some(self.records.as_os_str());
        Seen {
            // What was lost, since too much changed, may have been of either kind.
            queue: events
                .iter()
                .any(|event| event.wd == *queue || event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)),
            records: events.iter().any(|event| {
                is_records(event.name.as_deref()) || event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW)
            }),
        }
    }
}

fn watch(dir: &StateDir) -> nix::Result<(Inotify, WatchDescriptor)> {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
    // The kernel closes a dead waiter's file, which was open for writing.
    let gone = AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_DELETE;
    let queue = inotify.add_watch(&dir.queue(), gone)?;
    inotify.add_watch(dir.root(), AddWatchFlags::IN_MOVED_TO)?;
    Ok((inotify, queue))
}
