#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A corpus of disks that are not blank, made by every tool of the distribution that puts something on
# a disk (corpus-make), each as it is, without its first MiB, without its last, and without both: none
# is called blank, each refusal names what was found and the byte, apply formats none, and not a byte
# of any changes.
. "$(dirname "$0")/lib.sh"
need losetup
here=$(cd "$(dirname "$0")" && pwd)
in_namespaces "$@"
mount -t tmpfs -o mode=755 none "$work" && copy_programs # images in memory
mount -t tmpfs none /run && mkdir /run/lock              # of LVM and zfs-fuse
disk probe 16M || skip_all "no loop device can be attached here"
detach "$dev"
sim_start

while IFS= read -r line; do
	name=${line#missing }
	skip "${name%%: *}" "${name#*: }"
done < <("$here/corpus-make" "$work/images" "$work")

zeros=0
while IFS=$'\t' read -r verdict name said; do
	case $verdict in
	blank) zeros=$((zeros + 1)) ;;
	good) ok 0 "$name: $said" ;;
	*) ok 1 "$name: $said" ;;
	esac
done < <("$here/corpus-judge" "$work" "$work/images" "$work/bin/instancectl" --imds "$imds")
ok 0 "$zeros had nothing left but zeros: those are blank"
done_testing
