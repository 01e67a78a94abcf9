#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `instancectl user-data`: the script that it prints is run, in a copy of this system (an overlay),
# with the system's own apt, dpkg and curl, a package of that name, and each shell that is here. What
# it prints for a baked image is read back. How long both may be is EC2's.
. "$(dirname "$0")/lib.sh"
need apt-get dpkg-deb gzip
in_namespaces "$@"
place main

# print [OPTION]...: sets out (the file), err and status
print() {
	out=$work/user-data
	"$work/bin/instancectl" --config "$conf" "$@" user-data >"$out" 2>"$work/stderr"
	status=$?
	err=$(<"$work/stderr")
}
hex=$(printf 'aA%.0s' {1..32})

# -- usage --

printf '[index]\npath = /srv/index.html\n' >"$conf"
refused() { # NAME WORDS OPTION...
	print "${@:3}"
	is "$1: exit status 2, nothing printed" "$status $(wc -c <"$out")" "2 0"
	like "$1: with words" "$err" "$2"
}
refused "neither package nor --baked" "--url URL --sha256 HEX; or --baked"
refused "no digest" "--url URL --sha256 HEX" --url https://example.org/a.deb
refused "--baked with a package" "without --url" --baked --url https://example.org/a.deb
refused "a short digest" "64 hex digits" --url https://example.org/a.deb --sha256 "${hex%?}"
refused "another scheme" "https://" --url s3://bucket/a.deb --sha256 "$hex"
refused "a URL with a line end" "no URL has" --url $'https://example.org/\nid' --sha256 "$hex"
refused "{arch} with one digest" "amd64=HEX" --url 'https://example.org/{arch}.deb' --sha256 "$hex"
refused "an architecture twice" "x86_64 is there twice" --url 'https://example.org/{arch}.deb' \
	--sha256 "amd64=$hex,x86_64=$hex"
echo nonsense >>"$conf"
refused "a broken configuration" "instanced.conf:3" --baked
conf=$at/nowhere
refused "no configuration" "nowhere: No such file" --baked

# -- the document of a baked image --

place document
text='[index]
path = /srv/index.html
# it stays as it is'
printf %s "$text" >"$conf"
print --baked
is "one file is printed as it is, below its first line" "$status $(<"$out")" "0 #instanced"$'\n'"$text"
printf '\xef\xbb\xbf%s' "$text" >"$conf"
print --baked
is "without a byte order mark" "$(<"$out")" "#instanced"$'\n'"$text"
cp "$out" "$conf"
print --baked
is "with the first line once" "$(<"$out")" "#instanced"$'\n'"$text"
mkdir "$at/conf.d"
printf '[index]\npath = /srv/other.html\n[app web]\nsource = file:/srv/app\nbuild =\n\ta b\n\tc\nrun = x y\nenv.A = b=c;d\n' \
	>"$at/conf.d/10.conf"
print --baked
is "several become one" "$(<"$out")" '#instanced
[index]
path=/srv/other.html
[app web]
source=file:/srv/app
build=
 a b
 c
run=x y
env.A=b=c;d'
print --json --baked
is "as JSON it says how long it is" "$(jq -c '[.bytes, .limit, (.userData | length)]' "$out")" \
	"[106,16384,106]"

fill() { # BYTES COMMAND...: $conf makes a document of that many, filled with what the command says
	local text
	text=$(printf '[index]\npath = /srv/index.html\n'; "${@:2}" | fold -w 100 | sed 's/^/# /' |
		head -c "$1")
	echo "${text::$1 - 12}" >"$conf"
}
rm -r "$at/conf.d"
fill 16384 yes
print --baked
is "16384 bytes are taken" "$status $(wc -c <"$out") $err" "0 16384 "
fill 16385 yes
print --baked
is "16385 are one too many" "$status" 1
like "which is said, and that gzip helps" "$err" \
	"has 16385 bytes, EC2 takes 16384: 1 too many*fits, with * bytes*| gzip -9n"
is "as it does" "$(($(gzip -9n <"$out" | wc -c) <= 16384))" 1
fill 60000 sh -c 'head -c 60000 /dev/urandom | base64 -w 0'
print --baked
like "it does not always" "$status $err" "1 *does not fit either"
print --url https://example.org/a.deb --sha256 "$hex"
like "the script has the same limit" "$status $err" "1 *EC2 takes 16384"

# -- the script, run for real --

copy=$work/copy
mkdir "$work/layer" "$copy"
mount -t tmpfs tmpfs "$work/layer" && mkdir "$work/layer/upper" "$work/layer/work"
if ! mount -t overlay overlay -o \
	"lowerdir=/,upperdir=$work/layer/upper,workdir=$work/layer/work" "$copy" 2>/dev/null; then
	skip "the script is run" "no overlay of this machine's root can be mounted"
	done_testing
