# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Virtual machines that look like EC2 instances on Nitro: systemd as PID 1, NVMe disks that tell
# their mapping names, and a metadata service (ours) at 169.254.169.254:80.
#
#	. "$(dirname "$0")/lib.sh"
#	in_machine_room "$@"
#	machine_make web --public-ipv4 203.0.113.7
#	volume_make data sdf 2G
#	machine_on
#	is "it is an instance" "$(guest systemd-detect-virt)" amazon
#	done_testing
#
# One machine at a time is the one spoken of: the last that was made or named by `machine NAME`.
# Each has a network namespace, where its metadata service is and from where fetch reaches it, and
# a directory, $at:
#
#	imds/       what its metadata service serves; imds.log: what was asked
#	www/        files it can fetch from $files
#	root.qcow2  what it wrote to its root disk
#	volumes/    each a directory: disk, mapping, serial, port (its PCIe slot), attached
#	console.log
#
# All of it, processes, namespaces and files, ends with the test, however that ends (see
# tests/system/lib.sh). There is no KVM to be had where this runs: seconds are long, and longer with a
# processor that has AVX, whose instructions are emulated one by one.
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly IMDS_ADDRESS=169.254.169.254
readonly files=http://10.0.2.2:8000        # QEMU's name for the outside's loopback
readonly PRIVATE_ADDRESS=10.0.2.15         # what QEMU's DHCP gives
readonly PARTUUID=ec20ec20-0000-4000-8000-000000000001 # of the image's root
readonly PORTS=8                           # PCIe slots for volumes, 1...
readonly SHELL_WAIT=60 BOOT_WAIT=150 STOP_WAIT=60 # seconds, as all waits here and in the tests

# -- the room --

# The outside of a test: returns only inside, with $image and $qemu. What has to be fetched is
# fetched outside, where there is a network. Without a QEMU of our own, no_ec2_disks says why: disks
# then have neither model nor mapping name of a volume, and cannot be enlarged live.
in_machine_room() {
	if [ "${1-}" != --inside ]; then
		[ "$(id -u)" = 0 ] || skip_all "needs root for namespaces"
		need qemu-img nsenter
		image=$("$here/image" 2>&1) || skip_all "no image for a virtual machine: $image"
		no_ec2_disks=
		if qemu=$("$here/qemu-build" 2>&1); then
			firmware="-L /usr/share/seabios -L /usr/share/qemu"
			[ -e /usr/share/seabios/bios-256k.bin ] || skip_all "there is no seabios"
		else
			no_ec2_disks=$qemu
			qemu=$(command -v qemu-system-x86_64) || skip_all "no qemu: $no_ec2_disks"
			firmware=
		fi
		export image qemu firmware no_ec2_disks
	fi
	in_namespaces "$@"
	mount -t tmpfs -o mode=755 tmpfs /run # ip keeps the names of namespaces there
}

# For tests of the package, to be called before: $package is its file.
with_package() {
	[ "${1-}" != --inside ] || return 0
	need dpkg-buildpackage
	export package
	package=$("$here/package") || exit
}

# And $baked is a disk that has it; to be called instead.
with_baked_image() {
	[ "${1-}" != --inside ] || return 0
	with_package "$@"
	export baked
	baked=$("$here/bake") || exit
	[ -e "$baked" ] || skip_all "${baked#*SKIP }"
}

# -- machines --

# machine_make NAME [tree-make OPTION]...: powered off, its disk as the stock image is, with a
# metadata service that is on. Its instance ID comes from its name unless an option says another.
machine_make() {
	disk_from "$1" raw "$image/root.img"
	machine_outside "$@"
}

# The same, with our package in the image.
machine_make_baked() {
	disk_from "$1" qcow2 "$baked"
	machine_outside "$@"
}

disk_from() { # NAME FORMAT IMAGE
	at=$work/$1
	mkdir "$at" "$at/www" "$at/volumes"
	qemu-img create -q -f qcow2 -F "$2" -b "$3" "$at/root.qcow2"
}

machine() { at=$work/$1; } # NAME: the one spoken of from now on

# machine_clone NAME [tree-make OPTION]...: of the machine spoken of, which is off. Its volumes
# are new ones, from snapshots. The clone is spoken of then.
machine_clone() {
	local original=$at
	at=$work/$1
	mkdir "$at" "$at/www"
	cp --sparse=always "$original/root.qcow2" "$at"
	cp --sparse=always --recursive "$original/volumes" "$at"
	local volume
	for volume in "$at"/volumes/*; do
		[ ! -d "$volume" ] || serial_make "${volume##*/}"
	done
	machine_outside "$@"
}

