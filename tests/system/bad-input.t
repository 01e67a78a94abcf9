#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What the programs say, and do not do, when they are given something that cannot be: in the
# configuration, on the command line, as a device, as a metadata service, as an app.
. "$(dirname "$0")/lib.sh"
need mkfs.ext4 losetup
in_namespaces "$@"
disk blank 64M || skip_all "no loop device can be attached here"
blank=$dev
sim_start

# -- configuration --

# wrong NAME LINE MESSAGE: $conf has this in that line; every command refuses it and does nothing
wrong() {
	local command statuses=
	for command in check plan apply status; do
		run $command
		statuses+="$status "
	done
	is "$1 is refused with 2 by every command, and by the agent" "$statuses$(
		timeout 60 "$work/bin/instanced" --config "$conf" 2>&1 | sed 's/^instanced: //'
	)" "2 2 2 2 $(sed 's/^instancectl: //' <<<"$err")"
	like "and named by file, line, key and what was expected" "$err" "$conf:$2: $3"
}
place config
while IFS='|' read -r name line text message; do
	printf "$text" >"$conf"
	wrong "$name" "$line" "$message"
done <<'END'
an unknown section|2|\n[volumes]\nmount = /a\n|[[]volumes]: no such section; there are [[]agent], *[[]volume NAME]
an unknown key|2|[agent]\nlisen = 0.0.0.0:80\n|[[]agent] lisen: no such key; `instancectl check --reference` lists all
a key that is there twice|3|[index]\npath = /a\npath = /b\n|[[]index] path: *2
a bad value|3|[volume data]\nmount = /data\nfilesystem = zfs\n|[[]volume data] filesystem: "zfs" is not xfs, ext4 or btrfs
a bad duration|2|[volume data]\ntimeout = 5 parsecs\n|[[]volume data] timeout: "5 parsecs" is not a duration like 90s
a mount point of the system|3|[volume data]\ndevice = /dev/sdf\nmount = /usr\n|[[]volume data] mount: "/usr" is not *a directory of the system
a missing mount point|2|[volume data]\ndevice = /dev/sdf\n|[[]volume data] mount: is missing
no device|2|[volume data]\nmount = /data\n|[[]volume data]: exactly one of device, volume and instance_store
a line without meaning|2|[agent]\nhello\n|
a comment in a command|2|[app web]\nrun = a ; b\nsource = file:///a\n|[[]app web] run: *;
a source that is none|2|[app web]\nsource = /srv/app\nrun = a\n|[[]app web] source: "/srv/app" is not *file:///PATH
END
printf '[index]\ntitle = %0200d\n' 0 >"$conf"
wrong "a line that is too long" 2 "*at most 198"
mkdir "$at/conf.d"
printf '[agent]\ndetails = 10.0.0.0/8\n' >"$conf"
printf '\n[agent]\ndetails = everybody\n' >"$at/conf.d/50-more.conf"
run check
like "a file of conf.d is named as such" "$status $err" \
	"2 *$at/conf.d/50-more.conf:3: [[]agent] details: \"everybody\" is not addresses"
run check --json
is "check --json has the same" \
	"$status $(jq -r '.valid, (.errors[0] | .file, .line, .section, .key)' <<<"$out" | xargs)" \
	"2 false $at/conf.d/50-more.conf 3 agent details"
rm -r "$at/conf.d"
printf '[agent]\nx = 1\n[index]\ny = 2\n' >"$conf"
run check
is "all errors are told, not only the first" "$(wc -l <<<"$err")" 2
printf '<p>\n<p>{{instance-id}} {{nonsense}}\n' >"$at/page.in"
printf "[index]\npath = $at/index.html\ntemplate = $at/page.in\n" >"$conf"
run apply
like "an unknown name in a template is named, with 2" "$status $err" \
	"2 *$at/page.in:2: unknown name {{nonsense}}*is expected"
run check --config "$at/none.conf"
like "a file that was asked for and is not there is an error" "$status $err" \
	"2 *$at/none.conf: No such file or directory"
run check --config "$at"
like "and a directory" "$status $err" "2 *$at: "
is "nothing was made by all that" "$(ls "$at" | xargs)" "instanced.conf page.in"
printf '[agent]\nlisten = 127.0.0.1:8080\n' >"$conf"
run check --json
is "what is good is said to be" "$status $(jq .valid <<<"$out")" "0 true"

# -- the command line --

