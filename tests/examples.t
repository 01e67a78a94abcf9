#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The examples in packaging/examples/ are good, as far as the tools they are for can say without an
# account: each is held against a tool of its own ecosystem. That the proxies route is for
# system/proxies.t, that user-data is ours for test-user-data.
#
# shellcheck disable=SC2317 # functions are called through passes()
set -u
PATH=$PATH:/usr/sbin:/sbin
top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
python=/usr/bin/python3
. "$top/tests/system/tap.sh"
cd "$top/packaging/examples" || exit 1
work=$(mktemp -d) || skip_all "no temporary directory"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

passes() { # NAME COMMAND...
	local name=$1 said
	shift
	said=$("$@" 2>&1)
	ok $? "$name" "$said"
}

needs() { # NAME PROGRAM: skips the one test where the program is missing
	command -v "$2" >/dev/null && return
	skip "$1" "$2 is not installed"
	return 1
}

# -- configuration --

check() { # FILE [CONF.D-FILE]
	mkdir -p "$work/conf.d"
	cp "$1" "$work/instanced.conf"
	rm -f "$work"/conf.d/*
	[ $# = 1 ] || cp "$2" "$work/conf.d"
	"$build/instancectl" --config "$work/instanced.conf" check
}
if needs "instancectl check" "$build/instancectl"; then
	passes "instanced.conf: instancectl check" check instanced.conf
	passes "volumes.conf beside it: instancectl check" check instanced.conf volumes.conf
	sed "s:/etc/instanced/instance.json.in:$work/instance.json.in:" apps.conf >"$work/apps.conf"
	echo '{"id": "{{instance-id}}"}' >"$work/instance.json.in"
	passes "apps.conf beside it: instancectl check" check instanced.conf "$work/apps.conf"
	passes "user-data.conf: instancectl check" check user-data.conf
	passes "user-data.conf above instanced.conf: instancectl check" \
		check instanced.conf user-data.conf
fi

# -- user-data --

mime_part() { # TYPE: its text, as Python's email reads it
	$python -c '
import email, sys
for part in email.message_from_file(open("user-data.mime")).walk():
    if part.get_content_type() == sys.argv[1]:
        sys.stdout.write(part.get_payload(decode=True).decode())' "$1"
}
is "user-data.mime: its text/x-instanced part is user-data.conf" \
	"$(mime_part text/x-instanced)" "$(<user-data.conf)"
name="user-data.mime: cloud-init schema accepts its cloud-config part"
mime_part text/cloud-config >"$work/cloud-config"
! needs "$name" cloud-init ||
	passes "$name" cloud-init schema --config-file "$work/cloud-config"

# -- AWS --

skeleton() { # checks parameters and prints what the call would answer; nothing is sent
	env -i PATH="$PATH" HOME="$work" AWS_DEFAULT_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true \
		AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x aws ec2 create-launch-template \
		--cli-input-json file://launch-template.json --generate-cli-skeleton output
}
! needs "launch-template.json: jq" jq || passes "launch-template.json: jq" jq . launch-template.json
name="launch-template.json: aws --generate-cli-skeleton"
! needs "$name" aws || passes "$name" skeleton
for example in launch-template.json cloudformation.yaml; do
	name="$example: botocore knows every parameter, and the user-data is user-data.conf"
	if $python -c 'import botocore, yaml' 2>/dev/null; then
		passes "$name" "$top/tests/examples-aws" $example
	else
		skip "$name" "python3-botocore or python3-yaml is not installed"
	fi
done

name="scaling-policy.json: botocore knows every parameter, and the metric is the group's"
if $python -c 'import botocore, yaml' 2>/dev/null; then
	passes "$name" "$top/tests/examples-aws" scaling-policy.json
else
	skip "$name" "python3-botocore or python3-yaml is not installed"
fi

# -- HCL --

formatted() { # FILE: packer's reader and formatter are of the language, not of Packer
	cp "$1" "$work/$(basename "$1").pkr.hcl" &&
		packer fmt -check -diff "$work/$(basename "$1").pkr.hcl"
}
validated() { # Packer before 1.7 has its plugins built in, and no block that asks for them
	touch "$work/instanced.deb"
	cp instanced.conf nginx.conf "$work"
	sed '/^packer {/,/^}/d' image.pkr.hcl >"$work/image.pkr.hcl"
	packer validate -var "package=$work/instanced.deb" "$work/image.pkr.hcl"
}
export CHECKPOINT_DISABLE=1 PACKER_CONFIG_DIR=$work PACKER_CACHE_DIR=$work/cache
for example in image.pkr.hcl terraform/main.tf; do
	! needs "$example: packer fmt" packer || passes "$example: packer fmt" formatted $example
done
! needs "image.pkr.hcl: packer validate" packer ||
	passes "image.pkr.hcl: packer validate" validated
skip "terraform/main.tf: terraform validate" \
	"terraform is not packaged, and would load its AWS provider from the network"
setting() { # FILE PATTERN...: the value behind each
	local file=$1 pattern
	shift
	for pattern; do
		grep -E "^[ -]*($pattern)(:| *=) " "$file" | sed 's/.*[:=] *//; s/"//g'
	done
}
is "terraform/main.tf and cloudformation.yaml are of the same health check, load and disk" \
	"$(setting terraform/main.tf path matcher interval timeout healthy_threshold \
		unhealthy_threshold health_check_type policy_type target_value \
		predefined_metric_type http_tokens device_name volume_size)" \
	"$(setting cloudformation.yaml HealthCheckPath HttpCode HealthCheckIntervalSeconds \
		HealthCheckTimeoutSeconds HealthyThresholdCount UnhealthyThresholdCount \
		HealthCheckType PolicyType TargetValue PredefinedMetricType HttpTokens DeviceName \
		VolumeSize)"

# -- proxies --

test_nginx() {
	cat >"$work/nginx.conf" <<-END
	pid $work/nginx.pid;
	events {}
	http {
		access_log off;
		include $PWD/nginx.conf;
	}
	END
	nginx -t -q -e stderr -p "$work" -c "$work/nginx.conf"
}
test_httpd() {
	{
		echo "ServerName localhost"
		echo "ServerRoot $work"
		echo "DefaultRuntimeDir $work"
		echo "ErrorLog $work/error.log"
		echo "Listen 80"
		for module in mpm_event authz_core dir proxy proxy_http; do
			echo "LoadModule ${module}_module /usr/lib/apache2/modules/mod_$module.so"
		done
		echo "Include $PWD/httpd.conf"
	} >"$work/httpd.conf"
	apache2 -t -f "$work/httpd.conf"
}
if [ "$(id -u)" = 0 ]; then
	! needs "nginx.conf: nginx -t" nginx || passes "nginx.conf: nginx -t" test_nginx
else
	skip "nginx.conf: nginx -t" "only root may try to listen on port 80"
fi
! needs "httpd.conf: apache2 -t" apache2 || # which is what apachectl configtest runs
	passes "httpd.conf: apache2 -t" test_httpd
! needs "haproxy.cfg: haproxy -c" haproxy ||
	passes "haproxy.cfg: haproxy -c" haproxy -c -f haproxy.cfg
! needs "haproxy-balancer.cfg: haproxy -c" haproxy ||
	passes "haproxy-balancer.cfg: haproxy -c" haproxy -c -f haproxy-balancer.cfg
! needs "prometheus.yml: promtool check config" promtool ||
	passes "prometheus.yml: promtool check config" promtool check config prometheus.yml

done_testing
