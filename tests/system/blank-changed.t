#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A disk that changes while apply proves it blank and formats it: somebody writes to it, it grows, or
# another disk comes to its node. Before whatever call of apply's it happens, up to the last look
# before mkfs, it is noticed, and nothing is formatted.
#
# Not noticed is what is written between that look and mkfs' own first write, a few milliseconds
# later; and of what is written before the proof, what lies between its samples.
. "$(dirname "$0")/lib.sh"
need losetup mkfs.ext4
in_namespaces "$@"
at_syscall=$build/tests/system/at-syscall
[ -x "$at_syscall" ] || skip_all "$at_syscall is not built"
mount -t tmpfs -o mode=755 none "$work" && copy_programs
disk probe 16M || skip_all "no loop device can be attached here"
detach "$dev"
sim_start
place changed
head -c 4096 /dev/urandom >"$work/block"

# fresh: a blank disk, as configuration has it
fresh() {
	disk disk 80M # not one that is read as a whole
	cat >"$conf" <<-END
		[volume data]
		device = $dev
		filesystem = ext4
		mount = $at/mnt
	END
	rm -rf "$state" "$data"
}

# apply CALL N COMMAND: with that happening before the N-th CALL on the disk, or if CALL is
# "flock:any" before the N-th of who locks it, from the lock on; sets out and status
apply() {
	local from=()
	[[ $1 != *:* ]] || from=(--from "${1%:*}")
	out=$("$at_syscall" "${from[@]}" "${1#*:}" "$dev" "$2" "$3" "$work/bin/instancectl" --config "$conf" \
		--imds "$imds" --state "$state" --data "$data" apply 2>&1)
	status=$?
}

# refused NAME TEXT: it was noticed, nothing was formatted
refused() {
	[ "$status" = 1 ] && [[ $out == *"$2"* ]] && ! blkid -p "$dev" >/dev/null
	ok $? "$1: $(grep -o "$2.*" <<<"$out" | head -n 1)" "status $status"$'\n'"$out"
}

# writer OFFSET: of a block by somebody else
writer() { echo "dd if=$work/block of=$dev oflag=seek_bytes seek=$1 conv=notrunc,fsync status=none"; }
between=$((30 * 1048576 + 8192)) # two samples: no read of ours sees it

fresh
apply any 0 ""
is "a disk that nobody touches is formatted" "$(blkid -p -s TYPE -o value "$dev")" ext4
umount "$at/mnt"
detach "$dev"
calls_of_it() { grep -xE 'openat|flock|fsync|ioctl|fadvise64|io_submit|execve' <<<"$out"; }
mapfile -t calls < <(calls_of_it)
for ((plan = 0; plan < ${#calls[@]}; plan++)); do
	[ "${calls[plan]}" != flock ] || break
done
fresh
apply flock:any 0 ""
umount "$at/mnt"
detach "$dev"
mapfile -t locked < <(calls_of_it)
for ((look = 1; look < ${#locked[@]}; look++)); do # the first fsync is of what was written before
	[ "${locked[look]}" != fsync ] || break
done
[ $plan -gt 10 ] && [ $look -gt 10 ]
ok $? "apply makes $plan calls until it locks the disk, and $look more until the last look"

# -- a second writer --

fresh
apply flock 1 "$(writer $((30 * 1048576)))"
refused "somebody writes after the plan, where there is a sample" "data at byte 31457280"
detach "$dev"

noticed=0 tried=0
for ((n = 2; n <= look + 1; n++)); do # from when the proof has looked at the disk
	fresh
	apply flock:any $n "$(writer $between)"
	if [ "$(calls_of_it)" = "${locked[n - 1]}" ]; then # it may take other numbers of calls to read
		tried=$((tried + 1))
		if [ $status = 1 ] && [[ $out == *"has been written to by somebody else"* ]] &&
			cmp -s -n 4096 -i "$between:0" "$dev" "$work/block" && ! blkid -p "$dev" >/dev/null; then
			noticed=$((noticed + 1))
		else
			echo "# before call $n from the lock, ${locked[n - 1]}: status $status: $out"
		fi
	fi
	umount "$at/mnt" 2>/dev/null
	detach "$dev"
done
[ $tried -gt 10 ] && [ $noticed = $tried ]
ok $? "somebody writes between two samples, before each of $tried calls after the lock: $noticed noticed"

fresh
apply fsync 2 "exec 3<>$dev; dd if=$work/block of=/dev/fd/3 oflag=seek_bytes seek=$between conv=notrunc status=none; sleep 60 <&3 >/dev/null 2>&1 & echo \$! >$work/keeper"
refused "it is in the cache yet" "has been written to by somebody else"
kill "$(cat "$work/keeper")"
detach "$dev"

# -- another size --

while IFS='|' read -r call n said; do
	fresh
	apply "$call" "$n" "truncate --size 100M $work/disk.img && losetup --set-capacity $dev"
	refused "it grows before $call $n" "$said"
	detach "$dev"
done <<-END
	flock|1|is another device than a moment ago
	fsync|2|has changed its size
END

# -- another disk at the same node --

# swap IMAGE: the last descriptor of the disk goes, and another takes its place
swap() {
	echo "kill ${holders[${dev#/dev/loop}]}
		while [ -e /sys/block/${dev#/dev/}/loop/backing_file ]; do sleep 0.01; done
		losetup $dev $work/$1"
}
truncate --size 80M "$work/ext2.img" "$work/unseen.img"
mkfs.ext2 -q "$work/ext2.img"
dd if="$work/block" of="$work/unseen.img" oflag=seek_bytes seek=$between conv=notrunc status=none

before=$(b2sum <"$work/ext2.img") refused=0 opened=0
for ((n = 0; n < plan; n++)); do
	[ "${calls[n]}" = openat ] || continue
	opened=$((opened + 1))
	fresh
	apply openat $opened "$(swap ext2.img)"
	if [ $status = 1 ] && [ "$(b2sum <"$work/ext2.img")" = "$before" ]; then
		refused=$((refused + 1))
	else
		echo "# before openat $opened: status $status: $out"
	fi
	losetup --detach "$dev"
done
is "another disk comes to its node before any time it is opened: left alone" $refused $opened

fresh
apply openat $opened "$(swap unseen.img)"
refused "one that the proof would take for blank, too" "is another device than a moment ago"
losetup --detach "$dev"
done_testing
