#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A static site at /var/www/html behind nginx, and behind Apache httpd: the distribution's default
# page gives way and is kept, each release is served at once and without a reload, and while clients
# keep asking no answer fails, is a mixture, or is of a release that was already replaced.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
command -v nginx apache2 >/dev/null || skip_all "neither nginx nor apache2 is installed"
id www-data >/dev/null 2>&1 || skip_all "there is no user www-data"
[ -d /var/www ] || skip_all "there is no /var/www"
# As the distribution leaves it, for us alone.
mount -t tmpfs -o mode=755 tmpfs /var/www
readonly SITE=http://127.0.0.1:8888 # the network is our own

# -- the servers, configured as they are out of the box: a root, no cache, links are followed --

nginx_start() {
	cat >"$at/nginx.conf" <<-END
	daemon off;
	pid $at/nginx.pid;
	user www-data;
	events {}
	http {
		access_log off;
		client_body_temp_path $at/temporary;
		server {
			listen 127.0.0.1:8888;
			root /var/www/html;
		}
	}
	END
	nginx -e "$at/server.log" -p "$at" -c "$at/nginx.conf" &
	server=$!
}

apache2_start() {
	local modules=/usr/lib/apache2/modules
	cat >"$at/httpd.conf" <<-END
	ServerRoot $at
	ServerName localhost
	Listen 127.0.0.1:8888
	PidFile $at/httpd.pid
	Mutex pthread
	ErrorLog $at/server.log
	LoadModule mpm_event_module $modules/mod_mpm_event.so
	LoadModule authz_core_module $modules/mod_authz_core.so
	LoadModule dir_module $modules/mod_dir.so
	User www-data
	Group www-data
	DocumentRoot /var/www/html
	<Directory />
		Options FollowSymLinks
		AllowOverride None
	</Directory>
	END
	apache2 -d "$at" -f "$at/httpd.conf" -DFOREGROUND &
	server=$!
}

server_stop() {
	kill -TERM "$server"
	wait "$server"
}

# -- a client that does not stop asking --

cat >"$work/client.py" <<'END'
"""client.py PORT STOP-FILE KEEP-ALIVE PATH...: asks until there is that file, and then once more;
prints what was bad, and the first and the last release that it saw of each path.

A whole answer is "release N", any number of times, and "end N"; N never becomes less."""
import http.client, os, sys, time
port, stop, keep, paths = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "yes", sys.argv[4:]
asked, bad, seen = 0, [], {path: [] for path in paths}
connection, until, last = None, time.monotonic() + 300, False
while not last:
    last = os.path.exists(stop) or time.monotonic() > until
    for path in paths:
        try:
            connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            answer = connection.getresponse()
            lines = answer.read().decode().splitlines()
            n = lines[-1].removeprefix("end ")
            if answer.status != 200 or set(lines[:-1]) != {"release " + n}:
                bad.append(f"{path}: {answer.status} {set(lines)}")
            elif seen[path] and int(n) < int(seen[path][-1]):
                bad.append(f"{path}: release {n} after {seen[path][-1]}")
            seen[path].append(n)
        except Exception as error:
            bad.append(f"{path}: {error!r}")
            connection = None
        if not keep and connection:
            connection = connection.close()
        asked += 1
    open(f"{stop}.{sys.argv[3]}", "w")
print("many" if asked > 20 else asked, "bad:", *bad[:3],
      *(f"{path} {s[0]}-{s[-1]}" for path, s in seen.items() if s))
END
while_asked() { # COMMAND...: sets answers: a line of each of two clients, or one if they agree
	local path=${paths:-/index.html} keep clients=()
	rm -f "$work"/stop* "$work"/client.*.out
	for keep in yes no; do # a connection for all that it asks, or one each time
		# shellcheck disable=SC2086 # a list
		"$python" "$work/client.py" 8888 "$work/stop" $keep $path >"$work/client.$keep.out" &
		clients+=($!)
	done
	wait_for 10 test -e "$work/stop.yes" -a -e "$work/stop.no" # they are at it
	"$@"
	touch "$work/stop"
	wait "${clients[@]}"
	answers=$(sort -u "$work"/client.*.out)
}