machine_outside() { # NAME [tree-make OPTION]...: what surrounds it
	local name=$1
	shift
	"$top/tests/imds-sim/tree-make" "$at/imds" --instance-id "i-$(digits 17 "$name")" \
		--local-ipv4 $PRIVATE_ADDRESS "$@"
	ip netns add "$name"
	in_net ip link set lo up
	in_net ip addr add $IMDS_ADDRESS/32 dev lo
	nsenter "$(net)" "$work/bin/imds-sim" --listen $IMDS_ADDRESS:80 --log "$at/imds.log" "$at/imds" \
		>/dev/null &
	nsenter "$(net)" $python -m http.server --bind 127.0.0.1 --directory "$at/www" 8000 \
		>/dev/null 2>&1 &
	wait_for 10 in_net curl -s -o /dev/null http://$IMDS_ADDRESS &&
		wait_for 10 in_net curl -s -o /dev/null http://127.0.0.1:8000
}

net() { echo "--net=/run/netns/${at##*/}"; }
in_net() { nsenter "$(net)" "$@"; } # COMMAND...

digits() { # COUNT TEXT: hexadecimal ones, the same for the same text
	sha256sum <<<"$2" | cut -c "1-$1"
}

# machine_power [KERNEL-ARGUMENT]...: on, with the volumes that are attached; returns at once
machine_power() {
	local id uuid volume arguments=()
	id=$(metadata instance-id)
	uuid=ec2$(digits 29 "$id") # so begin those of instances
	uuid=${uuid:0:8}-${uuid:8:4}-${uuid:12:4}-${uuid:16:4}-${uuid:20}
	local port
	for ((port = 1; port <= PORTS; port++)); do
		arguments+=(-device "pcie-root-port,id=slot$port,chassis=$port,slot=$port")
	done
	for volume in $(volumes_by_port); do
		arguments+=(-blockdev "$(volume_block "$volume")"
			-device "$(volume_device "$volume")")
	done
	rm -f "$at/shell" "$at/qmp"
	# Completed writes survive QEMU's end, as they do on EBS: only the guest's memory is lost. They
	# do because nothing waits in QEMU (write-cache=off; its NVMe ignores FUA), only on the outside.
	# shellcheck disable=SC2086 # options, or none
	nsenter "$(net)" "$qemu" $firmware -machine q35 -accel tcg,thread=multi -cpu qemu64 -smp 2 -m 1024 \
		-display none -nodefaults -no-reboot -no-user-config \
		-kernel "$image/vmlinuz" -append "root=PARTUUID=$PARTUUID rw console=ttyS0 \
systemd.debug_shell=ttyS1 nvme_core.multipath=Y mitigations=off $*" \
		-smbios "type=0,vendor=Amazon EC2,version=1.0" \
		-smbios "type=1,manufacturer=Amazon EC2,product=$(metadata instance-type),\
serial=$uuid,uuid=$uuid" \
		-smbios "type=2,manufacturer=Amazon EC2,asset=$id" \
		-smbios "type=3,manufacturer=Amazon EC2,asset=Amazon EC2" \
		-blockdev "driver=qcow2,node-name=root,cache.no-flush=on,discard=unmap,\
file.driver=file,file.filename=$at/root.qcow2" \
		-device "nvme,drive=root,write-cache=off,serial=vol$(digits 17 "$id root")\
$(ec2_name /dev/xvda)" \
		"${arguments[@]}" \
		-netdev "user,id=net,hostfwd=tcp:127.0.0.1:80-:80,hostfwd=tcp:127.0.0.1:8080-:8080" \
		-device "virtio-net-pci,netdev=net,mac=$(metadata mac),romfile=" \
		-device virtio-rng-pci \
		-serial "file:$at/console.log" \
		-serial "unix:$at/shell,server=on,wait=off" \
		-qmp "unix:$at/qmp,server=on,wait=off" >"$at/qemu.log" 2>&1 &
	echo $! >"$at/pid"
	disown
	wait_for 10 qmp query-status || diag "qemu: $(cat "$at/qemu.log")"
}

ec2_name() { [ -n "$no_ec2_disks" ] || echo ",ec2-name=$1"; }

# machine_on [KERNEL-ARGUMENT]...: until it has booted; sets boot to what systemd says it is then
machine_on() {
	machine_power "$@"
	machine_booted
}

