#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Deploys on a booted machine, where fetches, builds and probes are units of their own: an archive
# and a repository over TLS, a bad release that is gone back from, secrets through systemd, and a
# package through apt.
. "$(dirname "$0")/lib.sh"
with_baked_image "$@"
in_machine_room "$@"
need openssl dpkg-deb dpkg-scanpackages

make_archive() { # VERSION HEALTH: of a directory app/ with what the image's app is not
	rm -rf "$work/app" && mkdir -p "$work/app"
	echo "$1" >"$work/app/VERSION"
	echo "$2" >"$work/app/health"
	cat >"$work/app/app.py" <<-'PYTHON'
	import http.server, json, os, resource
	class Handler(http.server.BaseHTTPRequestHandler):
	    def do_GET(self):
	        secret = os.environ.get("TOKEN", "") + open(os.environ["CREDENTIALS_DIRECTORY"] + "/key").read()
	        body = json.dumps({"version": open("VERSION").read().strip(), "secret": secret.strip(),
	            "uid": os.getuid(), "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1]}).encode()
	        self.send_response(int(open("health").read()))
	        self.send_header("Content-Length", str(len(body)))
	        self.end_headers()
	        self.wfile.write(body)
	http.server.HTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
	PYTHON
	tar -C "$work" -czf "$at/www/app.tar.gz" app
	sha256=$(sha256sum <"$at/www/app.tar.gz" | cut -c -64)
}
configure() { # [READY-TIMEOUT]
	sed "s/@SHA256@/$sha256/; s/@READY_TIMEOUT@/${1-120s}/" <<-'END' >"$work/conf"
	[packages]
	install = instanced-example
	[app web]
	source = https://10.0.2.2:8443/app.tar.gz
	sha256 = @SHA256@
	strip = 1
	run = python3 app.py
	user = www-data
	env.PORT = 81
	limit_nofile = 102400
	env_file = /etc/instanced/web.env
	credential.key = /etc/instanced/web.key
	health = http://127.0.0.1:81/health
	ready_timeout = @READY_TIMEOUT@
	[app site]
	source = git+https://10.0.2.2:8443/site.git#main
	link = /var/www/html
	END
	guest_put "$work/conf" /etc/instanced/instanced.conf
}
app() { guest 'curl -s http://127.0.0.1:81/' | jq -r ".$1"; }

machine_make_baked web
machine_on cloud-init=disabled

# -- a server with TLS, whose authority the instance knows; a repository of packages --

openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test -keyout "$work/key.pem" \
	-addext subjectAltName=IP:10.0.2.2 -out "$work/cert.pem" 2>/dev/null
cat >"$work/server.py" <<'END'
import http.server, os, ssl, sys
os.chdir(sys.argv[1])
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
END
nsenter "$(net)" $python "$work/server.py" "$at/www" "$work/cert.pem" "$work/key.pem" 2>/dev/null &
git init -q -b main "$work/site"
git -C "$work/site" config user.email a@example.org && git -C "$work/site" config user.name a
echo 'a site' >"$work/site/index.html"
git -C "$work/site" add . && git -C "$work/site" commit -qm one
git clone -q --bare "$work/site" "$at/www/site.git" && git -C "$at/www/site.git" update-server-info
mkdir -p "$work/deb/DEBIAN" "$work/deb/usr/share/instanced-example"
printf '%s\n' 'Package: instanced-example' 'Version: 1' 'Architecture: all' \
	'Maintainer: nobody <a@example.org>' 'Description: example' >"$work/deb/DEBIAN/control"
echo here >"$work/deb/usr/share/instanced-example/file"
mkdir "$work/packages"
dpkg-deb --root-owner-group --build "$work/deb" "$work/packages/example.deb" >/dev/null
(cd "$work/packages" && dpkg-scanpackages . 2>/dev/null >Packages)
guest 'mkdir -p /srv/packages && rm -rf /etc/apt/sources.list /etc/apt/sources.list.d &&
	echo "deb [trusted=yes] file:/srv/packages ./" >/etc/apt/sources.list'
guest_put "$work/packages/example.deb" /srv/packages/example.deb
guest_put "$work/packages/Packages" /srv/packages/Packages
guest_put "$work/cert.pem" /etc/ssl/test.pem
guest 'cat /etc/ssl/test.pem >>/etc/ssl/certs/ca-certificates.crt'
echo TOKEN=hidden- >"$work/web.env" && echo key >"$work/web.key"
guest_put "$work/web.env" /etc/instanced/web.env 0600
guest_put "$work/web.key" /etc/instanced/web.key 0600

# -- the first deploy --

make_archive 1 200
configure
guest -t 180 'systemctl restart instance-bootstrap; systemctl is-active instance-bootstrap' >"$work/out"
is "the one-shot, which has no network, deploys" "$(cat "$work/out")" active
wait_until 60 instance_is ready
ok $? "the instance is ready" "$(guest 'instancectl status; journalctl -b -u "inst*" -n 50')"
is "the archive came over TLS, and runs with its secrets" "$(app version) $(app secret)" "1 hidden-key"
is "on a low port without being root, with 102400 files" "$(app uid) $(app files)" \
	"$(guest 'id -u www-data') 102400"
is "the repository came over TLS, and nginx serves it" "$(fetch 80 /)" "a site"
is "the default page is kept" "$(guest 'ls -d /var/www/html.before-site')" /var/www/html.before-site
is "the package was installed" "$(guest 'cat /usr/share/instanced-example/file')" here
is "no secret is in a unit, the state or the journal" \
	"$(guest 'grep -rl hidden /run/systemd/system /run/instanced; journalctl -b | grep hidden')" ""

# -- a bad one --

make_archive 2 500
configure 20s
guest -t 180 'systemctl restart instance-bootstrap'
wait_until 30 eval '[ "$(app version)" = 1 ]'
is "a release that is not well is gone back from" "$(app version)" 1
wait_until 30 instance_is degraded
like "/instance is degraded and says why" "$(guest 'curl -s http://127.0.0.1:8080/instance')" \
	'*"degraded"*not well within 20 s*answered 500*went back from release*'
like "the journal as well" "$(guest 'journalctl -b -u instance-bootstrap -n 20')" "*went back from release*"
guest -t 180 'instancectl apply' >"$work/out"
like "it is not tried again" "$(cat "$work/out")" "*not tried again*"
make_archive 3 200
printf x >>"$at/www/app.tar.gz"
configure
guest -t 180 'instancectl apply' >"$work/out" 2>&1
like "an archive that is something else is refused with both digests" "$(cat "$work/out")" \
	"*its SHA-256 is $(sha256sum <"$at/www/app.tar.gz" | cut -c -64), and should be $sha256*"
is "and nothing of it stays" "$(guest 'ls -A /var/lib/instanced/app/web/releases | grep download')" ""
make_archive 3 200
configure
guest -t 180 'instancectl deploy web' >"$work/out" 2>&1
is "the right one is deployed" "$(app version)" 3
machine_reboot cloud-init=disabled
wait_until 90 instance_is ready
is "after a reboot all is there again" "$(app version) $(fetch 80 /)" "3 a site"
done_testing
