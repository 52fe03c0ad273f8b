#!/bin/sh
# SPDX-License-Identifier: ISC
# The package under the service manager of a fresh system: installed, told to
# reload, upgraded, killed, stopped.  Run by scripts/test-packages in namespaces
# of its own.
#
# usage: service.sh ROOT
set -eu
root=$1

mount --make-rprivate /
mount --bind "$root" "$root"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
ip link set lo up
hostname fresh
echo "127.0.0.1 localhost fresh" >"$root/etc/hosts"
echo fresh >"$root/etc/hostname"
# It is process 1 of its own, in the same places but for processes.
unshare --pid --mount --cgroup --fork --kill-child sh -ec '
	mount -t proc proc "$1/proc"
	exec chroot "$1" env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	    /lib/systemd/systemd --log-target=console --show-status=false
' systemd "$root" >"$root/systemd.log" 2>&1 </dev/null &
manager=$!
trap 'kill -9 $manager 2>/dev/null' EXIT

inside() {
	first=$(cat /proc/$manager/task/$manager/children)
	nsenter -t "${first% }" -m -p -C -r -w env -i LC_ALL=C \
	    DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}
until_true() {
	for i in $(seq 300); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	echo "in vain: $*" >&2
	inside systemctl --no-pager status chasqui >&2 || true
	exit 1
}
property() { inside systemctl show -P "$1" chasqui; }
serves() { [ "$(property MainPID)" = "$(inside cat /run/chasqui/master.pid)" ]; }
arrived() { inside sh -c "grep -q $1 /home/carol/Maildir/new/*"; }

until_true inside systemctl is-system-running
inside apt-get install -y --no-install-recommends /debs/first.deb
[ "$(property ActiveState)" = active ]
serves
inside useradd -m carol
printf 'Subject: one\n\nfirst-message\n' | inside sendmail carol
until_true arrived first-message
inside systemctl reload chasqui
old=$(property MainPID)

inside apt-get install -y /debs/later.deb
[ "$(property ActiveState)" = active ]
[ "$(property MainPID)" != "$old" ]
serves
printf 'Subject: two\n\nsecond-message\n' | inside sendmail carol
until_true arrived second-message

# The one that took over is watched like the first.
inside sh -c 'kill -9 $(cat /run/chasqui/master.pid)'
was_restarted() { [ "$(property NRestarts)" = 1 ] && [ "$(property ActiveState)" = active ]; }
until_true was_restarted
serves
inside systemctl stop chasqui
[ "$(property Result)" = success ]
inside apt-get purge -y chasqui
[ ! -e "$root/etc/chasqui" ] && [ ! -e "$root/var/spool/chasqui" ] &&
    [ ! -e "$root/var/lib/chasqui" ]
