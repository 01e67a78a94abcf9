#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The units as they are installed: systemd reads them without a word, and how little each service is
# allowed (systemd-analyze security: 0 is nothing, 10 all).
# shellcheck source=tests/system/tap.sh
. "$(dirname "$0")/system/tap.sh"
cd "$(dirname "$0")/../packaging/systemd" || exit

command -v systemd-analyze >/dev/null || skip_all "there is no systemd-analyze"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A root of its own, where the programs that the units name are.
mkdir -p "$work"/{bin,usr/bin,usr/sbin,etc,run,usr/lib/systemd/system,lib}
for program in /usr/bin/instancectl /usr/sbin/instanced /usr/bin/kill \
	/usr/lib/systemd/systemd-socket-proxyd; do
	install -D /bin/true "$work$program"
done
cp ./*.service ./*.socket ./*.path "$work/usr/lib/systemd/system"
cp /lib/systemd/system/*.{target,slice,socket,mount} "$work/usr/lib/systemd/system"

for unit in *.service *.socket *.path; do
	name=${unit/@/@nvme1n1}
	said=$(systemd-analyze verify --man=no --root="$work" "$name" 2>&1 | grep -E "^(.*/)?${unit%.*}")
	is "systemd has nothing to say about $unit" "$said" ""
done

# EXPOSURE UNIT: at most
while read -r most unit; do
	got=$(systemd-analyze security --offline=yes "$work/usr/lib/systemd/system/$unit" |
		sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p')
	awk -v got="$got" -v most="$most" 'BEGIN { exit !(got != "" && got + 0 <= most + 0) }'
	ok $? "the exposure of $unit is $got, at most $most"
done <<-END
	1.5 instanced.service
	1.5 instance-imds.service
	1.9 instance-drain.service
	2.5 instance-bootstrap.service
	2.5 instance-volume@.service
END

systemd-sysusers --root="$work" --dry-run "$PWD/sysusers.d/instanced.conf" >/dev/null 2>&1
ok $? "systemd-sysusers reads who the agent is"
mkdir -p "$work/var/lib"
systemd-tmpfiles --root="$work" --create "$PWD/tmpfiles.d/instanced.conf"
is "the directories are root's, and readable to all" \
	"$(stat -c '%U %a' "$work/run/instanced" "$work/var/lib/instanced")" \
	$'root 755\nroot 755'

done_testing
