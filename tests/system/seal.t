#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `instancectl seal` takes away what is this instance's own and nothing else: on image trees with
# links and mounts that would lead it astray, killed at any moment, and on a running system that the
# real cloud-init set up (a copy of this one: an overlay, in which it works as on its own root).
. "$(dirname "$0")/lib.sh"
need script mkfs.ext4
in_namespaces "$@"
this_machine() { cat /etc/machine-id /etc/hostname; find /etc/ssh /var/lib/cloud 2>&1; }
machine=$(this_machine)

seal() { # [OPTION]...: of the tree; sets out, err and status
	out=$("$work/bin/instancectl" --root "$tree" "$@" seal 2>"$work/stderr" </dev/null)
	status=$?
	err=$(<"$work/stderr")
}
list() { # what is there, and what it holds; times do not count
	(cd "$1" && find . -xdev \( -type f -printf '%P %m %u ' -exec sh -c 'b2sum <"$1"' - {} \; \) \
		-o -printf '%P %m %u %l\n' | sort)
}
ours() { # PAGE TEXT: as apply writes it
	printf %s "$2" >"$1"
	$python -c 'import hashlib, os, sys
os.setxattr(sys.argv[1], "user.instanced.sha256",
    hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest().encode())' "$1"
}

# -- a tree, with what goes, and what stays --

GOES=(
	etc/hostname
	etc/ssh/ssh_host_ed25519_key
	etc/ssh/ssh_host_ed25519_key.pub
	etc/ssh/ssh_host_rsa_key
	etc/ssh/ssh_host_rsa_key-cert.pub
	run/instanced/state.json
	run/instanced/app-web.json
	srv/www/index.html
	var/lib/cloud/data/instance-id
	var/lib/cloud/data/previous-hostname
	var/lib/cloud/instance
	var/lib/cloud/instances/i-0old/sem/config_ssh
	var/lib/cloud/instances/i-0old/user-data.txt
	var/lib/cloud/scripts/vendor/part-001
	var/lib/cloud/sem/config_scripts_per_once.once
	var/lib/dbus/machine-id
	var/lib/dhcp/dhclient.eth0.leases
	var/lib/instanced-agent/lifecycle.json
	var/lib/instanced/format/vol-0123456789abcdef0.json
	var/lib/systemd/random-seed
	var/log/cloud-init-output.log
	var/log/cloud-init.log
	var/log/journal/0123456789abcdef0123456789abcdef/system.journal
	var/log/messages-20260101
	var/log/syslog.2.gz
)
EMPTIED=(
	etc/machine-id
	var/log/auth.log
	var/log/syslog
	var/log/wtmp
)
STAYS=(
	etc/cloud/cloud.cfg
	etc/cloud/clean.d/README
	etc/instanced/conf.d/10-more.conf
	etc/netplan/50-cloud-init.yaml
	etc/ssh/ssh_host_notes
	etc/ssh/sshd_config
	etc/sudoers.d/90-cloud-init-users
	home/admin/.ssh/authorized_keys
	srv/www/index.html.before-instanced
	usr/bin/cloud-init
	var/lib/cloud/scripts/per-boot/mine
	var/lib/cloud/seed/nocloud/meta-data
	var/lib/dpkg/status
	var/lib/instanced/app/web/releases/0123/app.py
	var/log/dpkg.log
	var/log/nginx/access.log
)
make_tree() { # NAME: sets tree
	local file
	tree=$work/$1
	mkdir -p "$tree"
	for file in "${GOES[@]}" "${EMPTIED[@]}" "${STAYS[@]}"; do
		mkdir -p "$tree/${file%/*}"
		echo "content of $file" >"$tree/$file"
	done
	rm "$tree/var/lib/cloud/instance"
	ln -s /var/lib/cloud/instances/i-0old "$tree/var/lib/cloud/instance"
	echo ip-10-0-0-5 | tee "$tree/etc/hostname" >"$tree/var/lib/cloud/data/previous-hostname"
	ln -s releases/0123 "$tree/var/lib/instanced/app/web/current"
	chmod 0755 "$tree/usr/bin/cloud-init"
	chmod 0640 "$tree/var/log/syslog"
	ours "$tree/srv/www/index.html" "i-0old"
	printf '[index]\npath = /srv/www/index.html\n' >"$tree/etc/instanced/instanced.conf"
	printf '[volume data]\ndevice = /dev/sdf\nfilesystem = xfs\nmount = /data\n' \
		>"$tree/etc/instanced/conf.d/10-more.conf"
}
there() { # FILE...: those of them that are in the tree
	local file
	for file; do
		if [ -e "$tree/$file" ] || [ -L "$tree/$file" ]; then echo "$file"; fi
	done
}
sealed() { # of GOES and EMPTIED nothing is left
	[ -z "$(there "${GOES[@]}")" ] && (cd "$tree" && ! find "${EMPTIED[@]}" -size +0 | grep -q .)
}

