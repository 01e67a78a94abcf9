#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The first boot of an instance, as people launch them: a stock image with a script in user-data,
# and an image that has the package, with a part of ours beside cloud-init's in user-data. On both,
# cloud-init is at work.
. "$(dirname "$0")/lib.sh"
with_baked_image "$@"
in_machine_room "$@"
[ -z "$no_ec2_disks" ] || skip_all "$no_ec2_disks"

id_on_page() { fetch 8080 / | grep -o '<dd>i-[0-9a-f]*' | cut -c 5-; }
status() { fetch 8080 /instance -H 'Accept: text/plain'; }
data_mount() { guest 'findmnt -no FSTYPE,LABEL /data' | tr -s ' '; }

# -- a stock image --

machine_make stock --mapping ebs1=sdf
volume_make data sdf 1G
cp "$package" "$at/www/instanced.deb"
cat >"$work/instanced.conf" <<'END'
[index]
path = /var/www/html/index.html
title = Hello from the stock image

[volume data]
device = /dev/sdf
mount = /data
owner = www-data:www-data
mode = 0750
END
"$build/instancectl" --config "$work/instanced.conf" user-data --url $files/instanced.deb \
	--sha256 "$(sha256sum <"$package" | cut -d ' ' -f 1)" | user_data
machine_on
wait_until 60 instance_is ready
ok $? "stock image: a script in user-data makes a ready instance" "$(guest 'instancectl status')"
is "stock image: the load balancer is told so" "$(status)" "$(metadata instance-id) ready"
is "stock image: the volume named /dev/sdf is formatted and mounted" "$(data_mount)" \
	"xfs data"
is "stock image: it belongs to whom it shall" "$(guest 'stat -c "%U:%G %a" /data')" \
	"www-data:www-data 750"
is "stock image: the index page is the instance's" "$(id_on_page)" "$(metadata instance-id)"
is "stock image: cloud-init is done without an error" "$(guest 'cloud-init status')" "status: done"
guest -t 120 'bash /var/lib/cloud/instance/scripts/part-001' >"$work/again"
is "stock image: the script run again changes nothing" "$?: $(tail -n 1 "$work/again")" \
	"0: instanced: it is all there: nothing changed"
unlike "nothing of the instance is in fstab" "$(guest 'cat /etc/fstab')" data
machine_shutdown

# -- a baked image --

machine_make_baked baked --mapping ebs1=sdf
volume_make data sdf 1G
user_data <<'END'
Content-Type: multipart/mixed; boundary="part"
MIME-Version: 1.0

--part
Content-Type: text/cloud-config; charset="utf-8"

#cloud-config
write_files:
  - path: /etc/motd
    content: |
      cloud-init was here
--part
Content-Type: text/x-instanced; charset="utf-8"

#instanced
[index]
path = /var/www/html/index.html
title = Hello from the baked image

[volume data]
device = /dev/sdf
mount = /data

[app web]
source = file:/opt/app
run = python3 app.py
user = www-data
env.PORT = 8000
health = http://127.0.0.1:8000/health
--part--
END
machine_on
wait_until 60 instance_is ready
ok $? "baked image: #instanced beside cloud-config makes a ready instance" \
	"$(guest 'instancectl status')"
is "baked image: the volume is formatted and mounted" "$(data_mount)" "xfs data"
is "baked image: the index page is the instance's" "$(id_on_page)" "$(metadata instance-id)"
is "baked image: the app serves" "$(guest 'curl -s http://127.0.0.1:8000/health')" \
	'{"status": "pass"}'
is "baked image: cloud-init has taken its own part" "$(guest 'cat /etc/motd')" "cloud-init was here"
is "baked image: cloud-init is done without an error" "$(guest 'cloud-init status')" "status: done"
is "baked image: cloud-init does not complain about ours" \
	"$(guest 'grep Unhandled /var/log/cloud-init.log')" ""
is "baked image: all units are well" "$boot" running
done_testing
