#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# `instancectl fetch s3://...` against a store that nobody here wrote and that verifies Signature
# Version 4: OpenStack Swift (s3-store), behind a proxy that has session tokens and bad days
# (s3-front). The AWS CLI fills it, with the same role's credentials from the metadata service, and
# so vouches for both. Last, `instancectl apply` with an app from there.
. "$(dirname "$0")/lib.sh"
need openssl
aws=$(PATH=/usr/bin:/usr/local/bin command -v aws) || skip_all "aws is not installed"
$python -c 'import swift.common.middleware.s3api' 2>/dev/null ||
	skip_all "python3-swift is not installed"
in_namespaces "$@"
place main
: >"$conf"

# -- the role, the store, the front --

role_id=ASIAIOSFODNN7EXAMPLE
role_secret=wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
token=IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJH+first/EXAMPLE==
token_2=IQoJb3JpZ2luX2VjEPT//////////wEaCXVzLWVhc3QtMSJH+second/EXAMPLE==
other_secret=AAAAXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY

s3=$work/s3
mkdir "$s3"
role() { # ID SECRET TOKEN: what the metadata service has from now on
	jq -n --arg id "$1" --arg secret "$2" --arg token "$3" \
		--arg now "$(date -u +%FT%TZ)" --arg until "$(date -u -d '+6 hours' +%FT%TZ)" \
		'{Code: "Success", LastUpdated: $now, Type: "AWS-HMAC", AccessKeyId: $id,
		SecretAccessKey: $secret, Token: $token, Expiration: $until}' >"$work/imds/.role"
	mv "$work/imds/.role" "$work/imds/meta-data/iam/security-credentials/web"
}
tokens() { # TOKEN STATE...
	printf '%s %s\n' "$@" >"$s3/tokens.new"
	mv "$s3/tokens.new" "$s3/tokens"
}
right() {
	role "$role_id" "$role_secret" "$token"
	tokens "$token" good
}
sim_start --role web
right

domain=s3.us-east-1.amazonaws.com
free_port && store_port=$port
free_port && front_port=$port
front=http://127.0.0.1:$front_port
"$top/tests/system/s3-store" "$work/store" "$store_port" us-east-1 "s3.test,$domain" \
	<<<"team role $role_secret" 2>"$work/store.log" &
"$top/tests/system/s3-front" "$s3" "$front_port" "$store_port" "$role_id=team:role" \
	2>"$work/front.log" &
printf '127.0.0.1 localhost%s\n' '' " $domain" " bucket.$domain" " bucket.s3.test" >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
if ! { wait_for 20 curl -s "http://127.0.0.1:$store_port/" && wait_for 5 curl -s "$front/"; }; then
	sed 's/^/# /' "$work/store.log" "$work/front.log"
	skip_all "the store does not start here"
fi

# plan LINE...: what happens to the next requests (see s3-front); the log begins anew
plan() {
	rm -f "$s3/log"
	printf '%s\n' "$@" >"$s3/plan"
}
logged() { jq -rs "$1" "$s3/log"; }
requests() { wc -l <"$s3/log"; }
# All that was sent of an object: where it begins, each going on where the one before ended, and
# where that is.
sent() {
	# shellcheck disable=SC2016 # variables of jq
	logged 'map(select(.status < 300)) | reduce .[] as $r ({end: .[0].from, gaps: 0};
		{end: ($r.from + $r.sent), gaps: (.gaps + if $r.from == .end then 0 else 1 end)}) |
		"\(.gaps) gaps, to \(.end)"'
}

# cli ARGUMENT...: the AWS CLI; as fetch, it has its credentials from the metadata service
cli() {
	env -i PATH=/usr/bin:/bin HOME="$work" LC_ALL=C.UTF-8 AWS_EC2_METADATA_SERVICE_ENDPOINT="$imds/" \
		AWS_DEFAULT_REGION=us-east-1 AWS_MAX_ATTEMPTS=1 \
		AWS_METADATA_SERVICE_TIMEOUT=20 AWS_METADATA_SERVICE_NUM_ATTEMPTS=5 \
		"$aws" --endpoint-url "$front" s3api "$@" 2>&1
}
put() { # KEY FILE
	cli put-object --bucket bucket --key "$1" --body "$2"
}

