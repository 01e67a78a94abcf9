#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# [packages] with the real apt-get, and the real dnf, on a copy of this machine: an overlay of its
# root, with one repository of tiny packages in place of its sources. Nothing reaches the machine
# itself, and nothing a network.
. "$(dirname "$0")/lib.sh"
need apt-get dpkg-deb dpkg-scanpackages chroot
in_namespaces "$@"
sim_start

# -- the machine, and what it installs from --

# copy NAME: of this machine; sets root, where instancectl runs from here on. All that is changed
# below is changed through ${root:?}: without a copy the test ends.
copy() {
	local copy=$work/copy-$1
	root=
	mkdir "$copy" "$copy.over"
	mount -t tmpfs tmpfs "$copy.over"
	mkdir "$copy.over/upper" "$copy.over/work"
	mount -t overlay overlay "$copy" \
		-o "lowerdir=/,upperdir=$copy.over/upper,workdir=$copy.over/work"
	mountpoint -q "$copy" || skip_all "no overlay of / can be made here"
	root=$copy
	mount -t proc proc "$root/proc"
	mount --rbind /dev "$root/dev"
	mount --rbind /sys "$root/sys"
	mount -t tmpfs tmpfs "$root/run"
	mkdir -p "$root$work" "$root/repo"
	mount --bind "$work" "$root$work"
}
ctl() {
	chroot "${root:?}" "$work/bin/instancectl" --config "$conf" --imds "$imds" \
		--state "$state" --data "$data" "$@"
}

# wrap PROGRAM: each call is noted in $work/calls
wrap() {
	mv "${root:?}/usr/bin/$1" "$root/usr/bin/$1.real"
	cat >"$root/usr/bin/$1" <<-END
	#!/bin/bash
	echo "$1 \$*" >>$work/calls
	exec -a $1 $1.real "\$@"
	END
	chmod 755 "$root/usr/bin/$1"
}
# calls: what was run since the last time, without the options that all have
calls() {
	[ ! -e "$work/calls" ] || sed 's/ -[qy]//g; s/ -o [^ ]*//g' "$work/calls"
	rm -f "$work/calls"
}

# deb REPOSITORY NAME VERSION [FIELD: VALUE]...: of what is in $work/tree, and forgets that
deb() {
	mkdir -p "$work/tree/DEBIAN" "${root:?}/repo/$1"
	printf '%s\n' "Package: $2" "Version: $3" "Architecture: all" "Maintainer: nobody" \
		"Description: tiny" "${@:4}" >"$work/tree/DEBIAN/control"
	dpkg-deb --root-owner-group -Znone -b "$work/tree" "$root/repo/$1/$2_$3_all.deb" >/dev/null
	rm -r "$work/tree"
}
content() { # PATH [MODE]: of the next package, from standard input
	mkdir -p "$(dirname "$work/tree/$1")"
	cat >"$work/tree/$1"
	chmod "${2:-644}" "$work/tree/$1"
}
index() { # REPOSITORY SUITE LABEL
	(
		cd "${root:?}/repo/$1" || exit
		dpkg-scanpackages --multiversion . >Packages 2>/dev/null
		printf '%s\n' "Origin: Debian" "Label: $3" "Suite: $2" "Codename: test-$1" \
			"Date: $(LC_ALL=C date -Ru)" "SHA256:" \
			" $(sha256sum Packages | cut -d' ' -f1) $(stat -c %s Packages) Packages" \
			>Release
	)
}
index_main() { index main stable Debian; }
version() { # PACKAGE: that is installed
	# shellcheck disable=SC2016 # for dpkg-query, and for sh
	chroot "${root:?}" dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null ||
		echo none
}
others() { # the machine's own packages
	chroot "${root:?}" dpkg-query -W | grep -v tiny- | sha256sum
}
packages() { # LINE...: is all of the configuration
	printf '%s\n' '[packages]' "$@" >"$conf"
}

