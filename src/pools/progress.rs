use kdev_volumes_spec::Bytes;

/// How far something is that takes long.
///
/// ```
/// # use kdev_volumes::pools::Progress;
/// fn percent(progress: &Progress) -> Option<u64> {
///     match progress {
///         Progress::Zeroed { done, of } => Some(done.get() * 100 / of.get().max(1)),
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// So many volumes have been dealt with: removed, or found to be in use.
    Volumes {
        /// Those.
        done: usize,
        /// Of so many that there are to remove.
        of: usize,
    },
    /// So much of a device has been overwritten.
    Zeroed {
        /// From its beginning.
        done: Bytes,
        /// Its size.
        of: Bytes,
    },
}
