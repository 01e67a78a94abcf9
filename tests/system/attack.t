#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# instanced under attack: thousands of clients that drip, flood, hold, break off or send what is no
# HTTP, while a load balancer and HAProxy ask as ever. How long they wait, what memory it costs, and
# that nothing of it stays; then, one by one, what two readers could take for two requests.
#
# Runs alone: what is promised is how fast an idle machine answers.
#
# What is measured is the package's program (PLAIN=DIR: that of a build without sanitizers), with the
# priority that its unit gives it.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
plain_program
processors_first
readonly MEMORY_MAX_KB=$((24 * 1024))   # of its own: instanced(8)
readonly KERNEL_MAX_KB=$((160 * 1024)) # in sockets
readonly P99_MAX_USEC=10000
sim_start --instance-id i-0aa

place attack
free_port && check_port=$port
free_port && url=http://127.0.0.1:$port
cat >"$conf" <<END
[agent]
listen = 127.0.0.1:$port
agent_check = 127.0.0.1:$check_port
[index]
path = $at/index.html
END
run apply

# agent PROGRAM [WRAPPER]...: sets agent
agent() {
	"${@:2}" setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups "$1" --config "$conf" \
		--state "$state" --imds "$imds" 2>>"$work/agent.err" &
	agent=$!
	wait_for 10 curl -fs "$url/instance/live"
}
files() { ls "/proc/$agent/fd" | wc -l; }
anonymous() { awk '/^Anonymous:/ { print $2 }' "/proc/$agent/smaps_rollup"; }
in_sockets() { # kilobytes that the kernel holds for the agent's connections
	ss -Htnm "sport = :$port" | grep -o 'skmem:([^)]*' | tr -c '0-9\n' ' ' |
		awk '{ sum += $1 + $3 + $6 } END { print int(sum / 1024) }'
}
attack() { # NAME SECONDS
	"$build/tests/system/attack-drive" "$1" "$2" "$port" "$check_port" >"$work/$1.attack" &
	attacker=$!
}
p99() { # FILE, of microseconds
	sort -n "$1" | awk '{ x[NR] = $1 } END { print x[int(NR * 0.99 + 0.999)] }'
}
# A load balancer, every 5 ms over a new connection, and HAProxy's agent-check, at every tenth.
cat >"$work/check.py" <<'END'
import socket, sys, time
port, end = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 5) as client:
        line = client.recv(64)
        print(int((time.monotonic() - began) * 1e6) if line.endswith(b"%\n") else "no line")
    time.sleep(0.05)
END
ask() { # NAME COUNT
	$python "$work/check.py" "$check_port" $(($2 * 5 / 1000)).5 >"$work/$1.lines" 2>&1 &
	local checks=$!
	"$build/tests/bench/health-checks" "$port" "$2" 5 >"$work/$1.usec" 2>"$work/$1.err"
	local status=$?
	wait $checks
	return $status
}
few() { [ "$(files)" -le "$1" ]; }

# -- what load balancers notice --

agent "$program" nice -n -10
ask quiet 200
quiet=$(p99 "$work/quiet.usec") files=$(files)
allowed=$((5 * quiet > P99_MAX_USEC ? 5 * quiet : P99_MAX_USEC))
memory=$(anonymous)
echo "# without an attack: 99 % within $quiet us; $memory kB anonymous, $files descriptors"
most=$memory
while read -r name seconds what; do
	attack "$name" "$seconds.2"
	asks=$(((seconds - 1) * 200))
	sleep 0.7
	ask "$name" $asks &
	asker=$!
	sockets=0 now=0
	for ((i = 0; i < 2 * seconds - 2; i++)); do
		sleep 0.4
		kb=$(anonymous)
		now=$((kb > now ? kb : now))
		kb=$(in_sockets)
		sockets=$((kb > sockets ? kb : sockets))
	done
	wait $asker
	asked=$?
	wait $attacker
	is "$what: they came" "$? $(grep -c ' connected' "$work/$name.attack")" "0 1"
	most=$((now > most ? now : most))
	usec=$(p99 "$work/$name.usec")
	[ $asked = 0 ] && [ "$(wc -l <"$work/$name.usec")" = $asks ] && [ "${usec:-999999}" -le $allowed ]
	ok $? "health checks are answered, 99 % within 10 ms" \
		"$usec us, $allowed allowed $(cat "$work/$name.err")"
	is "and so is agent-check" "$(grep -vc '^[0-9]*$' "$work/$name.lines")" 0
	[ "$now" -le $MEMORY_MAX_KB ] && [ $sockets -le $KERNEL_MAX_KB ]
	ok $? "in bounded memory" "$now kB of $MEMORY_MAX_KB, $sockets kB of $KERNEL_MAX_KB in sockets"
	wait_for 10 few "$files"
	ok $? "and no descriptor stays" "$files, then $(files)"
	echo "# p99 $usec us, agent-check $(p99 "$work/$name.lines") us, $now kB, in sockets" \
		"$sockets kB; $(cat "$work/$name.attack")"