# lock FILE: as apt does, by another process; sets holder
lock() {
	rm -f "$work/held"
	$python - "${root:?}$1" "$work/held" <<-'END' &
	import fcntl, sys, time
	lock = open(sys.argv[1], "w")
	fcntl.lockf(lock, fcntl.LOCK_EX)
	open(sys.argv[2], "w")
	time.sleep(1000)
	END
	holder=$!
	disown
	wait_for 5 test -e "$work/held"
}
# run_held: run apply, where $holder holds what it needs until two seconds after that was told; sets
# waited too
run_held() {
	ctl apply >"$work/stdout" 2>"$work/stderr" &
	wait_for 15 grep -q "process.* $holder\b" "$work/stderr"
	sleep 2
	waited=$(kill -0 $! && echo yes)
	kill $holder
	wait $!
	status=$?
	out=$(<"$work/stdout") err=$(<"$work/stderr")
}

copy apt
wrap apt-get
rm -rf "${root:?}"/etc/apt/sources.list* "${root:?}"/var/lib/apt/lists/*
mkdir "$root/etc/apt/sources.list.d" "$root/repo/security"
echo 'deb [trusted=yes] file:/repo/main ./
deb [trusted=yes] file:/repo/security ./' >"$root/etc/apt/sources.list"
for name in a b c d e; do
	deb main tiny-$name 1
done
deb main tiny-provides 1 "Provides: tiny-virtual, tiny-versioned (= 1)"
echo one | content etc/tiny.conf
echo /etc/tiny.conf | content DEBIAN/conffiles
deb main tiny-conf 1
printf '#!/bin/sh\necho the words of the script >&2\nexit 3\n' | content DEBIAN/postinst 755
deb main tiny-fails 1
printf '#!/bin/sh\n[ -e /tiny-cut ] || { touch /tiny-cut; sleep 100; }\n' |
	content DEBIAN/postinst 755
deb main tiny-slow 1 "Depends: tiny-depends"
deb main tiny-depends 1
# shellcheck disable=SC2016 # for dpkg-query, and for sh
printf '#!/bin/sh\necho built >"$1"\n' | content usr/bin/tiny-build 755
deb main tiny-build 1
index_main
index security stable-security Debian-Security

# -- what is missing is installed --

place installs
chmod 755 "$at"
packages 'install = tiny-a, coreutils, tiny-b'
run plan
is "plan names what is missing" "$status $out" \
	"0 + packages       install  tiny-a, tiny-b"$'\n'"    not installed"
is "and runs no package manager" "$(calls)" ""
run apply
is "it is installed" "$status $(version tiny-a) $(version tiny-b)" "0 installed 1 installed 1"
is "and only that, after a look at the mirrors" "$(calls)" \
	"apt-get update"$'\n'"apt-get install -- tiny-a tiny-b"
like "what apt says is passed on" "$err" "packages: Setting up tiny-a (1)"
is "the state says that it is there" "$(item packages kind) $(item packages status)" "packages ok"
run apply
is "what is there is left" "$status $out" "0 = packages       install  tiny-a, coreutils, tiny-b: installed"
is "no package manager runs" "$(calls)" ""
run plan --json
is "nor for plan, which says keep" "$(jq -r '.[].sign' <<<"$out") $(calls)" "keep "
out=$(chroot --userspec="$NOBODY:$NOBODY" "$root" "$work/bin/instancectl" --config "$conf" \
	--imds "$imds" --state "$state" --data "$data" plan)
like "nobody can ask, too" "$out" "= packages *install  tiny-a, coreutils, tiny-b"
packages 'install = tiny-a=1, tiny-b:all, tiny-c/stable, tiny-d=1'
run apply
is "a version, an architecture, a release" \
	"$status $(version tiny-c) $(version tiny-d) $(calls | tail -n 1)" \
	"0 installed 1 installed 1 apt-get install -- tiny-c/stable tiny-d=1"
chroot "$root" dpkg --remove tiny-d >/dev/null 2>&1
run apply
is "what somebody removed comes back" "$status $(version tiny-d)" "0 installed 1"
packages 'install = tiny-provides'
run apply
calls >/dev/null
packages 'install = tiny-virtual, tiny-versioned'
run apply
is "what an installed package provides is there" "$status $(calls)" "0 "
packages 'install = tiny-a, tiny-b-'
run apply
like "a name that means something else to apt is refused" "$status $out$(calls)" \
	'3 ! packages *install *"tiny-b-" is no name of a package'

# -- what cannot be installed --

place unknown
packages 'install = tiny-e, no-such-package' '[index]' "path = $at/index.html"
run apply
is "a package that there is not: degraded" \
	"$status $(item packages status) $(item packages required)" "3 failed false"
like "in apt's own words" "$(item packages reason)" \
	"apt-get: E: Unable to locate package no-such-package"
is "the others are installed" "$(version tiny-e)" "installed 1"
is "and nothing else is kept from anything" "$(item index status)" ok
packages 'install = tiny-fails'
run apply
like "a script that fails" "$status $(item packages reason)" \
	"3 install: apt-get: the words of the script / dpkg: error processing package tiny-fails *post-installation script*status 3"
like "what it said is passed on" "$err" "packages: the words of the script"
chroot "$root" dpkg --purge tiny-fails >/dev/null 2>&1
mv "${root:?}/repo" "$root/gone"
packages 'install = tiny-missing'
run apply
like "a mirror that is not there" "$status $(item packages reason)" \
	"3 install: apt-get: E: Unable to locate package tiny-missing; before that *file:/repo/main*"
mv "${root:?}/gone" "$root/repo"
echo 'deb [trusted=yes] file:/nowhere ./' >"$root/etc/apt/sources.list.d/other.list"
deb main tiny-f 1
index_main
packages 'install = tiny-f'
run apply
like "one source that is broken is told" "$status $out" "0 *file:/nowhere*"
is "and keeps out nothing" "$(version tiny-f)" "installed 1"
rm "${root:?}/etc/apt/sources.list.d/other.list"

# -- others at work --

place locked
while IFS='|' read -r title path name; do
	deb main "$name" 1
	index_main
	packages "install = $name"
	lock "$path"
	run_held
	is "$title is waited for" "$status $(version "$name") $waited" "0 installed 1 yes"
	like "and who holds it is told" "$out" "waited for process $holder (python3)"
	is "once" "$(grep -c "held by process" <<<"$err")" 1
done <<'END'
dpkg's lock|/var/lib/dpkg/lock-frontend|tiny-g
the lists' lock|/var/lib/apt/lists/lock|tiny-h
the archives' lock|/var/cache/apt/archives/lock|tiny-i
END
calls >/dev/null

# -- updates --

place updates
packages 'install = tiny-conf'
run apply
echo mine >"${root:?}/etc/tiny.conf"
chroot "$root" apt-mark auto tiny-a >/dev/null
echo two | content etc/tiny.conf
echo /etc/tiny.conf | content DEBIAN/conffiles
deb main tiny-conf 2
deb main tiny-a 3
deb main tiny-b 2
deb main tiny-c 2 "Depends: tiny-new"
deb main tiny-new 1
deb main tiny-d 2 "Conflicts: tiny-e"
index_main
deb security tiny-a 2
index security stable-security Debian-Security
before=$(others)
calls >/dev/null
packages 'update = security'
run plan
is "plan says that an update is due" "$status $out" \
	"0 ~ packages       update   security updates"$'\n'"    not yet since boot"
run apply
is "security updates come from where they are, whatever others have" \
	"$status $(version tiny-a) $(version tiny-b) $(version tiny-conf)" \
	"0 installed 2 installed 1 installed 1"
is "and only they" "$(calls | tail -n 1)" \
	"apt-get -t *-security --only-upgrade install -- tiny-a"
like "how many is told" "$out" "1 upgraded, 0 newly installed, 0 to remove"
is "what was installed for others stays so" "$(chroot "$root" apt-mark showauto tiny-a)" tiny-a
run apply
is "a second run since boot does nothing" "$status $out $(calls)" \
	"0 = packages       update   security updates: done since boot "
rm -r "${state:?}"
run apply
like "the first after the next boot looks again" "$status $out $(calls)" \
	"0 *nothing to update*apt-get update"
packages 'update = all'
run apply
is "all updates: of everything; a file that somebody changed stays" \
	"$status $(version tiny-a) $(version tiny-b) $(version tiny-conf) $(cat "$root/etc/tiny.conf")" \
	"0 installed 3 installed 2 installed 2 mine"
is "with new packages that they need" "$(version tiny-c) $(version tiny-new)" \
	"installed 2 installed 1"
is "nothing is removed for one" "$(version tiny-d) $(version tiny-e)" "installed 1 installed 1"
is "and of the machine's own packages none was touched" "$(others)" "$before"
mv "${root:?}/repo" "$root/gone"
rm -r "${state:?}"
run apply
like "an update that could not be looked for has failed, and what is there serves" \
	"$status $(item packages status) $(item packages reason)" "3 outdated update: apt-get: E: *repo*"
mv "${root:?}/gone" "$root/repo"
calls >/dev/null
run apply
is "the next run does it" "$status $(item packages status) $(calls | head -n 1)" \
	"0 ok apt-get update"

# -- cut off --

# kill_apply: as soon as the script of tiny-slow runs
kill_apply() {
	chroot "${root:?}" "$work/bin/instancectl" --config "$conf" --imds "$imds" \
		--state "$state" --data "$data" apply >"$work/log" 2>&1 &
	wait_for 30 test -e "$root/tiny-cut"
	kill -KILL $!
	wait $! 2>/dev/null
}

place cut
packages 'install = tiny-slow'
kill_apply
is "a run is killed in the middle" "$? $(version tiny-slow)" "137 half-configured 1"
run apply
is "the next one completes it" "$status $(version tiny-slow)" "0 installed 1"
like "and says so" "$out" "set right what was cut off before"
is "nothing is left half done" "$(chroot "$root" dpkg --audit)" ""
chroot "$root" dpkg --remove tiny-slow tiny-depends >/dev/null 2>&1
rm "${root:?}/tiny-cut"
kill_apply
packages 'install = tiny-j, tiny-slow'
deb main tiny-j 1
index_main
run apply
is "also when something else is wanted by then" \
	"$status $(version tiny-slow) $(version tiny-j)" "0 installed 1 installed 1"

# -- what needs a package waits for it --

place needed
chmod 755 "$at"
mkdir "$at/src"
echo 1 >"$at/src/VERSION"
packages 'install = tiny-build' '[app web]' "source = file://$at/src" "path = $at/web" \
	'build = tiny-build made' 'run = sleep 1000' 'user = daemon'
run plan
like "an app that is not there comes after packages" "$status $out" \
	"0 *app web *release *nothing is deployed; after packages"
run apply
is "it is built with them" "$status $(cat "$at/web/current/made")" "0 built"
echo 2 >"$at/src/VERSION"
sed -i 's/^install.*/install = tiny-build, no-such-package/' "$conf"
run apply
is "without what cannot be had it is tried" \
	"$status $(item packages status) $(item web status) $(cat "$at/web/current/VERSION")" \
	"3 failed ok 2"
