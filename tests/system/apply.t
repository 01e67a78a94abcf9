#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# instancectl as a person runs it, on loop devices with the real mkfs programs: blank volumes are
# formatted and mounted, what holds data is left alone to the last byte, a second run keeps all, a
# run that is killed at any moment is completed by the next. Apps, the index page and the agent are
# in serve.t, what cannot be in bad-input.t.
. "$(dirname "$0")/lib.sh"
need mkfs.xfs mkfs.ext4 losetup
in_namespaces "$@"
disk probe 16M || skip_all "no loop device can be attached here"
detach "$dev"
sim_start

# mkfs.ext4 and mkfs.xfs are wrapped, in our mount namespace: $work/mkfs.log tells when each began
# and ended on a disk (into memory, for comparison, does not count), and in between they do as
# $work/mkfs.pause says.
mkdir "$work/real"
pause() { echo "$1" >"$work/mkfs.pause"; } # COMMAND
pause_until() { pause "for _ in {1..200}; do $1 && break; sleep 0.1; done"; } # 20 s at most
pause true
for name in mkfs.xfs mkfs.ext4; do
	path=$(readlink -f "$(command -v $name)")
	cp "$path" "$work/real/$name"
	cat >"$work/real/wrap-$name" <<-END
	#!/bin/bash
	[ -b "\${!#}" ] || exec $work/real/$name "\$@"
	echo "begin $name" >>$work/mkfs.log
	. $work/mkfs.pause
	$work/real/$name "\$@"
	status=\$?
	echo "end $name" >>$work/mkfs.log
	exit \$status
	END
	chmod 755 "$work/real/wrap-$name"
	mount --bind "$work/real/wrap-$name" "$path"
done

# -- three blank volumes --

place blank
disk x 320M && x=$dev
disk e 64M && e=$dev
volumes=(x e)
cat >"$conf" <<END
[volume x]
device = $x
filesystem = xfs
mount = $at/x
options = noatime,nodev
owner = daemon:games
mode = 0750
[volume e]
device = $e
filesystem = ext4
label = custom
mount = $at/e
options = noatime,noinit_itable
END
if command -v mkfs.btrfs >/dev/null; then
	disk b 128M && b=$dev
	volumes+=(b)
	cat >>"$conf" <<-END
	[volume b]
	device = $b
	filesystem = btrfs
	mount = $at/b
	options = noatime
	END
else
	skip "a blank volume is formatted as btrfs" "mkfs.btrfs is not installed"
fi
before=$(fingerprint "${volumes[@]}")
run plan
is "plan shows what will be created, with status 0" \
	"$status $(sed -n 's/^+ volume . *\([a-z]*\) .*/\1/p' <<<"$out" | sort | uniq -c | xargs)" \
	"0 ${#volumes[@]} format ${#volumes[@]} mount"
like "and the evidence" "$out" "is proven blank: all 12 rules hold*✓ samples are zero: *reads"
is "and touches nothing" "$(fingerprint "${volumes[@]}") $(ls "$at")" "$before instanced.conf"
pause_until "[ \$(grep -c begin $work/mkfs.log) -ge 2 ]"
run apply
is "blank volumes are formatted and mounted" "$status $(grep -c ': done in ' <<<"$out")" \
	"0 $((2 * ${#volumes[@]}))"
is "in parallel" "$(head -n 2 "$work/mkfs.log" | cut -d' ' -f1 | xargs)" "begin begin"
pause true
like "xfs is mounted with its options" "$(mounted "$at/x")" "noatime*- xfs $x rw"
like "and nodev, from the same list" "$(mounted "$at/x")" nodev
like "ext4 as well" "$(mounted "$at/e")" "noatime*- ext4 $e rw"
is "the top directory has owner and mode" "$(stat -c %U:%G:%a "$at/x")" daemon:games:750
is "the label is the section's name, or as configured" \
	"$(blkid -p -s LABEL -o value "$x") $(blkid -p -s LABEL -o value "$e")" "x custom"
