#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# instanced as load balancers, people and service managers meet it: over TCP, IPv6 and a Unix
# socket, with good and bad requests, slow and idle clients, while what it reports on changes,
# hangs or is destroyed.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
sim_start --instance-id i-0aa
place agent
free_port && url=http://127.0.0.1:$port
cat >"$conf" <<END
[agent]
listen = 127.0.0.1:$port
listen = [::1]:$port
listen = unix:$work/socket/agent
[index]
path = $at/index.html
title = Hola
[volume extra]
device = /dev/shm/none
mount = $at/extra
required = no
timeout = 0s
END
run apply
install -d -o $NOBODY -g $NOBODY "$work/socket"
agent_start

# Bytes to a port and what comes back: each case on its standard input, "STATUS NAME BYTES" with
# the escapes of printf, is one test. STATUS is of all answers in a row.
cat >"$work/raw.py" <<'END'
import re, socket, sys

port = int(sys.argv[1])
for line in sys.stdin:
    status, name, data = line.rstrip("\n").split("|", 2)
    data = data.encode().decode("unicode_escape").encode("latin-1")
    data = re.sub(rb"<(\d+)>", lambda found: b"x" * int(found[1]), data)
    client = socket.create_connection(("127.0.0.1", port), 3)
    answer = b""
    try:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(65536):
            answer += piece
        end = "closed"
    except OSError as error:
        end = str(error)
    print("|".join([name, status, " ".join(m.decode() for m in
        re.findall(rb"HTTP/1\.1 (\d+) [^\r]*\r\n", answer)), end,
        "Allow" if b"\r\nAllow: GET, HEAD\r\n" in answer else ""]))
END

# -- routes --

# route PATH ACCEPT STATUS TYPE: by GET, and the same head by HEAD
route() {
	local headers head
	headers=$(get "$1" -H "Accept: $2" -D - -o "$work/body" | tr -d '\r')
	is "GET $1 for ${2:-nobody in particular} is $3, $4" \
		"$(awk 'NR == 1 { print $2 } /^Content-Type:/' <<<"$headers" | xargs)" \
		"$3 Content-Type: $4"
	head=$(get "$1" -H "Accept: $2" --head | tr -d '\r')
	is "HEAD $1 says the same, without the bytes" \
		"$(grep -v -e ^Date -e ^Content-Length -e ^endpoint-load <<<"$head")" \
		"$(grep -v -e ^Date -e ^Content-Length -e ^endpoint-load <<<"$headers")"
	is "whose number is told" "$(sed -n 's/^Content-Length: //p' <<<"$headers")" \
		"$(stat -c %s "$work/body")"
}
browser='text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8'
text='text/plain; charset=utf-8' html='text/html; charset=utf-8'
route /instance '' 200 application/json
route /instance application/json 200 application/json
route /instance '*/*' 200 application/json
route /instance text/plain 200 "$text"
route /instance "$browser" 200 "$html"
route /instance 'text/plain;q=0.5, application/json;q=0.4' 200 "$text"
route /instance/live '' 200 "$text"
route /instance/load '' 200 application/json
route /instance/health '' 200 application/health+json
route /metrics '' 200 'text/plain; version=0.0.4; charset=utf-8'
route / "$browser" 200 "$html"
route /instance/ '' 404 "$text"
route /../etc/passwd '' 404 "$text"
is "the plain form is one line" "$(get /instance -H 'Accept: text/plain')" "i-0aa degraded"
is "the JSON has the names of the identity document, status, checks and load" \
	"$(get /instance | jq -c 'keys')" \
	'["availabilityZone","checks","imageId","instanceId","instanceType","load","privateIp","region",'\
'"since","status"]'
is "with reasons" "$(check_reason "volume extra")" \
	"warn: missing: /dev/shm/none: is not attached; waits up to 0 s"
is "and the page is the index page" "$(get /)" "$(cat "$at/index.html")"
like "a browser's page names instance and check" "$(get /instance -H "Accept: $browser")" \
	"<!DOCTYPE html>*i-0aa*volume extra*is not attached"
is "health+json has the checks by name" \
	"$(get /instance/health | jq -r '.status, .serviceId, .checks["volume:extra"][0].status' | xargs)" \
	"warn i-0aa warn"
is "nothing may be cached" \
	"$(get /instance --head | tr -d '\r' | grep ^Cache-Control)" "Cache-Control: no-store"
is "a query is no other path" "$(code '/instance?x=1')" 200
like "a connection is used again" \
	"$(get /instance -v "$url/instance/live" 2>&1)" "Re-using existing connection"