done <<'END'
drip 6 1,000 clients that send a byte every 100 ms
crowd 3 10,000 connections, silent or with one byte
holders 3 2,000 that ask once and stay
pipeline 3 requests without end in one write, half of their senders deaf
heads 3 heads of 8 KiB, and longer ones
tls 3 TLS to the wrong port
halves 3 clients that end in the middle
resets 3 clients that reset, or never read
check 3 agent-check, flooded the same way
END
given_back() { [ "$(anonymous)" -le $((memory + 1024)) ]; }
wait_for 5 given_back
ok $? "the memory is given back" "$memory kB before, $most kB at most, $(anonymous) kB now"
agent_stop
is "and the agent ends well" "$status" 0

# -- what a sanitizer notices, and smuggling --

agent "$work/bin/instanced"
for name in crowd pipeline halves resets check; do
	attack $name 0.7
	wait $attacker
done
is "the agent with sanitizers survives it" "$(code /instance)" 200

agent_stop
agent "$work/bin/instanced" prlimit --nofile=400:400
attack crowd 60
wait_for 5 eval '! few 200'
sleep 1.5
few 350
ok $? "with few descriptors, connections leave some for all else" "$(files) of 400"
is "and newcomers are answered" "$(code /instance)" 200
is "all that under attack" "$(few 200; echo $?)" 1
kill $attacker
wait $attacker

# Each line, "STATUS|NAME|BYTES" with the escapes of Python, is sent with a request behind it that is
# to be smuggled. There is to be one answer, which says that it is the last, and the end.
cat >"$work/smuggle.py" <<'END'
import re, socket, sys
port, behind = int(sys.argv[1]), b"GET /instance/live HTTP/1.1\r\nHost: a\r\n\r\n"
for line in sys.stdin:
    status, name, data = line.rstrip("\n").split("|", 2)
    data = data.encode().decode("unicode_escape").encode("latin-1")
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        try:
            client.sendall(data + behind)
            while piece := client.recv(65536):
                answer += piece
            end = "end"
        except OSError as error:
            end = str(error)
    answers = re.findall(rb"HTTP/1\.1 (\d+) ", answer)
    print(name, status, " ".join(map(bytes.decode, answers)), end,
        "last" if b"\r\nConnection: close\r\n" in answer else "", sep="|")
END
while IFS='|' read -r name wanted got end last; do
	is "$name: $wanted, and nothing behind it" "$got $end $last" "$wanted end last"