# fetch FILE URL [OPTION]...: appends to the file; sets err and status. All that was ever said is in
# $work/said.
fetch() {
	ctl fetch "${@:2}" >>"$1" 2>"$work/stderr"
	status=$?
	err=$(<"$work/stderr")
	cat "$work/stderr" >>"$work/said"
}
same() { # NAME FILE WANTED-FILE: and the fetch went well
	[ "$status" = 0 ] && cmp -s "$2" "$3"
	ok $? "$1" "status $status, $err, $(cmp "$2" "$3" 2>&1)"
}
fails() { # NAME WORDS: of the last fetch, which wrote nothing
	[ "$status" = 1 ] && [ ! -s "$work/got" ] && [[ $err == *$2* ]]
	ok $? "$1" "status $status, $(wc -c <"$work/got") bytes, $err"
}
got() { # [OPTION]...: fetches s3://bucket/big into a new file, $work/got
	rm -f "$work/got"
	fetch "$work/got" s3://bucket/big --endpoint "$front" "$@"
}

# -- the AWS CLI takes them for S3 --

big=$work/big
head -c 3000000 /dev/urandom >"$big"
echo hello >"$work/hello"
said=$(cli create-bucket --bucket bucket && put big "$big" && put hello "$work/hello")
ok $? "the AWS CLI makes a bucket and puts objects, with the role's token" "$said"
said=$(cli get-object --bucket bucket --key big --range bytes=2000000- "$work/part")
is "and gets a part" "$? $(cmp "$work/part" <(tail -c +2000001 "$big") 2>&1)" "0 "
tokens "$token" expired
like "an expired token it is told of" "$(put x "$work/hello")" ExpiredToken
tokens "$token_2" good
like "and of one that is none" "$(put x "$work/hello")" InvalidToken
right
role "$role_id" "$other_secret" "$token"
like "and of a wrong secret" "$(put x "$work/hello")" SignatureDoesNotMatch
right
plan
said=$(cli get-object --bucket bucket --key hello --region eu-west-1 "$work/part")
is "another region it is told of, and then takes the right one" \
	"$? $(logged 'map(.status | tostring) | join(" ")') $(<"$work/part")" "0 400 200 hello"
# unsigned HEADER: what is said to a request whose signature does not cover that one
unsigned() {
	$python - <<-END
	import http.client
	from botocore import auth, awsrequest, credentials
	header = "$1"
	request = awsrequest.AWSRequest("GET", "$front/bucket/hello")
	key = credentials.Credentials("$role_id", "$role_secret", "$token")
	signer = auth.S3SigV4Auth(key, "s3", "us-east-1")
	all_of_them = signer.headers_to_sign
	def all_but_one(request):
	    headers = all_of_them(request)
	    del headers[header]
	    return headers
	signer.headers_to_sign = all_but_one
	signer.add_auth(request)
	connection = http.client.HTTPConnection("127.0.0.1", $front_port)
	connection.request("GET", "/bucket/hello", headers=dict(request.headers))
	print(connection.getresponse().read().decode())
	END
}
is "a request of the CLI's library is answered" "$(unsigned x-none)" hello
like "but not without the token in its signature" "$(unsigned x-amz-security-token)" \
	"AccessDenied*not signed"

# -- an object --

plan
got
same "an object is fetched with the role's credentials" "$work/got" "$big"
is "by one request for all of it" "$(logged '.[] | "\(.method) \(.path) \(.range) \(.stored)"')" \
	"GET /bucket/big null 200"
