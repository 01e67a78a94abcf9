#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The power fails in the middle of a format, a mount and a deploy, at the boot and later: the next
# boot always converges, and what was once written and flushed is never lost.
#
#	CUTS=20 tests/vm/power.t	as many more cuts, at random moments of formats and deploys
. "$(dirname "$0")/lib.sh"
with_baked_image "$@"
in_machine_room "$@"
[ -z "$no_ec2_disks" ] || skip_all "$no_ec2_disks"

RANDOM=${SEED:=$RANDOM}
diag "SEED=$SEED"
cuts=${CUTS:-1}
web=/var/lib/instanced/app/web

soon() { sleep "$((RANDOM % 5)).$((RANDOM % 10))"; }
written_to() { [ "$(stat -c %b "$at/volumes/$1/disk")" -gt 0 ]; } # VOLUME: it is no longer blank
wait_written() { # VOLUME
	local end=$((SECONDS + 90 * PATIENCE))
	until written_to "$1" || [ $SECONDS -gt $end ]; do sleep 0.01; done
	written_to "$1"
}
in_guest() { guest -t 90 "until $1; do sleep 0.02; done"; } # CONDITION
version_is() { [ "$(guest "cat $web/current/VERSION")" = "$1" ]; }
release() { # VERSION: its source
	guest "mkdir -p /opt/app && echo $1 >/opt/app/VERSION && sync -f /opt/app"
}
half_made() { # releases
	guest "cd $web/releases && for id in *-????????; do
		[ -e \$id/built ] && [ -e \$id.complete ] || ls -d \$id \$id/* \$id.*
	done 2>&1"
}

page() { guest 'tail -n 1 /data/www/index.html; ls -A /data/www'; }
whole_page='</html>'$'\n'index.html

# converges WHEN [VERSION]: the machine, which is off, does when it is powered on
converges() {
	machine_power cloud-init=disabled
	wait_until 120 instance_is ready && { [ -z "${2-}" ] || wait_until 60 version_is "$2"; }
	ok $? "$1: the next boot converges" "$(guest 'instancectl status; journalctl -b -u "inst*"')"
}

machine_make_baked web
volume_make data sdf 1G
user_data <<'END'
#instanced
[volume data]
device = /dev/sdf
mount = /data
[volume logs]
device = /dev/sdg
filesystem = ext4
mount = /logs
required = no
timeout = 1s
[volume pool]
device = /dev/sdh
filesystem = btrfs
mount = /pool
required = no
timeout = 1s
[index]
path = /data/www/index.html
[app web]
source = file:/opt/app
build = touch begun && sleep 2 && touch built
run = python3 app.py
user = www-data
env.PORT = 8000
health = http://127.0.0.1:8000/health
END

# -- the first boot, three times --

machine_power cloud-init=disabled
wait_written data
ok $? "the first boot formats" "$(tail -n 5 "$at/console.log")"
machine_cut_power

machine_power cloud-init=disabled
in_guest "grep -q ' /data ' /proc/mounts"
ok $? "after a cut in the format it is finished" "$(guest 'instancectl volumes')"
guest 'echo kept >/data/kept && sync -f /data'
uuid=$(guest 'findmnt -no UUID /data')
in_guest "test -e $web/releases/*/begun"
ok $? "the app is built"
machine_cut_power

volume_make logs sdg 512M
volume_make pool sdh 512M
converges "a cut in the build of an app"
is "the volume was not formatted again" "$(guest 'findmnt -no UUID /data; cat /data/kept')" \
	"$uuid"$'\n'kept
is "no release is half made" "$(half_made)" ""
is "the page is whole, with nothing beside it" "$(page)" "$whole_page"

# -- later --

release 2
guest 'systemctl --no-block restart instance-bootstrap'
in_guest "grep -qs ^2 $web/releases/*/VERSION"
machine_cut_power
converges "a cut in the release of a new version" 2

for ((cut = 1; cut <= cuts; cut++)); do
	name=logs
	((cut % 2)) || name=pool
	guest "umount /$name"
	volume_detach $name
	rm -r "$at/volumes/$name"
	release $((cut + 2))
	volume_make $name "$([ $name = logs ] && echo sdg || echo sdh)" 512M
	guest 'systemctl --no-block restart instance-bootstrap'
	soon
	machine_cut_power
	converges "cut $cut, at a random moment" $((cut + 2))
done

is "in the end no release is half made" "$(half_made)" ""
is "nor the page" "$(page)" "$whole_page"
is "and all that was flushed is there" "$(guest 'findmnt -no UUID /data; cat /data/kept')" \
	"$uuid"$'\n'kept
guest 'instancectl apply 2>/dev/null' >"$work/out" # it may wait for the one-shot to end
is "another apply has nothing to do" "$(grep -v '^=' "$work/out")" ""
done_testing