done < <($python "$work/smuggle.py" "$port" <<'END'
400|Content-Length and Transfer-Encoding|POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
400|the same the other way round|POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n
400|two Content-Lengths that differ|POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n
400|two that are the same|GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n
400|a list of lengths|POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 44\r\n\r\n
400|a length with a sign|POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +0\r\n\r\n
400|a negative one|POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n
400|a hexadecimal one|POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x0\r\n\r\n
400|one that is empty|POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n
400|one with a blank in it|POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0 4\r\n\r\n
413|one beyond all integers|GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n
413|GET with a body that is a request|GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\n
405|POST with a body that is a request|POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\n
501|GET, chunked|GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
405|POST, chunked|POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
501|a coding that is nearly chunked|GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n
501|identity|GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n
501|chunked, twice|GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n
501|an empty coding|GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n
400|a vertical tab before chunked|GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n
400|chunked in HTTP/1.0|POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
400|a blank before the colon|POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n
400|a name of high bytes|GET / HTTP/1.1\r\nHost: a\r\nTransfer\xadEncoding: chunked\r\n\r\n
400|a name with an underline that is a parenthesis|GET / HTTP/1.1\r\nHost: a\r\nContent(Length: 44\r\n\r\n
400|a folded length|POST / HTTP/1.1\r\nHost: a\r\nX: 1\r\n Content-Length: 44\r\n\r\n
400|folded by a tab|POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\t44\r\n\r\n
400|a field folded right after the request line|GET / HTTP/1.1\r\n Host: a\r\n\r\n
400|a line without a colon|GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n
400|a line without a name|GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n
400|bare LF after the request line|GET / HTTP/1.1\nHost: a\r\n\r\n
400|bare LF in the fields|GET / HTTP/1.1\r\nHost: a\nContent-Length: 44\r\n\r\n
400|bare LF at the end|GET / HTTP/1.1\r\nHost: a\r\n\n
400|bare CR in a value|GET / HTTP/1.1\r\nHost: a\r\nX: a\rContent-Length: 44\r\n\r\n
400|CR CR LF|GET / HTTP/1.1\r\nHost: a\r\r\n\r\n
400|NUL in a value|GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n
400|NUL in a name|GET / HTTP/1.1\r\nHost: a\r\nX\x00: a\r\n\r\n
400|DEL|GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n
400|no Host|GET / HTTP/1.1\r\nX: a\r\n\r\n
400|two Hosts|GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n
400|a Host with a path|GET / HTTP/1.1\r\nHost: a/b\r\n\r\n
400|with a user|GET / HTTP/1.1\r\nHost: u@a\r\n\r\n
400|with a blank|GET / HTTP/1.1\r\nHost: a b\r\n\r\n
400|with a port that is none|GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n
400|with a bracket that does not close|GET / HTTP/1.1\r\nHost: [::1\r\n\r\n
400|of high bytes|GET / HTTP/1.1\r\nHost: \xff\r\n\r\n
400|an absolute target of another scheme|GET https://a/instance HTTP/1.1\r\nHost: a\r\n\r\n
400|without a host|GET http:///instance HTTP/1.1\r\nHost: a\r\n\r\n
400|with a user|GET http://u:p@a/instance HTTP/1.1\r\nHost: a\r\n\r\n
400|an absolute target beside no Host|GET http://a/instance HTTP/1.1\r\n\r\n
400|a target with a blank|GET /instance x HTTP/1.1\r\nHost: a\r\n\r\n
400|with a fragment|GET /instance#x HTTP/1.1\r\nHost: a\r\n\r\n
400|of high bytes|GET /\xc4\x8d\xc4\x8a HTTP/1.1\r\nHost: a\r\n\r\n
400|without a slash|GET instance HTTP/1.1\r\nHost: a\r\n\r\n
400|an asterisk that is not for OPTIONS|GET * HTTP/1.1\r\nHost: a\r\n\r\n
400|a tab for a blank|GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n
400|two blanks|GET  / HTTP/1.1\r\nHost: a\r\n\r\n
400|a blank behind the version|GET / HTTP/1.1 \r\nHost: a\r\n\r\n
400|a blank in front|\x20GET / HTTP/1.1\r\nHost: a\r\n\r\n
400|two empty lines in front|\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
400|a version in small letters|GET / http/1.1\r\nHost: a\r\n\r\n
400|of too many digits|GET / HTTP/1.10\r\nHost: a\r\n\r\n
505|HTTP/1.2|GET / HTTP/1.2\r\nHost: a\r\n\r\n
505|the preface of HTTP/2|PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n
501|a method in small letters|get / HTTP/1.1\r\nHost: a\r\n\r\n
405|CONNECT|CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\n
405|an upgrade to h2c with a body|POST / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nContent-Length: 44\r\n\r\n
405|Expect: 100-continue|PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 44\r\n\r\n
400|the line of a PROXY protocol|PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
400|TLS|\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03
END
)
agent_stop
is "nothing was reported by a sanitizer, and it ends well" \
	"$status $(grep Sanitizer "$work/agent.err")" "0 "
done_testing