for arguments in "" "converge" "--no-such-option plan" "plan more" "metadata a b" \
	"status --wait=long" "apply --imds-timeout -1" "apply --imds nonsense" \
	"metadata --imds ftp://127.0.0.1/"; do
	# shellcheck disable=SC2086 # words
	run $arguments
	is "\"instancectl $arguments\" is refused with 2, and help is named" \
		"$status $(grep -c 'Try `instancectl --help`' <<<"$err")$out" "2 1"
done
out=$("$work/bin/instanced" hello 2>&1)
is "instanced takes no arguments" \
	"$? $(head -n 1 <<<"$out")" '2 instanced: unexpected argument "hello"'
is "help and version are no errors" \
	"$(ctl --help | head -n 1; ctl --version; "$work/bin/instanced" --version)" \
	"Usage: instancectl [OPTION]... COMMAND
$("$work/bin/instancectl" --version)
$("$work/bin/instanced" --version)"

# -- devices --

place devices
before=$(fingerprint blank)
cat >"$conf" <<END
[volume good]
device = $blank
filesystem = ext4
mount = $at/good
END
mount -t tmpfs none /dev/shm
echo hello >/dev/shm/file
mkdir /dev/shm/directory
disk small 8M && small=$dev
disk middle 64M && middle=$dev
disk readonly 64M && detach "$dev" && attach "$work/readonly.img" --read-only && readonly=$dev
disk elsewhere 64M && elsewhere=$dev
mkfs.ext4 -q "$elsewhere"
mkdir "$at/somewhere" && mount -o ro "$elsewhere" "$at/somewhere" # or the kernel goes on to write
disk swap 64M && swap=$dev
mkswap "$swap" >/dev/null
wanted=() names=()
add() { # WHAT DEVICE REASON [FILESYSTEM]: a volume that is refused for this reason
	local name=v${#names[@]}
	printf '%s\n' "[volume $name]" "device = $2" "mount = $at/mnt/$name" \
		"filesystem = ${4-ext4}" "required = no" "timeout = 2s" >>"$conf"
	wanted+=("! volume $name *$2*: $3")
	names+=("$1")
}
add "a regular file" /dev/shm/file "/dev/shm/file is a regular file, not a block device"
add "a directory" /dev/shm/directory "/dev/shm/directory is a directory, not a block device"
add "a character device" /dev/zero "/dev/zero is not a block device"
add "a disk of 8 MiB" "$small" "is not proven blank: of sane size: 8388608 bytes, at least 16777216"
add "a disk too small for its file system" "$middle" "is too small: xfs needs 300 MiB at least" xfs
add "a read-only disk" "$readonly" "is not proven blank: not read-only: the device is read-only"
add "a disk mounted elsewhere" "$elsewhere" "is mounted on $at/somewhere"
add "swap" "$swap" "holds swap, configuration asks for ext4: left alone"
root=$(findmnt -n -o SOURCE /)
if [ -b "$root" ]; then
	disk=$(lsblk -n -o PKNAME "$root" 2>/dev/null | head -n 1)
	add "the root disk" "/dev/${disk:-${root#/dev/}}" "is the root disk"
else
	skip "the root disk is refused" "/ is on no block device here"
fi
truncate --size 64M "$work/parts.img"
attach "$work/parts.img" --partscan && parts=$dev # so that its partitions go with it
addpart "$parts" 1 2048 16384
add "a partition" "${parts}p1" "*is a partition of *; name the whole disk"
add "a disk with partitions" "$parts" "is in use: partition ${parts#/dev/}p1"
images=(small middle readonly elsewhere swap parts)
before=$(fingerprint "${images[@]}")
run apply
is "what cannot be used is optional here, so the status is 3" "$status" 3
for i in "${!wanted[@]}"; do
	like "${names[i]} is refused with its reason" "$out" "${wanted[i]}"
done
is "what can be used was done beside all that" "$(mounted "$at/good" | wc -l)" 1
is "and nothing else was touched" \
	"$(fingerprint "${images[@]}") $(ls "$at/mnt" 2>/dev/null)" "$before "
run apply --device /dev/shm/file
like "apply --device of what is no device is refused" "$status $err" "1 *is no block device"
run apply --device "$blank"
is "of a volume it does that one; the status is the whole instance's" \
	"$status $(grep -vc "volume good" <<<"$out")" "3 0"
umount "$at/good" "$at/somewhere"

place owner
cat >"$conf" <<END
[volume data]
device = $middle
filesystem = ext4
mount = $at/data
owner = nobody-is-this:daemon
END
run apply
like "an owner who does not exist is named before anything is done" \
	"$status $out $(mounted "$at/data")" \
	"1 *there is no user or group \"nobody-is-this:daemon\""
sed -i "s/^owner.*/options = no_such_option/" "$conf"
run apply
like "mount options that the kernel does not know fail" "$status $out" \
	"1 *✗ volume data *mount *failed in *$middle: mount on $at/data: "
is "after the volume was formatted" "$(blkid -p -s TYPE -o value "$middle")" ext4
sed -i "/^options/d" "$conf"
run apply
is "and can be put right" "$status $(mounted "$at/data" | wc -l)" "0 1"
umount "$at/data"

# -- mkfs --

place mkfs
disk mkfs 64M
cat >"$conf" <<END
[volume data]
device = $dev
filesystem = ext4
mount = $at/data
END
path=$(readlink -f "$(command -v mkfs.ext4)")
: >"$at/nothing"
mount --bind "$at/nothing" "$path"
before=$(fingerprint mkfs)
run apply
like "a missing mkfs is named with its package" "$status $out" \
	"1 *mkfs.ext4 is not installed; it comes with the package e2fsprogs"
umount "$path"
printf '#!/bin/sh\necho "mkfs has no mood"\nexit 3\n' >"$at/broken"
chmod 755 "$at/broken"
mount --bind "$at/broken" "$path"
run apply
like "one that fails is told with its last words" "$status $out" \
	"1 *✗ volume data *format*failed*exit status 3*mkfs has no mood"
is "and the volume is as it was" "$(fingerprint mkfs)" "$before"
umount "$path"
: >"$at/file"
run apply --data "$at/file/below"
like "a place for records that cannot be keeps it from being formatted" "$status $err $out" \
	"1 *$at/file/below: Not a directory"
is "nothing was formatted" "$(fingerprint mkfs)" "$before"
run apply --state "$at/file/below"
like "a state directory that cannot be is named, and nothing is done" "$status $err $out" \
	"1 *$at/file/below: Not a directory"
is "indeed" "$(fingerprint mkfs)" "$before"
mkdir "$at/ro" && mount -t tmpfs -o ro,mode=755 none "$at/ro"
run apply --state "$at/ro"
like "one that is read-only as well" "$status $err" "1 *$at/ro/apply.lock: Read-only file system"

# -- the metadata service --

place metadata
disk metadata 64M
mkdir "$at/app" "$at/www" && echo 1 >"$at/app/file" && echo before >"$at/www/index.html"
cat >"$conf" <<END
[index]
path = $at/www/index.html
[volume data]
device = $dev
filesystem = ext4
mount = $at/data
[app web]
source = file:$at/app
run = sleep 1000
user = daemon
path = $at/web
END
began=$SECONDS
run apply --imds http://127.0.0.1:1 --imds-timeout 2
is "without a metadata service, volumes and apps are done" \
	"$status $(mounted "$at/data" | wc -l) $(item web status)" "3 1 ok"
like "what was tried, and for how long, is said" "$out" \
	"index *page *metadata service: http://127.0.0.1:1: *(tried * times in [1-9]* s)"
like "by status as well" "$(item index reason)" "http://127.0.0.1:1"
is "it took the given time, and the page is as it was" \
	"$((SECONDS - began <= 40)) $(cat "$at/www/index.html")" "1 before"
rm "$at/www/index.html"
run apply --imds http://127.0.0.1:1 --imds-timeout 0.5
is "without a page from before the status is 1" "$status $(ls "$at/www")" "1 "
good=$imds
# metadata_soon [OPTION]...: run metadata for a second, or longer if nobody answered by then
metadata_soon() {
	local seconds
	for seconds in 1 5 20; do
		run metadata --imds-timeout $seconds "$@"
		[[ $err != *" answered "* ]] || break
	done
}
faults() { # LINE...
	printf '%s\n' "$@" >"$work/imds/.faults"
}
faults 'api/token 403'
run metadata
like "a service that is switched off is said to be" "$status $err" \
	"1 *metadata service: switched off for this instance ($imds answered 403"
run plan
like "by plan too" "$status $out" "3 *switched off for this instance"
faults '* 404'
metadata_soon
like "one that knows nothing is named" \
	"$status $err" "1 *$imds answered 404 to a request for a token"
faults 'meta-data/instance-id 404' 'dynamic/* 404'
run metadata instance-id
like "one path that is not there as well" "$status $err" "1 *there is no meta-data/instance-id"
faults 'meta-data/* 503 Retry-After=1' 'dynamic/* 503'
metadata_soon
like "one that is overloaded is asked again, and then named" "$status $err" \
	"1 *$imds answered 503 to *tried"
rm "$work/imds/.faults"
$python - "$at/port" <<'END' &
import socket, sys, time
hole = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1] + ".new", "w").write(str(hole.getsockname()[1]))
__import__("os").rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(1000)
END
hole=$!
wait_for 5 test -e "$at/port"
run metadata --imds "http://127.0.0.1:$(cat "$at/port")" --imds-timeout 1
like "one that never answers is given up after the given time" "$status $err" \
	"1 *http://127.0.0.1:$(cat "$at/port"): no answer for * in [1-9]."
