#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A format that is cut off, by kill -9 or a power cut, at any of mkfs' writes to the device: the next
# plan proves what is left to be ours and finishes it. And if anybody has used the volume since, in
# however small a way, it is refused, with every byte as it was.
#
# All writes of xfs and btrfs are tried; of the hundreds of ext4 every 12th, in the form that small
# disks get (1 KiB blocks) and in the one that others get.
. "$(dirname "$0")/lib.sh"
need mkfs.xfs mkfs.ext4 mkfs.btrfs mkswap losetup sha256sum
in_namespaces "$@"
drive=$build/tests/system/half-made-drive
[ -x "$drive" ] || skip_all "$drive is not built"
mount -t tmpfs -o mode=755 none "$work" && copy_programs # where a sync takes no time
disk probe 16M || skip_all "no loop device can be attached here"

# -- every write --

# sweep NAME FILESYSTEM SIZE STEP: in the background, with its own disk
sweep() {
	mkdir "$work/$1"
	disk "$1-disk" "$3"
	"$drive" "$dev" "$2" "$work/$1" sweep "$4" >"$work/$1/out" 2>&1 &
	sweeps[$1]=$!
}
declare -A sweeps=()

# swept NAME KILLS-AT-LEAST
swept() {
	wait "${sweeps[$1]}"
	local status=$? out killed cut
	out=$(<"$work/$1/out")
	killed=$(grep '^killed: ' <<<"$out") cut=$(grep '^power cut: ' <<<"$out")
	[ $status = 0 ] && [[ $killed == *" 0 refused, 0 broken" ]] &&
		[ "$(tr -cd '0-9 ' <<<"$killed" | awk '{print $1}')" -ge "$2" ]
	ok $? "$1: ${killed#killed: }" "$out"
	[[ $cut == *" 0 refused, 0 broken" ]]
	ok $? "$1, power cut, half of it lost: ${cut#power cut: }" "$out"
}

sweep xfs xfs 300M 1
sweep ext4-of-1-KiB-blocks ext4 64M 12
swept xfs 60
sweep btrfs btrfs 128M 1
swept ext4-of-1-KiB-blocks 20
sweep ext4-of-4-KiB-blocks ext4 600M 12
swept btrfs 60
swept ext4-of-4-KiB-blocks 7

# -- somebody else's bytes --

at_byte() { # OFFSET: writes standard input there
	dd of="$dev" bs=64K oflag=seek_bytes seek="$1" conv=notrunc,fsync status=none
}
random() { # BYTES
	head -c "$1" /dev/urandom
}
restore() { # the half made disk, and its record
	cp "$work/record" "$record"
	blkdiscard --force "$dev" 2>"$work/log"
	dd if="$work/half" of="$dev" bs=1M conv=sparse,notrunc,fsync status=none
}

keep() { # a copy of the disk as it is; kept: it has not changed since
	sync "$dev"
	cp --sparse=always "$work/$fs.img" "$work/kept"
}
kept() {
	sync "$dev"
	cmp "$work/$fs.img" "$work/kept"
}

# untouched NAME: it is not taken for half made, by the plan or under the lock; nothing changes
untouched() {
	local verdict said
	keep
	verdict=$("$drive" "$dev" "$fs" "$at" look)
	said=$("$drive" "$dev" "$fs" "$at" force)
	[[ $verdict == refused:* || $verdict == holds ]] && [ "$said" != formatted ] && kept >/dev/null
	ok $? "$fs, then $1, is left alone" "plan: $verdict"$'\n'"op: $said"
}

# spoil NAME COMMAND...: of a half made disk
spoil() {
	restore
	if "${@:2}" >"$work/log" 2>&1; then
		untouched "$1"
	else
		ok 1 "$fs, then $1" "$(<"$work/log")"
	fi
}
put() { # OFFSET COMMAND...: its output is written there
	"${@:2}" | at_byte "$1"
}
other_half_made() { # the same, of another run: every block is of another UUID
	blkdiscard --force "$dev" 2>"$work/log"
	mkdir -p "$work/other"
	"$drive" "$dev" "$fs" "$work/other" kill "$cut"
}
other_block() { # one block of another run among ours: at our own superblock's copy
	other_half_made
	dd if="$dev" of="$work/block" bs=4K count=1 iflag=skip_bytes skip="$copy" status=none
	restore
	! cmp -s "$work/block" <(head -c 4096 /dev/zero) && at_byte "$copy" <"$work/block"
}
other_filesystem() {
	blkdiscard --force "$dev" 2>"$work/log"
	"mkfs.$fs" -q "$dev"
}
# The format ended, but its record is there again; it is used, and then loses its superblock.
used_and_wiped() {
	"$drive" "$dev" "$fs" "$at" format && mount "$dev" "$at/mnt" || return
	echo mine >"$at/mnt/file"
	umount "$at/mnt" && cp "$work/record" "$record" && put "$super" head -c 4096 /dev/zero
}