fi
mount -t proc proc "$copy/proc"
mount -t tmpfs tmpfs "$copy/run"
mount -t tmpfs tmpfs "$copy/tmp"
mount --bind /dev "$copy/dev"
mkdir -p "$copy/run/systemd/system" "$copy/usr/local/bin"
rm -rf "$copy/etc/instanced" "$copy/var/cache/instanced"
cat >"$copy/usr/local/bin/systemctl" <<-'END' # no systemd is running here: what it is asked is noted
	#!/bin/sh
	echo "$*" >>/tmp/systemctl
END
chmod 0755 "$copy/usr/local/bin/systemctl"

package() { # VERSION: sets sha256; with a configuration file that dpkg would ask about
	local tree=$work/package
	mkdir -p "$tree/DEBIAN" "$tree/etc/instanced" "$tree/usr/share/instanced"
	printf 'Package: instanced\nVersion: %s\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: x\n' \
		"$1" >"$tree/DEBIAN/control"
	echo /etc/instanced/instanced.conf >"$tree/DEBIAN/conffiles"
	echo "# shipped with $1" >"$tree/etc/instanced/instanced.conf"
	echo "$1" >"$tree/usr/share/instanced/version"
	mkdir -p "$work/www"
	dpkg-deb --root-owner-group -b "$tree" "$work/www/instanced_$1.deb" >/dev/null
	sha256=$(sha256sum <"$work/www/instanced_$1.deb")
	sha256=${sha256%% *}
}
free_port
$python -u -m http.server --bind 127.0.0.1 --directory "$work/www" "$port" >/dev/null 2>"$work/www.log" &
wait_for 5 curl -s "http://127.0.0.1:$port/"
url=http://127.0.0.1:$port
downloads() { grep -c 'GET /instanced' "$work/www.log"; }
installed() { # the version, and the files that are not the package's
	cat "$copy/usr/share/instanced/version" 2>/dev/null
	(cd "$copy/etc/instanced" 2>/dev/null && find . -type f | sort)
}
go() { # [SHELL]...: what print has printed, there; sets said and status, and systemctl's arguments
	cp "$out" "$copy/tmp/user-data"
	chmod 0755 "$copy/tmp/user-data"
	rm -f "$copy/tmp/systemctl"
	said=$(chroot "$copy" ${1+"$@"} /tmp/user-data 2>&1)
	status=$?
	asked=$(cat "$copy/tmp/systemctl" 2>/dev/null)
}

# What a shell, a here-document or dpkg might stumble over; and no line end at the end.
place script
mkdir "$at/conf.d"
# shellcheck disable=SC2016,SC2059,SC1003 # just that
{
	printf '\xef\xbb\xbf# END_OF_FILE\r\n;\tEND_OF_FILE_1 "'"'"' `touch /tmp/pwned` $(touch /tmp/pwned) ${x} \\ \\\\\n'
	printf '# all bytes that UTF-8 has:'
	printf '\x01\x02\x07\x08\x0b\x0c\x1b\x7f'
	for ((i = 128; i < 192; i++)); do printf "\\xc3\\x$(printf %x $i)"; done
	printf '\n[index]\r\npath = /srv/index.html\ntitle = %s\ntemplate = %s\n\nEOF = \n' \
		"'; touch /tmp/pwned; echo '" "$at/it's a template" | grep -v ^EOF
	printf '# the end\\'
} >"$conf"
printf '{{instance-id}}\nEND_OF_FILE\nEND_OF_FILE_1\n' >"$at/it's a template"
strange="50 it's \$(x).conf"
printf '[index]\ntitle = second\n[app web]\nsource = file:/x\nfiles.a = %s\nfiles.b = %s\n%s\n' \
	"$at/app's template" "$at/app's template" "env_file = /etc/web.env" >"$at/conf.d/$strange"
printf '{{hostname}}\n' >"$at/app's template"
same() { # the files there and here, with the templates
	cmp "$conf" "$copy/etc/instanced/instanced.conf" &&
		cmp "$at/conf.d/$strange" "$copy/etc/instanced/conf.d/$strange" &&
		cmp "$at/it's a template" "$copy$at/it's a template" &&
		cmp "$at/app's template" "$copy$at/app's template"
}
package 1.0
first=$sha256

print --url "$url/instanced_1.0.deb" --sha256 "$hex"
like "it is printed, and what it does not carry is named" "$status $err" \
	"0 *must have /etc/web.env: user-data is no place for a secret"
before=$(installed)
go
like "a package with another digest is refused" "$status $said" \
	"1 *has SHA-256 $first, not ${hex,,}: nothing is installed"
is "and nothing is there" "$(installed)$(find "$copy/var/cache/instanced" -type f)" "$before"

print --url "$url/nothing.deb" --sha256 "$first"
go
like "a package that is not there is named" "$status $said" "1 *$url/nothing.deb: cannot be downl"

print --url "$url/instanced_1.0.deb" --sha256 "${first^^}"
cp "$out" "$work/first"
print --url "$url/instanced_1.0.deb" --sha256 "$first"
cmp -s "$out" "$work/first"
ok $? "twice the same is printed, to the last byte"
if command -v shellcheck >/dev/null; then
	# SC2016: of the file's name, that it has an expression in single quotes. So it is meant.
	is "shellcheck has nothing to say" "$(shellcheck --exclude=SC2016 "$out" 2>&1)" ""
