//! On LVs of a real pool, in the test bed, where a guest of QEMU's runs in a guest of User-Mode Linux.

mod lvm {
    use std::env;
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Output, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    use kdev_volumes::pools::{Clean, Kept, Medium, NewPool, Pools};
    use serde_json::Value;
    use tempfile::TempDir;

    /// Long enough for a busy machine: it ends a test that hangs.
    const PATIENCE: Duration = Duration::from_secs(120);

    /// Where demo/001 of the tree writes to the scratch device.
    const MARK_AT: u64 = 8 << 20;
    const MARK: &[u8] = b"scratch of the guest";

    /// A pool of a test's own on a disk of its own.
    struct Bench {
        dir: TempDir,
        disk: String,
    }

    impl Bench {
        fn new(mib: u64) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let file = dir.path().join("disk");
            File::create(&file).unwrap().set_len(mib << 20).unwrap();
            let disk = stdout("losetup", &["--find", "--show", file.to_str().unwrap()]);
            let bench = Self {
                disk: disk.trim().to_owned(),
                dir,
            };
            // SAFETY: nextest runs each test in a process of its own, and this one has a single thread yet.
            unsafe { env::set_var("KDEV_STATE_DIR", bench.dir.path().join("state")) };
            let new = NewPool {
                clean: Clean::default(),
                thin: None,
                name: bench.pool(),
                medium: Medium::Device {
                    path: bench.disk.clone().into(),
                    wipe: None,
                },
                vg_name: None,
                lv_prefix: None,
            };
            Pools::from_env().unwrap().setup(&new).unwrap();
            bench
        }

        /// Its name is in the VG's, so no two are the same.
        fn pool(&self) -> String {
            self.disk.trim_start_matches("/dev/").to_owned()
        }

        fn runner(&self, arguments: &[&str]) -> Command {
            let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
            let mut command = Command::new(runner());
            command
                .args(["--accel", "tcg", "--memory", "512M", "--boot-limit", "2m"])
                .arg("--kernel")
                .arg(kernel(manifest))
                .arg("--fstests")
                .arg(manifest.join("tests/tree"))
                .args(["--pool", &self.pool(), "--scratch", "--results"])
                .arg(self.results())
                .args(arguments)
                .stdin(Stdio::null());
            command
        }

        fn results(&self) -> PathBuf {
            self.dir.path().join("results")
        }

        fn run(&self, arguments: &[&str]) -> Output {
            let output = self.runner(arguments).output().unwrap();
            println!("{}", String::from_utf8_lossy(&output.stdout));
            eprintln!("{}", String::from_utf8_lossy(&output.stderr));
            output
        }

        fn last_results(&self) -> Value {
            let file = File::open(self.results().join("latest/results.json")).unwrap();
            serde_json::from_reader(file).unwrap()
        }

        fn lvs(&self) -> Vec<String> {
            let vg = format!("kerneldev-{}-vg", self.pool());
            let lvs = stdout("lvs", &["--noheadings", "-o", "lv_name", &vg]);
            lvs.split_whitespace().map(str::to_owned).collect()
        }