app_stop
if disk probe 64M 2>/dev/null; then
	place volume
	# shellcheck disable=SC2016 # for dpkg-query, and for sh
	mkfs=$(chroot "$root" sh -c 'readlink -f "$(command -v mkfs.ext4)"')
	content usr/local/sbin/mkfs.ext4 755 <"$root$mkfs"
	deb main tiny-mkfs 1
	index_main
	rm "${root:?}/sbin/mkfs.ext4"
	packages 'install = tiny-mkfs' '[volume data]' "device = $dev" 'filesystem = ext4' \
		'mount = /data' 'timeout = 1s'
	run plan
	like "a volume waits for mkfs" "$out" \
		"… volume data*mkfs.ext4 is not installed*after packages"
	run apply
	is "and is formatted with it" \
		"$status $(grep -c " $root/data .* ext4 " /proc/self/mountinfo)" "0 1"
	umount "${root:?}/data"
else
	skip "a volume waits for mkfs" "no loop device can be attached here"
fi

# -- no package manager --

place none
packages 'install = tiny-z'
for name in apt-get dnf yum; do
	rm -f "${root:?}/usr/bin/$name"
done
run apply
like "a machine without any is told so" "$status $out" \
	"3 ! packages *install *tiny-z*none of apt-get, dnf and yum is on this machine"

