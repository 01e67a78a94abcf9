#!/usr/bin/env bash
# What is written about the programs is true: the man pages are well formed, they and the completion
# name every command, option and key that the programs have and nothing else, with the right
# defaults, and the examples are good configurations.
#
# BUILD is the build directory.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/system/tap.sh
build=${BUILD:-$PWD/build}
man=packaging/man
export LC_ALL=C.UTF-8
for program in instancectl instanced; do
	[ -x "$build/$program" ] || skip_all "$build/$program is not built"
done
work=$(mktemp -d) || skip_all "no temporary directory"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

clean() { # NAME COMMAND...: which succeeds without a word
	local said status
	if ! command -v "$2" >/dev/null; then
		skip "$1" "$2 is not installed"
		return
	fi
	said=$("${@:2}" 2>&1 >/dev/null)
	status=$?
	[ $status = 0 ] && [ -z "$said" ]
	ok $? "$1" "status $status"$'\n'"$said"
}

same() { # NAME WHAT-IS WHAT-IS-WRITTEN: two lists, in any order; shows what differs
	local difference
	difference=$(diff -U 0 --label program --label written <(sort <<<"$2") <(sort <<<"$3"))
	[ -n "$2" ] && [ -z "$difference" ]
	ok $? "$1" "${difference:-the list is empty}"
}

# -- form --

for page in "$man"/*.[1-8]; do
	name=${page##*/}
	clean "$name: mandoc has no warning" mandoc -T lint -W warning "$page"
	clean "$name: groff has no warning" man --warnings -E UTF-8 -Tutf8 -Z -l "$page"
	if command -v lexgrog >/dev/null; then
		like "$name: whatis finds name and description" "$(lexgrog "$page" 2>&1)" \
			"\"${name%.*} - ??????????"
	else
		skip "$name: whatis finds name and description" "lexgrog is not installed"
	fi
	said=$(sed -n "s|^\\.Xr \\(instance[^ ]*\\) \\([0-9]\\).*|$man/\\1.\\2|p" "$page" |
		sort -u | while read -r target; do [ -e "$target" ] || echo "$target"; done)
	is "$name: the pages of ours that it refers to are there" "$said" ""
done

# -- commands and options --

# What --help says: "command", "command --option" of single commands; options of all.
help_commands() { # HELP
	awk '/^Commands:/ { on = 1; next } /^Options:/ { on = 0 }
		on && /^  [a-z]/ { command = $1; print command }
		on { while (match($0, /--[a-z0-9-]+/)) {
			print command, substr($0, RSTART, RLENGTH)
			$0 = substr($0, RSTART + RLENGTH) } }' <<<"$1"
}
help_options() { # HELP
	awk '/^Options:/ { on = 1; next } !NF { on = 0 }
		on && /^  -/ { for (i = 1; $i ~ /^-/; i++) { sub(",", "", $i); print $i } }' <<<"$1"
}

# The same of a man page: lists of COMMANDS and OPTIONS, and of SYNOPSIS.
page_commands() { # PAGE
	awk '/^\.Sh / { on = $2 == "COMMANDS" }
		on && /^\.It Ic / { command = $3; print command }
		on && /^\.It Fl / { print command, "-" $3 }' "$1"
}
page_options() { # PAGE
	awk '/^\.Sh / { on = $2 == "OPTIONS" }
		on && /^\.It Fl / { for (i = 3; i <= NF && $i != "Ar"; i++)
			if ($i != ",") print "-" $i }' "$1"
}
page_synopsis() { # PAGE
	awk '/^\.Sh / { on = $2 == "SYNOPSIS" }
		on && /^\.Nm/ { command = "" }
		on && /^\.Ic / { command = $2; print command }
		on && command { for (i = 1; i <= NF; i++) if ($i ~ /^\.?Fl$/) print command, "-" $(i + 1) }' \
		"$1" | sort -u
}

ctl_help=$("$build/instancectl" --help)
agent_help=$("$build/instanced" --help)
commands=$(help_commands "$ctl_help")
same "instancectl.1 has every command with its options" "$commands" \
	"$(page_commands $man/instancectl.1)"
same "its synopsis too" "$commands" "$(page_synopsis $man/instancectl.1)"
same "instancectl.1 has every common option" "$(help_options "$ctl_help")" \
	"$(page_options $man/instancectl.1)"
same "instanced.8 has every option" "$(help_options "$agent_help")" \
	"$(page_options $man/instanced.8)"