        fn give_back_kept(&self) {
            Pools::from_env()
                .unwrap()
                .cleanup(Some(&self.pool()), &Kept::Go)
                .unwrap();
        }
    }

    impl Drop for Bench {
        fn drop(&mut self) {
            let vg = format!("kerneldev-{}-vg", self.pool());
            for (program, arguments) in [
                ("vgremove", vec!["--yes", "--force", &vg]),
                ("losetup", vec!["-d", &self.disk]),
            ] {
                // Both go with the bed if they stay.
                let _ = Command::new(program).args(arguments).output();
            }
        }
    }

    fn runner() -> PathBuf {
        env::var_os("NEXTEST_BIN_EXE_fstests-vm")
            .map_or_else(|| env!("CARGO_BIN_EXE_fstests-vm").into(), PathBuf::from)
    }

    /// Debian's, which was fetched before the bed was started: there is no network in it.
    fn kernel(manifest: &Path) -> PathBuf {
        let provide = manifest.join("tests/kernel");
        let cache = manifest.join("../../target/kernels");
        let said = stdout(provide.to_str().unwrap(), &[cache.to_str().unwrap()]);
        said.trim().into()
    }

    fn stdout(program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn read_at(path: &Path, at: u64) -> Vec<u8> {
        let mut bytes = vec![0; MARK.len()];
        File::open(path).unwrap().read_exact_at(&mut bytes, at).unwrap();
        bytes
    }

    fn volume(results: &Value, name: &str) -> PathBuf {
        let volumes = results["volumes"].as_array().unwrap().iter();
        let mut found = volumes.filter(|volume| volume["name"] == name);
        found.next().unwrap()["path"].as_str().unwrap().into()
    }

    fn wait_until(what: &str, is_so: impl Fn() -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < until, "{what}: not in {PATIENCE:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    #[test]
    fn what_a_guest_writes_is_on_lvs_and_a_pool_with_room_for_one_machine_gets_one() {
        let bench = Bench::new(300);
        let output = bench.run(&[
            "--size",
            "100M",
            "--shards",
            "2",
            "--keep-volumes",
            "--",
            "demo/001",
            "demo/007",
        ]);
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("1 of 2 machines: "), "{said}");
        let results = bench.last_results();
        assert_eq!(
            (&results["shards"], results["tests"].as_array().unwrap().len()),
            (&1.into(), 2)
        );
        let scratch = volume(&results, "scratch");
        assert!(scratch.starts_with("/dev/mapper"), "{scratch:?}");
        assert_eq!(read_at(&scratch, MARK_AT), MARK);
        // The other volume has the filesystem that the guest made there.
        let test = volume(&results, "test");
        assert_eq!(
            stdout(
                "blkid",
                &["-p", "-o", "value", "-s", "TYPE", test.to_str().unwrap()]
            ),
            "ext4\n"
        );
        assert_eq!(bench.lvs().len(), 2);
        bench.give_back_kept();
        assert_eq!(bench.lvs(), [""; 0]);
    }

    #[test]
    fn slices_of_one_lv_are_the_guests_disks() {
        let bench = Bench::new(300);
        let output = bench.run(&["--size", "100M", "--sliced", "--keep-volumes", "--", "demo/001"]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(bench.lvs().len(), 1);
        let results = bench.last_results();
        let scratch = volume(&results, "scratch");
        assert!(scratch.starts_with("/dev/mapper"), "{scratch:?}");
        // The second slice.
        assert_eq!(
            (&results["volumes"][1]["offset"], &results["volumes"][1]["size"]),
            (&(100 << 20).into(), &(100 << 20).into())
        );
        assert_eq!(read_at(&scratch, (100 << 20) + MARK_AT), MARK);
        bench.give_back_kept();
        assert_eq!(bench.lvs(), [""; 0]);
    }

    #[test]
    fn a_killed_run_leaves_no_lv_and_one_that_ends_neither() {
        let bench = Bench::new(300);
        let mut killed = Killed(
            bench
                .runner(&["--size", "100M", "--", "demo/005"])
                .spawn()
                .unwrap(),
        );
        wait_until("a test runs", || {
            let runs = fs::read_dir(bench.results()).into_iter().flatten().flatten();
            let mut consoles =
                runs.filter_map(|run| fs::read_to_string(run.path().join("vm1/console.log")).ok());
            consoles.any(|console| console.contains("run fstests demo/005"))
        });
        assert_eq!(bench.lvs().len(), 2);
        killed.0.kill().unwrap();
        killed.0.wait().unwrap();
        wait_until("its LVs are gone", || bench.lvs().is_empty());
        let output = bench.run(&["--size", "100M", "--", "demo/007"]);
        assert_eq!((output.status.code(), bench.lvs().len()), (Some(0), 0));
    }

    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            // It may be over.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_pool_that_is_too_small_is_refused_before_anything_boots() {
        let bench = Bench::new(64);
        let output = bench.run(&["--size", "1G", "--", "demo/007"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(69), "{said}");
        for told in ["can never hold the 2G", "it has 44M in all", "kdev pool status"] {
            assert!(said.contains(told), "{told}: {said}");
        }
        let runs = fs::read_dir(bench.results()).into_iter().flatten().count();
        assert_eq!((runs, bench.lvs().len()), (0, 0));
    }
}
