# shellcheck shell=dash
# The guest's first process from here on: makes a machine of the root, and does what the host
# asks for through the event line: `plan`, `run ROUND`, `dump`, `end`. It answers
# `took COMMAND`,
# `step TEXT`, `ready`, `planned CODE`, `done ROUND CODE`, `fail TEXT`, `bye`. All that is more
# than a word goes to files in /results.
#
# Standard output and error are a file there: the console is the kernel's alone.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root LANG=C TERM=dumb
exec </dev/null >>/results/guest.log 2>&1
# shellcheck source=/dev/null
. /run/kdev/config
exec 3<>"$events"
say() { echo "$*" >&3; }
fail() {
    say "fail $*"
    sync -f /results
    sleep 1
    poweroff -n -f
}

# From the beginning, and with all that the console leaves out.
cat /dev/kmsg >/results/kmsg 3>&- &

mkdir -p /dev/pts /dev/shm /mnt/test /mnt/scratch
mount -t devpts -o ptmxmode=666,mode=620 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
# What the host has there is not for tests, unless it is what they are run from.
case "$fstests:$modules" in
/tmp/* | *:/tmp/*) ;;
*) mount -t tmpfs -o mode=1777 tmp /tmp ;;
esac
ln -sfn /proc/self/fd /dev/fd
ln -sfn fd/0 /dev/stdin
ln -sfn fd/1 /dev/stdout
ln -sfn fd/2 /dev/stderr
[ ! -d /sys/kernel/debug ] || mount -t debugfs debugfs /sys/kernel/debug
[ ! -d /sys/kernel/tracing ] || mount -t tracefs tracefs /sys/kernel/tracing
[ ! -d /sys/fs/cgroup ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
ln -sfn /proc/mounts /etc/mtab
echo "$host_name" >/proc/sys/kernel/hostname
ip link set lo up
read -r release </proc/sys/kernel/osrelease
if [ "$modules" ]; then
    # With the modules in their usual place, tests and the kernel itself find what else they want.
    mkdir -p /lib/modules
    [ "$modules" = "/lib/modules/$release" ] || ln -sfn "$modules" "/lib/modules/$release"
fi

say "step starting udev"
for udevd in /lib/systemd/systemd-udevd /usr/lib/systemd/systemd-udevd /sbin/udevd; do
    [ -x "$udevd" ] || continue
    "$udevd" --daemon 3>&-
    udevadm trigger --settle --subsystem-match=block --subsystem-match=misc 3>&-
    break
done

disk() {
    for block in /sys/block/*; do
        serial=''
        read -r serial <"$block/serial" 2>/dev/null || [ "$serial" ] || continue
        [ "$serial" != "$1" ] || {
            echo "/dev/${block##*/}"
            return
        }
    done
}
# shellcheck disable=SC2154 # The configuration says which disks there are, and whose they are.
for role in $roles; do
    device=$(disk "$role")
    [ -b "$device" ] || fail "no disk has the serial number $role"
    case $role in
    test) export TEST_DEV="$device" ;;
    scratch) export SCRATCH_DEV="$device" ;;
    pool*) export SCRATCH_DEV_POOL="${SCRATCH_DEV_POOL:+$SCRATCH_DEV_POOL }$device" ;;
    logwrites) export LOGWRITES_DEV="$device" ;;
    esac
done
export TEST_DIR=/mnt/test SCRATCH_MNT=/mnt/scratch FSTYP="$fstyp" HOST_OPTIONS=/dev/null KEEP_DMESG=yes
[ ! -e /run/kdev/kernel-config ] || export KCONFIG_PATH=/run/kdev/kernel-config
# What the user wants to be set, which may be anything of the above too.
# shellcheck source=/dev/null
. /results/environment

say "step making $fstyp on $TEST_DEV"
# shellcheck disable=SC2086 # Words, as fstests itself takes them.
"mkfs.$fstyp" $mkfs_force ${MKFS_OPTIONS-} "$TEST_DEV" >/results/mkfs.log 2>&1 3>&- ||
    fail "mkfs.$fstyp failed on $TEST_DEV, see mkfs.log: $(tail -n 1 /results/mkfs.log)"

# Runs check with the arguments in the round's directory, and leaves its exit code there.
# check's own group of processes, in a session of its own, so that it can be ended as a whole.
check() {
    dir=/results/$1
    # shellcheck source=/dev/null
    . "$dir/arguments"
    export RESULT_BASE="$dir"
    cd "$fstests" || fail "there is no $fstests"
    setsid ./check "$@" >"$dir/check.out" 2>"$dir/check.err" 3>&-
    code=$?
    echo "$code" >"$dir/rc.new"
    mv "$dir/rc.new" "$dir/rc"
    sync -f "$dir"
    return "$code"
}

say ready
last=''
while read -r command round <&3; do
    # A serial line may keep what comes while it sends, until more comes: the host says everything
    # again until it hears that we have it.
    say "took $command $round"
    [ "$command $round" != "$last" ] || continue
    last="$command $round"
    case $command in
    plan)
        {
            check plan
            say "planned $?"
        } &
        ;;
    run)
        {
            check "$round"
            say "done $round $?"
        } &
        ;;
    dump)
        # Tasks that are blocked, what the processors do, and memory, louder than the console's level.
        for key in 9 w l m 5; do
            echo "$key" >/proc/sysrq-trigger
        done
        say dumped
        ;;
    end) break ;;
    esac
done
sync -f /results
umount /mnt/test /mnt/scratch 2>/dev/null
say bye
umount -l /results
poweroff -n -f
