/// What is wrong with a [`Spec`](crate::Spec), before anything has been created.
///
/// ```
/// # use kdev_volumes_spec::{Bytes, SpecError};
/// match "1.5G".parse::<Bytes>() {
///     Err(SpecError::Size { text, hint }) => {
///         assert_eq!(text, "1.5G");
///         assert!(hint.contains("\"1536M\" for 1.5G"));
///     }
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A size that is not a whole number of bytes in base 2.
    #[error("bad size `{text}` ({hint})")]
    Size {
        /// The size as it was written.
        text: String,
        /// What to write instead.
        hint: String,
    },
    /// A volume's name that LVM or a shell could not take.
    #[error("bad volume name `{name}` ({reason})")]
    Name {
        /// The name as it was written.
        name: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A set of no volumes, or of too many.
    #[error("bad set `{name}` of {count} volumes (from 1 to {most}, such as `{name} = [\"10G\"; 3]`)")]
    Set {
        /// The set's name, without a number.
        name: String,
        /// How many volumes were asked for.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A filesystem that no `mkfs.TYPE` could make.
    #[error("bad filesystem for volume `{volume}` ({reason})")]
    Mkfs {
        /// The volume that was to carry it.
        volume: String,
        /// The rule that is broken, with what broke it.
        reason: String,
    },
    /// An environment variable's name that a shell could not read, or that has another meaning.
    #[error("bad environment variable `{env}` for volume `{volume}` ({reason})")]
    Env {
        /// The variable as it was written.
        env: String,
        /// The volume that was to be exported in it.
        volume: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Two volumes of one name.
    #[error("two volumes are named `{name}` (each volume of a session has a name of its own)")]
    DuplicateName {
        /// The name that stands twice.
        name: String,
    },
    /// Two volumes in one environment variable.
    #[error(
        "volumes `{first}` and `{second}` both want the environment variable `{env}` (each needs an `env` of its own; only SCRATCH_DEV_POOL holds several)"
    )]
    DuplicateEnv {
        /// The variable.
        env: String,
        /// The volume that has it already.
        first: String,
        /// The volume that wants it too.
        second: String,
    },
    /// No volume at all.
    #[error("no volume was asked for (name at least one with its size, such as `test = \"10G\"`)")]
    Empty,
}
