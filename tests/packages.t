#!/usr/bin/env bash
# The packages: the .deb is the same whoever builds it, is what lintian asks for, holds what it
# must, and comes and goes on a minimal Debian without touching what is not its own; the .rpm of
# Amazon Linux holds the same. Leaves build/deb and build/rpm, and build/debian-minimal, which is
# made once.
set -u
PATH=$PATH:/usr/sbin:/sbin
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit
. tests/system/tap.sh

for program in dpkg-buildpackage dh; do
	command -v $program >/dev/null || skip_all "$program is not installed"
done
work=$(mktemp -d) || skip_all "no temporary directory"
rpm_build=''
# shellcheck disable=SC2317 # a trap calls it
leave() {
	[ -z "$rpm_build" ] || { kill "$rpm_build" && wait "$rpm_build"; } 2>/dev/null
	rm -rf "$work"
}
trap leave EXIT
trap 'exit 1' INT TERM HUP

# -- builds: the second of a copy without git, elsewhere, by somebody with other habits --

if command -v rpmbuild >/dev/null; then
	packaging/rpm/build >"$work/rpms" 2>"$work/rpm.err" &
	rpm_build=$!
fi
deb=$(tests/vm/package 2>"$work/deb.err")
ok $? "the .deb is built" "$(cat "$work/deb.err")"
[ -e "$deb" ] || done_testing

copy=$(packaging/export "$work")
again=$(
	umask 077
	export TZ=Pacific/Kiritimati LC_ALL=C
	SOURCE_DATE_EPOCH=$(stat -c %Y "$copy/configure.ac") "$copy/packaging/deb/build" \
		build/deb 2>&1
)
ok $? "built again from a tarball, the unit tests pass with a package's flags" "$again"
cmp "$deb" "$again" >"$work/cmp" 2>&1
ok $? "elsewhere, with another umask and time zone: the same bytes" "$(cat "$work/cmp")"

# -- what is in it --

if command -v lintian >/dev/null; then
	is "lintian has nothing to say, not even a hint" \
		"$(lintian --allow-root -EI --pedantic --tag-display-limit 0 "$deb" 2>&1)" ""
else
	skip "lintian has nothing to say" "lintian is not installed"
fi
is "every lintian override has its reason above it" "$(
	awk '!/^#/ && last !~ /^#/ { print } { last = $0 }' packaging/deb/debian/*.lintian-overrides
)" ""

is "it holds what it must, with these modes and owners" \
	"$(dpkg-deb -c "$deb" | awk '!/\/$/ { print $1, $2, $6 }' |
		grep -v /examples/ | sort -k3)" "\
-rw-r--r-- root/root ./lib/systemd/system/instance-bootstrap.service
-rw-r--r-- root/root ./lib/systemd/system/instance-drain.path
-rw-r--r-- root/root ./lib/systemd/system/instance-drain.service
-rw-r--r-- root/root ./lib/systemd/system/instance-imds.service
-rw-r--r-- root/root ./lib/systemd/system/instance-imds.socket
-rw-r--r-- root/root ./lib/systemd/system/instance-volume@.service
-rw-r--r-- root/root ./lib/systemd/system/instanced.service
-rw-r--r-- root/root ./lib/systemd/system/instanced.socket
-rw-r--r-- root/root ./lib/udev/rules.d/90-instanced.rules
-rwxr-xr-x root/root ./usr/bin/instancectl
-rw-r--r-- root/root ./usr/lib/sysusers.d/instanced.conf
-rw-r--r-- root/root ./usr/lib/tmpfiles.d/instanced.conf
-rwxr-xr-x root/root ./usr/sbin/instanced
-rw-r--r-- root/root ./usr/share/bash-completion/completions/instancectl
lrwxrwxrwx root/root ./usr/share/bash-completion/completions/instanced
-rw-r--r-- root/root ./usr/share/doc/instanced/README.Debian
-rw-r--r-- root/root ./usr/share/doc/instanced/changelog.gz
-rw-r--r-- root/root ./usr/share/doc/instanced/copyright
-rw-r--r-- root/root ./usr/share/instanced/cloud-init-handler.py
-rw-r--r-- root/root ./usr/share/lintian/overrides/instanced
-rw-r--r-- root/root ./usr/share/man/man1/instancectl.1.gz
-rw-r--r-- root/root ./usr/share/man/man5/instanced.conf.5.gz
-rw-r--r-- root/root ./usr/share/man/man8/instanced.8.gz"
is "and all examples" \
	"$(dpkg-deb -c "$deb" | sed -n 's|/$||; s|.*/doc/instanced/examples/||p' | sort)" \
	"$(cd packaging/examples && find . -mindepth 1 -printf '%P\n' | sort)"