# -- dnf --

for program in dnf createrepo_c modifyrepo_c rpmbuild rpm; do
	if ! command -v "$program" >/dev/null; then
		skip "the same with dnf" "$program is not installed"
		done_testing
	fi
done

# make_rpm NAME VERSION [LINE OF THE SPEC]...
make_rpm() {
	printf '%s\n' "Name: $1" "Version: $2" "Release: 1" "Summary: tiny" "License: none" \
		"BuildArch: noarch" "${@:3}" "%description" "%files" >"$work/tiny.spec"
	rpmbuild -bb --quiet --define "_topdir $work/rpmbuild" \
		--define "_rpmdir ${root:?}/repo" --define '_rpmfilename %{NAME}-%{VERSION}.rpm' \
		"$work/tiny.spec" >"$work/log" 2>&1 || sed 's/^/# /' "$work/log"
}
rpm_version() {
	chroot "${root:?}" rpm -q --qf '%{VERSION}\n' "$1" | sed 's/^package .*/none/'
}

copy dnf
rm "${root:?}/usr/bin/apt-get"
wrap dnf
rm -rf "${root:?}/var/cache/dnf" "${root:?}"/etc/yum.repos.d
mkdir -p "$root/etc/yum.repos.d" "$root/var/cache/dnf" "$root/var/lib/dnf"
printf '%s\n' '[main]' 'best=True' 'releasever=1' 'plugins=0' 'metadata_expire=0' \
	>"$root/etc/dnf/dnf.conf"
