//! A whole run: the volumes, the machines, the plan, and what is made of it all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use kdev_volumes::Pool;

use crate::args::{Args, KeepArg};
use crate::course::allowed::{Allowed, Stop};
use crate::course::asked::Asked;
use crate::course::boot::Setup;
use crate::course::report::{Report, Reporter};
use crate::course::shard::{Course, Done, NoPlan, Shard};
use crate::error::Error;
use crate::results::check_args::CheckArgs;
use crate::results::outcome::{Outcome, TestResult};
use crate::results::split::{of_share, split};
use crate::results::test_name::TestName;
use crate::results::xunit::Planned;
use crate::volumes::{self, Disks, Lay, Volumes};