is "IPv6" "$(curl -gs "http://[::1]:$port/instance" | jq -r .instanceId)" i-0aa
is "and a Unix socket, which sees the details" \
	"$(curl -s --unix-socket "$work/socket/agent" http://here/instance |
		jq '.checks[].reason // empty' | wc -l)" 1

# Metrics: line by line; exposition.t shows them to Prometheus.
is "each metric has its help and type before it, and a number" "$(get /metrics | awk '
	/^# HELP / { help = $3; next }
	/^# TYPE / { type = $3; if (type != help || seen[type]++) print; next }
	{ name = $1; sub(/{.*/, "", name) }
	name != type || $NF !~ /^-?[0-9.]+$/')" ""
like "among them the status" "$(get /metrics)" 'instanced_status{status="degraded"} 1'

# -- bad requests --

while IFS='|' read -r name wanted got end allow; do
	is "$name: $wanted" "$got $end $allow" "$wanted closed ${allow:+Allow}"
	[ "$wanted" != 405 ] || is "with Allow" "$allow" Allow
done < <($python "$work/raw.py" "$port" <<'END'
200|a good request|GET /instance HTTP/1.1\r\nHost: a\r\n\r\n
200|HTTP/1.0 without Host|GET /instance HTTP/1.0\r\n\r\n
200|a target in absolute form|GET http://a/instance HTTP/1.1\r\nHost: a\r\n\r\n
200 404 200|pipelined requests, in their order|GET /instance HTTP/1.1\r\nHost: a\r\n\r\nGET /no HTTP/1.1\r\nHost: a\r\n\r\nHEAD /instance HTTP/1.1\r\nHost: a\r\n\r\n
400|a bare LF|GET /instance HTTP/1.1\nHost: a\n\n
400|no Host|GET /instance HTTP/1.1\r\n\r\n
400|two Hosts|GET /instance HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n
400|Content-Length with Transfer-Encoding|GET /instance HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n
400|two Content-Lengths|GET /instance HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n
400|a folded line|GET /instance HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n
400|a blank before the colon|GET /instance HTTP/1.1\r\nHost : a\r\n\r\n
400|a NUL|GET /instance\x00 HTTP/1.1\r\nHost: a\r\n\r\n
400|HTTP/0.9|GET /instance\r\n\r\n
400|TLS|\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n
405|POST|POST /instance HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n
405|DELETE|DELETE /instance HTTP/1.1\r\nHost: a\r\n\r\n
413|a body with GET|GET /instance HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello
414|a target of 9,000 bytes|GET /<9000> HTTP/1.1\r\nHost: a\r\n\r\n
431|a head of 9,000 bytes|GET /instance HTTP/1.1\r\nHost: a\r\nX: <9000>\r\n\r\n
501|a method that nobody knows|BREW /instance HTTP/1.1\r\nHost: a\r\n\r\n
505|HTTP/2.0|GET /instance HTTP/2.0\r\nHost: a\r\n\r\n
400|after a bad request nothing is read|GET /instance HTTP/1.1\nHost: a\n\nGET /instance HTTP/1.1\r\nHost: a\r\n\r\n
END
)

# -- many and slow clients --

$python - "$port" >"$work/many" <<'END' &
import socket, sys, time
clients = []
for i in range(200):
    clients.append(socket.create_connection(("127.0.0.1", int(sys.argv[1]))))
    if i % 2:
        clients[-1].sendall(b"GET /instance HTTP/1.1\r\nHost: a\r\n\r\n")
print("open", flush=True)
time.sleep(60)
END
many=$!
wait_for 5 grep -q open "$work/many"
seconds=$(for i in 1 2 3 4 5; do get /instance -o /dev/null -w '%{http_code} %{time_total}\n'; done)
is "beside 200 idle connections everybody is answered at once" \
	"$(awk '$1 == 200 && $2 < 3' <<<"$seconds" | wc -l)" 5
kill $many
# A client that sends a byte a second.
$python -u - "$port" >"$work/drip" 2>&1 <<'END' &
import socket, sys, time
began = time.time()
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
client.settimeout(1)
answer = b""
for byte in b"GET /instance HTTP/1.1\r\n":
    try:
        client.send(bytes([byte]))
        if byte == ord("G"):
            print("open")
        answer = client.recv(4096)
        break
    except TimeoutError:
        pass
print(answer.split(b"\r\n")[0].decode(), 4.5 < time.time() - began < 20)
END
drip=$!
wait_for 5 grep -q open "$work/drip"
is "a client that sends a byte a second does not hinder others" \
	"$(code /instance) $(kill -0 $drip && echo "and it is still there")" \
	"200 and it is still there"
wait $drip
is "and is cut off after 5 s" "$(tail -n 1 "$work/drip")" "HTTP/1.1 408 Request Timeout True"

# -- load --

loops=()
for ((i = 0; i < $(nproc); i++)); do
	timeout 60 sh -c 'while :; do :; done' &
	loops+=($!)
done
burnt() {
	get /instance/load | jq -e '.windows["1"].demand > 0.9 and .demand >= .utilization and
		.averages[0] > 0'
}
wait_for 5 burnt
ok $? "the load shows busy loops" "$(get /instance/load)"
like "in the metrics too" "$(get /metrics)" "instanced_cpu_demand_ratio [01].*instanced_load1 "
is "and /instance stays 200" "$(code /instance)" 200
kill "${loops[@]}"

# -- what it reports on changes --

good=$(cat "$state/state.json")
replace() { # TEXT: the state file, as it is replaced: by a rename
	printf '%s' "$1" >"$state/.new"
	mv "$state/.new" "$state/state.json"
}
garbage() { # NAME TEXT
	replace "$2"
	wait_for 3 code_is /instance 503
	is "$1: starting, because of it" \
		"$(get /instance | jq -r '.status, .checks[0].name') $(check_reason bootstrap)" \
		"starting
bootstrap warn: $state/state.json: is no state of version 1"
}
garbage "a state that is garbage" "$(head -c 3000 /dev/urandom | tr -d '\0')"
garbage "one that is cut off" "${good:0:200}"
garbage "one of another version" "${good/\"version\": 1/\"version\": 2}"
garbage "one that has the wrong types" '{"version": 1, "phase": 3, "updated": "x", "items": {}}'
replace "$(head -c 2000000 /dev/zero | tr '\0' ' ')$good"
wait_for 3 code_is /instance 503
like "one that is too long: starting" "$(check_reason bootstrap)" "warn: $state/state.json: "
replace "$good"
wait_for 3 code_is /instance 200
is "a good one: as before" "$(code /instance)" 200
mv "$state" "$work/away"
wait_for 3 code_is /instance 503
is "when the state directory goes away, it starts again" "$(check_reason bootstrap)" \
	"warn: instancectl apply has not run since boot"
mv "$work/away" "$state"
wait_for 5 code_is /instance 200
is "and follows the one that comes" "$(code /instance)" 200

# -- a reload --

(
	for ((i = 0; i < 20; i++)); do
		sleep 0.1
		kill -HUP "$agent"
	done
) &
"$build/tests/bench/health-checks" "${url##*:}" 1000 2 >"$work/checks" 2>&1
ok $? "while the configuration is read again, twenty times, nobody is refused" \
	"$(grep -v '^[0-9]*$' "$work/checks")"
wait $!
sed -i "s/^listen = \[::1\].*/listen = [::0]:$port/; s/^listen = 127.*/listen = localhost:1/" "$conf"
kill -HUP "$agent"
sleep 0.3
is "one with an error does not replace what works" "$(code /instance)" 200
sed -i "s/^listen = localhost.*//" "$conf"
kill -HUP "$agent"
wait_for 5 curl -fs "http://127.0.0.2:$port/instance" # where only the new one listens
is "one with other addresses takes the place of those before" \
	"$(curl -gs "http://[::1]:$port/instance" | jq -r .instanceId) $(code /instance)" "i-0aa 200"

good=$(<"$conf")
for i in 1 2 3 4 5; do
	kill -HUP "$agent"
	sleep 0.00$i
	printf '[agent]\nlisten = localhost:1\n' >"$conf"
	sleep 0.1
	echo "$good" >"$conf"
done
is "one that has an error by the time the agent begins anew does not end it" "$(wait_for 5 code_is /instance 200 && code /instance)" 200

# -- a hung file system --

place hung
if command -v mkfs.ext4 fsfreeze >/dev/null && disk hung 64M; then
	free_port && old=$url && url=http://127.0.0.1:$port
	printf '%s\n' "[agent]" "listen = 127.0.0.1:$port" "[volume data]" "device = $dev" \
		"filesystem = ext4" "mount = $at/data" >"$conf"
	run apply
	first=$agent
	agent_start
	fsfreeze --freeze "$at/data"
	(: >"$at/data/file") & # who touches it hangs
	writer=$!
	is "a volume whose file system hangs does not hang the agent" \
		"$(for i in 1 2 3; do
			sleep 0.4
			get /instance -o /dev/null -w '%{http_code} %{time_total}\n'
		done | awk '$1 == 200 && $2 < 3' | wc -l)" 3
	fsfreeze --unfreeze "$at/data"
	wait $writer
	agent_stop
	agent=$first url=$old
	umount "$at/data"