else
	skip "shellcheck has nothing to say" "shellcheck is not installed"
fi
chroot "$copy" setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups sh - <"$out" >"$work/said" 2>&1
is "only root can run it" "$? $(<"$work/said")" "1 instanced: only root can install"
began=$(downloads)
go
is "run, it installs the package" "$status $(<"$copy/usr/share/instanced/version")" "0 1.0"
[ "$status" = 0 ] || printf '%s\n' "$said" | sed 's/^/# /'
is "the files are there, byte for byte" "$(same 2>&1)" ""
is "readable, as the agent needs it" "$(stat -c %a "$copy/etc/instanced/instanced.conf")" 644
is "nothing in them was run" "$(ls "$copy/tmp/pwned" 2>/dev/null)" ""
is "the units are enabled and started" "$asked" \
	"--quiet enable instance-bootstrap.service instanced.service
--no-block start instance-bootstrap.service instanced.service"
before=$(installed)
go
is "run again it changes nothing, and says so" "$status $said" \
	"0 instanced: it is all there: nothing changed"
is "downloads nothing" "$(($(downloads) - began))" 1
is "and starts what is not started" "${asked##*$'\n'}" \
	"--no-block start instance-bootstrap.service instanced.service"
is "it leaves no temporary file" "$(installed)" "$before"

echo "# more" >>"$copy/etc/instanced/instanced.conf"
go
is "what was changed by hand is as pinned again" "$status $(same 2>&1)" "0 "
is "and the units take it" "${asked##*$'\n'}" \
	"--no-block restart instance-bootstrap.service instanced.service"

package 2.0
print --url "$url/instanced_2.0.deb" --sha256 "$sha256"
go
is "another version is installed over it, and the files stay" \
	"$status $(<"$copy/usr/share/instanced/version") $(same 2>&1)" "0 2.0 "
[ "$status" = 0 ] || printf '%s\n' "$said" | sed 's/^/# /'
print --url "$url/instanced_1.0.deb" --sha256 "$first"
go
is "and an older one, for it is what is pinned" "$status $(<"$copy/usr/share/instanced/version")" \
	"0 1.0"
for shell in dash bash "bash --posix" "busybox sh" mksh; do
	command -v "${shell%% *}" >/dev/null || continue
	rm -rf "$copy/etc/instanced"
	# shellcheck disable=SC2086 # words
	go $shell
	is "the same in $shell" "$status $(same 2>&1)" "0 "
done
rm "$copy/usr/local/bin/systemctl"
mv "$copy/run/systemd" "$copy/run/no-systemd"
rm -rf "$copy/etc/instanced"
mount --bind /bin/true "$copy$(readlink -f "$(command -v systemctl || echo /bin/false)")"
go
like "where systemd does not run it says so" "$status $said" "0 *nothing is started"

# {arch}: the one of this machine is taken
cp "$work/www/instanced_2.0.deb" "$work/www/instanced_$(dpkg --print-architecture).deb"
print --url "$url/instanced_{arch}.deb" --sha256 "amd64=$sha256,arm64=$sha256"
go
is "{arch} is this machine's" "$status $(<"$copy/usr/share/instanced/version")" "0 2.0"
print --url "$url/instanced_{arch}.deb" \
	--sha256 "$([ "$(uname -m)" = x86_64 ] && echo arm64 || echo amd64)=$sha256"
go
like "an architecture without a package is named" "$status $said" \
	"1 instanced: there is no package for $(uname -m)"

# Where curl is not, and with dnf; rpm and dnf are stand-ins that note what they are asked.
rm -rf "$copy/var/cache/instanced" "$copy$(readlink -f "$(command -v curl)")"
print --url "$url/instanced_1.0.deb" --sha256 "$first"
go
is "wget will do" "$status $(<"$copy/usr/share/instanced/version")" "0 1.0"
rm "$copy$(readlink -f "$(command -v apt-get)")"
cat >"$copy/usr/local/bin/rpm" <<-'END'
	#!/bin/sh
	if [ "$1" = -qp ]; then echo instanced-1.0; else [ -e /tmp/dnf ]; fi
END
cat >"$copy/usr/local/bin/dnf" <<-'END'
	#!/bin/sh
	echo "$*" >>/tmp/dnf
END
chmod 0755 "$copy/usr/local/bin/rpm" "$copy/usr/local/bin/dnf"
go
like "on Amazon Linux dnf installs it" "$status $said $(<"$copy/tmp/dnf")" \
	"0 *installed instanced-1.0*-q -y install /var/cache/instanced/$first.rpm"
go
like "once" "$status $said $(wc -l <"$copy/tmp/dnf")" "0 *nothing changed 1"
rm -f "$copy/usr/local/bin/dnf" "$copy"/{usr/,}bin/dnf
go
like "without either it says so" "$status $said" "1 instanced: neither apt-get nor dnf"
done_testing