is "to a pipe, too" "$(ctl fetch s3://bucket/hello --endpoint "$front" 2>>"$work/said" | cat)" hello
: >"$work/empty"
put empty "$work/empty" >/dev/null
rm -f "$work/got"
fetch "$work/got" s3://bucket/empty --endpoint "$front"
same "an empty one" "$work/got" "$work/empty"
run fetch --head s3://bucket/hello --endpoint "$front"
etag=$(cli head-object --bucket bucket --key hello | jq -r .ETag)
like "--head says which version there is" "$status $out" "0 *$etag*length 6"

i=0
for key in 'a b' 'a+b' 'a%20b' 'ñandú y más' 'k=v&x;y,z' '(1)!'"'"'*' 'a//b' '/a' 'a/' '?q#f' \
	'./a/../b' '~a_b-c.d' '"<>\^`{|}' '@:$'; do
	echo "$((i += 1)) $key" >"$work/object"
	put "$key" "$work/object" >/dev/null
	rm -f "$work/got"
	fetch "$work/got" "s3://bucket/$key" --endpoint "$front"
	same "the key $key" "$work/got" "$work/object"
	rm -f "$work/got"
	fetch "$work/got" "s3://bucket/$key" --endpoint "http://{bucket}.s3.test:$front_port"
	same "the same in virtual-host style" "$work/got" "$work/object"
done

# -- where it is --

plan
got --endpoint "http://{bucket}.s3.test:$front_port/"
same "virtual-host style: {bucket} in an endpoint's host" "$work/got" "$big"
is "has the bucket there and not in the path" "$(logged '.[] | "\(.host) \(.path)"')" \
	"bucket.s3.test:$front_port /big"

# S3's own name, in here: a front with a certificate that this machine's bundle has.
bundle=/etc/ssl/certs/ca-certificates.crt
if [ -f $bundle ]; then
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=tests \
		-addext "subjectAltName = DNS:$domain,DNS:*.$domain" \
		-keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
	cat "$work/key.pem" "$work/cert.pem" >"$work/tls.pem"
	mount --bind "$work/cert.pem" $bundle
	"$top/tests/system/s3-front" "$s3" 443 "$store_port" "$role_id=team:role" tls="$work/tls.pem" \
		2>>"$work/front.log" &
	wait_for 5 curl -s "https://$domain/"
	plan
	rm -f "$work/got"
	fetch "$work/got" s3://bucket/big
	same "without an endpoint it is the region's own, by TLS" "$work/got" "$big"
	is "whose name has bucket and region" "$(logged '.[] | "\(.host) \(.path) \(.stored)"')" \
		"bucket.$domain /big 200"
	umount $bundle
	rm -f "$work/got"
	fetch "$work/got" s3://bucket/big
	fails "a certificate that nobody here vouches for is refused" "certificate is not trusted"
else
	skip "without an endpoint it is the region's own" "there is no $bundle"
fi

# -- what S3 says no to --

rm -f "$work/got"
plan
fetch "$work/got" s3://bucket/Big --endpoint "$front"
fails "a key that is not there" "s3://bucket/Big: 404 NoSuchKey"
is "is asked for once" "$(requests)" 1
fetch "$work/got" s3://no-such-bucket/big --endpoint "$front"
fails "a bucket that is not there" "404 NoSuchBucket"
run fetch --head s3://bucket/Big --endpoint "$front"
like "--head of a key that is not there says so, too" "$status $out $err" "1 *404*NoSuchKey"
plan
role "$role_id" "$other_secret" "$token"
got
fails "a wrong secret" "403 SignatureDoesNotMatch"
is "is the store's own finding, once" "$(logged '.[] | .stored')" 403
role ASIAI44QH8DHBEXAMPLE "$role_secret" "$token"
got
fails "an access key that is not known" "403 InvalidAccessKeyId"
role "$role_id" "$role_secret" "$token_2"
got
fails "a token that is none" "400 InvalidToken"
right
tokens "$token" expired
plan
got
fails "an expired token, and the metadata service has no other" "400 ExpiredToken"
is "which is asked once more, no longer" "$(requests)" 2
tokens "$token" good
mv "$work/imds/meta-data/iam" "$work/imds/.iam"
plan
got
fails "an instance without a role" "instance role"
mv "$work/imds/.iam" "$work/imds/meta-data/iam"
is "asks nobody in vain" "$(cat "$s3/log" 2>&1)" "cat: $s3/log: No such file or directory"
plan "say 403 AccessDenied Access Denied"
got
fails "what the role may not" "403 AccessDenied*s3:GetObject"
# S3's answer holds what it was sent: Amazon S3 API Reference, "Error responses".
mismatch="The request signature we calculated does not match the signature you provided."
canonical="GET&#10;/bucket/big&#10;&#10;x-amz-security-token:$token"
plan "say 403 SignatureDoesNotMatch $mismatch"$'\t'"<CanonicalRequest>$canonical</CanonicalRequest>"
got
fails "an error that quotes the token" "403 SignatureDoesNotMatch"

