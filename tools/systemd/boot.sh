#!/bin/sh
# Boots a Debian root as a container without a container runtime, and stays until it is shut down.
#
#   tools/systemd/boot.sh ROOT PIDFILE
#
# Needs root. The network is the host's, so that a call can be dialled into it; processes, mounts,
# names and control groups are its own. ROOT is changed only by what runs in it.
set -eu

root=$(realpath "$1")
pidfile=$2

# shellcheck disable=SC2016
unshare --mount --uts --ipc --pid --cgroup --fork --propagation private sh -eu -c '
    root=$1
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for node in null zero full random urandom tty; do
        touch "$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root/dev/pts" "$root/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    hostname q2d2-lab
    # Not chroot: the kernel refuses user namespaces (PrivateUsers=) inside one.
    cd "$root"
    mkdir -p mnt
    pivot_root . mnt
    exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        sh -c "umount -l /mnt && exec /lib/systemd/systemd --log-level=warning"
' boot "$root" </dev/null &
# unshare forks once: its child is process 1 of the container
until child=$(pgrep -P $!); do sleep 0.1; done
echo "$child" >"$pidfile"
wait
