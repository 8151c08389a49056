#!/bin/busybox sh
# shellcheck shell=dash
# shellcheck disable=SC2154 # What is not assigned here is in the configuration.
# The first process of the guest, in the initramfs: it loads modules, lays a tmpfs over the
# read-only root that the host shares, and hands over to `job` in there. Everything here is
# busybox's. What it says goes through the event line: `hello RELEASE`, `step TEXT`, `fail TEXT`.
export PATH=/bin
/bin/busybox mount -t proc proc /proc
mount -t sysfs sysfs /sys
# Before the devices are there, nobody could be told that they are not.
mount -t devtmpfs dev /dev || poweroff -f

# shellcheck source=/dev/null
. /config
# shellcheck source=/dev/null
. /disk

stty -F "$events" raw -echo 2>/dev/null
exec 3<>"$events"
say() { echo "$*" >&3; }
fail() {
    say "fail $*"
    # The line is slower than the end.
    sleep 1
    poweroff -f
}

read -r release </proc/sys/kernel/osrelease
say "hello $release"
# Only to see whether a kernel comes up at all.
[ -z "$probe" ] || poweroff -f
while read -r need module; do
    insmod "/modules/$module" 2>/insmod.err || [ "$need" = try ] ||
        fail "the module $module cannot be loaded: $(tail -n 1 /insmod.err)"
done </modules/order

# Mounts what the host shares by that name at $2; $3 is the path on the host, $4 the options.
share() {
    mkdir -p "$2"
    case $sharing in
    virtiofs) mount -t virtiofs -o "$4" "$1" "$2" ;;
    9p) mount -t 9p -o "$4,trans=virtio,version=9p2000.L,msize=512000,cache=$5" "$1" "$2" ;;
    hostfs) mount -t hostfs -o "$4,$3" hostfs "$2" ;;
    esac
}

say "step mounting the root"
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lower /run/rw
case $root in
disk) mount -o ro "$(disk root)" /run/lower ;;
host) share root /run/lower / ro loose ;;
esac || fail "the root cannot be mounted ($root)"
mount -t tmpfs -o mode=755,size=50% tmpfs /run/rw
mkdir -p /run/rw/root/upper/etc /run/rw/root/upper/root /run/rw/root/work /newroot
chmod 700 /run/rw/root/upper/root

# Users that fstests wants, without a word to the host. The passwords' files are new ones: the
# host's may be unreadable to who shares them.
upper=/run/rw/root/upper
for file in passwd group; do
    cat "/run/lower/etc/$file" >"$upper/etc/$file" 2>/dev/null || echo root:x:0:0:root:/root:/bin/sh >"$upper/etc/$file"
done
: >"$upper/etc/shadow"
: >"$upper/etc/gshadow"
echo 'root:*:19000::::::' >>"$upper/etc/shadow"
id=7001
for user in fsgqa fsgqa2 123456-fsgqa; do
    grep -q "^$user:" "$upper/etc/group" || echo "$user:x:$id:" >>"$upper/etc/group"
    grep -q "^$user:" "$upper/etc/passwd" || {
        gid=$(grep "^$user:" "$upper/etc/group" | cut -d: -f3)
        echo "$user:x:$id:$gid::/home/$user:/bin/bash" >>"$upper/etc/passwd"
    }
    home=$upper$(grep "^$user:" "$upper/etc/passwd" | cut -d: -f6)
    mkdir -p "$home"
    chown "$(grep "^$user:" "$upper/etc/passwd" | cut -d: -f3,4)" "$home"
    echo "$user:*:19000::::::" >>"$upper/etc/shadow"
    id=$((id + 1))
done
chmod 640 "$upper/etc/shadow" "$upper/etc/gshadow"
# The host's disks are not here.
: >"$upper/etc/fstab"

mount -t overlay -o "lowerdir=/run/lower,upperdir=$upper,workdir=/run/rw/root/work" overlay /newroot ||
    fail "no overlay can be laid over the root"

# A directory that is on another file system of the host, at its own path, under a tmpfs too.
# shellcheck disable=SC2086 # One word each: names that we made.
for name in $extra_shares; do
    eval "path=\$share_$name"
    share "$name" "/run/lower-$name" "$path" ro loose || fail "$path cannot be mounted ($sharing)"
    mkdir -p "/run/rw/$name/upper" "/run/rw/$name/work" "/newroot$path"
    mount -t overlay -o "lowerdir=/run/lower-$name,upperdir=/run/rw/$name/upper,workdir=/run/rw/$name/work" \
        overlay "/newroot$path" || fail "no overlay can be laid over $path"
done

# What the guest needs may lie where its own file systems will: below /tmp, /run, /dev.
for name in fstests modules; do
    eval "path=\$$name"
    # Not every kernel has modules.
    [ "$path" ] || continue
    mkdir -p "/run/keep/$name"
    mount -o bind "/newroot$path" "/run/keep/$name"
done

mkdir -p /newroot/proc /newroot/sys /newroot/dev /newroot/run /newroot/results
mount -t tmpfs -o mode=755 tmpfs /newroot/run
share results /newroot/results "$results" rw none || fail "the results cannot be mounted ($sharing)"
mkdir /newroot/run/kdev
cp /bin/busybox /job /disk /config /newroot/run/kdev/
for name in fstests modules; do
    [ -d "/run/keep/$name" ] || continue
    mkdir "/newroot/run/kdev/$name"
    mount -o move "/run/keep/$name" "/newroot/run/kdev/$name"
done
[ ! -e /kernel-config ] || cp /kernel-config /newroot/run/kdev/
# busybox finds its applets by /proc, so that goes last.
for dir in sys dev proc; do
    mount -o move "/$dir" "/newroot/$dir"
done
# What the kernel did not know on its command line it has put into the environment.
exec env -i /bin/busybox switch_root /newroot /run/kdev/busybox sh /run/kdev/job