# -- another region --

got --region eu-west-1
fails "the store says that it is in another region" \
	"bucket bucket is in us-east-1: set region = us-east-1"
attempt="The bucket you are attempting to access must be addressed using the specified endpoint."
resend="Please re-send this request to the specified temporary endpoint."
malformed="The authorization header is malformed; the region 'us-east-1' is wrong"
place=bucket.s3.eu-west-1.amazonaws.com
elements=$'\t'"<Endpoint>$place</Endpoint><Bucket>bucket</Bucket>"
headers=$'\t'"x-amz-bucket-region: eu-west-1"$'\t'"Location: $front/bucket/elsewhere"
for saying in "301 PermanentRedirect $attempt" "307 TemporaryRedirect $resend" \
	"400 AuthorizationHeaderMalformed $malformed"; do
	read -r number code _ <<<"$saying"
	plan "say $saying$headers$elements"
	got
	fails "$number $code is explained" "bucket bucket is in eu-west-1: set region = eu-west-1"
	is "and not followed" "$(requests)" 1
	plan "say $saying$headers$elements" "say $saying$headers$elements"
	run fetch --head s3://bucket/big --endpoint "$front"
	like "to --head, too" "$status $err" "1 *is in eu-west-1: set region = eu-west-1"
done
plan "say 301 PermanentRedirect $attempt$elements"
got
fails "301 without a region names the endpoint" "$place"

# -- dropped connections, busy servers --

plan "cut 700001" "cut 1" "cut 0" "cut 999999"
got
same "a connection that is dropped again and again" "$work/got" "$big"
is "is gone on with where it ended: no byte comes twice" "$(requests) $(sent)" \
	"5 0 gaps, to 3000000"
is "by Range" "$(logged 'map(.range) | join(" ")')" \
	" bytes=700001- bytes=700002- bytes=700002- bytes=1700001-"
plan "say 503 SlowDown Please reduce your request rate." \
	"say 500 InternalError We encountered an internal error. Please try again." \
	"say 429 TooManyRequests Slow down"
got --verbose
same "503 SlowDown, 500 and 429 pass" "$work/got" "$big"
is "by asking again" "$(logged 'map(.status | tostring) | join(" ")')" "503 500 429 200"
plan "cut 1000000" "say 503 SlowDown Please reduce your request rate."
got
is "a busy server in the middle costs no byte twice" "$status $(requests) $(sent)" \
	"0 3 0 gaps, to 3000000"

head -c 1234567 "$big" >"$work/got"
plan
fetch "$work/got" s3://bucket/big --endpoint "$front"
same "a file of a former run is gone on with" "$work/got" "$big"
is "from its end" "$(logged '.[] | "\(.range) \(.sent)"')" "bytes=1234567- 1765433"
fetch "$work/got" s3://bucket/big --endpoint "$front"
same "one that is complete stays as it is" "$work/got" "$big"
cat "$big" "$work/hello" >"$work/got"
fetch "$work/got" s3://bucket/big --endpoint "$front"
same "one that is longer than the object is started over" "$work/got" "$big"
plan "length 99999999999999"
got
fails "an object that is announced as too large is refused" "99999999999999 bytes"
is "at once" "$(requests)" 1

