#!/bin/bash
# imds-sim answers as the real instance metadata service does: first by curl, rule by rule, then by
# clients that nobody here wrote (ec2-metadata, cloud-init, botocore, the AWS CLI). Prints TAP.
#
# BUILD is the build directory (default: build, at the top of the sources).
set -u

here=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$here/../build}
sim=$build/tests/imds-sim/imds-sim
tree_make=$here/imds-sim/tree-make
python=/usr/bin/python3 # the distribution's, which has the distribution's modules
readonly WAIT_STEPS=100 # of 50 ms, for anything to come up
readonly CLIENT_SECONDS=60

tmp=$(mktemp -d)
tree=$tmp/tree
sim_pid=
count=0
failed=0

finish() {
	[ -z "$sim_pid" ] || kill -KILL "$sim_pid" 2>/dev/null # one that hangs must not hang us
	rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 1' INT TERM

pass() { echo "ok $((++count)) - $1"; }
fail() {
	echo "not ok $((++count)) - $1"
	failed=1
}
skip() { echo "ok $((++count)) - $1 # SKIP $2"; }
is() { # NAME GOT WANTED
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1"
		printf 'got:\n%s\nwanted:\n%s\n' "$2" "$3" | sed 's/^/# /'
	fi
}
like() { # NAME GOT REGEX
	if [[ $2 =~ $3 ]]; then pass "$1"; else is "$1" "$2" "something like $3"; fi
}

wait_for_file() {
	for ((i = 0; i < WAIT_STEPS; i++)); do
		[ ! -e "$1" ] || return 0
		sleep 0.05
	done
	return 1
}

# curl METHOD PATH [OPTION]...: sets $status, $headers and $body; the latter's bytes are in $tmp/body.
request() {
	local method=(-X "$1") path=$2
	shift 2
	[ "${method[1]}" != HEAD ] || method=(--head)
	: >"$tmp/body"
	status=$(curl -sg --noproxy '*' --max-time 5 --path-as-is "${method[@]}" -D "$tmp/headers" \
		-o "$tmp/body" -w '%{http_code}' "$@" "$url$path")
	headers=$(tr -d '\r' <"$tmp/headers")
	body=$(tr -d '\0' <"$tmp/body")
}
header() { sed -n "s/^$1: //Ip" <<<"$headers"; }
new_token() { # SECONDS
	request PUT /latest/api/token -H "X-aws-ec2-metadata-token-ttl-seconds: $1"
	[ "$status" != 200 ] || token=$body
}
get() {
	local path=$1
	shift
	request GET "$path" -H "X-aws-ec2-metadata-token: $token" "$@"
}

# ---- the simulator comes up -----------------------------------------------------------------

if ! command -v curl >/dev/null || [ ! -x "$sim" ]; then
	echo "1..0 # SKIP needs curl, and $sim built"
	exit 0
fi
printf '#!/bin/sh\necho hello\n\0\1\2 binary, no newline at the end' >"$tmp/user-data"
"$tree_make" "$tree" --instance-id i-0fedcba9876543210 --az eu-west-1b --local-ipv4 10.1.2.3 \
	--public-ipv4 203.0.113.7 --role web --tag Name=web-1 --tag env:stage=a=b \
	--mapping ebs1=sdf --user-data "$tmp/user-data"

listen=(--listen 127.0.0.1:0)
if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
	listen+=(--listen '[::1]:0')
fi
"$sim" "${listen[@]}" --ports-file "$tmp/ports" --log "$tmp/log" "$tree" >"$tmp/stdout" &
sim_pid=$!
disown # so that its end is no news
if ! wait_for_file "$tmp/ports"; then
	fail 'the ports file appears'
	echo 'Bail out! imds-sim does not start'
	exit 1
fi
mapfile -t urls <"$tmp/ports"
url=${urls[0]}
is 'a URL is written for each --listen' ${#urls[@]} $((${#listen[@]} / 2))
like 'a free port is found for port 0' "$url" '^http://127\.0\.0\.1:[1-9][0-9]*$'
is 'the same URLs go to standard output' "$(cat "$tmp/stdout")" "$(cat "$tmp/ports")"

# ---- sessions -------------------------------------------------------------------------------

new_token 21600
is 'a token is given for six hours' "$status" 200
like 'a token is 56 url-safe characters that begin and end as the real ones' "$body" \
	'^AQAAA[A-Za-z0-9_-]{49}==$'
is 'a token comes with its time to live' "$(header X-aws-ec2-metadata-token-ttl-seconds)" 21600
long=$token
new_token 1
is 'a token is given for one second' "$status" 200
short=$token
differ=$([ "$short" = "$long" ] || echo yes)
is 'two tokens differ' "$differ" yes
request PUT /latest/api/token
is 'no time to live: 400' "$status" 400
for ttl in 0 21601 -1 1.5 60s 0x10 99999999999999999999; do
	new_token "$ttl"
	is "a time to live of $ttl: 400" "$status" 400
done
request PUT /latest/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' \
	-H 'X-Forwarded-For: 198.51.100.1'
is 'a forwarded request for a token: 403, empty' "$status $body" '403 '
request PUT /2021-07-15/api/token -H 'X-aws-ec2-metadata-token-ttl-seconds: 60'
is 'a token from a dated version: 403' "$status" 403
for method in GET HEAD POST; do
	request $method /latest/api/token
	is "$method on the token: 405, with what is allowed" "$status $(header Allow)" \
		'405 OPTIONS, PUT'
done

request GET /latest/meta-data/instance-id
is 'without a token: 401' "$status" 401
like 'a 401 has the page of the real service' "$body" '<h1>401 - Unauthorized</h1>'
is '... of its size' "$(header Content-Length) $(header Content-Type)" '343 text/html'
request HEAD /latest/meta-data/instance-id
is 'HEAD without a token: 401' "$status" 401
request GET /
is 'the versions without a token: 401' "$status" 401
request GET /no/such/thing
is 'nothing can be found out without a token: 401, no 404' "$status" 401
request GET /latest/meta-data/ -H "X-aws-ec2-metadata-token: ${long/AQAAA/AQAAB}"
is 'with a token that was never issued: 401' "$status" 401

for _ in 1 2 3 4 5; do # a busy machine may take longer than that
	new_token 1
	short=$token
	get /latest/meta-data/instance-id
	[ "$status" != 200 ] || break
done
is 'a token of one second is good at first ...' "$status" 200
sleep 1.1
token=$short get /latest/meta-data/instance-id
is '... and expired after it: 401' "$status" 401
token=$long
get /latest/meta-data/instance-id
like 'an answer says how long the token is still good' \
	"$(header X-aws-ec2-metadata-token-ttl-seconds)" '^215[0-9][0-9]$'

echo 1 >"$tree/.token-epoch"
get /latest/meta-data/instance-id
is 'a changed .token-epoch ends the sessions: 401' "$status" 401
new_token 300
get /latest/meta-data/instance-id
is '... and a new one can be had' "$status" 200

# ---- values ---------------------------------------------------------------------------------

is 'a value is that of the file' "$body" i-0fedcba9876543210
is 'a value has no newline' "$(wc -c <"$tmp/body")" 19
is 'the type of a value is text/plain' "$(header Content-Type)" text/plain
is 'the server names itself EC2ws' "$(header Server)" EC2ws
is 'one request a connection' "$(header Connection)" close
is 'Last-Modified is the time of the file' "$(header Last-Modified)" \
	"$(LC_ALL=C date -u -r "$tree/meta-data/instance-id" '+%a, %d %b %Y %H:%M:%S GMT')"
constant() { sed '/^Date/d; s/\(-Ttl-Seconds:\).*/\1/' <<<"$headers"; }
get_headers=$(constant)
request HEAD /latest/meta-data/instance-id -H "X-aws-ec2-metadata-token: $token"
is 'HEAD gives the same headers and no body' "$(constant)" "$get_headers"
get /2016-09-02/meta-data/instance-id
is 'a dated version has the same values' "$status $body" '200 i-0fedcba9876543210'
get /1999-01-01/meta-data/instance-id
is 'an unknown version: 404' "$status" 404
get /latest/meta-data/no-such-category
is 'an absent category: 404, with its page' "$status $(grep -c '<h1>404 - Not Found' "$tmp/body")" \
	'404 1'
get /latest/meta-data/placement/availability-zone/
is 'a value with a slash behind it (as SDKs ask)' "$body" eu-west-1b
get /latest//meta-data/reservation-id
is 'a doubled slash (as ec2-metadata asks)' "$body" r-00fedcba9876543210
for method in POST PUT DELETE PATCH; do
	request $method /latest/meta-data/instance-id -H "X-aws-ec2-metadata-token: $token" -d x=y
	is "$method on a value: 405" "$status" 405
done
get /latest/user-data
is 'user-data is given byte for byte' "$(cmp "$tmp/body" "$tmp/user-data" 2>&1)" ''
is 'the type of user-data is application/octet-stream' "$(header Content-Type)" \
	application/octet-stream
mv "$tree/user-data" "$tmp/away"
get /latest/user-data
is 'no user-data: 404' "$status" 404
mv "$tmp/away" "$tree/user-data"

# ---- listings -------------------------------------------------------------------------------

get /
is 'the versions, from the first to latest' "$(sed -n '1p;$p' "$tmp/body")" $'1.0\nlatest'
get /latest
is 'a version lists its parts without slashes' "$body" $'dynamic\nmeta-data\nuser-data'
get /latest/meta-data
without_slash=$body
get /latest/meta-data/
is 'a directory lists the same with and without a slash' "$body" "$without_slash"
is 'a listing marks what has more below it' "$(grep -e ^iam -e ^instance-id "$tmp/body")" \
	$'iam/\ninstance-id'
get /latest/meta-data/placement/
is 'a listing does not end in a newline' "$(wc -c <"$tmp/body")" ${#body}
is 'a listing has its names in order' "$body" $'availability-zone\navailability-zone-id\nregion'
get /latest/meta-data/public-keys/
is 'public keys are listed with their names' "$body" 0=my-key
get /latest/meta-data/public-keys/0/
is '... and found by their numbers' "$body" openssh-key
get /latest/meta-data/iam/security-credentials/
is 'the role is listed' "$body" web
get /latest/meta-data/tags/instance
is 'tags are listed by key' "$body" $'Name\nenv:stage'
get /latest/meta-data/tags/instance/env:stage
is 'a tag has its value' "$body" a=b

# ---- a file is an event ---------------------------------------------------------------------

spot=$tree/meta-data/spot
get /latest/meta-data/spot/instance-action
is 'no spot notice: 404' "$status" 404
mkdir "$spot"
printf '{"action": "stop", "time": "2030-01-01T00:00:00Z"}' >"$spot/instance-action"
get /latest/meta-data/spot/instance-action
is 'a file that appears is seen at once' "$status $body" "200 $(cat "$spot/instance-action")"
printf '{"action": "terminate", "time": "2030-01-01T00:00:00Z"}' >"$tree/.new"
mv "$tree/.new" "$spot/instance-action"
get /latest/meta-data/spot/instance-action
is 'a file that is replaced is seen at once' "$status $body" "200 $(cat "$spot/instance-action")"
rm -r "$spot"
get /latest/meta-data/spot/instance-action
is 'a file that goes is seen at once' "$status" 404

# ---- no way out of the directory ------------------------------------------------------------

echo secret >"$tmp/secret"
ln -s "$tmp/secret" "$tree/meta-data/absolute"
ln -s ../../secret "$tree/meta-data/relative"
ln -s instance-id "$tree/meta-data/inside"
ln -s / "$tree/meta-data/outside"
mkfifo "$tree/meta-data/fifo"
while read -r path; do
	get "$path"
	is "not to be had: $path" "$status" 404
done <<'END'
/latest/../secret
/latest/meta-data/../../secret
/latest/meta-data/../meta-data/mac
/latest/%2e%2e/secret
/latest/meta-data/%2e%2e%2f%2e%2e%2fsecret
/../secret
/latest/meta-data/./mac
/latest/.token-epoch
/latest/meta-data/absolute
/latest/meta-data/relative
/latest/meta-data/outside/etc/passwd
/latest/meta-data/fifo
END
get "/latest/meta-data/$(printf '%05000d' 0)"
is 'not to be had: a path of 5,000 characters' "$status" 404
get /latest/meta-data/inside
is 'a link that stays inside is followed' "$body" i-0fedcba9876543210
rm "$tree"/meta-data/{absolute,relative,inside,outside,fifo}

# ---- faults, the log, IPv6 ------------------------------------------------------------------

cat >"$tree/.faults" <<'END'
# comment
api/token 429

meta-data/iam/* 503 Retry-After=2
meta-data/* 403
END
get /latest/meta-data/iam/info
is 'a fault with Retry-After' "$status $(header Retry-After)" '503 2'
get /latest/meta-data/mac
is 'the first fault that matches counts' "$status $(header Retry-After)" '403 '
get /latest/dynamic/instance-identity/document
is 'what no fault names is answered' "$status" 200
new_token 60
is 'a fault of the token' "$status" 429
printf 'api/token 429\nmeta-data/* often\n' >"$tree/.faults"
get /latest/meta-data/mac
like 'a mistake in .faults is a 500 that names the line' "$status $body" '^500 \.faults:2: '
rm "$tree/.faults"
new_token 60
is 'without .faults all is well again' "$status" 200

lines=$(wc -l <"$tmp/log")
get '/latest/meta-data/mac?x=1'
request GET /latest/meta-data/mac
token=unknown get /latest/meta-data/mac
new_token 60
is 'the log has a line a request: method, target, status, token' \
	"$(tail -n +$((lines + 1)) "$tmp/log")" 'GET /latest/meta-data/mac?x=1 200 valid
GET /latest/meta-data/mac 401 none
GET /latest/meta-data/mac 401 invalid
PUT /latest/api/token 200 none'

if [ ${#urls[@]} -gt 1 ]; then
	url=${urls[1]}
	like 'the URL of IPv6 has brackets' "$url" '^http://\[::1\]:[1-9][0-9]*$'
	new_token 60
	get /latest/meta-data/instance-id
	is 'IPv6 answers as IPv4 does' "$body" i-0fedcba9876543210
	url=${urls[0]}
else
	skip 'the URL of IPv6 has brackets' 'no IPv6 on the loopback interface'
	skip 'IPv6 answers as IPv4 does' 'no IPv6 on the loopback interface'
fi

# ---- the program ----------------------------------------------------------------------------

address=${url#http://}
message=$(timeout 5 "$sim" --listen "$address" "$tree" 2>&1)
is 'a port in use: exit status 1 ...' $? 1
is '... and it is named' "$message" "imds-sim: $address: Address already in use"
timeout 5 "$sim" "$tmp/no-such-directory" 2>/dev/null
is 'no such directory: exit status 1' $? 1
while read -r -a arguments; do
	timeout 5 "$sim" "${arguments[@]}" >"$tmp/unexpected" 2>&1
	is "bad usage (${arguments[*]}): exit status 2" $? 2
done <<END
--log
--bogus $tree
$tree $tree
--listen 127.0.0.1 $tree
--listen ::1:0 $tree
--listen localhost:0 $tree
--listen 127.0.0.1:http $tree
--listen 127.0.0.1:99999 $tree
END
timeout 5 "$sim" --help >"$tmp/help"
is '--help: exit status 0' $? 0
for signal in TERM INT; do
	rm -f "$tmp/ports2"
	timeout -s KILL 60 "$sim" --ports-file "$tmp/ports2" "$tree" >/dev/null &
	pid=$!
	wait_for_file "$tmp/ports2"
	kill -$signal $pid
	wait $pid
	is "SIG$signal: exit status 0" $? 0
done

# ---- clients that nobody here wrote ---------------------------------------------------------

client() { timeout $CLIENT_SECONDS "$@" 2>"$tmp/client-errors"; }

# ec2-metadata knows one address only: give it that address, in a network of its own.
namespace=()
if unshare -n true 2>/dev/null; then
	namespace=(unshare -n)
elif unshare -rn true 2>/dev/null; then
	namespace=(unshare -rn)
fi
cat >"$tmp/at-home" <<'END'
#!/bin/bash
# at-home SIM TREE PORTS-FILE COMMAND...: runs COMMAND where the service has its real addresses.
sim=$1 tree=$2 ports=$3
shift 3
ip link set lo up && ip addr add 169.254.169.254/32 dev lo || exit 99
listen=(--listen 169.254.169.254:80)
ip -6 addr add fd00:ec2::254/128 dev lo nodad 2>/dev/null && listen+=(--listen '[fd00:ec2::254]:80')
"$sim" "${listen[@]}" --ports-file "$ports" "$tree" >/dev/null &
pid=$!
trap 'kill $pid; wait $pid' EXIT
for ((i = 0; i < 100; i++)); do
	[ ! -e "$ports" ] || break
	sleep 0.05
done
"$@"
END
at_home() {
	rm -f "$tmp/ports3"
	client "${namespace[@]}" bash "$tmp/at-home" "$sim" "$tree" "$tmp/ports3" "$@"
}

name='ec2-metadata --all reads everything, at 169.254.169.254'
if ! command -v ec2-metadata >/dev/null; then
	skip "$name" 'ec2-metadata (amazon-ec2-utils) is not installed'
elif [ ${#namespace[@]} = 0 ] || ! command -v ip >/dev/null; then
	skip "$name" 'needs a network namespace and iproute2'
else
	meta=$tree/meta-data
	is "$name" "$(at_home ec2-metadata --all)" "ami-id: ami-0abcdef0123456789
ami-launch-index: 0
ami-manifest-path: (unknown)
ancestor-ami-ids: not available
block-device-mapping: 
$(printf '\t %s\n' 'ami: /dev/xvda' 'ebs1: sdf' 'root: /dev/xvda')
instance-id: i-0fedcba9876543210
instance-type: t3.micro
local-hostname: ip-10-1-2-3.eu-west-1.compute.internal
local-ipv4: 10.1.2.3
kernel-id: not available
placement: eu-west-1b
product-codes: not available
public-hostname: ec2-203-0-113-7.eu-west-1.compute.amazonaws.com
public-ipv4: 203.0.113.7
public-keys: 
keyname:my-key
index:0
format:openssh-key
key:(begins from next line)
$(cat "$meta/public-keys/0/openssh-key")
ramdisk-id: not available
reservation-id: $(cat "$meta/reservation-id")
security-groups: web
user-data: $(tr -d '\0' <"$tmp/user-data")
tags: 
$(printf '\t %s\n' 'Name: web-1' 'env:stage: a=b')"
fi

cat >"$tmp/crawl.py" <<'END'
import json, os, sys
from cloudinit import helpers, util
from cloudinit.sources import DataSourceEc2 as ec2

url, tree, tmp = sys.argv[1:]
util._DNS_REDIRECT_IP = set()  # no look-ups on the real network
source = ec2.DataSourceEc2(
    {"datasource": {"Ec2": {"metadata_urls": [url], "max_wait": 10, "timeout": 5}}},
    None,
    helpers.Paths({"cloud_dir": tmp, "run_dir": tmp}),
)
source._cloud_name = ec2.CloudNames.AWS  # what it learns from DMI on an instance
source._get_data()


def on_disk(path):
    """The tree as cloud-init should see it; it leaves credentials out."""
    if os.path.isfile(path):
        text = open(path).read()
        if text.startswith("{"):
            return json.loads(text)
        return text.splitlines() if "\n" in text else text
    if path.endswith("/public-keys"):
        return {"my-key": on_disk(path + "/0/openssh-key")}
    names = set(os.listdir(path)) - {"security-credentials"}
    return {name: on_disk(path + "/" + name) for name in names}


def show(what, fine):
    print(what if fine else what + ": " + repr(source._crawled_metadata))


user_data = open(tree + "/user-data", "rb").read()
show("metadata", source.metadata == on_disk(tree + "/meta-data"))
show("user-data", source.get_userdata_raw() == user_data)
show("identity", source.identity == on_disk(tree + "/dynamic/instance-identity/document"))
print(source.get_instance_id(), source.availability_zone, source.region)
print(source.get_public_ssh_keys()[0].split()[-1], source._crawled_metadata["_metadata_api_version"])
END
name="cloud-init's crawler finds every file of the tree, and nothing else"
if ! $python -c 'import cloudinit' 2>/dev/null; then
	skip "$name" "cloud-init is not installed for $python"
else
	is "$name" "$(client "$python" "$tmp/crawl.py" "$url" "$tree" "$tmp")" "metadata
user-data
identity
i-0fedcba9876543210 eu-west-1b eu-west-1
my-key 2021-03-23"
fi

# The SDKs look at the environment for much more than the address: leave them nothing else.
sdk() {
	client env -i PATH="$PATH" HOME="$tmp" no_proxy='*' AWS_CONFIG_FILE=/dev/null \
		AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_METADATA_SERVICE_TIMEOUT=5 \
		"$endpoint" "$@"
}
cat >"$tmp/sdk.py" <<'END'
import botocore.session
from botocore.utils import IMDSRegionProvider

session = botocore.session.get_session()
credentials = session.get_credentials()
print(credentials.method, credentials.access_key, credentials.token)
print(IMDSRegionProvider(session).provide())
END
expected='iam-role ASIAIOSFODNN7EXAMPLE web-session-token
eu-west-1'
names=("botocore takes the instance role's credentials, and the region"
	'botocore takes them at [fd00:ec2::254] as well')
endpoint=AWS_EC2_METADATA_SERVICE_ENDPOINT=$url/
if ! $python -c 'import botocore' 2>/dev/null; then
	skip "${names[0]}" "botocore is not installed for $python"
	skip "${names[1]}" "botocore is not installed for $python"
else
	is "${names[0]}" "$(sdk "$python" "$tmp/sdk.py")" "$expected"
	if [ ${#namespace[@]} = 0 ] || [ ${#urls[@]} = 1 ] || ! command -v ip >/dev/null; then
		skip "${names[1]}" 'needs a network namespace, IPv6 and iproute2'
	else
		is "${names[1]}" "$(at_home env -i PATH="$PATH" HOME="$tmp" \
			AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE=IPv6 \
			AWS_METADATA_SERVICE_TIMEOUT=5 "$python" "$tmp/sdk.py")" "$expected"
	fi
fi

name='the AWS CLI lists credentials of type iam-role'
if ! command -v aws >/dev/null; then
	skip "$name" 'the AWS CLI is not installed'
else
	is "$name" "$(sdk aws configure list | awk '/_key/ { print $1, $2, $3 }')" \
		'access_key ****************MPLE iam-role
secret_key ****************EKEY iam-role'
fi

printf '{\n  "Code" : "AssumeRoleUnauthorizedAccess",\n  "Message" : "EC2 cannot assume the role"\n}' \
	>"$tree/meta-data/iam/security-credentials/web"
name='botocore takes nothing from credentials whose Code is an error'
if ! $python -c 'import botocore' 2>/dev/null; then
	skip "$name" "botocore is not installed for $python"
else
	is "$name" "$(sdk "$python" -c 'import botocore.session
print(botocore.session.get_session().get_credentials())')" None
fi

echo "1..$count"
exit $failed