kill $hole
$python -m http.server --bind 127.0.0.1 8123 >/dev/null 2>&1 &
web=$!
wait_for 5 curl -s http://127.0.0.1:8123/
metadata_soon --imds http://127.0.0.1:8123
like "something else than a metadata service is told" \
	"$status $err" "1 *http://127.0.0.1:8123 answered 501"
kill $web
imds=$good
run apply
is "with the service, all is done" "$status $(grep -c i-0 "$at/www/index.html")" "0 1"
umount "$at/data"

# -- apps --

place app
mkdir "$at/app" && echo 1 >"$at/app/file"
configure() { # LINE...: of an app that was never deployed
	n=$((${n-0} + 1))
	printf '%s\n' "[app bad]" "path = $at/bad$n" "$@" >"$conf"
}
nothing() { # NAME: no release is current, nothing runs
	is "$1" "$(ls "$at/bad$n/current" "$state"/app-*.json 2>/dev/null)" ""
}
configure "source = file:$at/app" "run = sleep 1000" "user = nobody-is-this"
run apply
like "a user who does not exist is named" "$status $out" "1 *✗ app bad*nobody-is-this"
configure "source = file:$at/none" "run = sleep 1000"
run apply
like "so is a source that is not there" "$status $out" "1 *! app bad*$at/none*No such file"
nothing "and nothing is deployed"
configure "source = git+file://$at/none#v1" "run = sleep 1000"
run apply
like "or is no repository" "$status $out" "1 *! app bad*$at/none"
nothing "and nothing is deployed"
configure "source = file:$at/app" "run = sleep 1000" "build =" \
	"  echo one" "  echo the compiler is sad && exit 7"
