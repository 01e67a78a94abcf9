#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Who may do what: what the agent cannot do, tried under its own filter; what its user may plant in
# the directories of root, and what root does then; and that nobody is told what is not for him.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
[ -x "$build/tests/system/confine-drive" ] || skip_all "confine-drive is not built"
as_agent() { setpriv --reuid=$NOBODY --regid=$NOBODY --clear-groups --no-new-privs "$@"; }

# -- the filter: what is tried under it --

install -d -o $NOBODY -g $NOBODY "$work/own"
install -o $NOBODY -g $NOBODY /dev/null "$work/own/there"
cp "$build/tests/system/confine-drive" "$work/bin"
as_agent "$work/bin/confine-drive" "$work/own" >"$work/tried-as-agent" 2>&1
is "what is denied is tried, as the agent's user, whose files are its own" \
	"$? $(sed -n 's|^/etc/shadow: ||p' "$work/tried-as-agent")" "0 EACCES"
rm -f "$work/own/there" && touch "$work/own/there"
# As root, so that it is the filter which refuses, and nothing else would.
"$work/bin/confine-drive" "$work/own" >"$work/tried" 2>&1
status=$?
said() { sed -n "s|^$1: ||p" "$work/tried"; }
traced=
grep -q '^confine: a build with sanitizers' "$work/tried" && traced="its leak detector needs it"
is "and again as root" "$status" 0
for name in execve unshare mount umount chroot setuid bpf io_uring keyctl perf_event_open \
	userfaultfd memfd_create mknod mkdir symlink link chown tgkill prlimit "raw socket" \
	"raw IPv6 socket" "packet socket" "netlink socket" "vsock socket"; do
	is "$name is refused" "$(said "$name")" EPERM
done
is "clone3 is not there, for libc to take clone" "$(said clone3)" ENOSYS
for name in fork ptrace process_vm_readv kill dumpable; do
	if [ -n "$traced" ]; then
		skip "$name is refused" "$traced"
	else
		is "$name is refused" "$(said "$name")" EPERM
	fi
done
is "no file that is there is opened to be written, in seven ways" \
	"$(grep -c '^open .*: EPERM$' "$work/tried")" 7
is "a new one is, and put in the place of another" \
	"$(said 'open new 0301') $(said rename)" "done done"
is "a file is read, and one is never made twice" \
	"$(said 'open there 0') $(said 'open there 0301')" "done EEXIST"
is "sockets, threads, names and /proc are there" \
	"$(for name in "a stream" "a datagram" "a thread" "a name" /proc/self/mountinfo; do
		said "$name"
	done | sort -u)" "done"

# -- canaries: what is not for everybody --

cat >"$work/user-data" <<END
#instanced
[app web]
env.SECRET = canary-user-data
END
sim_start --instance-id i-0aa --tag Secret=canary-tag --role canary-role \
	--user-data "$work/user-data"
mapfile -t secrets < <(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
	"$imds/latest/api/token" >"$work/token" && curl -s -H "X-aws-ec2-metadata-token: $(<"$work/token")" \
	"$imds/latest/meta-data/iam/security-credentials/canary-role" |
	jq -r .AccessKeyId,.SecretAccessKey,.Token)
place canary
free_port && url=http://127.0.0.1:$port
free_port && check_port=$port
echo CREDENTIAL=canary-env-file >"$at/env"
echo canary-credential >"$at/key"
chmod 600 "$at/env" "$at/key"
mkdir "$at/canary-source"
echo "<p>ours</p>" >"$at/canary-source/index.html"
cat >"$conf" <<END
[agent]
listen = ${url#http://}
listen = unix:$work/own/agent
details = 10.0.0.0/8
agent_check = 127.0.0.1:$check_port
[aws]
endpoint = http://127.0.0.1:9
[scaling]
cloudwatch = yes
[index]
path = $at/canary-index/index.html
[volume extra]
device = /dev/canary-device
mount = $at/canary-mount
required = no
timeout = 0s
[app web]
source = file:$at/canary-source
run = exec sleep 600
user = nobody
env_file = $at/env
credential.key = $at/key
env.OTHER = canary-env
health = http://127.0.0.1:9/canary-health
ready_timeout = 1s
END
run apply
like "an app that is not well, and a volume that is not there: there are reasons to tell" \
	"$(item web reason) $(item extra reason)" "*canary-health*canary-device*"
install -d -o $NOBODY -g $NOBODY "$at/run"
agent_start --imds "$imds" --run "$at/run" --verbose
wait_for 5 grep -q canary-role "$work/imds.log"

everything() { # [curl OPTION]...: every answer in every media type, heads and errors too
	local path accept
	for path in / /instance /instance/live /instance/load /instance/health /metrics \
		/latest/meta-data/ /latest/user-data /user-data.conf /state.json '/%2e%2e/state.json' \
		'/instance?user-data' //instance /instance/..; do
		for accept in '*/*' application/json text/plain text/html application/health+json \
			'application/openmetrics-text;version=1.0.0'; do
			curl -s --max-time 5 --path-as-is -i -H "Accept: $accept" "$@" "$url$path"
		done
	done
	curl -s -i -X POST "$@" "$url/instance"
	curl -s -i -H 'Host: a b' "$@" "$url/instance"
	timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$check_port && cat <&3"
}
everything >"$work/all" 2>&1
is "every path is answered, in every type" "$(grep -a -o "HTTP/1.1 [0-9]* " "$work/all" | wc -l)" 86
is "and none has what is only for those in details, nor what is for nobody" \
	"$(grep -o -e 'canary-[a-z-]*' -e "$at" -e "$work" "$work/all" | sort -u)" ""
everything --unix-socket "$work/own/agent" >"$work/details" 2>&1
is "those in details see the reasons, with their paths, and nothing else of all that" \
	"$(grep -o 'canary-[a-z-]*' "$work/details" | sort -u | xargs)" "canary-device canary-health"
agent_stop
is "credentials of the role are in no answer, in no state and in no log" \
	"${#secrets[@]} $(cat "$work/all" "$work/details" "$work/agent.err" "$state"/*.json |
		grep -c -F -e "${secrets[0]}" -e "${secrets[1]}" -e "${secrets[2]}")" "3 0"
