#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# nginx, Apache httpd and HAProxy with the configuration in packaging/examples/ route /instance to
# the agent and everything else to the app, show the index page, and give away no details. All
# ports are as in the examples: the network namespace is the test's own.
. "$(dirname "$0")/lib.sh"
in_namespaces "$@"
sim_start
place proxies
# shellcheck disable=SC2154 # top is lib.sh's
examples=$top/packaging/examples
mkdir -p "$at/www"

# What the example says, with the page, the app and its user as they can be here.
sed "s|/var/www/html|$at/www|; s|^source = .*|source = file:$at/app.src|; s|www-data|nobody|
	/^source/a path = $at/app" "$examples/instanced.conf" >"$conf"
make_app "$at/app.src" 1
chmod -R a+rX "$at"
run apply
is "the example configuration brings up page and app" "$status" 0
url=http://127.0.0.1:8080
app_port=8000
agent_start
wait_for 20 code_is /instance 200
is "the agent says that it serves" "$(code /instance)" 200
page=$(<"$at/www/index.html")

proxy_start() { # COMMAND...
	"$@" >"$at/proxy.log" 2>&1 &
	proxy=$!
	wait_for 5 curl -s -o /dev/null http://127.0.0.1/
}
proxy_stop() {
	kill -TERM $proxy
	wait $proxy
}

# What a client of the proxy sees.
routes() { # NAME
	url=http://127.0.0.1
	get /instance | jq -e .status >/dev/null
	ok $? "$1: /instance is the agent's" "$(get /instance; cat "$at/proxy.log")"
	is "$1: /instance keeps its status" "$(code /instance)" 200
	is "$1: /instance/live" "$(code /instance/live)" 200
	get /instance/load | jq -e . >/dev/null
	ok $? "$1: /instance/load is the agent's" "$(get /instance/load)"
	is "$1: /metrics is the app's" "$(get /metrics | jq -r .version)" 1
	is "$1: /instance/health is the app's" "$(get /instance/health | jq -r .version)" 1
	is "$1: / is the index page" "$(get /)" "$page"
	is "$1: /task is the app's" "$(get /task | jq -r .version)" 1
}

if command -v nginx >/dev/null; then
	cat >"$at/nginx.conf" <<-END
	daemon off;
	pid $at/nginx.pid;
	events {}
	http {
		access_log off;
		include $at/nginx-site.conf;
	}
	END
	sed "s|/var/www/html|$at/www|" "$examples/nginx.conf" >"$at/nginx-site.conf"
	proxy_start nginx -e stderr -p "$at" -c "$at/nginx.conf"
	routes nginx
	proxy_stop
else
	skip "nginx routes /instance" "nginx is not installed"
fi

if command -v apache2 >/dev/null; then
	{
		echo "ServerName localhost"
		echo "ServerRoot $at"
		echo "DefaultRuntimeDir $at"
		echo "PidFile $at/httpd.pid"
		echo "ErrorLog /dev/stderr"
		echo "Listen 80"
		echo "User nobody"
		for module in mpm_event authz_core dir proxy proxy_http; do
			echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
		done
		sed "s|/var/www/html|$at/www|" "$examples/httpd.conf"
	} >"$at/httpd.conf"
	proxy_start apache2 -D FOREGROUND -f "$at/httpd.conf"
	routes httpd
	proxy_stop
else
	skip "httpd routes /instance" "apache2-bin is not installed"
fi

if command -v haproxy >/dev/null; then
	proxy_start haproxy -db -f "$examples/haproxy.cfg"
	routes haproxy
	proxy_stop
else
	skip "haproxy routes /instance" "haproxy is not installed"
fi

done_testing
