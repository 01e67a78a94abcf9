#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The virtual machines that the other tests here rely on are like EC2 instances, by the word of
# programs that were made for those: cloud-init, amazon-ec2-utils, systemd, udev.
. "$(dirname "$0")/lib.sh"
in_machine_room "$@"

machine_make web --public-ipv4 203.0.113.7 --mapping ebs1=sdf
volume_make data sdf 1G
user_data <<'END'
#!/bin/sh
echo "hello from user-data" >/var/www/html/hello
END
machine_on

is "a machine boots, and all its units are well" "$boot" running
is "systemd takes it for an instance" "$(guest systemd-detect-virt)" amazon
is "cloud-init does too, by our metadata service" \
	"$(guest "cloud-init query -f '{{v1.platform}} {{ds.meta_data.instance_id}}'")" \
	"ec2 $(metadata instance-id)"
is "cloud-init is done without an error" "$(guest 'cloud-init status')" "status: done"
is "a shell script in user-data has run, and nginx answers to the outside" \
	"$(fetch 80 /hello)" "hello from user-data"
is "ec2-metadata reads what it asks for" "$(guest 'ec2-metadata -i -v -t -z')" \
	"instance-id: $(metadata instance-id)
public-ipv4: 203.0.113.7
instance-type: t3.micro
placement: us-east-1a"
guest 'exit 7'
is "the status of a command in the guest comes out" $? 7
head -c 3000000 /dev/urandom >"$work/file"
guest_put "$work/file" /tmp/file
is "a file gets in as it is" "$(guest 'sha256sum </tmp/file')" "$(sha256sum <"$work/file")"

if [ -n "$no_ec2_disks" ]; then
	skip "volumes" "$no_ec2_disks"
	done_testing
fi

node() { # VOLUME: its device node in the guest, found by serial number
	guest "lsblk -dno NAME,SERIAL" | awk -v serial="$(<"$at/volumes/$1/serial")" \
		'$2 == serial { print $1 }'
}
there() { guest "test -e /dev/$1"; }
size() { guest "lsblk -dno SIZE /dev/$1" | tr -d ' '; }
size_is() { [ "$(size "$1")" = "$2" ]; }

is "a volume tells its name and its ID" "$(guest ebsnvme-id "/dev/$(node data)")" \
	"Volume ID: $(volume_id data)
sdf"
volume_make logs sdg 1G
wait_until 20 there sdg
ok $? "one that is attached live gets its link by udev"
volume_resize logs 2G
wait_until 20 size_is sdg 2G
is "one that is enlarged live has its new size" "$(size sdg)" 2G
volume_detach logs
wait_until 20 guest 'test ! -e /dev/sdg'
ok $? "one that is pulled goes"

volume_attach logs
wait_until 20 there sdg
before="$(node data) $(node logs)"
volumes_swap data logs
guest 'echo kept >/root/kept && sync -f /root; echo lost >/root/lost'
machine_cut_power
machine_on cloud-init=disabled
is "with their slots swapped, volumes change their nodes" "$(node logs) $(node data)" "$before"
is "a power cut takes what was not yet written, and no more" \
	"$(guest 'cat /root/kept; cat /root/lost 2>/dev/null')" kept
done_testing