printf '%s\n' '[tiny]' 'name=tiny' 'baseurl=file:///repo' 'gpgcheck=0' \
	>"$root/etc/yum.repos.d/tiny.repo"
make_rpm tiny-a 1
make_rpm tiny-b 1 "Provides: tiny-virtual"
make_rpm tiny-c 1
make_rpm tiny-d 1
make_rpm tiny-fails 1 "%pre -p <lua>" 'print("the words of the script") error("it fails")'
createrepo_c -q "$root/repo"
calls >/dev/null

place dnf
packages 'install = tiny-a, tiny-b'
run plan
is "dnf: plan names what is missing" "$status $(head -n 1 <<<"$out") $(calls)" \
	"0 + packages       install  tiny-a, tiny-b "
run apply
is "dnf: it is installed" "$status $(rpm_version tiny-a) $(rpm_version tiny-b) $(calls)" \
	"0 1 1 dnf install tiny-a tiny-b"
packages 'install = tiny-a-1, tiny-b.noarch, tiny-virtual'
run apply
is "dnf: a version, an architecture, what is provided: no dnf runs" "$status $(calls)" "0 "
packages 'install = tiny-c, no-such-package'
run apply
like "dnf: one that there is not, in its own words" \
	"$status $(item packages status) $(rpm_version tiny-c) $(item packages reason)" \
	"3 failed 1 install: dnf: Error: Unable to find a match: no-such-package"
packages 'install = tiny-fails'
run apply
like "dnf: a script that fails" "$status $(item packages reason)" "3 install: dnf: *tiny-fails*"
like "dnf: what it said is passed on" "$err" "packages: the words of the script"
sleep infinity &
holder=$!
disown
for name in metadata download rpmdb; do
	echo $holder | tee "$root/var/cache/dnf/${name}_lock.pid" \
		>"$root/var/lib/dnf/${name}_lock.pid"
done
packages 'install = tiny-d'
run_held
like "dnf: another one is waited for" "$status $(rpm_version tiny-d) $waited $out" \
	"0 1 yes *waited for process $holder"
make_rpm tiny-a 2
make_rpm tiny-b 2
createrepo_c -q "$root/repo"
cat >"$work/updateinfo.xml" <<'END'
<updates><update from="tiny" status="final" type="security" version="1"><id>TINY-1</id>
<title>tiny</title><severity>Important</severity><issued date="2026-01-01 00:00:00"/>
<pkglist><collection short="tiny"><name>tiny</name><package name="tiny-a" version="2" release="1"
epoch="0" arch="noarch"><filename>tiny-a-2.rpm</filename></package></collection></pkglist>
</update></updates>
END
modifyrepo_c "$work/updateinfo.xml" "$root/repo/repodata" >"$work/log" 2>&1
calls >/dev/null
packages 'update = security'
run apply
is "dnf: security updates, and only they" \
	"$status $(rpm_version tiny-a) $(rpm_version tiny-b) $(calls)" \
	"0 2 1 dnf --refresh upgrade --security"
run apply
is "dnf: a second run since boot does nothing" "$status $(calls)" "0 "
packages 'update = all'
run apply
is "dnf: all updates" "$status $(rpm_version tiny-b) $(calls)" "0 2 dnf --refresh upgrade"
done_testing
