#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The proof that a device is blank, on loop devices over sparse files: what is blank is called so
# within a bounded number of reads, and everything else is refused by the rule that should, with its
# bytes unchanged. BUILD is the build directory.
#
# Not shown, because it is so: on a disk of more than 64 MiB a single 4 KiB block of unknown data
# between two of the 1,024 samples is not seen (blank-places.h). What is shown is a run longer than their distance.
set -u
PATH=$PATH:/usr/sbin:/sbin
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$top/build}
MiB=1048576 GiB=1073741824
reads_max=1500
. "$(dirname "$0")/tap.sh"
loops=()

[ "$(id -u)" = 0 ] || skip_all "needs root for loop devices"
[ -x "$build/tests/system/blank-probe" ] || skip_all "$build/tests/system/blank-probe is not built"
work=$(mktemp -d) || skip_all "no temporary directory"
chmod 755 "$work"
probe=$work/blank-probe # a copy where an unprivileged user may run it
cp "$build/tests/system/blank-probe" "$probe"

detach_all() {
	for loop in "${loops[@]}"; do
		swapoff "$loop" 2>/dev/null
		losetup --detach "$loop" 2>/dev/null
	done
	loops=()
}

clean_up() {
	umount "$work/mnt" 2>/dev/null
	detach_all
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# attach FILE [losetup options]: sets dev
attach() {
	dev=$(losetup --find --show "${@:2}" "$1") && loops+=("$dev")
}

# disk SIZE [losetup options]: sets img and dev to a new sparse disk; there is one at a time
disk() {
	detach_all
	img=$work/disk
	rm -f "$img"
	truncate --size "$1" "$img"
	attach "$img" "${@:2}"
}

# What must not change: the content, or of a disk too large to read its allocation and times.
fingerprint() {
	if [ "$(stat -c %s "$img")" -gt $((2 * GiB)) ]; then
		stat -c '%b %Y %Z' "$img"
	else
		sync "$img"
		head -c "${kept-$((2 * GiB))}" "$img" | sha256sum
	fi
}

# blank NAME: called blank, in few reads, unchanged
blank() {
	local before reads out
	before=$(fingerprint)
	out=$("$probe" "$dev")
	reads=$(sed -n 's/^holds .*: \([0-9]*\) reads$/\1/p' <<<"$out" | awk '{n += $1} END {print n + 0}')
	grep -qx 'verdict: blank' <<<"$out" && [ "$reads" -gt 400 ] &&
		[ "$reads" -le $reads_max ] && [ "$(fingerprint)" = "$before" ]
	ok $? "$1 is blank" "$reads reads
$out"
}

# refused NAME RULE [TEXT]: not blank, by that rule (a pattern) and evidence; content unchanged
refused() {
	local before out
	before=$(fingerprint)
	out=$("$probe" "$dev")
	grep -qx 'verdict: not blank' <<<"$out" &&
		grep -qE "^objection: ($2): .*${3:-}" <<<"$out" && [ "$(fingerprint)" = "$before" ]
	ok $? "$1 is refused: $2" "$out"
}

# have NAME PROGRAM: skips the test if the program is missing
have() {
	command -v "$2" >/dev/null && return 0
	skip "$1" "no $2"
	return 1
}

wipe_head() {
	dd if=/dev/zero of="$dev" bs=$MiB count=1 conv=fsync status=none
}

# hold COMMAND…: runs it in the background, sets held to what it says first; release ends it
hold() {
	coproc HOLDER { exec "$@"; }
	holder=$HOLDER_PID
	IFS= read -r -t 10 held <&"${HOLDER[0]}"
}
release() {
	local out=${HOLDER[0]}
	echo >&"${HOLDER[1]}"
	IFS= read -r -t 10 said <&"$out" || said=
	wait "$holder" 2>/dev/null
}

disk 64M || skip_all "no loop device can be attached here"

# --- blank ---------------------------------------------------------------------------------------
blank "a disk of 64 MiB"
disk 16M
blank "a disk of 16 MiB, the smallest,"
disk $((100 * MiB + 3 * 512))
blank "a disk of odd size"
if disk 64M --sector-size 4096; then
	blank "a disk with sectors of 4 KiB"
else
	skip "a disk with sectors of 4 KiB is blank" "no such loop device here"
fi
disk 100G
blank "a sparse disk of 100 GiB"
if disk 1T; then
	blank "a sparse disk of 1 TiB"
else
	skip "a sparse disk of 1 TiB is blank" "no file of that size here"
fi

# --- signatures: name, size, program and arguments before the device ----------------------------------
while IFS='|' read -r name size command; do
	have "$name" "${command%% *}" || continue
	disk "$size"
	# shellcheck disable=SC2086 # words
	if $command "$dev" >"$work/log" 2>&1 </dev/null; then
		refused "$name" "no signature" "$name at byte [0-9]"
	else
		skip "$name" "${command%% *}: $(tail -n 1 "$work/log")"
	fi
done <<-'END'
	ext2|64M|mkfs.ext2 -q -F
	ext3|64M|mkfs.ext3 -q -F
	ext4|64M|mkfs.ext4 -q -F
	xfs|320M|mkfs.xfs -q -f -K
	btrfs|128M|mkfs.btrfs -q -f
	swap|64M|mkswap
	vfat|64M|mkfs.vfat
	ntfs|64M|mkntfs -q -F -Q
	exfat|64M|mkfs.exfat
	f2fs|64M|mkfs.f2fs -q
	nilfs2|128M|mkfs.nilfs2 -q -f -B 16
	jfs|64M|mkfs.jfs -q
	reiserfs|64M|mkreiserfs -q -ff
	gpt|64M|sgdisk --clear
END

if have "LVM" pvcreate; then
	disk 64M
	if LVM_SYSTEM_DIR=$work pvcreate --yes --config "devices { filter=[\"a|^$dev\$|\",\"r|.*|\"]
		use_devicesfile=0 obtain_device_list_from_udev=0 } activation { udev_sync=0 }
		backup { backup=0 archive=0 }" "$dev" >"$work/log" 2>&1; then
		refused "an LVM physical volume" "no signature" "LVM2_member at byte 536"
	else
		skip "an LVM physical volume" "$(tail -n 1 "$work/log")"
	fi
