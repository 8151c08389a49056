//! What the units say.

use crate::state_dir::STATE_DIR_VARIABLE;
use crate::timer::files::MARK;
use crate::timer::quote::{argument, cron_word, word};
use crate::timer::{Rights, Timer};

const NAME: &str = "kdev-cleanup";

/// LVM holds locks in `/run/lock/lvm`, makes nodes in `/dev`, raises its priority and locks itself in memory; what
/// the dead left mounted is looked for in `/proc`, and unmounted in whatever namespace it is.
const CAPABILITIES: &str = "CAP_SYS_ADMIN CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_CHOWN CAP_MKNOD CAP_IPC_OWNER CAP_IPC_LOCK CAP_SYS_NICE CAP_SYS_RESOURCE CAP_KILL";

/// A pool's name holds nothing that a unit's name cannot, but for `+` (systemd.unit(5)).
pub(super) fn name(pool: Option<&str>) -> String {
    match pool {
        None => NAME.to_owned(),
        Some(pool) => format!("{NAME}-{}", pool.replace('+', "\\x2b")),
    }
}

pub(super) fn service(timer: &Timer) -> String {
    let mut words = vec![word(&timer.program), "pool".to_owned(), "cleanup".to_owned()];
    if let Some(pool) = &timer.pool {
        words.push(argument(&format!("--pool={pool}")));
    }
    let variable = |name: &str, value: &str| format!("Environment={}\n", word(&format!("{name}={value}")));
    let mut environment = variable(STATE_DIR_VARIABLE, &timer.state_dir);
    for (name, value) in &timer.env {
        environment.push_str(&variable(name, value));
    }
    let of_root = match timer.rights {
        Rights::Root => format!("CapabilityBoundingSet={CAPABILITIES}\n"),
        Rights::User => String::new(),
    };
    format!(
        "{MARK}
[Unit]
Description={description}
Documentation=https://github.com/kdev-volumes/kdev-volumes
RequiresMountsFor={state_dir}

[Service]
Type=oneshot
ExecStart={command}
{environment}Nice=10
UMask=0077
# LVM is never killed.
KillMode=process
SendSIGKILL=no
# Not ProtectSystem=, PrivateTmp=, PrivateDevices=, PrivateIPC= or their kin: this has to see the mounts, devices and
# semaphores of all others.
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_NETLINK
SystemCallArchitectures=native
{of_root}",
        description = description(timer),
        state_dir = word(&timer.state_dir),
        command = words.join(" "),
    )
}

pub(super) fn timer(timer: &Timer) -> String {
    format!(
        "{MARK}
[Unit]
Description={description}, every {every}

[Timer]
OnCalendar={calendar}
RandomizedDelaySec={delay}
# Once after a boot, if it was missed.
Persistent=true

[Install]
WantedBy=timers.target
",
        description = description(timer),
        every = timer.every,
        calendar = timer.every.calendar(),
        delay = timer.every.delay(),
    )
}

fn description(timer: &Timer) -> String {
    match &timer.pool {
        Some(pool) => format!("Remove what dead tests left in the device pool {pool}"),
        None => "Remove what dead tests left in device pools".to_owned(),
    }
}

pub(super) fn cron(timer: &Timer) -> String {
    let mut words: Vec<String> = Vec::new();
    let env = timer.env.iter().map(|(name, value)| (*name, value));
    for (name, value) in [(STATE_DIR_VARIABLE, &timer.state_dir)].into_iter().chain(env) {
        words.push(format!("{name}={}", cron_word(value)));
    }
    words.push(cron_word(&timer.program));
    words.extend(["pool".to_owned(), "cleanup".to_owned()]);
    if let Some(pool) = &timer.pool {
        words.push(cron_word(&format!("--pool={pool}")));
    }
    // What it says each time would be a letter each time; what goes wrong is said on standard error.
    format!("{} {} >/dev/null\n", timer.every.cron(), words.join(" "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::timer::Every;

    fn of(pool: Option<&str>, rights: Rights) -> Timer {
        Timer {
            every: Every::default(),
            pool: pool.map(str::to_owned),
            program: "/opt/my tools/kdev".into(),
            state_dir: "/srv/100%/state".into(),
            env: vec![("SUDO_UID", "1000".into())],
            rights,
        }
    }

    #[test]
    fn a_service_runs_this_program_on_this_state() {
        let service = service(&of(Some("nvme"), Rights::Root));
        for line in [
            "ExecStart=\"/opt/my tools/kdev\" pool cleanup --pool=nvme",
            "Environment=\"KDEV_STATE_DIR=/srv/100%%/state\"",
            "Environment=SUDO_UID=1000",
            "RequiresMountsFor=\"/srv/100%%/state\"",
            "Type=oneshot",
        ] {
            assert!(service.lines().any(|of| of == line), "{line}: {service}");
        }
        assert!(service.starts_with(MARK));
        assert!(service.contains("CapabilityBoundingSet=CAP_SYS_ADMIN "));
    }

    #[test]
    fn a_users_service_asks_for_nothing_that_users_managers_may_not() {
        let service = service(&of(Some("images"), Rights::User));
        assert!(!service.contains("Capability"), "{service}");
    }

    #[test]
    fn a_timer_makes_up_for_what_was_missed_and_not_all_at_once() {
        let timer = timer(&of(None, Rights::Root));
        for line in [
            "OnCalendar=*:0/15",
            "RandomizedDelaySec=180",
            "Persistent=true",
            "WantedBy=timers.target",
        ] {
            assert!(timer.lines().any(|of| of == line), "{line}: {timer}");
        }
    }

    #[test]
    fn a_line_for_cron_is_one_line() {
        assert_eq!(
            cron(&of(Some("nvme"), Rights::Root)),
            "*/15 * * * * KDEV_STATE_DIR='/srv/100\\%/state' SUDO_UID=1000 '/opt/my tools/kdev' pool cleanup --pool=nvme >/dev/null\n"
        );
    }

    #[rstest]
    #[case(None, "kdev-cleanup")]
    #[case(Some("nvme_1.a"), "kdev-cleanup-nvme_1.a")]
    #[case(Some("a+b"), "kdev-cleanup-a\\x2bb")]
    fn a_units_name_tells_the_pool(#[case] pool: Option<&str>, #[case] expected: &str) {
        assert_eq!(name(pool), expected);
    }
}
