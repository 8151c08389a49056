use std::process;

use kdev_volumes_spec::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::request::Request;

/// What one who waits tells of himself, for those behind him and for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// The pools that he would take, whichever has room first.
    pub(crate) pools: Vec<String>,
    /// What he wants, rounded up.
    pub(crate) want_bytes: u64,
    pub(crate) pid: u32,
    #[serde(default)]
    pub(crate) test: Option<String>,
    #[serde(default)]
    pub(crate) attempt: Option<u32>,
    /// In UTC, as `2025-11-15T10:30:45`.
    pub(crate) since: String,
}

impl Ticket {
    /// Writes one for this process, from now on.
    pub(crate) fn new(pools: Vec<String>, want: Bytes, request: &Request) -> Self {
        Self {
            pools,
            want_bytes: want.get(),
            pid: process::id(),
            test: request.test.clone(),
            attempt: request.attempt,
            since: clock::now(),
        }
    }

    /// Reads one; `None` if it cannot be read.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).expect("it has string keys and plain values only");
        text.push(b'\n');
        text
    }
}
