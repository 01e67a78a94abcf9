#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The lives of an instance. One is configured, stopped, and started again at another address: it is
# the same. It is sealed and made an image of, with a snapshot of its volume: what starts from that
# is an instance of its own, and may have the original's volume beside its copy.
. "$(dirname "$0")/lib.sh"
with_baked_image "$@"
in_machine_room "$@"
[ -z "$no_ec2_disks" ] || skip_all "$no_ec2_disks"

status() { fetch 8080 /instance -H 'Accept: text/plain'; }
known_as() { guest 'cat /run/instanced/state.json' | jq -r .identity.instanceId; }
mounted() { guest "findmnt -no FSTYPE,LABEL /$1" | tr -s ' '; } # VOLUME
health() { guest 'curl -s http://127.0.0.1:8000/health'; }

# -- the original --

machine_make_baked original --public-ipv4 203.0.113.1
machine_power cloud-init=disabled
guest_put - /etc/instanced/index.in <<<'{{instance-id}} {{public-ipv4}}'
guest_put - /etc/instanced/instanced.conf <<'END'
[index]
path = /var/www/html/index.html
template = /etc/instanced/index.in
[volume data]
device = /dev/sdf
mount = /data
[volume own]
device = /dev/sdg
mount = /own
required = no
timeout = 1s
[volume beside]
device = /dev/sdh
mount = /beside
required = no
timeout = 1s
[app web]
source = file:/opt/app
run = python3 app.py
user = www-data
env.PORT = 8000
health = http://127.0.0.1:8000/health
END
volume_make data sdf 512M
guest 'systemctl restart instanced instance-bootstrap'
wait_until 60 instance_is degraded
is "the original has its page" "$(fetch 8080 /)" "$(metadata instance-id) 203.0.113.1"
guest 'echo kept >/data/kept && sync -f /data'
original=$(metadata instance-id)
machine_shutdown

# -- stopped and started --

metadata public-ipv4 203.0.113.9
machine_on cloud-init=disabled
wait_until 60 instance_is degraded
is "after a stop and start the page has the new address" "$(fetch 8080 /)" "$original 203.0.113.9"
is "the volume is as it was" "$(mounted data) $(guest 'cat /data/kept')" "xfs data kept"
is "the app runs again" "$(health)" '{"status": "pass"}'
machine_id=$(guest 'cat /etc/machine-id')
guest 'touch /etc/ssh/ssh_host_ed25519_key'
guest 'instancectl seal --yes' >"$work/seal"
ok $? "it can be sealed" "$(cat "$work/seal")"
for what in /etc/machine-id /etc/ssh/ssh_host_ed25519_key /var/www/html/index.html; do
	like "seal says that it removes $what" "$(cat "$work/seal")" $what
done
is "configuration and releases stay" \
	"$(guest 'ls /etc/instanced/instanced.conf /var/lib/instanced/app/web/current/app.py')" \
	"/etc/instanced/instanced.conf
/var/lib/instanced/app/web/current/app.py"
machine_shutdown

# -- an instance of the image, with a snapshot of the volume, and two volumes more --

machine_clone clone --public-ipv4 203.0.113.2
volume_make own sdg 512M
volume_make beside sdh 512M
cp --sparse=always "$work/original/volumes/data/disk" "$at/volumes/beside/disk"
machine_on cloud-init=disabled
wait_until 60 instance_is ready
ok $? "the clone is ready" "$(guest 'instancectl status; journalctl -b -u "inst*"')"
is "its page is its own" "$(fetch 8080 /)" "$(metadata instance-id) 203.0.113.2"
is "its state is its own" "$(known_as)" "$(metadata instance-id)"
is "the load balancer is told so" "$(status)" "$(metadata instance-id) ready"
unlike "it has its own machine ID" "$(guest 'cat /etc/machine-id')" "$machine_id"
is "its blank volume is formatted" "$(mounted own)" "xfs own"
is "the volume from a snapshot is mounted as it is" "$(mounted data) $(guest 'cat /data/kept')" \
	"xfs data kept"
is "so is the original beside it, which has the same UUID" "$(guest 'cat /beside/kept')" kept
is "the app runs" "$(health)" '{"status": "pass"}'
is "all units are well" "$boot" running
done_testing