# FILESYSTEM, SIZE, write to be cut off at, where a copy of the superblock is then, the superblock
# itself, a byte that nobody wrote, a byte in the midst of a block of ours
while read -r fs size cut copy super gap ours; do
	place "of-$fs"
	disk "$fs" "$size"
	bytes=$(blockdev --getsize64 "$dev")
	like "$fs: is cut off" "$("$drive" "$dev" "$fs" "$at" kill "$cut")" killed
	sync "$dev"
	cp --sparse=always "$work/$fs.img" "$work/half"
	record=$(echo "$at"/data/format/*.json)
	cp "$record" "$work/record"
	uuid=$(jq -r .uuid "$record")
	is "and is half made" "$("$drive" "$dev" "$fs" "$at" look)" "half made"

	spoil "4 KiB of data at its beginning" put 0 random 4096
	spoil "16 bytes at its beginning" put 0 random 16
	spoil "16 bytes over the copy of its superblock" put "$((copy + 200))" random 16
	spoil "one byte in the midst of a block" put "$ours" printf '\245'
	spoil "one byte in a gap" put "$gap" printf x
	spoil "4 KiB in the middle, at a sample" put $((bytes / 1024 * 700)) random 4096
	spoil "one byte at its end" put $((bytes - 1)) printf x
	spoil "swap" mkswap "$dev"
	spoil "another $fs" other_filesystem
	spoil "another format that was cut off" other_half_made
	spoil "one block of another format that was cut off" other_block
	spoil "the end of the format, a file, and the loss of its superblock" used_and_wiped

	restore
	mv "$record" "${record/-disk-/-disk-9}"
	untouched "the record of another disk"
	mv "${record/-disk-/-disk-9}" "$record"
	jq '.size += 512' "$work/record" >"$record"
	untouched "a record of another size"
	cp "$work/record" "$record"
	keep
	[ "$fs" = ext4 ] && asked=btrfs || asked=ext4
	unlike "$fs, when configuration asks for $asked now, is left alone" \
		"$("$drive" "$dev" $asked "$at" format)" formatted
	kept
	ok $? "to the last byte"

	# -- cut off again and again, at the clearing too --
	for again in 1 2 3 7 "$((cut / 2))"; do
		said=$("$drive" "$dev" "$fs" "$at" kill "$again")
		[ "$said" = killed ] || break
	done
	is "$fs: cut off five times more, it has the UUID that it had" \
		"$said $(jq -r .uuid "$record")" "killed $uuid"
	is "and is finished" "$("$drive" "$dev" "$fs" "$at" format)" formatted
	is "with that UUID" "$(blkid -p -s UUID -o value "$dev")" "$uuid"
	is "and can be used" "$("$drive" "$dev" "$fs" "$at" check)" sound
	[ ! -e "$record" ]
	ok $? "and its record is gone"

	cp "$work/record" "$record"
	is "a record that is left of a complete $fs formats nothing" \
		"$("$drive" "$dev" "$fs" "$at" look)" holds
done <<-END
	xfs   300M  60  157286400 0     700000 4200
	btrfs 128M  65  67108864  65536 700000 67000
	ext4  64M   295 8389632   1024  700000 2100
END

# -- as a person sees it --

imds=http://127.0.0.1:1 # nobody
restore
cat >"$conf" <<-END
	[volume data]
	device = $dev
	filesystem = ext4
	mount = $at/mnt
END
data=$at/data
run --imds-timeout 1 plan
like "the plan says so" "$out" "was cut off while it formatted this volume"
run --imds-timeout 1 apply
is "apply finishes it, but for what user-data may say" "$status" 3
like "and mounts it" "$(mounted "$at/mnt")" " - ext4 $dev "
[ ! -e "$record" ]
ok $? "and removes the record"
umount "$at/mnt"

restore
put 700000 printf x
run --imds-timeout 1 plan
like "the plan says what is not ours, and where" "$out" \
	"data at byte 700000, not of our cut off mkfs.ext4: left alone"
done_testing
