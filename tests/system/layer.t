#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `#instanced` user-data is a configuration layer above the files, for instancectl and the agent.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"

layer() { cat >"$work/imds/user-data.new" && mv "$work/imds/user-data.new" "$work/imds/user-data"; }
asked() { grep -c 'GET /latest/user-data' "$work/imds.log"; }
title() { sed -n 's|.*<title>\(.*\)</title>.*|\1|p' "$1"; }

sim_start
free_port
url=http://127.0.0.1:$port

# -- what it changes --

place plain
cat >"$conf" <<END
[agent]
listen = 127.0.0.1:$port
[index]
path = $at/www/index.html
title = from the file
END
layer <<'END'
#instanced
[index]
title = from user-data
END
run plan
like "plan shows what user-data asks for" "$out" "page"
is "and keeps nothing" "$(ls "$at")" "instanced.conf"
run apply
is "apply converges with user-data" "$status" 0
is "what it says wins over the file" "$(title "$at/www/index.html")" "from user-data"
like "it is kept for the agent and the other commands" "$(<"$state/user-data.conf")" "title = from user-data"
before=$(asked)
run apply
is "a second apply of the same boot does not ask for it again" "$(asked)" "$before"

for form in gzip mime; do
	place $form
	cat >"$conf" <<-END
	[index]
	path = $at/www/index.html
	title = from the file
	END
	if [ $form = gzip ]; then
		printf '#instanced\n[index]\ntitle = from %s\n' $form | gzip | layer
	else
		layer <<-'END'
		Content-Type: multipart/mixed; boundary="=="
		MIME-Version: 1.0

		--==
		Content-Type: text/x-shellscript

		#!/bin/sh
		--==
		Content-Type: text/x-instanced

		[index]
		title = from mime
		--==--
		END
	fi
	run apply
	is "user-data as $form is read too" "$status $(title "$at/www/index.html")" "0 from $form"
done

place script
printf '[index]\npath = %s\ntitle = from the file\n' "$at/index.html" >"$conf"
layer <<<'#!/bin/sh'
run apply
is "a script of somebody is none of ours" "$status $(title "$at/index.html")" "0 from the file"
is "and that is known" "$(stat -c %s "$state/user-data.conf")" 0
rm "$work/imds/user-data"
rm "$state/user-data.conf"
run apply
is "no user-data is no trouble" "$status" 0

# -- what is wrong with it --

place broken
printf '[index]\npath = %s\n' "$at/index.html" >"$conf"
layer <<'END'
#instanced
[index]
title = good
[volume data]
device = /dev/sdf
mount = nowhere
END
run plan
is "plan refuses user-data with an error" "$status" 2
run apply
is "apply does, too" "$status" 2
like "and names its line and key" "$err" "user-data:6: "
[ ! -e "$at/index.html" ] && [ ! -e "$state/user-data.conf" ]
ok $? "nothing is done, and nothing kept"
agent_start_at() { # the agent with a listen address of its own
	printf '[agent]\nlisten = 127.0.0.1:%s\n' "$port" >>"$conf"
	agent_start
}
agent_start_at
is "/instance does not say \"starting\" for ever" "$(code /instance)" 503
like "it says what is wrong" "$(check_reason bootstrap)" "user-data:6: "
is "and whose fault it is: who waits for this instance can be told" \
	"$(jq -r '.identity.instanceId, .phase' "$state/state.json" | xargs)" \
	"$(get /instance | jq -r .instanceId) settled"
printf '#instanced\n[index]\ntitle = x\n' | gzip | head -c 30 | layer
run apply
is "user-data that is cut off is an error" "$status" 2
layer <<'END'
#instanced
[index]
title = mended
END
run apply
is "and once it is mended all goes on" "$status $(title "$at/index.html")" "0 mended"
wait_for 5 code_is /instance 200
ok $? "for the agent too"

# -- the agent --

first_port=$port
free_port
second_port=$port
cat >"$state/user-data.conf.new" <<END
#instanced
[agent]
listen = 127.0.0.1:$first_port
listen = 127.0.0.1:$second_port
END
mv "$state/user-data.conf.new" "$state/user-data.conf"
wait_for 5 curl -fs "http://127.0.0.1:$second_port/instance/live"
ok $? "the agent follows when user-data becomes known"
kill -0 "$agent"
ok $? "and is the same process"
printf '#instanced\n[agent]\nlisten = nonsense\n' >"$state/user-data.conf.new"
mv "$state/user-data.conf.new" "$state/user-data.conf"
wait_for 5 grep -q 'listen' "$work/agent.err"
is "what has an error does not replace what works" \
	"$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$second_port/instance/live")" 200
printf '#instanced\n' >"$state/user-data.conf.new"
mv "$state/user-data.conf.new" "$state/user-data.conf"
wait_for 5 bash -c "! curl -fs http://127.0.0.1:$second_port/instance/live"
ok $? "an address that is not wanted any more is closed"
free_port
sed -i "s/127.0.0.1:$first_port/127.0.0.1:$port/" "$conf"
url=http://127.0.0.1:$port
kill -HUP "$agent"
wait_for 5 curl -fs "$url/instance/live"
ok $? "HUP makes it read its files again"
agent_stop
is "and it still ends well" "$status" 0

# -- a service that does not answer --

place silent
printf '[index]\npath = %s\n' "$at/index.html" >"$conf"
sim_stop
run --imds-timeout 2 apply
like "without the service the files alone count, and that is said" "$err" "user-data is not known"
like "and while it waits, what for" "$err" "waiting for user-data, up to 2 s: metadata service: "
is "what needs metadata is missing" "$(item index status)" missing
[ ! -e "$state/user-data.conf" ]
ok $? "it is asked for again next time"
cp "$conf" "$at/page.conf"
: >"$conf"
run --imds-timeout 1 apply
like "files that name nothing do not make an instance ready" "$status $(ctl status)" \
	"3 *starting*user-data is not known"
cp "$at/page.conf" "$conf"
run --imds-timeout 1 apply --boot
is "which is soon: at boot systemd is told to run it again, and nothing is settled till then" \
	"$status $(jq -r .phase "$state/state.json")" "75 working"
began=$SECONDS
run apply --boot
[ $status = 75 ] && [ $((SECONDS - began)) -lt 60 ]
ok $? "nor does the next one keep others waiting for two minutes" "$status in $((SECONDS - began)) s"
rm -r "$work/imds"
sim_start
echo '* 403' >"$work/imds/.faults"
run --imds-timeout 30 apply --boot
is "not where the service is switched off" "$status" 1
echo 'dynamic/* silent' >"$work/imds/.faults"
run --imds-timeout 2 apply --boot
is "but where user-data is known, and who this is, is not" "$status" 75
rm "$work/imds/.faults"
run --imds-timeout 100 apply --boot
is "when it answers, all is known" "$status $(item index status)" "0 ok"
echo '* silent' >"$work/imds/.faults"
run --imds-timeout 1 apply --boot
is "and stays known until the next boot" "$status" 0

done_testing