else
	skip "a volume whose file system hangs does not hang the agent" "no loop device, or no fsfreeze"
fi

# -- the end --

port=${url##*:}
$python - "$port" "$agent" >"$work/late" 2>&1 <<'END'
import os, signal, socket, sys, time
port, agent = int(sys.argv[1]), int(sys.argv[2])
begun = socket.create_connection(("127.0.0.1", port), 3)
begun.sendall(b"GET /instance HTTP/1.1\r\nHost: a\r\n")
idle = socket.create_connection(("127.0.0.1", port), 3)
idle.sendall(b"GET /instance HTTP/1.1\r\nHost: a\r\n\r\n")
idle.recv(65536)
time.sleep(0.2)
os.kill(agent, signal.SIGTERM)
print("idle", len(idle.recv(65536)))
try:
    socket.create_connection(("127.0.0.1", port), 3)
    print("open")
except ConnectionRefusedError:
    print("refused")
begun.sendall(b"\r\n")
answer = b""
while piece := begun.recv(65536):
    answer += piece
print(answer.split(b"\r\n")[0].decode(), b"Connection: close" in answer, b'"draining"' in answer)
END
wait "$agent"
is "TERM: idle clients are let go, new ones refused, one in the middle answered, and the status is 0" \
	\
	"$? $(xargs <"$work/late")" "0 idle 0 refused HTTP/1.1 503 Service Unavailable True True"
is "the socket file is gone" "$(ls "$work/socket")" ""

# -- who may see what, and the service manager --

place agent
cp "$conf" "$work/others.conf"
sed -i "s/^listen = unix.*/details = 10.0.0.0\/8/" "$work/others.conf"
conf=$work/others.conf
cat >"$work/notify.py" <<'END'
import os, socket, sys
os.umask(0)
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1])
while True:
    print(manager.recv(4096).decode().replace("\n", " "), flush=True)
