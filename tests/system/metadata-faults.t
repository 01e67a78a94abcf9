#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A metadata service that fails in every way we know of. In each, `metadata` says which, `apply`
# does nothing wrong and says why it waits, and ends well by itself when the fault is over; the agent
# goes on to say what it said, counts, and is well again by itself; and nobody asks in a loop.
#
# The table is in here. What each mode is, is said in tests/imds-sim/faulty. Many modes are tried at a
# time, each by its own apply and agent, behind a link of its own to one simulator.
#
#	MODES='cut|nul.*' tests/run tests/system/metadata-faults.t
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
# shellcheck disable=SC2154 # top is lib.sh's
readonly FAULTY=$top/tests/imds-sim/faulty
readonly IDENTITY=dynamic/instance-identity/document
readonly LIFECYCLE=meta-data/autoscaling/target-lifecycle-state
readonly RATE=48       # requests in a second, at most, while something is wrong: two whole looks
readonly RECOVERY=15   # seconds after the fault until all is well, at most, on an idle machine
readonly CPU=8         # percent of a processor that an agent may use meanwhile
readonly AT_A_TIME=12

# NAME | FAULTS, separated by ; | what `metadata` says: a bash pattern | its exit status |
# whether a page is there during the fault: - not, * for a fault that does not matter
# | whether an agent is tried in it, too: a
grep -E "^(${MODES-.*})\|" >"$work/modes" <<END
silent|* silent|*timed out*|1|-|a
slow|* slow 4|*timed out*|1|-|-
drip|* drip|*timed out*|1|-|a
stall|* stall|*timed out*|1|-|a
stall-answers|meta-data/* stall|*timed out*|1|-|-
cut|* cut|*transfer closed*|1|-|a
cut-identity|$IDENTITY cut|*transfer closed*|1|-|-
unframed|* unframed|*does not say how long it is*|1|-|a
unframed-field|meta-data/hostname unframed|*does not say how long it is*|1|-|-
reset|* reset|*reset by peer*|1|-|a
reset-half|* reset half|*metadata service: http*|1|-|-
hangup|* hangup|*Empty reply*|1|-|a
closed|* closed|*Empty reply*|1|-|-
garbage|* garbage|*HTTP/0.9*|1|-|a
bare|* bare|*HTTP/0.9*|1|-|-
headers|* headers|*eader*|1|-|-
going-on|* going_on|*metadata service: http*|1|-|-
chunks|$IDENTITY chunks;meta-data/* chunks|*hunk*|1|-|-
endless|* endless|*too long*|1|-|a
oversized|$IDENTITY oversized;meta-data/* oversized|*too long*way (tried*|1|-|a
oversized-tag|meta-data/tags/instance/Name oversized|*too long*way (tried*|1|-|-
empty|* empty|*nonsense to a request for a token*|1|-|-
empty-answers|$IDENTITY empty|*identity document*|1|-|-
nul|$IDENTITY nul;meta-data/* nul|*nonsense to ?*a*|1|-|a
nul-field|meta-data/mac nul|*nonsense to meta-data/mac*|1|-|-
control|meta-data/* control|*is not what it should be*|1|-|a
newline|meta-data/* newline|*is not what it should be*|1|-|-
page|* page|*nonsense to a request for a token*|1|-|a
page-answers|$IDENTITY page|*identity document: *|1|-|-
page-field|meta-data/hostname page|*hostname is not what it should be*|1|-|-
page-tags|meta-data/tags/instance page|*list of tags is not what it should be*|1|-|-
types|$IDENTITY file types.json|*instanceId is not what it should be*|1|-|-
list|$IDENTITY file list.json|*no JSON object*|1|-|-
way-out|$IDENTITY file way-out.json|*instanceId is not what it should be*|1|-|-
region|$IDENTITY file region.json|*region is not what it should be*|1|-|-
changes|$IDENTITY turns aa.json bb.json|*it was that of i-0* and then of i-0*|1|-|-
redirect|* redirect|*answered 302*|1|-|a
redirect-answers|$IDENTITY redirect;meta-data/* redirect|*answered 302*way (tried*|1|-|-
401|$IDENTITY status 401;meta-data/* status 401|*answered 401*|1|-|a
401-later|meta-data/* status 401|*answered 401*|1|-|-
403|* status 403|*switched off*|1|-|a
403-answers|$IDENTITY status 403;meta-data/* status 403|*forbidden (403)*|1|-|-
403-field|meta-data/hostname status 403|instance-id: i-0aa*|0|*|-
404|* status 404|*answered 404*|1|-|a
404-answers|$IDENTITY status 404;meta-data/* status 404;user-data status 404|*there is no *|1|-|-
404-optional|meta-data/instance-id well;meta-data/* status 404|instance-id: i-0aa*|0|*|-
400|$IDENTITY status 400;meta-data/* status 400|*answered 400*way (tried*|1|-|-
429|* status 429|*answered 429*|1|-|-
429-later|* status 429 Retry-After: 2|*answered 429*|1|-|a
500|* status 500|*answered 500*|1|-|a
503-answers|$IDENTITY status 503;meta-data/* status 503|*answered 503 to *|1|-|-
503-later|* status 503 Retry-After: 3|*answered 503*|1|-|a
503-field|meta-data/hostname status 503|*answered 503 to meta-data/hostname*|1|-|-
token-400|api/token status 400|*answered 400 to a request for a token*|1|-|-
token-403|api/token status 403|*switched off*|1|-|-
token-bad|api/token token no token|*nonsense to a request for a token*|1|-|-
token-long|api/token oversized|*too long*|1|-|-
token-other|api/token token AQAAAother==|*answered 401*|1|-|-
END

sim_start --instance-id i-0aa --tag Name=web
links=$work/links
mkdir "$links"
chmod 777 "$links"
echo '{"instanceId": 7, "region": ["us-east-1"]}' >"$links/types.json"
echo '["i-0aa"]' >"$links/list.json"
echo '{"instanceId": "../../etc/i-0aa"}' >"$links/way-out.json"
echo '{"instanceId": "i-0aa", "region": "us-east-1.example.org/?x="}' >"$links/region.json"
cp "$work/imds/$IDENTITY" "$links/aa.json"
sed s/i-0aa/i-0bb/ "$links/aa.json" >"$links/bb.json"
mapfile -t names < <(cut -d"|" -f1 "$work/modes")
# shellcheck disable=SC2154 # imds is lib.sh's
"$FAULTY" "$imds" "$links" "${names[@]}" &
"$FAULTY" "$imds" "$links" "${names[@]/#/agent-}" &
wait_for 10 test -s "$links/${names[-1]}.url"
wait_for 10 test -s "$links/agent-${names[-1]}.url"

# As wait_for of lib.sh, for dozens at a time, and for longer where others use the processors, too.
wait_long() { # SECONDS COMMAND...
	local load end
	read -r load _ </proc/loadavg
	end=$((SECONDS + $1 + $1 * ${load%.*} / $(nproc)))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -le $end ] || return 1
		sleep 0.5
	done
}
now() { awk '{ print $1 }' /proc/uptime; }
fault() { # LINK FAULTS
	tr ';' '\n' <<<"$2" >"$links/$1.new"
	mv "$links/$1.new" "$links/$1.faults"
}
asked() { # LINK SINCE: requests in a second, of which there is at least one
	awk -v since="$2" -v now="$(now)" '$1 > since { n++ }
		END { span = now - since; printf "%d", n / (span > 1 ? span : 1) }' "$links/$1.log"
}
good() { # LINK PATH SINCE: whether this was answered well
	awk -v path="$2" -v since="$3" '$1 > since && $3 == path && $4 == "well" { found = 1 }
		END { exit !found }' "$links/$1.log"
}
say() { # CTL-ARGUMENT...: sets out and err as one, and status; files of others stay alone
	out=$(ctl "$@" 2>&1)
	status=$?
}

# What a person does, and a boot.
status_says() {
	say status
	# shellcheck disable=SC2053 # a pattern it is
	[[ $out == $words ]]
}
by_hand() { # NAME FAULTS WORDS STATUS PAGE
	local name=$1 words=$3 began seconds
	place "$name"
	cat >"$conf" <<-END
	[index]
	path = $at/index.html
	END
	imds=$(<"$links/$name.url")
	fault "$name" "$2"
	began=$(now)
	for seconds in 2 7 20; do # where an answer takes its time
		say --imds-timeout $seconds metadata
		# shellcheck disable=SC2053
		[[ $out != $words ]] || break
	done
	is "$name: exit status of metadata" "$status" "$4"
	like "$name: what it says" "$out" "$words"
	{
		say --imds-timeout 90 apply
		echo "$out" >"$at/apply.out"
		echo $status >"$at/apply.status"
	} &
	if [ "$5" = - ]; then
		wait_long $RECOVERY status_says
		ok $? "$name: status says it, too" "$out"
		[ ! -e "$at/index.html" ] && [ ! -e "$state/index.html" ]
		ok $? "$name: no page is made of it"
	fi
	[ "$(asked "$name" "$began")" -lt $RATE ]
	ok $? "$name: nobody asks in a loop" "$(asked "$name" "$began") requests in a second"
	rm "$links/$name.faults"
	wait_long $RECOVERY test -s "$at/apply.status"
	ok $? "$name: apply ends by itself"
	if [[ $words == *switched\ off* || $words == *forbidden* ]]; then
		say apply # it had ended: who switches it on again applies again
		echo $status >"$at/apply.status"
	fi
	is "$name: and well" "$(<"$at/apply.status")" 0
	like "$name: with a whole page" "$(cat "$at/index.html")" \
		'ip-10-0-0-11.ec2.internal*i-0aa*t3.micro*us-east-1a*10.0.0.11'
}
metric() { get /metrics | sed -n "s/^$1_total //p"; }
cpu() { awk '{ print $14 + $15 }' "/proc/$1/stat"; } # in ticks of 10 ms
failures_over() { [ "$(metric instanced_metadata_polls_failed)" -gt "$1" ]; }

# The agent of an instance that is well.
beside() { # NAME FAULTS PORT
	local name=$1 began used
	url=http://127.0.0.1:$3
	place "agent-$name"
	cp -r "$work/healthy/state" "$state"
	sed "s/listen = .*/listen = 127.0.0.1:$3/" "$work/healthy/instanced.conf" >"$conf"
	install -d -o $NOBODY "$at/run"
	setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$work/bin/instanced" \
		--config "$conf" --state "$state" --run "$at/run" \
		--imds "$(<"$links/agent-$name.url")" 2>"$at/agent.err" &
	agent=$!
	wait_long 20 good "agent-$name" $LIFECYCLE 0
	used=$(cpu $agent)
	fault "agent-$name" "$2"
	began=$(now)
	wait_long 60 grep -q 'not all notices can be heard: ' "$at/agent.err"
	ok $? "$name: the agent says that something is wrong" "$(cat "$at/agent.err")"
	wait_long 5 failures_over 0
	ok $? "$name: and counts" "$(get /metrics | grep _metadata_)"
	is "$name: else it says what it said" "$(get /instance | jq -r .status) $(ls "$at/run")" \
		"ready "
	used=$(awk -v used=$(($(cpu $agent) - used)) -v began="$began" -v now="$(now)" \
		'BEGIN { printf "%d", used / (now - began) }')
	[ "$(asked "agent-$name" "$began")" -lt $RATE ] && [ "$used" -lt $CPU ]
	ok $? "$name: it does not ask in a loop" \
		"$(asked "agent-$name" "$began") requests in a second, $used % of a processor"
	rm "$links/agent-$name.faults"
	wait_long $RECOVERY grep -q 'notices can be heard again' "$at/agent.err"
	ok $? "$name: and is answered again by itself" "$(tail "$links/agent-$name.log")"
	is "$name: then, too, it says what it said" "$(get /instance | jq -r .status)" ready
	agent_stop
	is "$name: and ends as told" "$status" 0
}