run apply
like "a build that fails is shown with its last words" "$status $out" \
	"1 *✗ app bad *release*failed*exit status 7*the compiler is sad"
nothing "and nothing is deployed"
is "nor left" "$(ls "$at/bad$n/releases")" ""
free_port && url=http://127.0.0.1:$port
configure "source = file:$at/app" "run = sleep 1000" "user = daemon" \
	"health = http://127.0.0.1:1/well" "ready_timeout = 1s" "[agent]" "listen = 127.0.0.1:$port" "[health]" \
	"interval = 200ms" "fall = 2"
run apply
agent_says() { [ "$(get /instance | jq -r .status)" = "$1" ]; }
agent_start
wait_for 5 agent_says failed
is "an app whose health URL is never good has failed when its time is over" \
	"$(get /instance | jq -r .status) $(code /instance)" "failed 503"
like "because of that URL" \
	"$(check_reason "app bad")" "http://127.0.0.1:1/well: Failed to connect"

# -- the agent's address --

out=$(timeout 60 "$work/bin/instanced" --config "$conf" --state "$state" 2>&1)
like "a port in use is named, with status 1" "$? $out" "1 *127.0.0.1:$port: Address already in use"
agent_stop
sed -i "s/^listen = .*/listen = 127.0.0.1:80/" "$conf"
out=$(setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups --inh-caps=-all \
	timeout 60 "$work/bin/instanced" --config "$conf" --state "$state" 2>&1)
case $?:$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start) in
*:0) skip "a port that may not be used is named" "here everybody may use every port" ;;
*) like "a port that may not be used is named" "$out" "127.0.0.1:80: Permission denied" ;;
esac
sed -i "s/^listen = .*/listen = 192.0.2.1:8080/" "$conf"
out=$(timeout 60 "$work/bin/instanced" --config "$conf" --state "$state" 2>&1)
like "so is an address that is not ours" \
	"$? $out" "1 *192.0.2.1:8080: Cannot assign requested address"
kill "$(jq .pid "$state/app-bad.json")" "$(jq .pid "$work/metadata/state/app-web.json")"
# -- an order that matters: what is wrong is said before anything is made --

place sealing
printf '[index]\npath = relative\n' >"$conf"
run seal --yes
is "seal with a bad configuration is refused" "$status" 2
is "and makes nothing, not even its lock" "$(ls "$at")" "instanced.conf"

done_testing