if [ ${#volumes[@]} = 3 ]; then
	like "btrfs is mounted" "$(mounted "$at/b")" "noatime*- btrfs $b rw"
fi
echo precious >"$at/x/file"
sync -f "$at/x"
before=$(fingerprint "${volumes[@]}")
table=$(cat /proc/self/mountinfo)
run apply
is "a second run keeps everything" "$status $(grep -vc '^=' <<<"$out")" "0 0"
is "and changes no byte and no mount" \
	"$(fingerprint "${volumes[@]}")$(cat /proc/self/mountinfo)" "$before$table"
run apply --json
is "which apply --json says too" \
	"$(jq -r '.status, (.steps[].outcome)' <<<"$out" | sort -u | xargs)" \
	"kept ready"
is "and each of its steps has all fields" \
	"$(jq -c '[.steps[] | keys] | unique' <<<"$out")" \
	'[["op","outcome","seconds","sign","subject","text","what"]]'
chmod 700 "$at/x"
run apply
is "a mode that somebody changed is put right" "$status $(stat -c %a "$at/x")" "0 750"
umount "$at/e"
run apply
is "what somebody unmounted is mounted again, not formatted" \
	"$status $(mounted "$at/e" | wc -l) $(grep -c 'begin mkfs.ext4' "$work/mkfs.log")" "0 1 1"
run plan --json
is "plan --json says keep of all" "$(jq -r '.[].sign' <<<"$out" | sort -u)" keep
is "and has what is documented" "$(jq -r '.[0] | .subject, .op, (.what != ""), .reason' <<<"$out" |
	xargs)" "volume x format true holds xfs"
run volumes --json
is "volumes --json has each with its content" \
	"$(jq -r --arg x "$x" '.[] | select(.device == $x) | .type, .mount, .verdict, .sizeBytes' \
		<<<"$out" | xargs)" \
	"xfs $at/x not blank $((320 << 20))"
run volumes
like "volumes shows it to people" "$out" "$x*320 MiB*holds     xfs, label x*would not be formatted"
run volumes --no-such-option
is "an unknown option is refused" "$status" 2
umount "$at"/[xeb]

# -- what is there already --

place there
mkdir "$at/files" && echo precious >"$at/files/file"
truncate --size 64M "$work/there.img"
mkfs.ext4 -q -L theirs -d "$at/files" "$work/there.img"
attach "$work/there.img"
uuid=$(blkid -p -s UUID -o value "$dev")
cat >"$conf" <<END
[volume there]
device = $dev
filesystem = ext4
mount = $at/there
END
run apply
is "an existing file system of the configured kind is mounted, as it is" \
	"$status $(cat "$at/there/file") $(blkid -p -s UUID -s LABEL -o value "$dev" | xargs)" \
	"0 precious theirs $uuid"
umount "$at/there"

# A run for each kind of content: required, then optional.
place foreign
random() { dd if=/dev/urandom of="$1" bs=1M count=64 conv=notrunc status=none; }
lvm() {
	LVM_SYSTEM_DIR=$at pvcreate --yes --config "devices { filter=[\"a|^$1\$|\",\"r|.*|\"]
		use_devicesfile=0 obtain_device_list_from_udev=0 } activation { udev_sync=0 }
		backup { backup=0 archive=0 }" "$1"
}
luks() {
	echo secret | cryptsetup luksFormat --batch-mode --pbkdf pbkdf2 \
		--pbkdf-force-iterations 1000 "$1"
}
while IFS='|' read -r kind program command says; do
	if ! command -v "$program" >/dev/null; then
		skip "$kind is refused" "$program is not installed"
		continue
	fi
	disk foreign 64M
	$command "$dev" >"$work/log" 2>&1 </dev/null || echo "# $(cat "$work/log")"
	before=$(fingerprint foreign)
	statuses=
	for required in yes no; do
		cat >"$conf" <<-END
		[volume foreign]
		device = $dev
		filesystem = xfs
		mount = $at/mnt
		required = $required
		END
		run apply
		statuses+="$status "
	done
	like "$kind is refused by name" "$out" "! volume foreign*$dev (64 MiB): $says*left alone"
	is "with status 1, or 3 when it is optional" "$statuses" "1 3 "
	is "and its bytes are the same" "$(fingerprint foreign)" "$before"
	is "and nothing is mounted" "$(mounted "$at/mnt")" ""
	detach "$dev"
done <<'END'
ext4, where xfs is wanted,|mkfs.ext4|mkfs.ext4 -q -F -L keep|holds ext4, label keep, configuration asks for xfs
swap|mkswap|mkswap -L old|holds swap
an LVM physical volume|pvcreate|lvm|holds LVM2_member
a GPT|sgdisk|sgdisk --clear|holds gpt
LUKS|cryptsetup|luks|holds crypto_LUKS
random data|dd|random|is not proven blank
END

# -- what comes late, or never; what waits for it; what lies in each other --

# Links that come and go, as udev makes them: in a /dev/shm of our own, which others do not see.
mount -t tmpfs none /dev/shm
place late
disk early 64M && early=$dev
cat >"$conf" <<END
[volume late]
device = /dev/shm/late
filesystem = ext4
mount = $at/late
timeout = 60s
[volume early]
device = $early
filesystem = ext4
mount = $at/early
END
ctl apply >"$work/out" 2>&1 &
apply=$!
wait_for 5 item_is early status ok
is "a volume that is there is mounted while another is waited for" \
	"$(mounted "$at/early" | wc -l) $(item late status) $(jq -r .phase "$state/state.json")" \
	"1 waiting working"
run status
is "while status is 3" "$status" 3
like "and says what is waited for" "$out" \
	"volume late*waiting: /dev/shm/late: is not attached; waits up to 60 s"
