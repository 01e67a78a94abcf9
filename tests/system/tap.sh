# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The Test Anything Protocol for shell tests; to be sourced first.

tests=0 failures=0

skip_all() { # REASON
	echo "1..0 # SKIP $1"
	exit 0
}

ok() { # STATUS NAME [NOTE]
	tests=$((tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tests - $2"
	else
		failures=$((failures + 1))
		echo "not ok $tests - $2"
		printf '%s\n' "${3-}" | sed 's/^/# /'
	fi
}

is() { # NAME GOT WANTED
	[ "$2" = "$3" ]
	ok $? "$1" "got:    $2"$'\n'"wanted: $3"
}

like() { # NAME GOT PATTERN: a bash pattern, which may match anywhere
	# shellcheck disable=SC2053 # a pattern it is
	[[ $2 == *$3* ]]
	ok $? "$1" "got:    $2"$'\n'"wanted: *$3*"
}

unlike() { # NAME GOT PATTERN
	# shellcheck disable=SC2053
	[[ $2 != *$3* ]]
	ok $? "$1" "got:          $2"$'\n'"and not like: *$3*"
}

skip() { # NAME REASON
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

done_testing() {
	echo "1..$tests"
	[ $failures = 0 ]
	exit
}
