#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Three hosts behind HAProxy, and a fourth that replaces one: each with its metadata, agent, app and
# index page. Requests are counted where they are sent, where they are balanced and where they end.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
fleet_begin

for n in 1 2 3; do
	host_make $n
	host_start $n
done
for n in 1 2 3; do wait_for 30 host_is $n ready; done
balancer_start 1 2 3 4
wait_for 10 stat_is apps 4 'DOWN*' status
is "three hosts are ready" "$(for n in 1 2 3; do host_status $n; done | xargs)" "ready ready ready"
part "ready"

# fair NAME N...: how the requests were shared, when each had at least two thirds of an even share
fair() {
	local name=$1 n
	shift
	for n; do
		[ $(($(logged "$name" "$n") * 3 * $#)) -ge $(($(logged "$name") * 2)) ] || return
	done
}
shares() { for n in 1 2 3 4; do logged "$1" $n; done | xargs; } # NAME

# -- rotation --

in_turns() { # IDS: three turns of the three
	local id
	mapfile -t id <<<"$1"
	[ ${#id[@]} = 9 ] && [ "${id[*]:0:6}" = "${id[*]:3}" ] &&
		[ "$(printf '%s\n' "${id[@]}" | sort -u | xargs)" = "$(host_id 1) $(host_id 2) $(host_id 3)" ]
}
alternate() { # COMMAND, which asks for an ID: while no weight moves, as it does with the load
	ids=$(for _ in 1 2 3 4 5 6 7 8 9; do "$1"; done)
	in_turns "$ids"
}
id_of_instance() { curl -s http://127.0.0.1/instance | jq -r .instanceId; }
id_of_app() { curl -s http://127.0.0.1/ && echo; }
wait_for 60 alternate id_of_instance
ok $? "requests to /instance alternate over the three IDs" "$ids"
wait_for 60 alternate id_of_app
ok $? "requests to the app as well" "$ids"
is "each has its own metadata, index page and app" "$(for n in 1 2 3; do
	on $n "$work/bin/instancectl" metadata local-ipv4
	says $n / | grep -o -m 1 "i-0[0-9a-f]*"
	on $n curl -s http://127.0.0.1:8000/; echo
done | xargs)" "$(for n in 1 2 3; do echo "10.77.0.$n $(host_id $n) $(host_id $n)"; done | xargs)"
counted() { for n in 1 2 3; do stat_of apps $n hrsp_2xx; done | xargs; }
read -r -a was <<<"0 $(counted)"
load steady 300 50
is "of 300 requests none fails" "$sent $bad" "300 0"
is "the access logs of all three together account for every one" "$(logged steady)" 300
fair steady 1 2 3
ok $? "about a third each" "$(shares steady)"
is "and the balancer counts the same" \
	"$(for n in 1 2 3; do stat_of apps $n hrsp_2xx eresp econ wretr; done | xargs)" \
	"$(for n in 1 2 3; do echo "$((${was[n]} + $(logged steady $n))) 0 0 0"; done | xargs)"
part "rotation"

# -- what agents say, and what the balancer makes of it --

agreed() { # N...: its weight is what the agent says, now
	local n word
	for n; do
		word=$(balanced_by "$n") && [[ $word == "ready up "*% ]] || return
		word=${word##* }
		stat_is agents "$n" "UP ${word%\%} L7OK 200" status weight check_status check_code || return
		stat_is apps "$n" "UP ${word%\%} L7OK 200" status weight check_status check_code || return
	done
}
told() { for n in 1 2 3; do echo "$(balanced_by "$n") | $(stat_of apps $n status weight agent_status)"; done; }
wait_for 15 agreed 1 2 3
ok $? "HAProxy's state and weight of each host are what its agent says" "$(told)"

heavy() { # N...: nothing of its weight is missing any more
	local n
	for n; do [ "$(stat_of apps "$n" weight)" -ge 90 ] || return; done
}
part "agreement"

# -- one is burnt --

if [ -n "$no_cpu" ]; then
	skip "one is burnt: it stays in rotation, and its weight falls" "$no_cpu"
else
	wait_for 15 heavy 1 2 3
	load_start kindle 100
	burn_start 1
	lighter() { [ "$(stat_of apps 1 weight)" -le 50 ]; }
	wait_for 15 lighter
	ok $? "one is burnt by busy loops on every core: its weight falls" "$(told)"
	load_end kindle
	all_served kindle "while it falls no request fails"
	load_start burn 100
	full() { [ "$(percent 1 demand)" -ge 90 ]; }
	wait_for 15 full
	ok $? "its demand is that of a full machine" "$(says 1 /instance/load)"
	is "that of the others is not" \
		"$(($(percent 2 demand 10) < 60 && $(percent 3 demand 10) < 60))" 1
	wait_for 15 agreed 1 2 3
	ok $? "the balancer's weights are still what the agents say" "$(told)"
	took=$(for _ in 1 2 3 4 5 6 7 8 9 10; do says 1 /instance -o /dev/null -w '%{http_code} %{time_total}\n'; done)
	is "a full host answers its health checks within the balancer's timeout of 1 s" \
		"$(awk '$1 == 200 && $2 < 1' <<<"$took" | wc -l)" 10
	balanced() { [ "$(logged burn)" -ge 600 ]; }
	wait_for 30 balanced
	load_end burn
	is "and misses none: it stays in rotation" "$(stat_of apps 1 status chkfail chkdown)" "UP 0 0"
	all_served burn "no request fails, and the logs have all of them"
	ok $(($(logged burn 1) > 0 && $(logged burn 1) < $(logged burn 2) ? 0 : 1)) \
		"it got some, and fewer than another" "$(logged burn 1) $(logged burn 2) $(logged burn 3)"
	burn_stop
	wait_for 20 heavy 1
	ok $? "when it is over, its weight is what it was" "$(told)"
fi
part "burn"

# -- one is killed --

load_start kill 50
busy() { [ "$(logged kill 3)" -gt 20 ]; }
wait_for 15 busy
host_kill 3
wait_for 15 stat_is apps 3 'DOWN*' status
ok $? "one is killed: it is out of rotation" "$(stat_of apps 3 status)"
load_end kill
ok $((bad <= CLIENTS ? 0 : 1)) "no more than the requests in flight fail" "$bad"
ok $((sent >= 100 && $(logged kill) <= sent && $(logged kill) >= sent - bad ? 0 : 1)) \
	"all others are in a log, once" "$sent, $bad failed, $(logged kill) in the logs"
wait_for 15 heavy 1 2
load after 90 50
fair after 1 2
ok $? "the others take what it would have" "$(shares after)"
is "and no request fails any more" "$sent $bad $(logged after 3)" "90 0 0"
part "kill"

# -- and replaced --

app_lines="build = until [ -e $work/open ]; do sleep 0.1; done"
host_make 4
host_start 4
app_lines=
load_start cold 100
wait_for 15 host_is 4 starting
sleep 1.5
like "a cold host is not in rotation" \
	"$(says 4 /instance -o /dev/null -w '%{http_code}') $(logged cold 4) $(stat_of apps 4 status)" \
	"503 0 DOWN"
touch "$work/open"
wait_for 30 stat_is apps 4 UP status
ok $? "it joins when it is ready" "$(host_status 4) $(stat_of apps 4 status)"
load_end cold
all_served cold "no request fails meanwhile, and the logs have all of them"
wait_for 15 heavy 1 2 4
load joined 90 50
fair joined 1 2 4
ok $? "it takes its share" "$(shares joined)"
part "cold"

# -- one is drained --

load_start drain 100
wait_for 15 eval '[ "$(logged drain 2)" -gt 20 ]'
printf Terminated >"$work/2/imds/meta-data/autoscaling/target-lifecycle-state"
drained() { [ "$(on 2 jq -r .phase /run/instanced/drain.json)" = drained ]; }
wait_for 15 drained
ok $? "a termination notice drains a host" "$(cat "$work/2/drain.out" "$work/2/agent.err")"
is "its agent says so" \
	"$(says 2 /instance -o /dev/null -w '%{http_code}') $(host_status 2) $(balanced_by 2)" \
	"503 draining drain"
on 2 curl -s http://127.0.0.1:8000/ >/dev/null
is "its app is stopped" $? 7
was=$(logged drain 2) all=$(logged drain)
more() { [ "$(logged drain)" -ge $((all + 400)) ]; }
wait_for 15 more
like "the balancer sends it nothing more" \
	"$(logged drain 2) $(stat_of apps 2 scur status)" "$was 0 D[OR]"
kill -0 "$loading"
ok $? "all that under load"
load_end drain
all_served drain "no request fails, and the logs have all of them"
ok $((was > 0 && 3 * was < sent ? 0 : 1)) "it had its share until then" \
	"$(logged drain 1) $was $(logged drain 4)"
part "drain"

done_testing
