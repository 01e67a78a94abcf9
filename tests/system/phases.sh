# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What crash.t and resources.t do to instancectl: it runs under crash-tracer, something goes wrong at
# one of its system calls, and it runs again. To be sourced after lib.sh.

# The outside returns only inside, as in_namespaces.
phases_begin() {
	need mkfs.xfs mkfs.ext4 losetup blkdiscard
	in_namespaces "$@"
	tracer=$build/tests/system/crash-tracer
	[ -x "$tracer" ] || skip_all "$tracer is not built"
	disk foreign 16M || skip_all "no loop device can be attached here"
	foreign=$dev
	mkfs.ext4 -q -L precious "$foreign"
	foreign_was=$(fingerprint foreign)
	RANDOM=${SEED:=$RANDOM}
	echo "# SEED=$SEED"
	sim_start --instance-id i-0aa
	export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
}

# -- running and breaking --

# traced POINT ACTION COMMAND: instancectl under the tracer; sets report, status
traced() {
	"$tracer" "$at/report" "$1" "$2" "$work/bin/instancectl" --config "$conf" --imds "$imds" \
		--state "$state" --data "$data" "$3" 2>&1 | cat >"$at/out" # to no file by itself
	status=${PIPESTATUS[0]}
	report=$(<"$at/report")
}
again() { # COMMAND
	ctl "$1" >"$at/out" 2>&1
	status=$?
}

