#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The reads of a proof: how many there are at most, on a disk of any size, and that they are many at a
# time; and that a fault at any one of them, libblkid's or ours, by AIO or not, never leaves a disk
# called blank.
. "$(dirname "$0")/lib.sh"
need losetup
in_namespaces "$@"
faults=$build/tests/system/blank-faults
[ -x "$faults" ] || skip_all "$faults is not built"
mount -t tmpfs -o mode=755 none "$work" && copy_programs
disk probe 16M || skip_all "no loop device can be attached here"
reads_max=1500

completed() { awk '{print $1}' "/sys/block/${dev#/dev/}/stat"; }
for size in 16M 64M 1G 100G 1T 16T; do
	rm -f "$work/sized.img"
	truncate --size "$size" "$work/sized.img" 2>/dev/null && attach "$work/sized.img" || {
		skip "the reads of $size" "no file of that size here"
		continue
	}
	for _ in 1 2 3 4 5; do # the device counts what other tests read of it, too
		before=$(completed)
		said=$("$faults" "$dev" count)
		done=$(($(completed) - before))
		[ "$done" -gt $reads_max ] || break
	done
	read -r verdict reads _ <<<"${said/#blank:/blank}"
	[ "$verdict" = blank ] && [ "$reads" -le $reads_max ] && [ "$done" -le $reads_max ]
	ok $? "$size: $said; the device counts $done" "at most $reads_max"
	submissions=${said##* in } submissions=${submissions%% *}
	case $size in 16M | 64M) together=8 ;; *) together=64 ;; esac # small ones are read in large pieces
	[ "$submissions" -le $((reads_max / together)) ]
	ok $? "$size: they are under way together" "$said"
	detach "$dev"
done

disk faulty 64M
while read -r fault step way; do
	said=$("$faults" "$dev" "$fault" "$step" $way)
	ok $? "a read that is $fault${way:+, by $way}: ${said##*$'\n'}" "$said"
done <<-END
	error 1
	short 20
	end 20
	error 25 pread
	short 25 pread
	end 25 pread
END
done_testing