END
$python "$work/notify.py" "$work/notify" >"$work/notified" &
manager=$!
wait_for 5 test -S "$work/notify"
NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=400000 agent_start --state "$work/later"
for word in READY=1 STATUS= WATCHDOG=1; do
	wait_for 3 grep -q $word "$work/notified"
done
is "the service manager is told READY, STATUS and WATCHDOG" \
	"$(sort "$work/notified" | uniq | xargs -d '\n')" "READY=1 STATUS=starting WATCHDOG=1"
is "a state directory that is not there: starting" \
	"$(code /instance) $(get /instance | jq -c '.status, .checks')" \
	'503 "starting"
[{"name":"bootstrap","status":"warn"}]'
cp -r "$state" "$work/later"
wait_for 5 code_is /instance 200
is "and when it comes, it is read" "$(get /instance | jq -r .instanceId)" i-0aa
wait_for 3 grep -q STATUS=degraded "$work/notified"
ok $? "which the service manager is told" "$(cat "$work/notified")"
is "who is not in details sees no reason" \
	"$(get /instance | jq -c '.checks[] | select(.name == "volume extra")')" \
	'{"name":"volume extra","status":"warn"}'
unlike "nor in the page" "$(get /instance -H 'Accept: text/html')" "not attached"
is "and neither metrics nor health, but the load" \
	"$(code /metrics) $(code /instance/health) $(code /instance/load) $(code /instance)" \
	"403 403 200 200"
agent_stop
wait_for 3 grep -q STOPPING=1 "$work/notified"
is "TERM is told too, and the status is 0" "$status $(grep -c STOPPING=1 "$work/notified")" "0 1"
kill $manager
if command -v systemd-socket-activate >/dev/null; then
	free_port && url=http://127.0.0.1:$port
	systemd-socket-activate --listen "127.0.0.1:$port" "$work/bin/instanced" --config "$conf" \
		--state "$state" 2>/dev/null &
	agent=$!
	wait_for 5 code_is /instance 200
	is "it takes a socket that the service manager has opened" \
		"$(get /instance | jq -r .instanceId)" i-0aa
	agent_stop
	is "and ends as well" "$status" 0
else
	skip "it takes a socket that the service manager has opened" "no systemd-socket-activate"
fi
is "nothing was reported by a sanitizer" "$(grep -h Sanitizer "$work"/*.err)" ""
done_testing
