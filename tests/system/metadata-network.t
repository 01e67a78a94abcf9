#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# How the metadata service is reached: at its own two addresses, which this test's network has, in
# turn and whichever is there; by no proxy of the environment; by no redirect; and not at all.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
readonly FOUR=169.254.169.254 SIX=fd00:ec2::254
ip addr add $FOUR/32 dev lo
ip -6 addr add $SIX/128 dev lo nodad 2>/dev/null || skip_all "no IPv6 here"
"$top/tests/imds-sim/tree-make" "$work/imds" --instance-id i-0aa
place network
free_port && url=http://127.0.0.1:$port
cat >"$conf" <<END
[agent]
listen = 127.0.0.1:$port
[index]
path = $at/index.html
END

# at ADDRESS...: the simulator there, on port 80; sets sim. The log is all simulators'.
serve() {
	local address listen=()
	for address; do listen+=(--listen "$address:80"); done
	rm -f "$work/imds.url"
	"$work/bin/imds-sim" --ports-file "$work/imds.url" --log "$work/imds.log" "${listen[@]}" \
		"$work/imds" >/dev/null &
	sim=$!
	wait_for 5 test -s "$work/imds.url"
}
plain() { # OPTION... COMMAND: instancectl, which has to find the service by itself
	out=$("$work/bin/instancectl" --config "$conf" --state "$state" --data "$data" "$@" 2>&1)
	status=$?
}
says_id() { # NAME OPTION...
	plain "${@:2}" metadata instance-id
	is "$1" "$status $out" "0 i-0aa"
}

# -- addresses --

serve $FOUR
says_id "the IPv4 address alone"
sim_stop
serve "[$SIX]"
says_id "the IPv6 address alone, without configuration"
plain metadata
like "has all of it" "$out" "hostname: ip-10-0-0-11.ec2.internal"
plain apply
is "and apply does with it" "$status $(grep -c i-0aa "$at/index.html")" "0 1"

# IPv4 accepts and is silent: what a hop limit or a filter makes of it looks like that.
mkdir "$work/links"
echo '* silent' >"$work/links/four.faults"
"$top/tests/imds-sim/faulty" "http://[$SIX]" "$work/links" "four=$FOUR:80" &
faulty=$!
wait_for 5 test -s "$work/links/four.url"
says_id "while IPv4 is silent, IPv6 answers" --imds-timeout 20
like "after IPv4 was asked" "$(cat "$work/links/four.log")" "PUT api/token silent"
kill $faulty
ip addr del $FOUR/32 dev lo
says_id "while there is no IPv4 at all" --imds-timeout 20
ip addr add $FOUR/32 dev lo

# The agent has had IPv4; then that falls silent, and IPv6 is what there is.
sim_stop
serve $FOUR
agent_start --run "$at"
answered() { [ "$(grep -c 'target-lifecycle-state 200' "$work/imds.log")" -gt "$1" ]; }
wait_for 20 answered 0
ok $? "the agent asks at the IPv4 address" "$(cat "$work/imds.log")"
sim_stop
serve "[$SIX]"
before=$(grep -c 'target-lifecycle-state 200' "$work/imds.log")
wait_for 60 answered "$before"
ok $? "when that is gone it asks at the other" "$(tail "$work/imds.log" "$work/agent.err")"
is "and says what it said" "$(get /instance | jq -r .status)" ready
echo changed >"$work/imds/.token-epoch"
before=$(grep -c 'target-lifecycle-state 200' "$work/imds.log")
wait_for 30 answered "$before"
ok $? "a token that is good no more is renewed"
is "at the price of one 401" "$(grep -c '401 invalid' "$work/imds.log")" 1
agent_stop
sim_stop

plain --imds-timeout 3 metadata
is "nobody at either address: exit status" "$status" 1
like "and words" "$out" "metadata service: http://*onnect to server (tried "
n=$(sed 's/.*tried \([0-9]*\) times.*/\1/' <<<"$out")
[ "$n" -ge 2 ] && [ "$n" -le 42 ]
ok $? "it is tried a few times a second" "$out"

# -- proxies --

serve $FOUR
free_port
$python -u -c 'import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    connection = listener.accept()[0]
    print("asked", flush=True)
    connection.close()' "$port" >"$work/proxy.log" &
wait_for 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port" # which asks once
for variable in http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY; do
	export $variable=http://127.0.0.1:"$port"
done
curl -s --max-time 2 http://$FOUR/ >/dev/null
is "the proxy of the environment is one that others ask" "$(wc -l <"$work/proxy.log")" 2
says_id "and we do not"
plain apply
is "nor does apply" "$status" 0
NO_PROXY='' no_proxy='' says_id "nor without an exception in the environment"
is "it was not asked" "$(wc -l <"$work/proxy.log")" 2
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

# -- redirects --

echo 'dynamic/* redirect' >"$work/links/away.faults"
"$top/tests/imds-sim/faulty" "http://$FOUR" "$work/links" away &
wait_for 5 test -s "$work/links/away.url"
: >"$work/imds.log"
plain --imds "$(cat "$work/links/away.url")" --imds-timeout 2 metadata
like "a redirect is told" "$out" "answered 302 to dynamic/instance-identity/document"
is "and not followed" "$(grep -c GET "$work/imds.log")" 0

done_testing