missing_defaults() { # HELP PAGE
	grep -oE '\(default [^),]+' <<<"$1" | while read -r _ default; do
		sed -n '/^\.Sh OPTIONS/,/^\.Sh [^O]/p' "$2" | grep -qwF -- "$default" || echo "$default"
	done
}
is "instancectl.1 has the options' defaults" \
	"$(missing_defaults "$ctl_help" $man/instancectl.1)" ""
is "instanced.8 has the options' defaults" "$(missing_defaults "$agent_help" $man/instanced.8)" ""

# -- configuration: "[section] key = default", "later" for what is accepted only --

reference_keys() {
	"$build/instancectl" check --reference | awk '
		/^\[/ { section = $0 }
		/^; / && !/^;  / { later = /\(accepted, not acted upon yet\)/ ? " (later)" : "" }
		/^;[a-z]/ { sub("^;", ""); sub(" *$", ""); print section, $0 later }'
}
page_keys() { # each item is printed when the next one begins
	awk 'function flush() { if (key) print section, key " =" value later
			key = value = later = "" }
		/^\.S[sh] / { flush(); section = substr($0, 5); on = /^\.Ss \[/ }
		on && /^\.It Cm [a-z0-9_A-Z.]+ No = / { flush(); key = $3 }
		on && /^Not acted upon yet\.$/ { later = " (later)" }
		above == "Default:" && /^\.Ql / {
			sub(/^\.Ql "?/, ""); sub(/"? \.$/, ""); value = " " $0 }
		{ above = $0 }' $man/instanced.conf.5
}
same "instanced.conf.5 has every key in its section with its default" "$(reference_keys)" \
	"$(page_keys)"

awk -v to="$work/example" '/^\.Sh / { on = $2 == "EXAMPLES" }
	/^\.Ed/ { file = "" }
	file { print >file }
	on && /^\.Bd -literal/ { file = to (++n) ".conf" }' $man/instanced.conf.5
is "it has examples" "$([ -s "$work/example1.conf" ] && echo yes)" yes
for example in "$work"/example*.conf; do
	clean "its ${example##*/} is a good configuration" \
		"$build/instancectl" --config "$example" check
done

# -- completion --

# offers WORD...: what bash is offered for the last word, a line each
offers() (
	# shellcheck source=packaging/completion/instancectl
	. packaging/completion/instancectl
	function=$(complete -p "$1" | sed -n 's/.* -F \([^ ]*\) .*/\1/p')
	[ -n "$function" ] || return
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
	"$function" "$1" "${*: -1}" "${*: -2:1}"
	[ ${#COMPREPLY[@]} = 0 ] || printf '%s\n' "${COMPREPLY[@]}"
)

same "completion offers every command" "$(grep -v ' ' <<<"$commands")" "$(offers instancectl "")"
is "and those that begin so" "$(offers instancectl --json vol)" volumes
while read -r command; do
	same "completion offers the options of $command" \
		"$(help_options "$ctl_help"; sed -n "s/^$command -/-/p" <<<"$commands")" \
		"$(offers instancectl --state /x "$command" -)"
done < <(grep -v ' ' <<<"$commands")
same "and of instanced" "$(help_options "$agent_help")" "$(offers instanced -)"
is "instanced has no commands" "$(offers instanced pl)" ""

touch "$work/a b.conf"
mkdir "$work/a directory"
same "a configuration may be any file" "$work/a b.conf"$'\n'"$work/a directory" \
	"$(offers instancectl --config "$work/a")"
is "also after =" "$(offers instancectl --config = "$work/a b")" "$work/a b.conf"
is "state and data are directories" \
	"$(offers instancectl --state "$work/a"; offers instanced --state = "$work/a")" \
	"$work/a directory"$'\n'"$work/a directory"
is "so is a root" "$(offers instancectl seal --root "$work/a")" "$work/a directory"
blocks() { find /dev -mindepth 1 -maxdepth 1 \( -type b -o -xtype b -o -type d -o -xtype d \); }
for _ in 1 2 3 4 5; do # the tests beside this one come and go with devices
	wanted=$(blocks) offered=$(offers instancectl apply --device /dev/)
	[ "$wanted" != "$(blocks)" ] || break
done
same "a device is a block device, or on the way to one" "$wanted" "$offered"
is "no path is offered for a number" "$(offers instancectl --imds-timeout "")" ""
like "metadata has paths" "$(offers instancectl metadata inst)" instance-id
is "other commands take no argument" "$(offers instancectl plan "")" ""
done_testing
