#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Volumes that come late, come while the instance runs, are enlarged, pulled, and swap their nodes:
# each is taken into use without a command. One machine, two boots.
. "$(dirname "$0")/lib.sh"
with_baked_image "$@"
in_machine_room "$@"
[ -z "$no_ec2_disks" ] || skip_all "$no_ec2_disks"

mounted_as() { [ "$(guest "findmnt -no FSTYPE /$1")" = "$2" ]; } # VOLUME FILE-SYSTEM
size() { # VOLUME: in bytes, as the status has it
	guest 'cat /run/instanced/state.json' |
		jq -r --arg name "$1" '.items[] | select(.name == $name) | .sizeBytes'
}
size_is() { [ "$(size "$1")" = "$2" ]; }
grown() { # VOLUME MIB: its file system is larger than that
	[ "$(guest "df --output=size -BM /$1 | tail -n 1 | tr -dc 0-9")" -gt "$2" ]
}
code() { fetch_code 8080 /instance; }
code_is() { [ "$(code)" = "$1" ]; }
declare -A filesystem=([data]=xfs [logs]=ext4 [pool]=btrfs)
declare -A mapping=([data]=sdf [logs]=sdg [pool]=sdh)

machine_make_baked web
{
	echo '#instanced'
	for name in data logs pool; do
		printf '[volume %s]\ndevice = /dev/%s\nfilesystem = %s\nmount = /%s\ntimeout = %s\n%s\n' \
			$name "${mapping[$name]}" "${filesystem[$name]}" $name \
			"$([ $name = data ] && echo 45s || echo 1s)" \
			"$([ $name = data ] || echo 'required = no')"
	done
	printf '[app web]\nsource = file:/opt/app\nrun = python3 app.py\nuser = www-data\n'
	printf 'env.PORT = 8000\nhealth = http://127.0.0.1:8000/health\n'
} | user_data

# -- without a volume that is required --

machine_power cloud-init=disabled
wait_until 90 guest 'systemctl is-active multi-user.target'
ok $? "a required volume that is missing does not hold up the boot" "$(tail -n 5 "$at/console.log")"
wait_until 30 code_is 503
is "the load balancer is told not to come" "$(code)" 503
is "the app does not start without it" "$(guest 'systemctl is-active instance-app-web')" inactive
wait_until 90 instance_is failed
ok $? "after its timeout the instance has failed" "$(guest 'instancectl status')"
like "the status says what is missing" "$(guest 'instancectl status')" sdf
machine_booted
is "no job is left waiting" "$(guest 'systemctl list-jobs --no-legend')" ""

# -- hot --

volume_make data sdf 512M
wait_until 60 mounted_as data xfs
ok $? "a late volume is formatted and mounted when it comes" "$(guest 'instancectl status')"
wait_until 60 code_is 200
is "then the load balancer may come" "$(code)" 200
is "and the app runs" "$(guest 'curl -s http://127.0.0.1:8000/health')" '{"status": "pass"}'
is "what is not required and not there degrades" \
	"$(guest 'instancectl --json status' | jq -r .status)" degraded

volume_make logs sdg 512M
volume_make pool sdh 512M
wait_until 60 mounted_as logs ext4 && wait_until 60 mounted_as pool btrfs
ok $? "two that are attached at once are formatted and mounted" "$(guest 'instancectl status')"
wait_until 60 instance_is ready
ok $? "and the instance is ready" "$(guest 'instancectl status')"

# -- enlarged --

for name in data logs pool; do
	guest "echo $name >/$name/name && sync -f /$name"
	volume_resize $name 1G
done
for name in data logs pool; do
	wait_until 60 grown $name 800
	ok $? "${filesystem[$name]}: an enlarged volume is grown while it is in use" \
		"$(guest "df -h /$name; instancectl status")"
	wait_until 20 size_is $name $((1 << 30))
	is "${filesystem[$name]}: the status shows its new size" "$(size $name)" $((1 << 30))
done

# -- pulled --

volume_detach logs
wait_until 60 instance_is degraded
ok $? "a volume that is pulled is noticed" "$(guest 'instancectl status')"
is "the load balancer may still come" "$(code)" 200
volume_attach logs
wait_until 60 instance_is ready
ok $? "it is taken again when it returns" "$(guest 'instancectl status')"
is "with what was on it" "$(guest 'cat /logs/name')" logs

# -- other nodes --

nodes() { guest 'findmnt -no SOURCE /data; findmnt -no SOURCE /logs'; }
before=$(nodes)
volumes_swap data logs
machine_reboot cloud-init=disabled
wait_until 60 instance_is ready
ok $? "with slots swapped the instance is ready after a reboot" "$(guest 'instancectl status')"
is "the nodes were others" "$(nodes)" "$(tac <<<"$before")"
is "each volume is where it belongs" "$(guest 'cat /data/name /logs/name /pool/name')" \
	"data"$'\n'"logs"$'\n'"pool"
done_testing