fi

if have "LUKS" cryptsetup; then
	for type in luks1 luks2; do
		disk 64M
		if echo secret | cryptsetup luksFormat --batch-mode --type $type --pbkdf pbkdf2 \
			--pbkdf-force-iterations 1000 "$img" - >"$work/log" 2>&1; then
			refused "$type" "no signature" "crypto_LUKS"
		else
			skip "$type" "$(tail -n 1 "$work/log")"
		fi
	done
fi

for metadata in 0.90 1.0 1.1 1.2; do
	name="a member of an md array, metadata $metadata,"
	have "$name" mdadm || continue
	if [ ! -e /proc/mdstat ]; then
		skip "$name" "the kernel has no md"
		continue
	fi
	disk 64M
	array=/dev/md/blank-test-$$
	if mdadm --create "$array" --run --level=1 --raid-devices=2 --metadata=$metadata "$dev" \
		missing >"$work/log" 2>&1; then
		refused "$name in use" "not in use" "held by md"
		mdadm --stop "$array" >/dev/null 2>&1
		refused "$name" "no signature" "linux_raid_member"
	else
		skip "$name" "$(tail -n 1 "$work/log")"
	fi
done

if have "xfs and ext4 at once" mkfs.xfs; then
	disk 320M
	mkfs.xfs -q -f -K "$dev"
	truncate --size 320M "$work/other"
	mkfs.ext4 -q -F "$work/other"
	dd if="$work/other" of="$dev" bs=1K skip=1 seek=1 count=1 conv=notrunc,fsync status=none
	refused "xfs and ext4 at once" "no signature" "several signatures"
	rm "$work/other"
fi

disk 64M
mkfs.ext4 -q -F -O metadata_csum "$dev"
printf 'x' | dd of="$dev" bs=1 seek=1144 conv=notrunc,fsync status=none # in its label
refused "ext4 with a bad checksum" "no signature" "ext4 at byte 1080"

if have "an MBR partition table" sfdisk; then
	disk 64M
	echo 'start=2048, type=83' | sfdisk --quiet --no-reread --no-tell-kernel "$dev"
	refused "an MBR partition table" "no signature" "dos at byte 510"
fi

# --- the head is gone -----------------------------------------------------------------------------
while IFS='|' read -r name size rule text command; do
	have "$name without its first MiB" "${command%% *}" || continue
	disk "$size"
	# shellcheck disable=SC2086
	if $command "$dev" >"$work/log" 2>&1; then
		wipe_head
		refused "$name without its first MiB" "$rule" "$text"
	else
		skip "$name without its first MiB" "${command%% *}: $(tail -n 1 "$work/log")"
	fi