# -- in the middle of a download --

# start: got in the background, until the front holds it
start() {
	rm -f "$work/got" "$s3/held"
	got &
	fetching=$!
	wait_for 10 test -e "$s3/held"
}
go_on() { # the rest; sets err and status
	rm "$s3/held"
	wait "$fetching"
	status=$?
	err=$(<"$work/stderr")
}
printf '%s\n' "$role_secret" "$other_secret" "$token" "$token_2" >"$work/secrets"

plan "hold 1000000"
start
like "it is at work" "$(tr '\0' ' ' <"/proc/$(pgrep -x instancectl)/cmdline")" \
	"fetch s3://bucket/big"
is "no argument and no environment of a process holds a secret" \
	"$(grep -laF -f "$work/secrets" /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null)" ""
tokens "$token" expired "$token_2" good
role "$role_id" "$role_secret" "$token_2"
go_on
same "a token that expires in the middle is replaced by the metadata service's new one" \
	"$work/got" "$big"
is "and nothing comes twice" "$(sent), $(logged 'map(.status | tostring) | join(" ")')" \
	"0 gaps, to 3000000, 200 400 206"
right

head -c 3000000 /dev/urandom >"$work/newer" # as long as the other: only its ETag tells
plan "hold 1000000" pass
start
put big "$work/newer" >/dev/null
go_on
same "an object that is replaced in the middle is the new one, and no mixture" \
	"$work/got" "$work/newer"

is "no secret was ever said" "$(grep -F -f "$work/secrets" "$work/said")" ""
is "and no signature" "$(grep -ciE 'signature=|aws4-hmac' "$work/said")" 0

# -- an app from there: all of apply, which the rest does without --

place app
free_port && app_port=$port
make_app "$work/app" 1
tar -C "$work/app" -czf "$work/app.tar.gz" .
put 'app +1.tar.gz' "$work/app.tar.gz" >/dev/null
app_conf() { # SHA256
	cat >"$conf" <<-END
	[app web]
	source = s3://bucket/app +1.tar.gz
	endpoint = $front
	sha256 = $1
	path = $at/web
	run = $python app.py
	user = nobody
	env.PORT = $app_port
	END
}
sha256=$(sha256sum <"$work/app.tar.gz")
sha256=${sha256%% *}
wrong=$(tr 0-9a-f 1-9a-f0 <<<"$sha256")
app_conf "$wrong"
run apply
like "apply refuses an object with another digest, and names both" "$status $out $err" \
	"1 *$sha256*$wrong"
is "and leaves nothing behind" "$(ls -A "$at/web/releases" 2>/dev/null)" ""
app_conf "$sha256"
plan "cut 100"
run apply
is "apply deploys an app from S3" "$status $(wait_for 10 app_is 1 && app .version)" "0 1"
is "which came in parts" "$(sent)" "0 gaps, to $(stat -c %s "$work/app.tar.gz")"
run apply
is "a second run fetches nothing" "$status $(requests)" "0 2"
is "no secret is in state, records or output" \
	"$(grep -rlF -f "$work/secrets" "$state" "$data" "$at" 2>/dev/null; grep -F -f "$work/secrets" \
		<<<"$out$err")" ""
sed -i 's/^sha256 = .*/unpinned = yes/' "$conf"
run apply
is "an object that is not pinned is deployed as it is now" \
	"$status $(wait_for 10 app_is 1 && app .version)" "0 1"
run apply
is "and not again while its ETag is the same" "$status $(grep -vc '^=' <<<"$out")" "0 0"
make_app "$work/app" 2
tar -C "$work/app" -czf "$work/app.tar.gz" .
put 'app +1.tar.gz' "$work/app.tar.gz" >/dev/null
run apply
is "another object under its key is another release" \
	"$status $(wait_for 10 app_is 2 && app .version)" "0 2"
[ ! -e "$state/app-web.json" ] || app_stop
done_testing