is "what the agent reads has no secret of an app" \
	"$(as_agent cat "$state"/* 2>/dev/null | grep -o -e canary-credential -e canary-env-file)" ""

# -- browsers --

sed -i "s|^details = .*|details = 127.0.0.0/8, ::1|" "$conf"
agent_start --imds "$imds" --run "$at/run"
policy() { # PATH [curl OPTION]...: which of these an answer carries
	get "$@" -o /dev/null -D - | tr -d '\r' | sed -n -e 's/^X-Content-Type-Options: //p' \
		-e "s/^Content-Security-Policy: .*default-src 'none'.*frame-ancestors 'none'$/csp/p" \
		-e 's/^Cross-Origin-Resource-Policy: //p' -e 's/^Referrer-Policy: //p' \
		-e 's/^X-Frame-Options: //p' -e 's/^Access-Control.*/&/p' | sort | xargs
}
for path in /instance /instance/live /instance/load /instance/health /metrics /none; do
	is "no page of others may frame, embed or run $path" "$(policy $path)" \
		"DENY csp no-referrer nosniff same-origin"
done
is "nor what a browser gets there" "$(policy /instance -H 'Accept: text/html')" \
	"DENY csp no-referrer nosniff same-origin"
is "nor an error" "$(policy /instance -X POST)" "DENY csp no-referrer nosniff same-origin"
is "the index page is its owner's, who may frame it and run what he likes" "$(policy /)" nosniff
is "on this machine, details are for who asks an address or localhost, not a name of others" \
	"$(for host in 127.0.0.1 "${url#http://}" '[::1]:80' localhost localhost:80 web \
		rebind.example.org rebind.example.org:80 127.0.0.1.example.org 10.0.0.1.; do
		code /metrics -H "Host: $host" && echo
	done | xargs)" "200 200 200 200 200 200 403 403 403 403"
unlike "who has such a name gets the short form" \
	"$(get /instance -H 'Host: rebind.example.org')" "*reason*"

# -- the process --

proc=/proc/$(pgrep -P "$agent" -x instanced || echo "$agent")
is "the agent has a filter, no way to more, and no core" \
	"$(awk '/^(Seccomp|NoNewPrivs):/ { print $2 }' "$proc/status" | xargs) \
$(awk '/core file/ { print $5, $6 }' "$proc/limits")" "1 2 0 0"
if [ -n "$traced" ]; then
	skip "others of its user see nothing of its memory" "$traced"
else
	is "others of its user see nothing of its memory" \
		"$(as_agent cat "$proc/environ" 2>&1 | grep -c denied)" 1
fi
kill -HUP "$agent"
wait_for 5 grep -q 'reading the configuration again' "$work/agent.err"
both() { # the network and the Unix socket
	codes="$(code /metrics) $(code /metrics --unix-socket "$work/own/agent")"
	[ "$codes" = "200 200" ]
}
wait_for 5 both
is "a reload listens again under the filter, on Unix sockets too" "$codes" "200 200"
agent_stop
is "and it ends well" "$status" 0

# -- the directories of root --

as_agent touch "$state/planted" "$state/state.json" "$data/planted" 2>/dev/null
is "the agent's user makes and changes nothing where root keeps its state and its records" \
	"$(ls "$state/planted" "$data/planted" 2>/dev/null)" ""