# A phase is functions of its name: _before makes what is there before the run, _whole says what is
# broken after it was disturbed, _end describes what a run ends with. It runs beside others, in its
# own place. At about $kills of its points one of the $actions happens.
#
# sweep PHASE COMMAND: breaks the command, then runs it again
sweep() {
	local phase=$1 command=$2 wanted status_wanted points step=1 n=0 point action end broken
	"$phase"_before
	traced 0 "${actions[0]}" "$command"
	status_wanted=$status
	again "$command" # what was started ended with the tracer
	wanted=$("$phase"_end)
	points=${report#* after } points=${points%%:*}
	[ "$kills" = all ] || step=$((points / kills + 1))
	for ((point = RANDOM % step + 1; point <= points; point += step)); do
		action=${actions[RANDOM % ${#actions[@]}]}
		"$phase"_before
		traced "$point" "$action" "$command"
		[ -z "${report#*: }" ] || n=$((n + 1)) # it did not end before
		# A program of drain.d that cannot write has failed, and is not run again: drain.t
		[[ $report != *" of 10-tell: "* ]] || continue
		broken=$("$phase"_whole 2>&1; disturbed) # what it says, too
		mv "$at/out" "$at/out.killed"
		again "$command"
		end=$("$phase"_end)
		[ -z "$broken" ] && [ "$status" = "$status_wanted" ] && [ "$end" = "$wanted" ] &&
			continue
		echo "point $point, $action, $report: $broken"
		cat "$at/out.killed"
		echo "then $status, $(<"$at/out")"
		diff <(echo "$wanted") <(echo "$end")
	done
	echo "undisturbed $status_wanted, $points points, $n hits"
}

# What is wrong with how the run itself ended: $status, $report, $at/out.
disturbed() {
	[[ $report != hangs* ]] || echo "hangs"
	! grep -e Sanitizer -e 'runtime error' "$at/out"
}

# begin PHASE COMMAND; ended PHASE STATUS WORDS
begin() {
	place "$1"
	RANDOM=$((SEED + ${#phases[@]})) # or all would draw the same
	"$1_set_up"
	sweep "$@" >"$at/swept" 2>&1 &
	phases[$1]=$!
}
declare -A phases=()
ended() {
	local said
	wait "${phases[$1]}"
	said=$(<"$work/$1/swept")
	[[ $said =~ ^"undisturbed $2, "([1-9][0-9]*)" points, "[1-9][0-9]*" hits"$ ]]
	ok $? "$3: ${said#*, }" "$said"
	all=$((all + ${BASH_REMATCH[1]-0}))
}
all=0

# -- what is whole, and how it ends --

state_whole() {
	local file
	for file in "$state"/*.json "$data"/format/*.json; do
		[ ! -e "$file" ] || jq -e . "$file" >/dev/null || echo "$file: is broken"
	done
	[ ! -e "$state/state.json" ] || [ "$(jq .version "$state/state.json")" = 1 ] ||
		echo "the state has no version"
	page_is_whole "$state/index.html"
}
page_is_whole() { # FILE
	[ ! -e "$1" ] || [ "$(tail -n 1 "$1")" = '</html>' ] || echo "$1: is cut"
}
state_end() {
	jq -c '[.phase, .identity.instanceId, (.items[] | del(.version))]' "$state/state.json" |
		sed -E 's/[0-9a-f]{12}-[0-9a-f]{8}/ID/g'
	mkdir -p "$data"
	(cd "$at" && find state lib ! -name '*.log' -printf '%p %M\n' | sort) # and nothing beside
}

# -- volumes --

ext4_set_up() {
	disk ext4-disk 16M
	cat >"$conf" <<-END
	[volume data]
	device = $dev
	filesystem = ext4
	options = noinit_itable
	mount = $at/mnt
	owner = games:games
	mode = 0750
	[volume somebody]
	device = $foreign
	filesystem = xfs
	mount = $at/foreign
	required = no
	END
}
ext4_before() {
	! mounted "$at/mnt" >/dev/null || umount "$at/mnt"
	blkdiscard --force "$dev" 2>/dev/null
	rm -rf "$state" "$data" "${at:?}/mnt"
}
ext4_whole() {
	state_whole
	[ "$(fingerprint foreign)" = "$foreign_was" ] || echo "the foreign disk is touched"
}
ext4_end() {
	state_end
	blkid -p -o export -s TYPE -s LABEL "$dev"
	mounted "$at/mnt" | cut -d ' ' -f 5-
	stat -c %U:%G:%a "$at/mnt"
	[ ! -e "$at/foreign" ] || echo "the foreign disk has a mount point"
}
xfs_set_up() {
	disk xfs-disk 300M
	printf '%s\n' '[volume data]' "device = $dev" 'filesystem = xfs' "mount = $at/mnt" >"$conf"
}
xfs_before() { ext4_before; }
xfs_whole() { state_whole; }
xfs_end() { ext4_end; }

# -- the page --

page_set_up() {
	printf '%s\n' '[index]' "path = $at/www/index.html" 'title = Hola' >"$conf"
}
page_before() {
	rm -rf "$state" "$data" "$at/www"
	mkdir -p "$at/www" "$data"
	echo somebody\'s >"$at/www/index.html"
}
page_whole() {
	local page=$at/www/index.html
	state_whole
	grep -qx somebody\'s "$page" "$page.before-instanced" || echo "the foreign page is lost"
	grep -qx somebody\'s "$page" || page_is_whole "$page"
}
page_end() {
	state_end
	(cd "$at/www" && tail -n 1000 -- *)
	$python -c 'import os, sys; print(os.getxattr(sys.argv[1], "user.instanced.sha256"))' \
		"$at/www/index.html"
}

# -- apps --

version=0
release() { # the next version, where the source is
	version=$((version + 1))
	echo $version >"$at/tree/VERSION"
	seq $version 2000 >"$at/tree/data"
	(cd "$at/tree" && sha256sum VERSION data >SUMS)
}
app_set_up() { # SOURCE [LINE]...
	last_line=limit_nofile # of a mark
	mkdir "$at/tree"
	echo 'version {{instance-id}}' >"$at/template"
	cat >"$conf" <<-END
	[app web]
	source = $1
	path = $at/web
	build = cp VERSION built
	files.app.conf = $at/template
	user = games
	shared = kept
	keep = 1
	END
	printf '%s\n' "${@:2}" >>"$conf"
}
app_whole() {
	local mark tree
	state_whole
	for mark in "$at"/web/releases/*.complete; do
		[ -e "$mark" ] || continue
		tree=${mark%.complete}
		[[ $(<"$mark") =~ ^[0-9a-f]{40,64}$'\n'.*$'\n'$last_line=[^$'\n']*$ ]] ||
			echo "$mark: is not whole: $(<"$mark")"
		(cd "$tree" && sha256sum --quiet -c SUMS) && cmp "$tree/VERSION" "$tree/built" &&
			[ "$(<"$tree/app.conf")" = "version i-0aa" ] || echo "$tree: is not whole"
	done
	[ ! -L "$at/web/current" ] || [ -e "$at/web/$(readlink "$at/web/current").complete" ] ||
		echo "current leads to nothing whole"
}
app_end() {
	state_end
	[ "$(<"$at/web/current/VERSION")" = $version ] || echo "is not version $version"
	app_whole
	# An older release may stay until the next deploy.
	(cd "$at/web" && find . \( -path "./$(readlink current)*" -o ! -path './releases/*-*' \) \
		-printf '%p %M %u %l\n' | sed -E 's/[0-9a-f]{12}-[0-9a-f]{8}/ID/g' | sort)
}

# Files for others, from an archive, where somebody has a directory.
archive_set_up() { app_set_up "file:$at/source.tar.gz" "link = $at/www"; }
archive_before() {
	release
	tar czf "$at/source.tar.gz" -C "$at/tree" .
	[ ! -L "$at/www" ] || rm "$at/www"
	[ ! -d "$at/www.before-web" ] || mv "$at/www.before-web" "$at/www"
	mkdir -p "$at/www"
	echo somebody\'s >"$at/www/file"
}
archive_whole() {
	app_whole
	[ -e "$at/www/file" ] || [ -e "$at/www.before-web/file" ] || echo "the foreign file is lost"
}
archive_end() {
	app_end
	ls -l "$at/www" "$at/www.before-web" | sed 's/ root .*[0-9] / /'
}
git_set_up() {
	app_set_up "git+file://$at/tree#main"
	git init -q -b main "$at/tree"
}
git_before() {
	release
	git -C "$at/tree" add -A
	git -C "$at/tree" -c user.name=t -c user.email=t@t commit -q -m $version
}
git_whole() { app_whole; }
git_end() { app_end; }

# One that runs.
running_set_up() {
	free_port && app_port=$port
	app_set_up "file:$at/tree" "run = $python app.py" "env.PORT = $app_port" \
		"health = http://127.0.0.1:$app_port/" "[lifecycle]" "drain = 1s" "quiet = 0s"
	make_app "$at/tree" 0
	last_line='env'
	mkdir "$at/drain.d"
	printf '%s\n' '#!/bin/sh' "echo \$1 >$at/told" >"$at/drain.d/10-tell"
	chmod 755 "$at/drain.d/10-tell"
}
running_before() { release; }
running_whole() { app_whole; }
running_end() {
	app_end
	wait_for 5 app_is $version && echo serves
	pgrep -f "$at" -c -u games
}
drain_set_up() {
	running_set_up
	release
	ctl apply >"$at/out" 2>&1
	ctl drain >"$at/out" 2>&1 # which drain_before takes back, and the state remembers
}
drain_before() {
	rm -f "$at/told"
	ctl undrain >"$at/out" 2>&1
	wait_for 5 app_is $version
}
drain_whole() { state_whole; }
drain_end() {
	jq -c 'del(.since, .until)' "$state/drain.json"
	cat "$at/told"
	app_is $version && echo serves
}
undrain_set_up() { drain_set_up; }
undrain_before() { ctl drain >"$at/out" 2>&1; }
undrain_whole() { app_whole; }
undrain_end() {
	jq -c 'del(.since, .until)' "$state/drain.json"
	running_end
}
