# shellcheck shell=dash
# For both scripts.

# Finds the disk of that serial number: the order of disks is nobody's promise.
disk() {
    for block in /sys/block/*; do
        serial=''
        # The kernel's file has no newline at its end, which `read` takes for a failure.
        read -r serial <"$block/serial" 2>/dev/null || [ "$serial" ] || continue
        [ "$serial" != "$1" ] || {
            echo "/dev/${block##*/}"
            return
        }
    done
}