is "and the directory of the configuration, but no configuration" \
	"$(dpkg-deb -c "$deb" | awk '$6 ~ "^./etc/." { print $1, $6 }')" "\
drwxr-xr-x ./etc/instanced/
drwxr-xr-x ./etc/instanced/conf.d/"

# -- on a minimal Debian --

minimal=$top/build/debian-minimal
root=$work/root
enter() { # COMMAND...
	unshare --mount --pid --fork --kill-child --root="$root" --mount-proc \
		env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 SYSTEMD_OFFLINE=1 "$@"
}

# The names of all that the package depends on; of alternatives, the first.
depends() { dpkg-deb -f "$deb" Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/ //g'; }

# make_minimal: a Debian 12 with what the package depends on, and nothing more
make_minimal() {
	[ "$(cat "$minimal/depends" 2>/dev/null)" != "$(depends)" ] || return 0
	rm -rf --one-file-system "$minimal" "$minimal.part"
	unshare --mount mmdebstrap --quiet --mode=root --variant=apt --include="$(depends)" \
		--aptopt='APT::Install-Recommends "false"' bookworm "$minimal.part" \
		>"$work/minimal.log" 2>&1 || return
	depends >"$minimal.part/depends"
	mv "$minimal.part" "$minimal"
}

why=''
[ "$(id -u)" = 0 ] || why="needs root for a chroot"
command -v mmdebstrap >/dev/null || why="mmdebstrap is not installed"
grep -qx VERSION_CODENAME=bookworm /etc/os-release || why="this is not Debian 12"
if [ -z "$why" ] && ! make_minimal; then
	grep -qE 'resolv|connect|Failed to fetch|unreachable' "$work/minimal.log" &&
		why="no Debian mirror can be reached" || why="mmdebstrap: $(tail -n 1 "$work/minimal.log")"
fi

# all DIRECTORY...: every file of $root there, with what is in it, to be compared
all() {
	(cd "$root" && find "$@" \( -type f -exec sha256sum {} + -o -printf '%M %u %p %l\n' \) | sort)
}

# asked: what the maintainer scripts asked systemd for since the last time
asked() { cat "$root/asked" 2>/dev/null; rm -f "$root/asked"; }

on_minimal_debian() {
	cp -a "$minimal" "$root"
	cp "$deb" "$root/instanced.deb"
	# As if systemd were running there, and wrote down what it is asked for.
	mkdir -p "$root/run/systemd/system"
	printf '#!/bin/sh\necho "$*" >>/asked\n' >"$root/usr/bin/deb-systemd-invoke"

	all etc var/lib >"$work/before"
	enter dpkg -i /instanced.deb >"$work/install" 2>&1
	ok $? "it installs on a minimal Debian 12" "$(cat "$work/install")"
	is "and asks for the agent to be started, whose start wants the bootstrap" "$(asked)" \
		"start instanced.service"
	is "agent, bootstrap and drain are enabled, the socket is not" \
		"$(cd "$root/etc/systemd/system" && find . -name 'instance*' -type l | sort)" "\
./instanced.service.wants/instance-bootstrap.service
./instanced.service.wants/instance-drain.path
./multi-user.target.wants/instanced.service"
	is "its user has no shell and no home" \
		"$(enter getent passwd instanced | cut -d: -f1,6-)" "instanced:/:/usr/sbin/nologin"
	is "both programs run there" \
		"$(enter instancectl --version; enter instanced --version)" "\
instancectl $(dpkg-deb -f "$deb" Version)
instanced $(dpkg-deb -f "$deb" Version)"
	is "without a configuration nothing is written, to /etc/instanced or /var/lib/instanced" \
		"$(cd "$root" && find etc/instanced var/lib/instanced)" "\
etc/instanced
etc/instanced/conf.d
var/lib/instanced"
	is "systemd-analyze verify has nothing to say of its units" \
		"$(enter systemd-analyze verify --man=no instanced.service instanced.socket \
			instance-bootstrap.service instance-drain.path instance-drain.service instance-imds.service instance-imds.socket \
			instance-volume@vdb.service 2>&1)" ""

	# What people and the agent leave there.
	echo '[agent]' >"$root/etc/instanced/instanced.conf"
	echo '[agent]' >"$root/etc/instanced/conf.d/50-ours.conf"
	mkdir -p "$root/var/lib/instanced/app/web/releases/1"
	echo precious >"$root/var/lib/instanced/app/web/releases/1/only-copy"
	all etc/instanced var/lib/instanced >"$work/ours"

	enter dpkg -i /instanced.deb >"$work/install" 2>&1
	ok $? "it installs over itself" "$(cat "$work/install")"
	is "and asks for the agent to be restarted, and for nothing else" "$(asked)" \
		"restart instanced.service"

	enter dpkg --remove instanced >"$work/remove" 2>&1
	ok $? "it can be removed" "$(cat "$work/remove")"
	is "and asks for agent and sockets to be stopped; bootstrap, mounts and apps stay" "$(asked)" "\
stop instance-drain.path instanced.socket instance-imds.socket instance-imds.service
stop instanced.service"
	is "configuration and data are untouched" \
		"$(all etc/instanced var/lib/instanced | diff "$work/ours" -)" ""
	enter dpkg --purge instanced >"$work/purge" 2>&1
	ok $? "it can be purged" "$(cat "$work/purge")"
	is "configuration and data are untouched by that, too" \
		"$(all etc/instanced var/lib/instanced | diff "$work/ours" -)" ""
	is "and nothing else is left of it but its user" \
		"$(all etc var/lib | diff "$work/before" - | grep '^[<>]' | awk '{ print $NF }' |
			grep -vE '^(etc|var/lib)/(instanced(/|$)|dpkg/)|^etc/(passwd|shadow|group|gshadow)-?$' |
			sort -u)" ""
}
if [ -z "$why" ]; then
	on_minimal_debian
