#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A name server that does not answer: whoever wants to call AWS waits, and nobody else does.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"

silent_server() { # takes questions, gives no answers; says how many
	$python -u -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.53", 53))
while True:
    s.recvfrom(512)
    print("question")' >"$work/questions" &
}

place resolver
silent_server
echo "nameserver 127.0.0.53" >"$work/resolv.conf"
mount --bind "$work/resolv.conf" /etc/resolv.conf
sim_start --role web --tag aws:autoscaling:groupName=web
free_port
url=http://127.0.0.1:$port
cat >"$conf" <<-END
	[agent]
	listen = 127.0.0.1:$port
	[aws]
	endpoint = http://{service}.nowhere.test:8000
	[scaling]
	cloudwatch = yes
	END
run apply
agent_start --imds "$imds" --run "$work"
wait_for 15 test -s "$work/questions"
ok $? "the agent asks for the name of a service"

# A call gives up after ten seconds, when the resolver's thread is still waiting.
longest=0
for _ in {1..140}; do
	began=$(date +%s%N)
	curl -s -o /dev/null --max-time 20 "$url/instance" || longest=99999
	took=$((($(date +%s%N) - began) / 1000000))
	[ $took -le $longest ] || longest=$took
	sleep 0.1
done
[ $longest -lt 6000 ]
ok $? "meanwhile everybody who asks has an answer at once" "$longest ms"
began=$SECONDS
agent_stop
is "and the agent ends when it is told to" "$status $((SECONDS - began <= 8))" "0 1"
done_testing
