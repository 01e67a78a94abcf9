#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# What metadata says goes into pages, files, metrics, a terminal; and user-data says which disk is
# formatted. Somebody's own words get there as words, whatever they are; half of a configuration, or
# none of a service that has nothing, leads to nothing.
. "$(dirname "$0")/lib.sh"
need mkfs.ext4 mkfs.xfs
in_namespaces "$@"
sim_start --instance-id i-0aa --tag Name=web
readonly TAGS=$work/imds/meta-data/tags/instance

# -- values --

place values
free_port && url=http://127.0.0.1:$port
cat >"$conf" <<END
[agent]
listen = 127.0.0.1:$port
[index]
path = $at/index.html
template = $at/index.html.in
END
echo '<p title="{{tag:Name}}">{{tag:Name}}|{{tag:odd}}|{{security-groups}}|' >"$at/index.html.in"

# value TAG-VALUE ON-THE-PAGE NAME: each has a page of its own
value() {
	printf '%b' "$1" >"$TAGS/Name"
	run apply
	is "$3: apply" "$status" 0
	is "$3: on the page" "$(<"$at/index.html")" "<p title=\"$2\">$2||web|"
	run metadata
	[ "$(tr -d '[:cntrl:]' <<<"$out")" = "$(tr -d '\n' <<<"$out")" ]
	ok $? "$3: nothing for a terminal to obey" "$(cat -v <<<"$out")"
	is "$3: as JSON" "$(ctl metadata --json | jq -r '.tags.Name // ""')" "$4"
}
printf 'a\033[2J' >"$TAGS/odd"
value '<script>alert(1)</script>' '&lt;script&gt;alert(1)&lt;/script&gt;' "HTML" \
	'<script>alert(1)</script>'
value "\"'\`" '&quot;&#39;`' "quotes" "\"'\`"
value '../../etc/passwd' '../../etc/passwd' "a way out" '../../etc/passwd'
value "\$(touch $work/x);{{hostname}}" "\$(touch $work/x);{{hostname}}" "a shell's and a template's words" \
	"\$(touch $work/x);{{hostname}}"
value 'Größe 😀' 'Größe 😀' "UTF-8" 'Größe 😀'
value 'a\nb' '' "two lines" ''
value 'a\x1b[31mb' '' "colour" ''
value 'caf\xe9' '' "no UTF-8" ''
value "$(printf 'x%.0s' {1..1025})" '' "more than 1 KiB" ''
value 'web' 'web' "a plain one" web
[ ! -e "$work/x" ]
ok $? "nobody obeyed"

agent_start
is "the agent's JSON is JSON" "$(get /instance | jq -r .instanceId)" i-0aa
agent_stop

# -- user-data --

# Whole, it says ext4. Its first half does not, and xfs is the default.
place user-data
disk data 400M
cat >"$work/user.conf" <<END
#instanced
[index]
path = $at/index.html
[volume data]
mount = $at/data
device = $dev
; $(printf 'x%.0s' {1..150})
filesystem = ext4
END
cp "$work/user.conf" "$work/imds/user-data"
: >"$conf"
mkdir "$work/links"
fault() {
	printf '%b\n' "$1" >"$work/links/link.new"
	mv "$work/links/link.new" "$work/links/link.faults"
}
status_says() {
	run status
	[[ $out == *$1* ]]
}
before=$(fingerprint data)
half=$(head -c $((($(stat -c %s "$work/user.conf") + 1) / 2)) "$work/user.conf")
is "the first half would be a configuration, of another file system" \
	"$(grep -c -e '^device' -e '^filesystem' <<<"$half")" 1
fault 'user-data unframed'
"$top/tests/imds-sim/faulty" "$imds" "$work/links" link &
wait_for 5 test -s "$work/links/link.url"
imds=$(<"$work/links/link.url")
apply=
while IFS='|' read -r faults words name; do
	fault "$faults"
	[ -z "$apply" ] || { kill $apply && wait $apply; } # a boot of its own to each
	rm -rf "$state"
	"$work/bin/instancectl" --config "$conf" --imds "$imds" --state "$state" --data "$data" \
		--imds-timeout 100 apply >"$at/apply.out" 2>&1 &
	apply=$!
	wait_for 60 status_says "$words"
	ok $? "user-data $name: status says so" "$out"
	is "user-data $name: the disk is left alone" "$(fingerprint data)" "$before"
	[ ! -e "$at/index.html" ] && [ ! -e "$state/user-data.conf" ]
	ok $? "user-data $name: nothing is done by it" "$(ls "$at" "$state")"
done <<'END'
user-data unframed|does not say how long it is|without its length
user-data cut|transfer closed|cut off
user-data stall|imed out|that stalls
user-data oversized|too long|that is too long
user-data redirect|answered 302 to user-data|somewhere else
user-data status 404\nmeta-data/* status 404|there is no meta-data/instance-id|of a service that has nothing
END
rm "$work/links/link.faults"
wait $apply
is "when the fault is over, apply goes on by itself, and ends well" $? 0
is "with what user-data says" "$(blkid -p -s TYPE -o value "$dev") $(mounted "$at/data" | wc -l)" "ext4 1"
is "all of it" "$(grep -c i-0aa "$at/index.html")" 1

done_testing