place healthy
cat >"$conf" <<END
[agent]
listen = 127.0.0.1:1
END
run apply
is "without faults all is well" "$status" 0

agents=()
while IFS='|' read -r name faults _ _ _ agent; do
	[ "$agent" = a ] || continue
	free_port
	(beside "$name" "$faults" "$port") >"$work/agent-$name.tap" &
	agents+=($!)
done <"$work/modes"
( # which has no other jobs than these
	while IFS='|' read -r -a mode; do
		while [ "$(jobs -rp | wc -l)" -ge $AT_A_TIME ]; do wait -n; done
		by_hand "${mode[@]}" >"$work/${mode[0]}.tap" &
	done <"$work/modes"
	wait
)
wait "${agents[@]}"
for name in "${names[@]}"; do
	for lane in "$name" "agent-$name"; do
		[ -e "$work/$lane.tap" ] || continue
		while IFS= read -r line; do
			case $line in
			"ok "*) ok 0 "${line#ok * - }" ;;
			"not ok "*) ok 1 "${line#not ok * - }" ;;
			*) echo "$line" ;;
			esac
		done <"$work/$lane.tap"
	done
done
[ "${#names[@]}" -ge 20 ] || [ -n "${MODES-}" ]
ok $? "there are many ways to fail: ${#names[@]}"

done_testing