done <<-'END'
	ext4 of 1 KiB blocks|64M|backup places are zero|ext backup superblocks|mkfs.ext4 -q -F -b 1024
	ext4 of 2 KiB blocks|60M|backup places are zero|ext backup superblocks|mkfs.ext4 -q -F -b 2048
	ext4 of 4 KiB blocks|512M|backup places are zero|ext backup superblocks|mkfs.ext4 -q -F -b 4096
	sparse_super2 ext4|512M|backup places are zero|ext backup superblocks|mkfs.ext4 -q -F -b 4096 -O sparse_super2,^resize_inode
	xfs|324M|backup places are zero|XFS allocation groups|mkfs.xfs -q -f -K
	xfs of 7 groups|500M|backup places are zero|XFS allocation groups|mkfs.xfs -q -f -K -d agcount=7
	btrfs|128M|backup places are zero||mkfs.btrfs -q -f
	gpt|64M|no signature|gpt at byte|sgdisk --clear
	nilfs2|128M|no signature|nilfs2|mkfs.nilfs2 -q -f -B 16
END

# copy NAME SIZE WHOSE BYTE: of the file system on the disk only the block at BYTE is left
copy() {
	dd if="$img" of="$work/block" bs=4096 skip=$(($4 / 4096)) count=1 status=none
	disk "$2"
	dd if="$work/block" of="$dev" bs=4096 seek=$(($4 / 4096)) conv=notrunc,fsync status=none
	refused "$1" "backup places are zero" "data at byte [0-9]*, a place of $3"
}
disk 512M
mkfs.ext4 -q -F -b 4096 "$dev" && sync "$dev"
copy "one backup superblock of ext4" 512M "ext backup superblocks" $((3 * 128 * MiB))
if have "one mirror of btrfs" mkfs.btrfs; then
	disk 300M
	mkfs.btrfs -q -f "$dev" >/dev/null 2>&1 && sync "$dev"
	copy "one mirror of btrfs" 300M "btrfs mirrors" $((64 * MiB))
fi

# --- data without a signature -------------------------------------------------------------------
disk 64M
dd if=/dev/urandom of="$dev" bs=$MiB count=64 conv=fsync status=none
refused "random data" "first MiB is zero|no signature"

disk 64M
printf 'x' | dd of="$dev" bs=1 seek=777777 conv=notrunc,fsync status=none
refused "one byte in the first MiB" "first MiB is zero" "data at byte 777777$"

disk $((100 * MiB + 3 * 512))
printf 'x' | dd of="$dev" bs=1 seek=$((100 * MiB + 3 * 512 - 1)) conv=notrunc,fsync status=none
refused "one byte at the very end" "last MiB is zero" "data at byte $((100 * MiB + 1535))$"

disk 512M
dd if=/dev/urandom of="$dev" bs=1K seek=$((250 * 1024 + 123)) count=4096 conv=fsync status=none
refused "4 MiB of data in the middle" "samples are zero" "data at byte"

disk 64M
sync "$img"
truncate --size 60M "$img" # under the loop device: reads at the end fail now
out=$("$probe" "$dev")
grep -qx 'verdict: not blank' <<<"$out" && grep -q '^objection: no signature: could not be probed' \
	<<<"$out" && grep -q '^fails last MiB is zero: ' <<<"$out"
ok $? "a device with read errors is refused" "$out"

# --- use ----------------------------------------------------------------------------------------
mkdir "$work/mnt"
disk 64M
mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$dev" # or the kernel writes later
if mount "$dev" "$work/mnt" 2>/dev/null; then
	sync
	refused "a mounted disk" "not mounted" "mounted at $work/mnt"
	"$probe" "$dev" | grep -qx 'content: ext4'
	ok $? "what is on a mounted disk is said"
	umount "$work/mnt"
else
	skip "a mounted disk" "no mounts here"
fi

name="the second disk of a mounted btrfs"
disk 128M
truncate --size 128M "$work/second"
first=$dev
attach "$work/second"
if have "$name" mkfs.btrfs; then
	if mkfs.btrfs -q -f "$first" "$dev" >/dev/null 2>&1 && btrfs device scan "$first" "$dev" \
		>/dev/null 2>&1 && mount "$first" "$work/mnt" 2>/dev/null; then
		img=$work/second refused "$name" "not in use|not mounted" "$work/mnt|member of btrfs"
		dev=$first refused "the first disk of a mounted btrfs" "not mounted" "$work/mnt"
		umount "$work/mnt"
	else
		skip "$name" "no btrfs here"
	fi
fi

disk 64M
mkswap "$dev" >/dev/null 2>&1
if swapon "$dev" 2>/dev/null; then
	kept=4096 refused "a disk swapped on" "not in use" "swap" # on the rest the kernel may write
	swapoff "$dev"
else
	skip "a disk swapped on" "no swap here"
fi

