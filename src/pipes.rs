//! Reading what programs write, from several pipes as they fill.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Waits until one of the descriptors can be read, or the deadline, and tells which can.
pub(crate) fn ready<const N: usize>(
    fds: [Option<BorrowedFd<'_>>; N],
    deadline: Option<Instant>,
) -> io::Result<[bool; N]> {
    let mut polled: Vec<PollFd<'_>> = fds
        .iter()
        .flatten()
        .map(|fd| PollFd::new(*fd, PollFlags::POLLIN))
        .collect();
    let timeout = deadline.map_or(PollTimeout::NONE, |deadline| {
        // Rounded up, so that the deadline has passed when the time is up.
        let left = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    });
    match poll(&mut polled, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(err) => return Err(err.into()),
    }
    let mut ready = polled.iter().map(|fd| fd.any().unwrap_or(false));
    Ok(fds.map(|fd| fd.is_some() && ready.next().unwrap_or(false)))
}

/// Reads what is there, and closes a pipe that has ended.
pub(crate) fn read_some(pipe: &mut Option<impl Read>) -> io::Result<Vec<u8>> {
    let Some(reader) = pipe else { return Ok(Vec::new()) };
    let mut buffer = [0; 8192];
    match reader.read(&mut buffer) {
        Ok(0) => *pipe = None,
        Ok(length) => return Ok(buffer[..length].to_vec()),
        Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
        Err(err) => return Err(err),
    }
    Ok(Vec::new())
}