machine_booted() {
	# shellcheck disable=SC2034 # for the test
	boot=$(guest -t $BOOT_WAIT 'until systemctl is-system-running --wait 2>/dev/null |
		grep -E "running|degraded|maintenance"; do sleep 0.2; done')
}

machine_is_on() { [ -e "$at/pid" ] && kill -0 "$(<"$at/pid")" 2>/dev/null; }

machine_shutdown() { # in order
	guest 'systemctl --no-block poweroff' >/dev/null
	wait_until $STOP_WAIT off
}
off() { ! machine_is_on; }

machine_cut_power() {
	kill -KILL "$(<"$at/pid")"
	wait_for 10 off
}

# machine_reboot [KERNEL-ARGUMENT]...: in order; what is new outside (metadata, slots) holds then,
# so it is a stop and start too
machine_reboot() {
	machine_shutdown
	machine_on "$@"
}

# -- inside the guest --

# guest [-t SECONDS] COMMANDS: in a shell of root; its output (of errors too) and exit status
guest() {
	local seconds=$SHELL_WAIT
	if [ "$1" = -t ]; then
		seconds=$2
		shift 2
	fi
	"$here/guest-shell" "$at/shell" $((seconds * PATIENCE)) <<<"$*"
}

instance_is() { [ "$(guest 'instancectl --json status' | jq -r .status)" = "$1" ]; } # STATUS

# guest_put FILE PATH [MODE]; the file may be - for standard input. Waits for the guest's network.
guest_put() {
	local name
	name=$(digits 16 "$2")
	cat "$1" >"$at/www/$name"
	guest "mkdir -p '$(dirname "$2")' &&
		curl -fs --retry 120 --retry-delay 1 --retry-all-errors -o '$2' $files/$name &&
		chmod ${3:-644} '$2'"
	local status=$?
	rm "$at/www/$name"
	return $status
}

# -- from the outside --

# fetch PORT PATH [curl OPTION]...: its port 80 or 8080
fetch() {
	in_net curl -s --max-time $((10 * PATIENCE)) "${@:3}" "http://127.0.0.1:$1$2"
}
fetch_code() { fetch "$@" -o /dev/null -w '%{http_code}'; }

# wait_until SECONDS COMMAND...: for what takes its time in the guest, of which asking takes some too
wait_until() {
	local end=$((SECONDS + $1 * PATIENCE))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 1.5
	done
}

diag() { # shellcheck disable=SC2001 # of every line
	sed 's/^/# /' <<<"$1"
}

# metadata PATH [VALUE]: of the instance; with a value, it is that from now on
metadata() {
	if [ $# = 1 ]; then
		cat "$at/imds/meta-data/$1"
	else
		imds_put "meta-data/$1" <<<"$2"
	fi
}

user_data() { imds_put user-data; } # <TEXT

imds_put() { # PATH <TEXT
	mkdir -p "$(dirname "$at/imds/$1")"
	# The service ends nothing with a newline; what is compressed has none to lose.
	if [ "$1" = user-data ]; then cat; else head -c -1; fi >"$at/imds/.put"
	mv "$at/imds/.put" "$at/imds/$1"
}

# -- volumes: known by the test's own NAME for them --

# volume_make NAME MAPPING SIZE: blank, and attached (while the machine is on: hot)
volume_make() {
	local volume=$at/volumes/$1
	mkdir "$volume"
	truncate --size "$3" "$volume/disk"
	echo "$2" >"$volume/mapping"
	serial_make "$1"
	volume_attach "$1"
}

serial_make() { # NAME
	echo "vol$(digits 17 "$at $1")" >"$at/volumes/$1/serial"
}

volume_id() { sed 's/^vol/vol-/' "$at/volumes/$1/serial"; } # NAME

volume_attach() { # NAME
	local volume=$at/volumes/$1
	[ -e "$volume/port" ] || port_free >"$volume/port"
	touch "$volume/attached"
	machine_is_on || return 0
	qmp blockdev-add "$(volume_block "$1")" && qmp device_add "$(volume_device "$1")"
}

volume_detach() { # NAME: pulled, whatever the guest does with it
	rm "$at/volumes/$1/attached" "$at/volumes/$1/port"
	machine_is_on || return 0
	qmp device_del "{\"id\": \"$1\"}" DEVICE_DELETED &&
		qmp blockdev-del "{\"node-name\": \"$1\"}"
}

volume_resize() { # NAME SIZE
	truncate --size "$2" "$at/volumes/$1/disk"
	machine_is_on || return 0
	qmp block_resize \
		"{\"node-name\": \"$1\", \"size\": $(stat -c %s "$at/volumes/$1/disk")}"
}

volumes_swap() { # NAME NAME: their slots, from the next start on
	local port
	port=$(<"$at/volumes/$1/port")
	cp "$at/volumes/$2/port" "$at/volumes/$1/port"
	echo "$port" >"$at/volumes/$2/port"
}

volumes_by_port() { # the names of those attached
	local volume
	for volume in "$at"/volumes/*; do
		[ ! -e "$volume/attached" ] || echo "$(<"$volume/port") ${volume##*/}"
	done | sort -n | cut -d ' ' -f 2
}

port_free() {
	comm -23 <(seq $PORTS | sort) <(cat "$at"/volumes/*/port 2>/dev/null | sort) | head -n 1
}

volume_block() { # NAME
	jq -n --arg name "$1" --arg disk "$at/volumes/$1/disk" '{driver: "raw", "node-name": $name,
		cache: {"no-flush": true}, discard: "unmap",
		file: {driver: "file", filename: $disk}}'
}

volume_device() { # NAME
	local volume=$at/volumes/$1
	jq -n --arg name "$1" --arg serial "$(<"$volume/serial")" --arg slot "slot$(<"$volume/port")" \
		--arg mapping "$(<"$volume/mapping")" --arg no_ec2_disks "$no_ec2_disks" \
		'{driver: "nvme", id: $name, drive: $name, serial: $serial, bus: $slot} +
		(if $no_ec2_disks == "" then {"ec2-name": $mapping} else {} end)'
}

qmp() { "$here/qmp" "$at/qmp" "$@"; } # COMMAND [ARGUMENTS-AS-JSON [EVENT]]