else
	skip "it installs on a minimal Debian 12, and goes without touching what is not its own" "$why"
fi

# -- the rpm --

rpm_tests() {
	local rpm paths
	wait "$rpm_build"
	ok $? "the .rpm is built" "$(cat "$work/rpm.err")"
	rpm_build=''
	rpm=$(head -n 1 "$work/rpms")
	[ -e "$rpm" ] || return
	paths=$(rpm -qp --queryformat '[%{FILEMODES:perms} %{FILENAMES}\n]' "$rpm" |
		grep -vE 'build-id|/examples|^d.*/(doc|licenses)/' | sort -k2)
	is "it holds what the .deb holds, and a preset" "$paths" "\
drwxr-xr-x /etc/instanced
drwxr-xr-x /etc/instanced/conf.d
-rwxr-xr-x /usr/bin/instancectl
-rw-r--r-- /usr/lib/systemd/system-preset/90-instanced.preset
-rw-r--r-- /usr/lib/systemd/system/instance-bootstrap.service
-rw-r--r-- /usr/lib/systemd/system/instance-drain.path
-rw-r--r-- /usr/lib/systemd/system/instance-drain.service
-rw-r--r-- /usr/lib/systemd/system/instance-imds.service
-rw-r--r-- /usr/lib/systemd/system/instance-imds.socket
-rw-r--r-- /usr/lib/systemd/system/instance-volume@.service
-rw-r--r-- /usr/lib/systemd/system/instanced.service
-rw-r--r-- /usr/lib/systemd/system/instanced.socket
-rw-r--r-- /usr/lib/sysusers.d/instanced.conf
-rw-r--r-- /usr/lib/tmpfiles.d/instanced.conf
-rw-r--r-- /usr/lib/udev/rules.d/90-instanced.rules
-rwxr-xr-x /usr/sbin/instanced
-rw-r--r-- /usr/share/bash-completion/completions/instancectl
lrwxrwxrwx /usr/share/bash-completion/completions/instanced
-rw-r--r-- /usr/share/doc/instanced/README.md
drwxr-xr-x /usr/share/instanced
-rw-r--r-- /usr/share/instanced/cloud-init-handler.py
-rw-r--r-- /usr/share/licenses/instanced/LICENSE
-rw-r--r-- /usr/share/man/man1/instancectl.1.gz
-rw-r--r-- /usr/share/man/man5/instanced.conf.5.gz
-rw-r--r-- /usr/share/man/man8/instanced.8.gz
-rw-r--r-- /var/lib/cloud/handlers/instanced.py"
	is "what it requires and recommends has the names of Amazon Linux 2023" \
		"$(rpm -qp --requires --recommends "$rpm" | grep -vE '\(|^/bin/sh' | sort -u)" "\
e2fsprogs
git-core
shadow-utils
systemd
systemd >= 252
xfsprogs"
	unlike "its scriptlets never stop the bootstrap, nor know /var/lib" \
		"$(rpm -qp --scripts "$rpm" | grep -v '^#' | grep -E 'stop|--now|/var/lib')" \
		"@(bootstrap|/var/lib)"
	if command -v rpmlint >/dev/null; then
		rpmlint -c packaging/rpm/rpmlint.toml build/rpm/*.rpm >"$work/rpmlint" 2>&1
		like "rpmlint has nothing to say but what rpmlint.toml explains" \
			"$(cat "$work/rpmlint")" " 0 errors, 0 warnings"
	else
		skip "rpmlint has nothing to say" "rpmlint is not installed"
	fi
}
if [ -n "$rpm_build" ]; then
	rpm_tests
else
	skip "the .rpm" "rpmbuild is not installed"
fi
done_testing
