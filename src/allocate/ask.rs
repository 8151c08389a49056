use std::collections::BTreeSet;
use std::time::Duration;

use kdev_volumes_spec::{Bytes, Spec};

use crate::allocate::choose::{Candidate, order};
use crate::allocate::make::Offer;
use crate::error::{Error, Result};
use crate::outlook::{outlook, would_do};
use crate::pool::Pool;
use crate::queue::Line;
use crate::request::Request;
use crate::session::Session;
use crate::source::Source;

/// One who asks for volumes, once or again and again.
pub(super) struct Asking<'a> {
    pub(super) pool: &'a Pool,
    pub(super) spec: &'a Spec,
    pub(super) request: &'a Request,
    /// The pools of which it was said that they give nothing.
    told: BTreeSet<&'a str>,
    /// The pools in which `lvcreate` has failed.
    failed: BTreeSet<&'a str>,
}

/// What came of asking.
pub(super) enum Answer<'a> {
    /// The session, and from which pool.
    Served(Box<Session>, &'a str),
    /// Why each of the pools has nothing.
    Nothing(Vec<Reason<'a>>),
}

/// Why a pool gives no volumes.
pub(super) struct Reason<'a> {
    pub(super) source: &'a Source,
    pub(super) err: Error,
    /// Whether waiting may help.
    pub(super) is_full: bool,
    /// What is needed there; nothing if that could not be found out.
    pub(super) want: Bytes,
}

impl<'a> Asking<'a> {
    pub(super) fn new(pool: &'a Pool, spec: &'a Spec, request: &'a Request) -> Self {
        Self {
            pool,
            spec,
            request,
            told: BTreeSet::new(),
            failed: BTreeSet::new(),
        }
    }

    /// Makes the session in the best of these pools that has room for it; if that fills up meanwhile, or
    /// its VG is gone, in the next.
    ///
    /// `place` is ours in the queue, if we have one. `has_room` is called when the room is ours, and there is
    /// still something to be done.
    ///
    /// # Errors
    ///
    /// What no other pool could help with.
    pub(super) fn ask(
        &mut self,
        sources: &[&'a Source],
        line: &Line,
        place: Option<u64>,
        has_room: &mut dyn FnMut(),
    ) -> Result<Answer<'a>> {
        let mut reasons = Vec::new();
        let mut offers = Vec::new();
        for &source in sources {
            match Offer::of(source, self.spec) {
                Ok(offer) => offers.push(Some(offer)),
                Err(err) => reasons.push(self.passed_over(source, Bytes::new(0), err, false)?),
            }
        }
        let before = |offer: &Offer| line.waiting_for(offer.source.name(), place);
        let candidates: Vec<Candidate> = offers
            .iter()
            .flatten()
            .map(|offer| Candidate {
                free: offer.free(),
                want: offer.want,
                before: before(offer),
            })
            .collect();
        for at in order(&candidates) {
            let Some(offer) = offers[at].take() else { continue };
            let (source, want) = (offer.source, offer.want);
            match offer.make(self.spec, self.request, has_room) {
                Ok(session) => {
                    self.tell(&reasons, Some(source.name()));
                    return Ok(Answer::Served(Box::new(session), source.name()));
                }
                Err(err) => {
                    // Of a failed `lvcreate` nobody can tell for sure whether it lacked room that was there
                    // again a moment later. It is believed when it fails again.
                    let is_lvms = matches!(err, Error::Command { .. });
                    let is_unclear = is_lvms && self.failed.insert(source.name());
                    reasons.push(self.passed_over(source, want, err, is_unclear)?);
                }
            }
        }
        reasons.extend(offers.into_iter().flatten().map(|offer| Reason {
            source: offer.source,
            want: offer.want,
            is_full: true,
            err: offer.no_space(before(&offer), Duration::ZERO),
        }));
        self.tell(&reasons, None);
        Ok(Answer::Nothing(reasons))
    }

    /// Notes why a pool gives nothing; fails if another one could not help.
    fn passed_over(
        &self,
        source: &'a Source,
        want: Bytes,
        err: Error,
        is_unclear: bool,
    ) -> Result<Reason<'a>> {
        let is_full = is_unclear || matches!(err, Error::NoSpace { .. });
        let is_only_one = self.pool.sources().len() == 1;
        if !is_full && (is_only_one || !is_of_one_pool(&err)) {
            return Err(err);
        }
        Ok(Reason {
            source,
            err,
            is_full,
            want,
        })
    }

    /// Finds out which of the full pools can never hold what is wanted, however long one waits.
    pub(super) fn judge(&self, reasons: Vec<Reason<'a>>) -> Result<Vec<Reason<'a>>> {
        reasons
            .into_iter()
            .map(|reason| {
                let (want, source) = (reason.want, reason.source);
                let Some(vg_name) = source.vg_name().filter(|_| reason.is_full) else {
                    return Ok(reason);
                };
                if would_do(source.state(), source.name(), &reason.err)? {
                    return Ok(reason);
                }
                match outlook(source.state(), vg_name) {
                    Ok(outlook) if want > outlook.most() => Ok(Reason {
                        err: Error::NeverFits {
                            pool: source.name().to_owned(),
                            want,
                            size: outlook.size,
                            thin: outlook.thin.filter(|_| outlook.stays_full),
                            staying: outlook.staying.iter().map(ToString::to_string).collect(),
                        },
                        is_full: false,
                        ..reason
                    }),
                    Ok(_) => Ok(reason),
                    // It was there a moment ago.
                    Err(err) => self.passed_over(source, want, err, false),
                }
            })
            .collect()
    }

    /// Returns why pools that are full give nothing, as they are now.
    pub(super) fn full_now(
        &self,
        sources: &[&'a Source],
        line: &Line,
        place: u64,
        waited: Duration,
    ) -> Result<Vec<Reason<'a>>> {
        let full = |&source: &&'a Source| match Offer::of(source, self.spec) {
            Ok(offer) => Ok(Reason {
                err: offer.no_space(line.waiting_for(source.name(), Some(place)), waited),
                source,
                is_full: true,
                want: offer.want,
            }),
            Err(err) => self.passed_over(source, Bytes::new(0), err, false),
        };
        sources.iter().map(full).collect()
    }

    /// Makes one error of the reasons of all pools.
    pub(super) fn error(&self, mut reasons: Vec<Reason<'a>>) -> Error {
        if self.pool.sources().len() == 1 {
            if let Some(reason) = reasons.pop() {
                return reason.err;
            }
        }
        let told = |reason: &Reason| format!("`{}`: {}", reason.source.name(), reason.err.chain());
        Error::NoneServes {
            pools: self.pool.name().to_owned(),
            reasons: reasons.iter().map(told).collect(),
        }
    }

    /// Says once of each pool that it gives nothing, unless it is merely full; and from which other one
    /// the volumes are.
    fn tell(&mut self, reasons: &[Reason<'a>], from: Option<&str>) {
        for reason in reasons.iter().filter(|reason| !reason.is_full) {
            let name = reason.source.name();
            if self.told.insert(name) {
                let instead =
                    from.map_or_else(String::new, |from| format!("; volumes come from pool `{from}`"));
                eprintln!(
                    "kdev: pool `{name}` gives nothing: {}{instead}",
                    reason.err.chain()
                );
            }
        }
    }
}

/// Tells whether another pool may do what one has failed to. What this host lacks, or what is wrong with the
/// request, is so everywhere.
fn is_of_one_pool(err: &Error) -> bool {
    matches!(
        err,
        Error::Missing { .. } | Error::NotOurs { .. } | Error::Command { .. } | Error::Report { .. }
    )
}