state=$at/trapped # where no supervisor of the app above is
# As a mistake, that directory is theirs: everything root writes is there before it, as a trap.
names="state.json index.html drain.json user-data.conf apply.lock drain.lock app-web.json"
names+=" app-web.log app-web.lock state.json.XXXXXX"
echo victim >"$work/victim"
victim() { echo "$(<"$work/victim") $(stat -c '%u %a %s' "$work/victim")"; }
before=$(victim)
plant() { # KIND
	rm -rf "$state"
	install -d -o $NOBODY -g $NOBODY "$state"
	local name
	for name in $names; do
		case $1 in
		symlink) ln -s "$work/victim" "$state/$name" ;;
		dangling) ln -s "$work/made" "$state/$name" ;;
		hardlink) ln "$work/victim" "$state/$name" ;;
		fifo) mkfifo "$state/$name" ;;
		directory) mkdir "$state/$name" && touch "$state/$name/in" ;;
		esac
	done
}
cat >"$work/layer" <<END
[app evil]
source = file:$at/canary-source
run = touch $work/evil; exec sleep 600
END
mkdir "$at/small"
small=$at/small/instanced.conf
printf '[index]\npath = %s/page.html\n' "$at" >"$small"
root() { # COMMAND...: as root, on those directories; sets out and status
	out=$(timeout 20 "$work/bin/instancectl" --config "$small" --imds "$imds" --state "$state" \
		--data "$at/records" "$@" 2>&1)
	status=$?
}
plant symlink
cp "$work/layer" "$at/evil.conf"
ln -sf "$at/evil.conf" "$state/user-data.conf"
listing=$(ls -lR "$state")
for command in apply plan drain undrain status signal "deploy web" check; do
	# shellcheck disable=SC2086
	root $command
	like "a state directory of somebody else is refused: $command" "$status $out" \
		"1 *not safe: $state: *others than root"
done
is "nothing in it is touched, followed or believed" \
	"$(ls -lR "$state"; victim; ls "$work/evil" 2>/dev/null)" "$listing
$before"
chown root: "$state"
for mode in 1777 775; do
	chmod $mode "$state"
	root plan
	like "one that others may write to is refused, too: $mode" "$status $out" "1 *not safe*"
done
rm -rf "$state"
install -d -o $NOBODY "$at/records"
root plan
like "so is one of records" "$status $out" "1 *not safe: $at/records: *others than root"
rmdir "$at/records"

# Put right again, with the traps still there.
for kind in symlink dangling hardlink fifo directory; do
	plant $kind
	rm -rf "$state/user-data.conf"
	chown -h root: "$state"
	root apply
	root drain
	root undrain
	is "root follows no $kind that is left there, and waits for none" \
		"$(victim) $(ls "$work/made" 2>/dev/null) $([ "$status" -ne 124 ] && echo ended)" \
		"$before  ended"
done

# -- who only asks is not root --

rm -rf "$state"
mkdir "$state"
for command in status signal; do
	"$work/bin/instancectl" --config "$small" --imds "$imds" --state "$state" \
		--data "$at/records" $command --wait=60 >/dev/null 2>&1 &
	not_root() { ! grep -q '^Uid:.*\b0\b' "/proc/$!/status"; }
	wait_for 10 not_root
	is "$command as root asks as the agent's user, or nobody, and has no capability" \
		"$(awk '/^(Uid|Gid|CapEff|CapPrm):/ { print $2 }' "/proc/$!/status" | xargs)" \
		"$(id -u instanced 2>/dev/null || echo $NOBODY) $(id -g instanced 2>/dev/null ||
			echo $NOBODY) 0000000000000000 0000000000000000"
	kill $!
done

# -- the agent's own directory: root takes nothing from it, and removes one name --

rm -rf "$state"
root apply
for kind in file symlink hardlink fifo directory full; do
	request=$at/run/drain-requested
	rm -rf "$request"
	case $kind in
	file) echo "[app evil]" >"$request" ;;
	symlink) ln -s "$work/victim" "$request" ;;
	hardlink) ln "$work/victim" "$request" ;;
	fifo) mkfifo "$request" ;;
	directory) mkdir "$request" ;;
	full) mkdir "$request" && touch "$request/in" ;;
	esac
	chown -h $NOBODY "$request"
	[ $kind != hardlink ] || chown root: "$work/victim"
	root drain --requested --run "$at/run"
	is "a request that is a $kind drains nothing without a reason" \
		"$(victim) $(jq -r .phase "$state/drain.json" 2>/dev/null) $(ls "$at/run" | grep -c requested)" \
		"$before  $([ $kind = full ] && echo 1 || echo 0)"
done
rm -rf "$at/run"
ln -s "$work/own" "$at/run"
touch "$work/own/drain-requested"
root drain --requested --run "$at/run"
is "nor is a directory that is a link followed" "$(ls "$work/own/drain-requested")" \
	"$work/own/drain-requested"
is "nothing was reported by a sanitizer" \
	"$(grep -h 'Sanitizer:' "$work"/*.err "$work"/tried* 2>/dev/null)" ""
done_testing