disk 64M
name="a disk with a partition"
if have "$name" sfdisk; then
	echo 'start=2048, type=83' | sfdisk --quiet --no-reread --no-tell-kernel "$dev"
	if partx --add "$dev" 2>/dev/null && [ -b "${dev}p1" ]; then
		refused "$name" "not in use" "partition ${dev##*/}p1"
		"$probe" "${dev}p1" | grep -q "^error: .*partition of ${dev##*/}; name the whole disk"
		ok $? "a partition is refused and its disk named"
		partx --delete "$dev"
	else
		skip "$name" "no partitions on loop devices here"
	fi
fi

# Who may not read a directory cannot know what it would have said.
disk 64M
cat >"$work/blind" <<-'END'
	#!/bin/sh
	mount -t tmpfs -o mode=0,uid=65534 none "$blind_for" &&
		exec setpriv --bounding-set -dac_override,-dac_read_search "$@"
END
for directory in "/sys/block/${dev##*/}/holders" /sys/fs/btrfs; do
	name="a disk of which ${directory/${dev##*/}/LOOP} cannot be read"
	if [ ! -d "$directory" ] || ! unshare --mount true; then
		skip "$name" "no $directory, or no mount namespaces here"
		continue
	fi
	out=$(blind_for=$directory unshare --mount sh "$work/blind" "$probe" "$dev")
	grep -qx 'verdict: not blank' <<<"$out" &&
		grep -q '^objection: not in use: what uses it cannot be told: Permission denied' <<<"$out"
	ok $? "$name is refused" "$out"
done

disk 64M --read-only
refused "a read-only disk" "not read-only" "the device is read-only"
disk $((16 * MiB - 512))
refused "a disk that is too small" "of sane size" "bytes, at least"

disk 64M
hold "$probe" --exclusive "$dev"
refused "a disk that somebody holds exclusively" "opens exclusively" "busy"
release
blank "the disk that is held no more"

# --- paths --------------------------------------------------------------------------------------
detach_all
while IFS='|' read -r name path words; do
	said=$("$probe" "$path")
	[[ $said == "error: "*"$words"* ]]
	ok $? "$name is refused: $words" "$said"
done <<-END
	a regular file|$work/disk|is a regular file
	a directory|$work|is a directory
	a missing path|$work/none|there is no such device
	a character device|/dev/null|is not a block device
END

disk 64M
ln -s "$dev" "$work/link"
"$probe" "$work/link" | grep -qx "node: $dev"
ok $? "a link leads to its device"
"$probe" --list | grep -qx "node: $dev"
ok $? "the disk is in the list"
list=$("$probe" --list | grep '^node')
is "the list is in natural order" "$list" "$(sort -V -u <<<"$list")"
root=$(findmnt -n -o SOURCE / 2>/dev/null)
if [ -b "${root:-}" ]; then
	"$probe" --list | grep -qx 'root: 1'
	ok $? "the root disk is found"
else
	skip "the root disk is found" "/ is on no block device of this namespace"
fi
if command -v setpriv >/dev/null; then
	said=$(setpriv --reuid 65534 --regid 65534 --clear-groups "$probe" "$dev")
	grep -qx "size: $((64 * MiB))" <<<"$said" && grep -q '^error: .*Permission denied' <<<"$said"
	ok $? "without root it is said who a disk is, and that it may not be read" "$said"
fi

# --- between proof and mkfs -----------------------------------------------------------------------
disk 64M
hold "$probe" --hold "$dev"
"$probe" --hold "$dev" </dev/null | grep -q '^error: somebody else has held its lock'
ok $? "one at a time: the lock is held from before the proof"
release
[ "$held $said" = "proven unchanged" ]
ok $? "an untouched disk is unchanged" "$held, $said"

hold "$probe" --hold "$dev"
truncate --size 80M "$img"
losetup --set-capacity "$dev"
release
[ "$held" = proven ] && [[ $said == *"has changed its size"* ]]
ok $? "a disk that has grown is not the one that was proven" "$held, $said"

hold "$probe" --hold "$dev"
mkswap "$dev" >/dev/null 2>&1
if swapon "$dev" 2>/dev/null; then
	release
	[ "$held" = proven ] && [[ $said == *"has come into use: swap"* || $said == *"has been written to"* ]]
	ok $? "a disk that has become swap is not formatted" "$held, $said"
	swapoff "$dev"
else
	release
	skip "a disk that has become swap is not formatted" "no swap here"
fi

disk 64M
hold unshare --mount "$probe" --hold "$dev"
if nsenter --mount --target "$holder" mount --bind /dev/null "$dev" 2>/dev/null; then
	release
	[ "$held" = proven ] && [[ $said == *"leads to another device now"* ]]
	ok $? "a node that leads elsewhere is noticed" "$held, $said"
else
	release
	skip "a node that leads elsewhere is noticed" "no mount namespaces here"
fi

done_testing