make_tree image
ours "$tree/probe" x 2>/dev/null || skip_all "$work has no extended attributes"
rm "$tree/probe"
before=$(list "$tree") stays=$(cd "$tree" && b2sum "${STAYS[@]}")

seal
is "without a terminal and without --yes it exits with 2" "$status" 2
like "and says how" "$err" "--yes"
is "having touched nothing" "$(list "$tree")" "$before"
is "it shows all that would go" \
	"$(sed -n "s/^  \(remove\|erase\) *\/\([^ ]*\) .*/\2/p" <<<"$out" | xargs -n1 | sort)" \
	"$(printf '%s\n' "${GOES[@]}" | sed 's|\(cloud/instances/[^/]*\)/.*|\1|' | sort -u)"
is "and be emptied, the machine ID last" \
	"$(sed -n "s/^  empty *\/\([^ ]*\) .*/\1/p" <<<"$out" | xargs)" \
	"var/log/syslog var/log/auth.log var/log/wtmp etc/machine-id"
like "with sizes" "$out" "/var/lib/cloud/instances/i-0old  (113 B)"
like "and sum" "$out" "28 to take away, "
like "and what stays although one may not expect it" "$out" \
	"keep    /home/admin/.ssh/authorized_keys: whoever has them*seed/nocloud/meta-data: it was"

seal --json
is "--json alone touches nothing either" \
	"$status $(list "$tree" | b2sum) $(jq -c '[.sealed, (.items | length)]' <<<"$out")" \
	"2 $(b2sum <<<"$before") [false,30]"

answer() { # ANSWER: on a terminal; sets out and status
	out=$(printf '%s\n' "$1" | script -qec "$work/bin/instancectl --root $tree seal" /dev/null)
	status=$?
}
answer n
is "answered with n it exits with 1" "$status $(list "$tree" | b2sum)" "1 $(b2sum <<<"$before")"
like "after it asked" "$out" "Take all this away? [[]y/N]*nothing is touched"

answer y
is "answered with y it seals" "$status $(there "${GOES[@]}")" "0 "
is "what is emptied keeps its mode" "$(stat -c '%s %a' "$tree/var/log/syslog")" "0 640"
sealed
ok $? "nothing of the instance is left" "$(there "${GOES[@]}")"
is "and all else is as it was" "$(cd "$tree" && b2sum "${STAYS[@]}")" "$stays"
is "directories stay" "$(there var/lib/cloud/instances var/lib/cloud/data \
	var/log/journal/0123456789abcdef0123456789abcdef run/instanced var/lib/instanced/format |
	wc -l)" 5
after=$(list "$tree")
seal
is "again there is nothing to take away, and nobody is asked" "$status ${out##*$'\n'}" \
	"0 nothing to take away"
is "and nothing changes" "$(list "$tree")" "$after"

# -- where the conditions do not hold --

make_tree conditions
echo mine >"$tree/etc/hostname"
echo "mine too" >>"$tree/srv/www/index.html"
echo uninitialized >"$tree/etc/machine-id"
rm "$tree/usr/bin/cloud-init"
key=$(list "$tree/etc/ssh")
seal --yes
is "a host name that somebody gave, and a page that somebody changed, stay" \
	"$status $(there etc/hostname srv/www/index.html | xargs)" "0 etc/hostname srv/www/index.html"
