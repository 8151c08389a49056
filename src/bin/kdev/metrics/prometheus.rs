//! The text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

use kdev_volumes::metrics::{By, Figures, Metrics, Spread};
use kdev_volumes::pools::PoolStatus;

/// A metric by its name, and a line for each of its samples: labels, and a value.
struct Gauge {
    name: &'static str,
    help: &'static str,
    samples: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// Writes the figures of each pool, and what is there now.
///
/// All are gauges: what the log has forgotten is not counted any more, and a counter never goes down.
pub(super) fn text(metrics: &Metrics, pools: &[PoolStatus]) -> String {
    let mut gauges = of_figures(&metrics.by(By::Pool));
    gauges.extend(of_status(pools));
    gauges.push(Gauge {
        name: "kdev_log_unreadable_lines",
        help: "Lines of the log of events that cannot be read.",
        samples: vec![(Vec::new(), number(metrics.unreadable))],
    });
    let mut text = String::new();
    for gauge in gauges.iter().filter(|gauge| !gauge.samples.is_empty()) {
        gauge.write_to(&mut text);
    }
    text
}

impl Gauge {
    fn write_to(&self, text: &mut String) {
        let Self { name, help, samples } = self;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            let labels = match labels.as_slice() {
                [] => String::new(),
                _ => format!("{{{}}}", labels.join(",")),
            };
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Prometheus has nothing but such numbers"
)]
fn number(value: u64) -> f64 {
    value as f64
}

fn of_figures(pools: &[(String, Figures)]) -> Vec<Gauge> {
    type Figure = (&'static str, &'static str, fn(&Figures) -> u64);
    const COUNTS: [Figure; 11] = [
        (
            "kdev_log_sessions",
            "Sessions in the log that got their volumes.",
            |of| of.sessions,
        ),
        ("kdev_log_volumes", "Volumes of these sessions.", |of| of.volumes),
        ("kdev_log_size_bytes", "Sizes of these volumes together.", |of| {
            of.bytes.get()
        }),
        (
            "kdev_log_failures",
            "Sessions in the log that could not be had.",
            |of| of.failures,
        ),
        (
            "kdev_log_released_volumes",
            "Volumes that their owners gave back.",
            |of| of.released,
        ),
        ("kdev_log_kept_volumes", "Volumes that their owners kept.", |of| {
            of.kept
        }),
        (
            "kdev_log_stuck_volumes",
            "Volumes that their owners could not give back.",
            |of| of.stuck,
        ),
        (
            "kdev_log_forgotten_records",
            "Records of dead owners whose volumes were gone.",
            |of| of.forgotten,
        ),
        (
            "kdev_log_waits_in_vain",
            "Waits for room that ended without it.",
            |of| of.waits_in_vain,
        ),
        ("kdev_log_peak_volumes", "Volumes at once at most.", |of| {
            of.peak_volumes
        }),
        (
            "kdev_log_peak_bytes",
            "Room that volumes took at once at most.",
            |of| of.peak_bytes.get(),
        ),
    ];
    type Took = (
        &'static str,
        &'static str,
        &'static str,
        &'static str,
        fn(&Figures) -> Option<Spread>,
    );
    const TIMES: [Took; 3] = [
        (
            "kdev_log_making_seconds",
            "How long it took to make a session's volumes.",
            "kdev_log_makings",
            "How many times that was measured.",
            |of| of.making,
        ),
        (
            "kdev_log_held_seconds",
            "How long volumes were held.",
            "kdev_log_holds",
            "How many times that was measured.",
            |of| of.held,
        ),
        (
            "kdev_log_wait_seconds",
            "How long tests waited for room.",
            "kdev_log_waits",
            "How many times that was measured.",
            |of| of.waits,
        ),
    ];
    let of_pool = |pool: &String| vec![("pool", pool.clone())];
    let count = |(name, help, figure): Figure| Gauge {
        name,
        help,
        samples: pools
            .iter()
            .map(|(pool, figures)| (of_pool(pool), number(figure(figures))))
            .collect(),
    };
    let mut gauges: Vec<Gauge> = COUNTS.into_iter().map(count).collect();
    let leaked = pools.iter().flat_map(|(pool, figures)| {
        let by = [
            ("watchdog", figures.by_watchdog),
            ("constructor", figures.by_constructor),
            ("full_pool", figures.by_full_pool),
            ("cleanup", figures.by_cleanup),
        ];
        by.map(|(by, count)| (vec![("pool", pool.clone()), ("by", by.to_owned())], number(count)))
    });
    gauges.push(Gauge {
        name: "kdev_log_leaked_volumes",
        help: "Volumes that their owners left behind, by who reaped them.",
        samples: leaked.collect(),
    });
    for (name, help, count_name, count_help, figure) in TIMES {
        let taken: Vec<(&String, Spread)> = pools
            .iter()
            .filter_map(|(pool, figures)| Some((pool, figure(figures)?)))
            .collect();
        let times = taken.iter().flat_map(|(pool, spread)| {
            let quantiles = [
                ("0.5", spread.median),
                ("0.99", spread.p99),
                ("1", spread.longest),
            ];
            quantiles.map(|(quantile, time)| {
                let labels = vec![("pool", (*pool).clone()), ("quantile", quantile.to_owned())];
                (labels, time.as_secs_f64())
            })
        });
        gauges.push(Gauge {
            name,
            help,
            samples: times.collect(),
        });
        gauges.push(Gauge {
            name: count_name,
            help: count_help,
            samples: taken
                .iter()
                .map(|(pool, spread)| (of_pool(pool), number(spread.count as u64)))
                .collect(),
        });
    }
    gauges
}

fn of_status(pools: &[PoolStatus]) -> Vec<Gauge> {
    const VERDICTS: [&str; 7] = ["alive", "dead", "kept", "unknown", "removing", "stuck", "gone"];
    let of_pool = |pool: &PoolStatus| vec![("pool", pool.name.clone())];
    let room = |which: fn(&PoolStatus) -> Option<u64>| {
        pools
            .iter()
            .filter_map(|pool| Some((of_pool(pool), number(which(pool)?))))
            .collect()
    };
    let volumes = pools.iter().flat_map(|pool| {
        let mut counts: BTreeMap<&str, u64> = VERDICTS.into_iter().map(|verdict| (verdict, 0)).collect();
        for volume in &pool.volumes {
            *counts.entry(volume.verdict).or_default() += 1;
        }
        counts.into_iter().map(|(verdict, count)| {
            let labels = vec![("pool", pool.name.clone()), ("verdict", verdict.to_owned())];
            (labels, number(count))
        })
    });
    vec![
        Gauge {
            name: "kdev_pool_size_bytes",
            help: "The room in a pool in all.",
            samples: room(|pool| pool.room.map(|(size, _)| size.get())),
        },
        Gauge {
            name: "kdev_pool_free_bytes",
            help: "Of that, what new volumes may take.",
            samples: room(|pool| pool.room.map(|(_, free)| free.get())),
        },
        Gauge {
            name: "kdev_pool_trouble",
            help: "1 if a pool's VG cannot be looked at.",
            samples: room(|pool| Some(u64::from(pool.trouble.is_some()))),
        },
        Gauge {
            name: "kdev_volumes",
            help: "Volumes that are there now, by what is known of their owners.",
            samples: volumes.collect(),
        },
    ]
}
