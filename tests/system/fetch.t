#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `instancectl fetch`: from nginx over TLS, killed in the middle and started again; from servers
# that misbehave (fetch-server); through a real proxy (tinyproxy), and never to the metadata
# service; and from a store that reckons the signature by botocore. The authority that all trust
# is the test's own.
. "$(dirname "$0")/lib.sh"
need nginx openssl cmp script
trusted=$(curl-config --ca 2>/dev/null)
[ -e "${trusted:-/etc/ssl/certs/ca-certificates.crt}" ] || skip_all "nobody knows where CAs are"
in_namespaces "$@"
trusted=$(curl-config --ca 2>/dev/null)
place fetch
files=$work/files
mkdir "$files"

# -- an authority, and certificates: good, of another host, expired, of nobody --

ca() { # NAME SUBJECT-ALTERNATIVE-NAME [openssl OPTION]...
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "$work/$1.key" -out "$work/$1.csr" 2>/dev/null
	openssl x509 -req -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" \
		-extfile <(echo "subjectAltName=$2") -out "$work/$1.pem" "${@:3}" 2>/dev/null
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=the test" \
	-days 2 -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
ca good DNS:localhost,IP:127.0.0.1,IP:192.0.2.1 -days 2
ca other DNS:other.example -days 2
ca expired DNS:localhost -days -1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=nobody" \
	-addext subjectAltName=DNS:localhost -keyout "$work/nobody.key" -out "$work/nobody.pem" \
	2>/dev/null
mount --bind "$work/ca.pem" "$trusted"

# -- nginx: at 192.0.2.1, which is not loopback for proxies, as well --

ip address add 192.0.2.1/32 dev lo
ip address add 169.254.169.254/32 dev lo
head -c 8000000 /dev/urandom >"$files/big"
echo hello >"$files/small"
: >"$files/empty"
echo plus >"$files/a+b c"
chmod -R a+rX "$files" && chmod 755 "$work"

server() { # NAME PORT
	cat <<-END
		server {
			listen $2 ssl;
			ssl_certificate $work/$1.pem;
			ssl_certificate_key $work/$1.key;
			root $files;
			location /slow/ { alias $files/; limit_rate 2m; limit_rate_after 1m; }
			location /once/ { alias $files/; limit_rate_after 2m; limit_rate 9k; }
			location /moved/ { rewrite ^/moved(.*) \$1 redirect; }
			location /round/ { rewrite ^/round(.*) /round\$1 redirect; }
			location /private { return 403; }
		}
	END
}
cat >"$work/nginx.conf" <<-END
	daemon off;
	master_process off;
	user root;
	pid $work/nginx.pid;
	events {}
	http {
		log_format asked escape=none '\$request_method \$uri \$http_range \$http_if_range \$status';
		access_log $work/nginx.log asked;
		$(server good 8443) $(server other 8444) $(server expired 8445) $(server nobody 8446)
		server { listen 8080; root $files; }
	}
END
nginx_start() {
	nginx -c "$work/nginx.conf" -e "$work/nginx.err" &
	nginx=$!
	wait_for 5 curl -fs -o /dev/null https://localhost:8443/small
}
nginx_stop() { kill -KILL $nginx && wait $nginx; } 2>/dev/null
if ! nginx_start; then
	sed 's/^/# /' "$work/nginx.err"
	skip_all "nginx does not start here"
fi
nginx=$!
sim_start --role web

# fetch [OPTION]... URL: into $got; sets status and err. get: the same, from nothing
got=$work/got
fetch() {
	"$work/bin/instancectl" --imds "$imds" fetch "$@" >>"$got" 2>"$work/stderr"
	status=$?
	err=$(<"$work/stderr")
}
get() { : >"$got" && fetch "$@"; }
has() { # NAME FILE: it came as it is
	cmp "$got" "$2" >"$work/cmp" 2>&1 && [ "$status" = 0 ]
	ok $? "$1" "status $status: $err"$'\n'"$(<"$work/cmp")"
}
asked() { : >"$work/nginx.log" && : >"$work/server.log"; } # the logs begin anew
refused() { # NAME PATTERN
	is "$1: refused" "$status" 1
	like "$1: in words" "$err" "$2"
}

# -- what a good server does --

https=https://localhost:8443
get $https/big
has "a file comes as it is" "$files/big"
like "its last line says how much there is" "$(tail -n 1 <<<"$err")" \
	"fetched 8000000 of 8000000 bytes"
get $https/empty
has "an empty file too" "$files/empty"
get "$https/a+b%20c"
has "a URL is taken as it is written" "$files/a+b c"
get $https/moved/small
has "a redirect to https: is followed" "$files/small"
get $https/round/small
refused "a redirect in a circle" "too many redirects: Maximum (5)"
get $https/nothing
refused "404" "$https/nothing: the server answered 404 (there is no such thing)"
is "404 leaves no byte" "$(wc -c <"$got")" 0
get "$https/private?X-Amz-Signature=secret"
refused "403" "$https/private?…: the server answered 403"
unlike "a query is not shown" "$err" secret
is "standard output may be a pipe" \
	"$("$work/bin/instancectl" fetch $https/big 2>/dev/null | sha256sum)" \
	"$(sha256sum <"$files/big")"

head -c 3000000 "$files/big" >"$got"
asked
fetch $https/big
has "what is there already is continued" "$files/big"
is "by a range" "$(<"$work/nginx.log")" "GET /big bytes=3000000-  206"
asked
fetch $https/big
has "what is complete stays" "$files/big"
is "after one question" "$(<"$work/nginx.log")" "GET /big bytes=8000000-  416"
echo more >>"$got"
fetch $https/big
has "what is more than there is, is started over" "$files/big"

version=$(ctl fetch --head $https/big)
is "--head prints the version" "$version" \
	"etag $(curl -sI $https/big | tr -d '\r' | sed -n 's/^ETag: //p') length 8000000"
touch -d '1 hour ago' "$files/big"
unlike "and another one after a change" "$(ctl fetch --head $https/big)" "$version"
run fetch --head $https/nothing
refused "--head of what is not there" "the server answered 404"

# nginx is killed in the middle of an answer, and comes back, and then it is not slow.
asked
get $https/once/big &
fetching=$!
# shellcheck disable=SC2016 # it is for the other shell
wait_for 5 bash -c '[ "$(stat -c %s "$0")" -gt 1000000 ]' "$got"
nginx_stop
sed -i 's/limit_rate 9k;//' "$work/nginx.conf"
nginx_start
wait $fetching
status=$? err=
has "a server that is killed and comes back is no reason to fail" "$files/big"
like "it goes on where it was, if that is the same version" "$(grep once "$work/nginx.log")" \
	"GET /once/big bytes=[1-9]*- \"*\" 206"

# -- certificates --

get https://localhost:8444/small
refused "another host's certificate" "is not trusted: no alternative certificate subject name matches"
get https://localhost:8445/small
refused "an expired certificate" "is not trusted: *certificate has expired"
get https://localhost:8446/small
refused "a certificate of nobody" "is not trusted: *self-signed certificate"
mount --bind /dev/null "$trusted"
get $https/small
refused "no authority at all" certificate
umount "$trusted"

# -- what is refused at once --

for bad in http://localhost:8080/small ftp://x/y file:///etc/passwd https:// https://user@x/ \
	'https://x/a b' s3://bucket s3://bucket/ 's3:///key' 's3://bu cket/key' small; do
	get "$bad"
	is "$bad: bad usage" "$status $(wc -c <"$got")" "2 0"
done
get "https://me:secret@localhost:8443/small"
unlike "no password is shown" "$err" secret
get --region 'a/b' s3://bucket/key
is "a region that is none: bad usage" "$status" 2
get --endpoint 'https://x/?y' s3://bucket/key
is "an endpoint that is none: bad usage" "$status" 2

# -- what a good server never does --

cp "$work/good.pem" "$work/cert.pem" && cp "$work/good.key" "$work/key.pem"
role=$work/imds/meta-data/iam/security-credentials/web
$python "$top/tests/system/fetch-server" "$work" 8453 8490 "$role" 2>"$work/server.err" &
bad=https://localhost:8453
wait_for 10 curl -fs -o "$work/body" $bad/body
$python -c 'import sys; sys.stdout.buffer.write(open(sys.argv[1], "rb").read()[::-1])' \
	"$work/body" >"$work/other"

get $bad/chunks
has "a body whose length nobody says" "$work/body"
asked
get $bad/drops
has "a connection dropped again and again" "$work/body"
is "each time it goes on where it was" "$(<"$work/server.log")" "GET /drops - -
$(for at in 50000 100000 150000 200000 250000; do
	echo "GET /drops bytes=$at- \"one\""
done)"
get $bad/no-ranges
has "a server without ranges is asked for all of it again" "$work/body"
get $bad/changes
has "what changes in the middle is started over" "$work/other"
get $bad/changes-unsaid
has "also by a server that does not know If-Range" "$work/other"
get $bad/elsewhere
has "an answer that goes on elsewhere is not taken" "$work/body"
start=$SECONDS
get $bad/busy
has "429 and 503 are waited out" "$work/body"
[ $((SECONDS - start)) -ge 2 ]
ok $? "as long as Retry-After says" "$((SECONDS - start)) s"

"$work/bin/instancectl" fetch $bad/drops-once 2>"$work/stderr" | cmp - "$work/body"
is "a pipe gets what follows after a drop" "${PIPESTATUS[*]}" "0 0"
asked
"$work/bin/instancectl" fetch "$bad/no-ranges?2" 2>"$work/stderr" | cat >"$got"
status=${PIPESTATUS[0]} err=$(<"$work/stderr")
refused "a pipe that would have to be taken back" "what was written cannot be taken back"

get $bad/huge
refused "more than 4 GiB" "it has 5368709120 bytes, and 4294967296 are the most"
is "more than 4 GiB: not a byte is written" "$(wc -c <"$got")" 0
truncate --size=$(((4 << 30) - 50)) "$got"
fetch $bad/endless
refused "more than 4 GiB, whatever was said" "it has more than 4294967296 bytes"
is "it ends there" "$(($(stat -c %s "$got") <= 4 << 30))" 1
rm "$got"

while read -r target words; do
	get "$bad/to/$target"
	refused "redirected to $target" "$words"
done <<-END
	http://localhost:8080/small a redirect to anything but https: is not followed
	http://169.254.169.254/ a redirect to anything but https: is not followed
	file:///etc/passwd a redirect to anything but https: is not followed
	https://a:b@localhost:8443/small a redirect with a user name in it is not followed
END
get "$bad/to/https://localhost:8443/small"
has "a redirect to another server" "$files/small"

asked
get $bad/status/418
refused "418" "the server answered 418"
is "418 is final" "$(wc -l <"$work/server.log")" 1
unlike "the server's own words are not repeated" "$err" secret

run fetch --head $bad/no-head
is "a server that refuses HEAD is asked by GET" "$out" 'etag "one" length 300000'
run fetch --head $bad/no-version
refused "a server that names no version" "names no version of it: pin it by sha256"
run fetch --head $bad/odd-version
is "an ETag that is no text is none" "$out" \
	'modified "Sat, 21 Nov 2026 09:00:00 GMT" length 300000'

# These take their time: side by side.
"$work/bin/instancectl" fetch $bad/stalls >"$work/stalls" 2>"$work/stalls.err" &
stalls=$!
"$work/bin/instancectl" fetch $bad/drops-always >"$work/always" 2>"$work/always.err" &
always=$!
start=$SECONDS

# -- as anybody, with nothing --

: >"$work/nobody.got" && chown "$NOBODY" "$work/nobody.got"
env -i setpriv --reuid="$NOBODY" --regid="$NOBODY" --clear-groups --inh-caps=-all --no-new-privs \
	"$work/bin/instancectl" fetch $https/big >>"$work/nobody.got" 2>"$work/stderr" </dev/null
ok $? "it runs as anybody, without environment and input" "$(<"$work/stderr")"
cmp "$work/nobody.got" "$files/big"
ok $? "and brings the file"
"$work/bin/instancectl" fetch $https/big >/dev/full 2>"$work/stderr"
status=$? err=$(<"$work/stderr")
refused "no space" "cannot be written: No space left on device"
script -qec "$work/bin/instancectl fetch $https/slow/big >$got" /dev/null </dev/null >"$work/typescript"
like "on a terminal a line is redrawn" "$(<"$work/typescript")" \
	$'\r\e[K*of 7.6 MiB (* %), * MiB/s, 0:0* left'
unlike "and nothing else" "$(<"$work/typescript")" fetched

# -- proxies --

if command -v tinyproxy >/dev/null; then
	cat >"$work/tinyproxy.conf" <<-END
		Port 8888
		Listen 127.0.0.1
		LogFile "$work/proxy.log"
		LogLevel Connect
		ConnectPort 8443
		Allow 127.0.0.1
	END
	tinyproxy -d -c "$work/tinyproxy.conf" >/dev/null 2>&1 &
	wait_for 5 curl -s -o /dev/null -x http://127.0.0.1:8888 http://127.0.0.1:8080/small
	through() { # [NAME=VALUE]... OPTION... URL: sets proxied, what the proxy was asked for
		: >"$work/proxy.log" && : >"$got"
		env "${@:1:$#-1}" "$work/bin/instancectl" --imds "$proxy_imds" fetch \
			--region us-east-1 --endpoint http://192.0.2.1:8490 "${*: -1}" \
			>"$got" 2>"$work/stderr"
		status=$? err=$(<"$work/stderr")
		proxied=$(grep -aoE '(CONNECT|GET) [^ ]+' "$work/proxy.log" | sort -u)
	}
	all=(http_proxy=http://127.0.0.1:8888 https_proxy=http://127.0.0.1:8888
		HTTP_PROXY=http://127.0.0.1:8888 all_proxy=http://127.0.0.1:8888)
	proxy_imds=http://169.254.169.254:1338
	"$work/bin/imds-sim" --listen 169.254.169.254:1338 "$work/imds" >/dev/null &
	wait_for 5 curl -s -o /dev/null http://169.254.169.254:1338/

	through https_proxy=http://127.0.0.1:8888 https://192.0.2.1:8443/big
	has "https: goes through the environment's proxy" "$files/big"
	is "which was asked for it" "$proxied" "CONNECT 192.0.2.1:8443"
	through all_proxy=http://127.0.0.1:8888 https://192.0.2.1:8443/small
	is "all_proxy is one as well" "$status $proxied" "0 CONNECT 192.0.2.1:8443"
	through "${all[@]}" no_proxy=x,192.0.2.0/24 https://192.0.2.1:8443/small
	is "not for what no_proxy names" "$status $proxied" "0 "
	through "${all[@]}" NO_PROXY='*' https://192.0.2.1:8443/small
	is "which may be everything" "$status $proxied" "0 "
	through "${all[@]}" https://localhost:8443/small
	is "never for localhost" "$status $proxied" "0 "
	through "${all[@]}" https://127.0.0.1:8443/small
	is "never for 127.0.0.0/8" "$status $proxied" "0 "
	for address in 169.254.169.254 '[fd00:ec2::254]' '[::1]'; do
		through "${all[@]}" timeout 2 "https://$address:8444/small"
		is "never for $address" "$proxied" ""
	done
	through https_proxy=http://127.0.0.1:9 https://192.0.2.1:8444/small
	like "a proxy that does not answer is named" "$err" "Failed to connect to *127.0.0.1"
	through "${all[@]}" s3://proxied/key
	is "a store is asked through the proxy" "$status $(<"$got")" "0 key"
	is "the metadata service never" "$proxied" "GET http://192.0.2.1:8490/proxied/key"
else
	skip "proxies" "tinyproxy is not installed"
fi

# -- signatures --

if $python -c 'import botocore' 2>/dev/null; then
	s3() { get --endpoint http://127.0.0.1:8490 "$@"; }
	for key in key a/b 'a b' a+b a=b 'a~b' 'a*b' '(a)' 'a%b' 'a%20b' ñ 'a//b' /a a/ 'a?b=c&d' \
		'a#b' "a'b" 'a"b' 'a<b>' 'a\b' 'a:b@c' 'a,b;c' '!$' '{bucket}' a...b 日本 .a a/.b/..c '[a]|^`'; do
		s3 "s3://bucket/$key"
		is "s3: $key is signed as it is sent" "$status $(<"$got")" "0 $key"
	done
	# libcurl from 8.14 on does not sign what it is not to resolve.
	for key in a/../b ./a ../../a a/. a/./b; do
		s3 "s3://bucket/$key"
		case $err in
		*path-as-is*) skip "s3: $key is signed as it is sent" "libcurl cannot" ;;
		*) is "s3: $key is signed as it is sent" "$status $(<"$got")" "0 $key" ;;
		esac
	done
	s3 s3://drops/key
	has "s3: a dropped connection" "$work/body"
	asked
	s3 s3://slow/key
	is "s3: what it calls slow down is waited out" "$status $(<"$got")" "0 key"
	cp "$work/body" "$got"
	fetch --endpoint http://127.0.0.1:8490 s3://range/key
	has "s3: what is complete stays, as it says that" "$work/body"
	run fetch --endpoint http://127.0.0.1:8490 --head s3://bucket/key
	is "s3: --head" "$out" 'etag "one" version 3HL4kqtJlcpXroDTDmJ length 3'
	get --endpoint 'http://{bucket}.localhost:8490' s3://virtual/a/b
	is "s3: the bucket may be in the host" "$status $(<"$got")" "0 a/b"
	get --endpoint http://127.0.0.1:8490/ --region eu-north-1 s3://bucket/a
	is "s3: a slash after the endpoint, another region" "$status $(<"$got")" "0 a"

	asked
	s3 s3://moved/a
	refused "s3: a bucket elsewhere" "bucket moved is in eu-west-3: set region = eu-west-3"
	s3 s3://moving/a
	refused "s3: one that is moving" "at another place: moving.s3.example"
	is "s3: no redirect is followed" "$(grep -c trap "$work/server.log")" 0
	s3 s3://malformed/a
	refused "s3: a region that it is not in" \
		"bucket malformed is in eu-west-1: set region = eu-west-1"
	run fetch --endpoint http://127.0.0.1:8490 --head s3://malformed/a
	refused "s3: --head has the same words" "set region = eu-west-1"
	s3 s3://codes/403-AccessDenied
	refused "s3: AccessDenied" "403 AccessDenied: Words & <more>. (the role's policy must allow"
	s3 s3://codes/404-NoSuchKey
	refused "s3: NoSuchKey" "404 NoSuchKey: Words"
	s3 s3://codes/403-RequestTimeTooSkewed
	refused "s3: RequestTimeTooSkewed" "this machine's clock is wrong"

	role_set() { # JQ-FILTER
		jq "$1" "$role" >"$work/role" && cp "$work/role" "$work/imds/.role" &&
			mv "$work/imds/.role" "$role"
	}
	role_set '.Token = "old-token"'
	asked
	s3 s3://expired/a
	refused "s3: credentials that have expired, and no others" "ExpiredToken: The provided token"
	is "s3: were asked for anew once" "$(wc -l <"$work/server.log")" 2
	unlike "s3: no token is shown" "$err" old-token
	s3 s3://renewed/a
	is "s3: and used, if there are newer ones" "$status $(<"$got")" "0 a"
	role_set ".Expiration = \"$(date -u -d '+5 minutes' +%FT%TZ)\""
	: >"$work/imds.log"
	s3 "s3://drops/stale"
	has "s3: credentials that nearly expire are used while there are no others" "$work/body"
	is "s3: but asked for at each try" "$(grep -c credentials/web "$work/imds.log")" 6
	role_set '.Code = "AssumeRoleUnauthorizedAccess" | .Message = "EC2 cannot assume the role."'
	s3 s3://bucket/a
	refused "s3: a role without credentials" \
		"AssumeRoleUnauthorizedAccess: EC2 cannot assume the role."
	rm -r "$work/imds/meta-data/iam"
	s3 s3://bucket/a
	refused "s3: an instance without a role" "needs an instance role that allows s3:GetObject"
else
	skip "signatures" "python3-botocore is not installed"
fi

# -- what took its time --

wait $stalls
is "a connection that stalls is given up" "$?" 0
cmp "$work/stalls" "$work/body"
ok $? "and the rest is fetched by another" "$(<"$work/stalls.err")"
[ $((SECONDS - start)) -ge 29 ]
ok $? "after half a minute" "$((SECONDS - start))"
wait $always
is "a server that never gets further is given up" "$?" 1
like "after so many tries" "$(tail -n 1 "$work/always.err")" \
	"instancectl: $bad/drops-always: tried 10 times: "
is "what came is kept for the next time" "$(wc -c <"$work/always")" 50000
done_testing