is "so do host keys that nobody would make anew" "$(list "$tree/etc/ssh")" "$key"
like "which is said" "$out" "keep    /etc/ssh/ssh_host_rsa_key: neither cloud-init nor"
is "uninitialized is no machine ID" "$(<"$tree/etc/machine-id")" uninitialized
mkdir -p "$tree/usr/lib/systemd/system"
: >"$tree/usr/lib/systemd/system/sshd-keygen@.service"
seal --yes
is "keys go where a unit makes them" "$status $(there etc/ssh/ssh_host_rsa_key)" "0 "

make_tree erased
exec {key}<>"$tree/etc/ssh/ssh_host_rsa_key"
seal --yes
is "a host key's content is overwritten, for a snapshot has freed blocks too" \
	"$(tr -d '\0' <&"$key" | wc -c)" 0
exec {key}>&-

make_tree broken
echo '[nonsense]' >>"$tree/etc/instanced/instanced.conf"
before=$(list "$tree")
seal --yes
is "with a broken configuration it exits with 2 and touches nothing" \
	"$status $(list "$tree" | b2sum)" "2 $(b2sum <<<"$before")"
out=$(setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$work/bin/instancectl" \
	--root "$tree" --yes seal 2>&1)
is "without root it does nothing" "$? $(list "$tree" | b2sum)" "1 $(b2sum <<<"$before")"
tree=$work/nowhere seal --yes
is "a tree that is not there is named" "$status $err" \
	"1 instancectl: $work/nowhere: No such file or directory"

# -- links and mounts that lead elsewhere --

make_tree traps
outside=$work/outside
mkdir -p "$outside/dir"
echo "somebody's" | tee "$outside/dir/a.lease" "$outside/dir/system.journal" >"$outside/file"
echo "somebody's" >"$tree/srv/file"
ln -s "$outside/dir" "$tree/var/lib/cloud/instances/elsewhere"
ln -s "$outside/dir" "$tree/var/lib/cloud/instances/i-0old/elsewhere"
ln -s "../../../outside/dir" "$tree/var/lib/dhclient"
ln -s "$outside/dir" "$tree/var/log/journal/elsewhere"
mkdir "$tree/srv/inside" && ln -s ../../srv/inside "$tree/var/lib/NetworkManager"
echo "somebody's" >"$tree/srv/inside/a.lease"
ln -s "$outside/file" "$tree/etc/ssh/ssh_host_evil_key"
ln -sf "$outside/file" "$tree/var/log/wtmp"
ln -f "$tree/srv/file" "$tree/var/log/syslog"
mkfifo "$tree/var/log/kern.log" "$tree/etc/ssh/ssh_host_fifo_key"
mkdir "$tree/var/log/messages" "$tree/var/lib/cloud/instances/i-1mounted" \
	"$tree/var/lib/cloud/instances/i-1mounted/m" "$tree/var/log/audit"
disk data 64M && mkfs.ext4 -q "$dev" && data=$dev
mkdir "$tree/data"
mount "$dev" "$tree/data"
echo "somebody's" >"$tree/data/file"
mount --bind "$tree/data" "$tree/var/lib/cloud/instances/i-1mounted/m"
mount --bind "$tree/data" "$tree/var/lib/cloud/data"
mount -t tmpfs tmpfs "$tree/var/log/audit"
echo "in memory" >"$tree/var/log/audit/audit.log"
before=$(list "$outside") volume=$(list "$tree/data")
seal --yes
is "nothing outside of the tree is touched" "$status $(list "$outside" | b2sum)" \
	"0 $(b2sum <<<"$before")"
is "nor what a link within it leads to" "$(there srv/inside/a.lease)" srv/inside/a.lease
is "nothing that is mounted in it is" "$(list "$tree/data")" "$volume"
is "nothing in memory is" "$(<"$tree/var/log/audit/audit.log")" "in memory"
is "a file with another name is not emptied" "$(<"$tree/srv/file")" "somebody's"
for kept in "/var/lib/dhclient: it is a symbolic link" "/var/log/wtmp: it is a symbolic link" \
	"/var/log/syslog: it has another name" "/var/lib/cloud/data: something is mounted there" \
	"/var/lib/cloud/instances/i-1mounted: something is mounted" \
	"/data: it is mounted, and not touched"; do
	like "it says what stays: ${kept%%:*}" "$out" "keep    $kept"
done
is "links themselves go with their directory" \
	"$(there var/lib/cloud/instances/elsewhere var/lib/cloud/instances/i-0old)" ""

# /var/log of its own, on a disk: a system's own layout. The same as a configured volume is not.
make_tree layout
umount "$work/traps/var/lib/cloud/instances/i-1mounted/m" "$work/traps/var/lib/cloud/data" \
	"$work/traps/data"
log=$tree/var/log
cp -a "$log" "$work/log"
mount "$data" "$log"
cp -a "$work/log/." "$log"
printf '[volume log]\ndevice = /dev/sdg\nfilesystem = ext4\nmount = /var/log\n' \
	>"$tree/etc/instanced/conf.d/20-log.conf"
before=$(list "$log")
seal --yes
is "logs on a configured volume stay" "$status $(list "$log" | b2sum)" "0 $(b2sum <<<"$before")"
rm "$tree/etc/instanced/conf.d/20-log.conf"
seal --yes
is "logs on a disk of the system's own layout go" \
	"$status $(cd "$tree" && sealed && echo sealed)" "0 sealed"
umount "$log"

# -- killed at any moment --

broken='' finished=0 halfway=0 kills=${KILLS:-40}
make_large() {
	rm -rf "$work/killed"
	make_tree killed
	head -c 100000 /dev/zero | split -b 1000 - "$tree/var/lib/cloud/instances/i-0old/part."
}
make_large
takes=${EPOCHREALTIME/./}
seal --yes
takes=$((${EPOCHREALTIME/./} - takes))
for ((i = 0; i < kills; i++)); do
	make_large
	"$work/bin/instancectl" --root "$tree" --yes seal >/dev/null 2>&1 &
	sleep "$(printf '0.%06d' $((takes * i / kills)))"
	kill -KILL $! 2>/dev/null
	wait $! 2>/dev/null
	if [ ! -s "$tree/etc/machine-id" ]; then
		finished=$((finished + 1))
		sealed || broken+="$i: the machine ID went before $(there "${GOES[@]}")"$'\n'
	elif [ "$(there "${GOES[@]}" | wc -l)" -lt ${#GOES[@]} ]; then
		halfway=$((halfway + 1))
	fi
	[ "$(there etc/ssh/ssh_host_ed25519_key etc/ssh/ssh_host_rsa_key | wc -l)" = 2 ] ||
		[ -z "$(there var/lib/cloud/instances/i-0old/sem/config_ssh)" ] ||
		broken+="$i: keys went before the record that they were made"$'\n'
	seal --yes
	[ $status = 0 ] && sealed || broken+="$i: not finished by the next run: $err"$'\n'
done
is "killed at any moment it leaves what can boot, and the next run finishes" "$broken" ""
echo "# of $i kills $halfway came halfway, $finished after the end"

# -- a running system: a copy of this one, set up by the real cloud-init --

copy=$work/copy
mkdir "$work/layer" "$copy"
if ! command -v cloud-init >/dev/null || ! command -v ssh-keygen >/dev/null; then
	skip "a running system is sealed" "cloud-init or ssh-keygen is not installed"
	done_testing
fi
mount -t tmpfs tmpfs "$work/layer" && mkdir "$work/layer/upper" "$work/layer/work"
if ! mount -t overlay overlay -o \
	"lowerdir=/,upperdir=$work/layer/upper,workdir=$work/layer/work" "$copy" 2>/dev/null; then
	skip "a running system is sealed" "no overlay of this machine's root can be mounted"
	done_testing
fi
mount -t proc proc "$copy/proc"
mount -t sysfs sysfs "$copy/sys"
mount -t tmpfs tmpfs "$copy/run"
mount -t tmpfs tmpfs "$copy/tmp"
mount --bind /dev "$copy/dev"
cp -r "$work/bin" "$copy/run/bin"
here() { # COMMAND...: in the copy; with a host name of its own
	unshare --uts chroot "$copy" "$@"
}
boot() { # INSTANCE: what cloud-init does at boot
	local seed=$copy/var/lib/cloud/seed/nocloud
	mkdir -p "$seed"
	printf 'instance-id: %s\nlocal-hostname: %s\n' "$1" "name-of-$1" >"$seed/meta-data"
	printf '#cloud-config\nnetwork: {config: disabled}\n' >"$seed/user-data"
	rm -rf "$copy/run/cloud-init"
	here sh -c 'cloud-init init --local && cloud-init init' >"$work/boot.log" 2>&1
	[ "$(<"$copy/var/lib/cloud/data/instance-id")" = "$1" ] || tail -n 20 "$work/boot.log"
}
live() { # [OPTION]...: sets out, err and status
	out=$(here /run/bin/instancectl "$@" seal 2>"$work/stderr" </dev/null)
	status=$?
	err=$(<"$work/stderr")
}
keys() { (cd "$copy/etc/ssh" && cat ssh_host_*_key.pub 2>/dev/null | sort); }

rm -rf "$copy"/etc/ssh/ssh_host_* "$copy/var/lib/cloud" "$copy/etc/instanced" "$copy/etc/cloud/cloud-init.disabled"
mkdir -p "$copy/etc/instanced" "$copy/srv/www"
echo 'datasource_list: [NoCloud]' >"$copy/etc/cloud/cloud.cfg.d/99-test.cfg"
printf '[index]\npath = /srv/www/index.html\n' >"$copy/etc/instanced/instanced.conf"
echo 0123456789abcdef0123456789abcdef >"$copy/etc/machine-id"
ours "$copy/srv/www/index.html" "i-one" 2>/dev/null
mkdir -p "$copy/run/instanced"
echo '{}' >"$copy/run/instanced/state.json"
boot i-one
first=$(keys)
is "cloud-init has set up an instance" "$([ -n "$first" ] && cat "$copy/etc/hostname")" name-of-i-one

exec {lock}>"$copy/run/instanced/apply.lock"
flock "$lock"
live --yes
is "while an apply is at work it refuses" "$status $err" \
	"1 instancectl: an apply is at work; seal when it has ended"
is "and touches nothing" "$(keys)" "$first"
exec {lock}>&-
live --yes
is "a running system is sealed" "$status $(keys) $(wc -c <"$copy/etc/machine-id") $(
	find "$copy/var/lib/cloud/"{instance,instances,data} -mindepth 1 2>/dev/null)" "0  0 "
like "it says what is next" "$out" "systemctl poweroff*create-image*NoDevice"
is "its own state stays, for it works on" "$(ls "$copy/run/instanced")" "apply.lock"$'\n'"state.json"
live --root / --yes
is "--root / is this machine" "$status $(ls "$copy/run/instanced")" \
	"0 apply.lock"$'\n'"state.json"

boot i-two
second=$(keys)
is "the clone gets a name of its own" "$(<"$copy/etc/hostname")" name-of-i-two
is "and keys of its own" "$(comm -12 <(echo "$first") <(echo "$second") | wc -l) $(
	wc -l <<<"$second")" "0 $(wc -l <<<"$first")"
is "and knows of no other instance" "$(ls "$copy/var/lib/cloud/instances")" i-two
live --yes
boot i-two
is "rebooted instead of imaged, the machine begins anew" "$(<"$copy/etc/hostname") $(
	comm -12 <(echo "$second") <(keys) | wc -l)" "name-of-i-two 0"
is "this machine has not been touched" "$(this_machine)" "$machine"
done_testing
