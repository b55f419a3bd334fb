#!/bin/sh
# boot.sh ROOT SOURCE: ROOT made by debootstrap with systemd, dbus, python3, python3-venv, make; see facts/platform.md.
# In a mount namespace of its own: cgroup v2, then Debian's own systemd
mount --make-rprivate /
umount -l /sys/fs/cgroup 2>/dev/null
mount -t cgroup2 none /sys/fs/cgroup
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn -q -D $1 --boot --register=no --keep-unit --bind-ro=$2:/src --capability=all