page() { # N LINES
	yes "release $1" | head -n "$2"
	echo "end $1"
}
length=3000 # lines; some 40 kB
# A site of two pages, of other lengths in each release if more lines are added.
site() { # N [LINES-MORE]
	mkdir -p "$at/source/news"
	page "$1" $((length + ${2:-0} * $1)) >"$at/source/index.html"
	page "$1" $((length + ${2:-0} * $1)) >"$at/source/news/page.html"
}
shown() { curl -s --max-time 5 "$SITE${1:-/}" | tail -n 1; }
shown_is() { [ "$(shown)" = "$1" ]; }
instance() { get /instance | jq -r .status; }
instance_is() { [ "$(instance)" = "$1" ]; }

# What a server in front of it makes of it. LINES-MORE: as for site().
behind() { # SERVER LINES-MORE
	local name=$1 more=$2
	if ! command -v "$name" >/dev/null; then
		skip "a site behind $name" "$name is not installed"
		return
	fi
	rm -rf /var/www/html*
	mkdir -p /var/www/html
	page 0 10 >/var/www/html/index.html
	sim_start --instance-id i-0aa
	place "$name"
	free_port && url=http://127.0.0.1:$port
	cat >"$conf" <<-END
	[agent]
	listen = 127.0.0.1:$port
	[health]
	rise = 1
	fall = 20
	interval = 200ms
	[app site]
	source = file:$at/source
	path = $at/site
	link = /var/www/html
	health = $SITE/
	ready_timeout = 20s
	END
	"${name}_start"
	wait_for 10 shown_is "end 0"
	is "$name: first there is the distribution's page" "$(shown)" "end 0"
	site 1 "$more"
	while_asked run apply
	is "$name: the site takes its place under clients that keep asking; nothing fails" \
		"$status $answers" "0 many bad: /index.html 0-1"
	is "$name: what was there is kept" "$(tail -n 1 /var/www/html.before-site/index.html)" "end 0"
	agent_start
	wait_for 5 instance_is ready
	is "$name: the load balancer sees it become ready" "$(instance) $(code /instance)" "ready 200"

	balancer() { # what /instance answers until told to stop
		while [ ! -e "$work/stop" ]; do
			code /instance
			sleep 0.02
		done
	}
	releases() { # N...: one after the other; sets statuses
		balancer >"$work/codes" &
		statuses=
		for n; do
			site "$n" "$more"
			run apply
			statuses+="$status $(shown) $(shown /news/page.html), "
		done
	}
	paths="/ /index.html /news/page.html" while_asked releases 2 3 4 5
	is "$name: each release is served as soon as apply is done, without a reload" "$statuses" \
		"$(printf '0 end %s end %s, ' 2 2 3 3 4 4 5 5)"
	is "$name: all the time each answer was whole, and none of a release already replaced" \
		"$answers" "many bad: / 1-5 /index.html 1-5 /news/page.html 1-5"
	is "$name: by the same process" "$(kill -0 "$server" && echo yes)" yes
	is "$name: and the load balancer had its 200 each time" \
		"$(fold -w 3 "$work/codes" | sort -u | xargs)" 200

	# A page of its own for each instance, in a site: a template of the release.
	echo '{{instance-id}}' >"$at/template"
	echo "files.who.html = $at/template" >>"$conf"
	run apply
	is "$name: beside it is a page that names the instance" \
		"$status $(shown /who.html) $(shown)" "0 i-0aa end 5"
	printf '[index]\npath = /var/www/html/who.html\n' >"$at/both.conf"
	cat "$conf" >>"$at/both.conf"
	out=$("$work/bin/instancectl" --config "$at/both.conf" check 2>&1)
	like "$name: [index] is refused in the site's releases, and the way shown" "$? $out" \
		"2 *app site*link*lies in /var/www/html*files.who.html = TEMPLATE"

	site 6 "$more"
	rm "$at/source/index.html"
	sed -i 's/^ready_timeout = .*/ready_timeout = 1s/' "$conf"
	run apply
	like "$name: a site without its page is gone back from" "$status $(shown) $out" \
		"3 end 5*app site *prove *went back"
	wait_for 5 instance_is degraded
	is "$name: /instance is degraded and stays 200" "$(instance) $(code /instance)" "degraded 200"
	server_stop
	agent_stop
	sim_stop
}

behind nginx 100
# httpd takes the length of a file by its name, and then opens it by its name. In between the link
# may switch, so here the files of all releases are of one length.
behind apache2 0

done_testing