disk late 64M
ln -s "$dev" /dev/shm/late
wait "$apply"
is "it is taken when it comes" "$? $(mounted "$at/late" | wc -l)" "0 1"
is "after what was there" \
	"$(sed -n 's/^+ volume \(.*\) mount .*: done.*/\1/p' "$work/out" | xargs)" \
	"early late"
umount "$at/late" "$at/early"

place never
statuses=
began=$SECONDS
for required in yes no; do
	cat >"$conf" <<-END
	[volume never]
	device = /dev/shm/never
	mount = $at/never
	timeout = 1s
	required = $required
	END
	run apply
	statuses+="$status $(item never status) "
done
is "one that never comes is missing after its timeout: status 1, or 3 when it is optional" \
	"$statuses$((SECONDS - began <= 20))" "1 missing 3 missing 1"
like "and named" "$out" "… volume never*/dev/shm/never: is not attached; waits up to 1 s"

place waits
disk foreign 64M
mkfs.ext4 -q "$dev"
mkdir "$at/app" && echo hello >"$at/app/file"
cat >"$conf" <<END
[volume foreign]
device = $dev
filesystem = xfs
mount = $at/mnt
[app web]
source = file:$at/app
path = $at/web
run = sleep 1000
user = daemon
END
run apply
is "an app waits for a required volume that is refused" \
	"$status $(item web status) $(ls "$at/web" 2>&1 | grep -c release)" "1 missing 0"
like "and says so" "$out" "… app web *release*after [[]volume foreign]"

place nested
disk inner 64M && inner=$dev
disk outer 64M && outer=$dev
cat >"$conf" <<END
[volume inner]
device = $inner
filesystem = ext4
mount = $at/outer/in/ner
[volume outer]
device = $outer
filesystem = ext4
mount = $at/outer
END
run apply
is "a mount that lies in another comes after it" \
	"$status $(mounted "$at/outer/in/ner" | cut -d' ' -f2)" \
	"0 $(mounted "$at/outer" | cut -d' ' -f1)"
umount "$at/outer/in/ner" "$at/outer"

# -- several at once, and killed ones --

place twice
disk twice 64M
cat >"$conf" <<END
[volume twice]
device = $dev
filesystem = ext4
mount = $at/twice
END
: >"$work/mkfs.log"
pause_until "grep -qs 'another apply is at work' $work/out1 $work/out2 && sleep 0.5"
ctl apply >"$work/out1" 2>&1 & first=$!
ctl apply >"$work/out2" 2>&1 & second=$!
for i in 1 2 3 4 5; do ctl plan >/dev/null 2>&1; ctl volumes >/dev/null 2>&1; done
wait "$first"; statuses=$?
wait "$second"; statuses+=" $?"
is "of two applies at once, with plans beside, one formats" \
	"$statuses $(grep -c begin "$work/mkfs.log")" "0 0 1"
like "and the other says that it waits" \
	"$(cat "$work/out1" "$work/out2")" "another apply is at work"
pause true
umount "$at/twice"

# A run is killed on its way from a blank disk to a deployed app on it; the next one arrives.
place killed
free_port && app_port=$port
make_app "$at/source" 1
disk foreign 64M && foreign=$dev
mkfs.ext4 -q -L theirs "$foreign"
before=$(fingerprint foreign)
pause "sleep 0.1"
whole_way=
for i in {0..10}; do
	filesystem=$( ((i % 2)) && echo ext4 || echo xfs)
	disk killed 320M
	cat >"$conf" <<-END
	[volume data]
	device = $dev
	filesystem = $filesystem
	mount = $at/data
	[volume foreign]
	device = $foreign
	filesystem = xfs
	mount = $at/foreign
	required = no
	[app web]
	source = file:$at/source
	path = $at/data/web
	build = sleep 0.2
	run = $python app.py
	user = daemon
	env.PORT = $app_port
	END
	ctl apply >"$work/out" 2>&1 &
	apply=$!
	if [ -z "$whole_way" ]; then
		began=${EPOCHREALTIME/./}
		wait "$apply"
		whole_way=$((${EPOCHREALTIME/./} - began))
	else
		usec=$((whole_way * i / 11 + RANDOM * whole_way / 32768 / 11))
		sleep "$((usec / 1000000)).$(printf %06d $((usec % 1000000)))"
		{ kill -KILL "$apply" && wait "$apply"; } 2>/dev/null
		run apply
		is "a run that is killed on its way, place $i of 10, is completed by the next" \
			"$status $(item data status) $(mounted "$at/data" | grep -c " - $filesystem ") $(
				wait_for 5 app_is 1 && app .version)" \
			"3 ok 1 1" || echo "# killed after $usec of $whole_way us"
	fi
	app_stop
	umount "$at/data"
	detach "$dev"
done
is "meanwhile no byte of another's volume has changed" "$(fingerprint foreign)" "$before"
is "nothing was reported by a sanitizer" \
	"$(grep -l Sanitizer "$work"/{out*,stderr} "$state"/*.log)" ""
done_testing
