#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Sources and releases, on real directories, archives and repositories: what is deployed is what the
# source holds and nothing else, hostile archives are refused whole, and a run that is killed at
# any moment leaves a complete release behind `current`. BUILD is the build directory.
set -u
PATH=$PATH:/usr/sbin:/sbin
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$top/build}
kills=${KILLS:-200}
python=/usr/bin/python3
. "$(dirname "$0")/tap.sh"
running=

[ "$(id -u)" = 0 ] || skip_all "needs root to run builds as another user"
[ -x "$build/tests/system/release-drive" ] || skip_all "tests/system/release-drive is not built"
for program in git $python; do
	type "$program" >/dev/null 2>&1 || skip_all "$program is not installed"
done
work=$(mktemp -d) || skip_all "no temporary directory"
chmod 755 "$work"
drive=$build/tests/system/release-drive

clean_up() {
	[ -z "$running" ] || kill -KILL "$running" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# shows NAME COMMAND...: the command succeeds
shows() {
	local note
	note=$("${@:2}" 2>&1)
	ok $? "$1" "$note"
}

says() { # NAME WORDS: of the last `app`, which failed
	[ "$status" != 0 ] && [[ $err == *"$2"* ]]
	ok $? "$1" "status $status, $out, $err"
}

# app COMMAND KEY=VALUE...: sets out, err, status
app() {
	out=$("$drive" "$1" path="$root" "${@:2}" 2>"$work/err")
	status=$?
	err=$(cat "$work/err")
}

fresh() { # a new place for releases
	root=$work/$1
	rm -rf "$root"
}

tree_of() { # names, kinds, modes, owners and contents
	(cd "$1" && find . -printf '%p %M %u:%g %l\n' | sort &&
		find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

left_over() { # what is in releases/ beyond complete releases
	local name
	for name in $(ls -A "$root/releases" 2>/dev/null); do
		case $name in
		*.complete) [ -d "$root/releases/${name%.complete}" ] || echo "$name" ;;
		*) [ -f "$root/releases/$name.complete" ] || echo "$name" ;;
		esac
	done
}

# -- a directory --

source=$work/source
mkdir -p "$source/sub/deep" "$source/empty" "$source/.git"
echo one >"$source/file"
echo 'echo hello' >"$source/sub/program" && chmod 750 "$source/sub/program"
echo secret >"$source/.git/config"
ln -s ../file "$source/sub/link"
ln -s /etc/passwd "$source/.git/not-ours"
: >"$source/sub/deep/ñandú y más"

fresh directory
app deploy source="file:$source"
first=$out
is "a directory is deployed, and current leads to it" "$(readlink "$root/current")" "releases/$first"
is "with its files, links and executable bits, all root's, and without .git" \
	"$(cd "$root/current" && find . ! -name . -printf '%P %M %u:%g %l\n' | sort)" \
	"$(printf '%s\n' 'empty drwxr-xr-x root:root ' 'file -rw-r--r-- root:root ' \
		'sub drwxr-xr-x root:root ' 'sub/deep drwxr-xr-x root:root ' \
		'sub/deep/ñandú y más -rw-r--r-- root:root ' \
		'sub/link lrwxrwxrwx root:root ../file' \
		'sub/program -rwxr-xr-x root:root ' | sort)"
before=$(stat -c '%i %Y' "$root/releases/$first")
app deploy source="file:$source"
is "a second run makes the same release" "$out" "$first"
is "and does not touch it" "$(stat -c '%i %Y' "$root/releases/$first")" "$before"

echo two >"$source/file"
app deploy source="file:$source"
second=$out
[ "$first" != "$second" ]
ok $? "a changed file is another release"
is "the old one is still there" "$(cat "$root/releases/$first/file")" one
is "and the new one is current" "$(cat "$root/current/file")" two
chmod 600 "$source/file"
touch -d 2001-01-01 "$source/file"
app wanted source="file:$source"
is "a time and a read bit do not make another release" "$out" "$second"
chmod 700 "$source/file"
app wanted source="file:$source"
[ "$out" != "$second" ]
ok $? "an executable bit does"
app wanted source="file:$source" build=true
[ "${out#*-}" != "${second#*-}" ]
ok $? "and so does a build line"

for i in 3 4 5 6; do
	echo $i >"$source/file"
	app deploy source="file:$source" keep=2
done
is "keep = 2 leaves the two newest" "$(cat "$root"/releases/*/file | sort | tr '\n' ' ')" "5 6 "
old=$(grep -l 5 "$root"/releases/*/file)
old=${old%/file} old=${old##*/}
app switch id="$old"
echo 7 >"$source/file"
app wanted source="file:$source"
app make source="file:$source" id="$out"
is "making a release does not switch to it" "$(cat "$root/current/file")" 5
app make source="file:$source" id="$first"
says "a release that the source does not hold cannot be made" "not $first"
app switch id=0123456789ab-01234567
says "nor one that is not there be switched to" "no complete release"

for bad in "ln -s /etc/passwd" "ln -s ../../x" "mkfifo" "cp -p $work/suid"; do
	cp /bin/true "$work/suid" && chmod 4755 "$work/suid"
	$bad "$source/sub/bad"
	app deploy source="file:$source"
	says "${bad%% /*} in a directory is refused by name" "$source/sub/bad: "
	rm "$source/sub/bad"
done
mkdir "$source/mounted"
if mount -t tmpfs none "$source/mounted" 2>/dev/null; then
	app deploy source="file:$source"
	says "a mount point in a directory is not entered" "mounted: is a mount point"
	umount "$source/mounted"
fi
rmdir "$source/mounted"
is "nothing of these is left behind" "$(left_over)" ""
app deploy source="file:$work/nowhere"
says "a source that is not there is named" "$work/nowhere: No such file"
mkdir "$work/open" && chmod 777 "$work/open"
root=$work/open app deploy source="file:$source"
says "a directory where others may write is not deployed to" "could replace a release"

# -- archives --

fresh archives
(cd "$source" && tar czf "$work/app.tar.gz" --exclude=.git . && tar cf "$work/app.tar" --exclude=.git . &&
	$python - "$work/app.zip" <<-'END'
		import os, sys, zipfile
		with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:
		    for top, dirs, files in os.walk("."):
		        if ".git" in dirs: dirs.remove(".git")
		        for name in dirs:
		            z.write(os.path.join(top, name))
		        for name in files:
		            path = os.path.join(top, name)
		            if os.path.islink(path):
		                info = zipfile.ZipInfo(path)
		                info.create_system, info.external_attr = 3, 0o120777 << 16
		                z.writestr(info, os.readlink(path))
		            else:
		                z.write(path)
	END
)
app deploy source="file:$source"
wanted=$(tree_of "$root/current/")
for kind in tar.gz tar zip; do
	app deploy source="file:$work/app.$kind"
	is "$kind gives what the directory gives" "$(tree_of "$root/current/")" "$wanted"
done
digest=$(sha256sum <"$work/app.zip")
digest=${digest%% *}
app deploy source="file:$work/app.zip" sha256="${digest^^}"
is "a right sha256 is accepted, in capitals too" "$status" 0
other=${digest//[0-7]/8}
app deploy source="file:$work/app.zip" sha256="$other"
[[ $status != 0 && $err == *"$digest"*"$other"* ]]
ok $? "a wrong one names both" "$err"
head -c 100 "$work/app.tar.gz" >"$work/cut.tar.gz"
app deploy source="file:$work/cut.tar.gz"
says "a cut archive is refused" "cut.tar.gz"
echo "not an archive" >"$work/text"
app deploy source="file:$work/text"
says "what is no archive is refused" "text"

current=$(readlink "$root/current")
hostile() { # NAME ENTRY WORDS: python on stdin writes it as t
	$python -c "
import io, sys, tarfile, zipfile
t = tarfile.open('$work/hostile.tar', 'w')
def add(name, data=b'x', **more):
    i = tarfile.TarInfo(name)
    i.size = len(data) if more.get('type', tarfile.REGTYPE) == tarfile.REGTYPE else 0
    for k, v in more.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
add('good')
$(cat)
t.close()"
	app deploy source="file:$work/hostile.tar"
	[[ $status != 0 && $err == *"entry $2 "*"$3"* ]]
	ok $? "refused whole: $1" "status $status, $err"
}
hostile "a name with .." "../../escaped" ".." <<<"add('../../escaped')"
hostile "a name with .. inside" "a/../../escaped" ".." <<<"add('a/../../escaped')"
hostile "an absolute name" "$work/escaped" "absolute" <<<"add('$work/escaped')"
hostile "a link to an absolute place" "link" "leads out" \
	<<<"add('link', type=tarfile.SYMTYPE, linkname='/etc/passwd')"
hostile "a link with .." "d/link" "leads out" \
	<<<"add('d/link', type=tarfile.SYMTYPE, linkname='../../x')"
hostile "a link with .. behind another link" "link" "leads out" <<<"
add('b', type=tarfile.SYMTYPE, linkname='.')
add('link', type=tarfile.SYMTYPE, linkname='b/b/../..')"
hostile "a file through a link" "link/file" "no directory" <<<"
add('link', type=tarfile.SYMTYPE, linkname='d')
add('d', type=tarfile.DIRTYPE)
add('link/file')"
hostile "a file over a link" "link" "twice" <<<"
add('link', type=tarfile.SYMTYPE, linkname='good')
add('link')"
hostile "a name twice" "good" "twice" <<<"add('./good')"
hostile "a hard link" "hard" "hard link" <<<"add('hard', type=tarfile.LNKTYPE, linkname='/etc/passwd')"
hostile "a hard link inside" "hard" "hard link" <<<"add('hard', type=tarfile.LNKTYPE, linkname='good')"
hostile "a character device" "null" "no file" <<<"add('null', type=tarfile.CHRTYPE, devmajor=1, devminor=3)"
hostile "a block device" "disk" "no file" <<<"add('disk', type=tarfile.BLKTYPE, devmajor=8)"
hostile "a FIFO" "fifo" "no file" <<<"add('fifo', type=tarfile.FIFOTYPE)"
hostile "a set-user-ID file" "su" "set-user-ID" <<<"add('su', mode=0o4755)"
hostile "a set-group-ID file" "sg" "set-user-ID" <<<"add('sg', mode=0o2755)"
hostile "a very deep name" "$(printf 'd/%.0s' {1..200})f" "too deep" <<<"add('d/' * 200 + 'f')"
$python -c "
import zipfile
with zipfile.ZipFile('$work/bomb.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    with z.open('bomb', 'w') as f:
        for i in range(200): f.write(bytes(1 << 20))
    with z.open('bomb2', 'w') as f: pass"
app deploy source="file:$work/bomb.zip"
says "a bomb is refused before it has filled the disk" "entry bomb is packed more tightly"
$python -c "
import tarfile, io
t = tarfile.open('$work/sgid.tar', 'w')
i = tarfile.TarInfo('shared'); i.type = tarfile.DIRTYPE; i.mode = 0o2775; t.addfile(i)
t.close()"
is "after all that current is what it was" "$(readlink "$root/current")" "$current"
is "nothing is left behind" "$(left_over)" ""
[ ! -e "$work/escaped" ] && [ ! -e "$root/escaped" ] && [ ! -e "$root/releases/escaped" ]
ok $? "and nothing has come out"
app deploy source="file:$work/sgid.tar"
is "a set-group-ID directory is a plain one" "$(stat -c %a "$root/current/shared")" 755

# -- repositories --

fresh git
repo=$work/repo
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
commit() {
	git -C "$repo" add -A && git -C "$repo" -c user.name=t -c user.email=t@t \
		commit -q --allow-empty -m "$1" && git -C "$repo" rev-parse HEAD
}
git init -q -b main "$repo"
echo 1 >"$repo/file"
one=$(commit one)
git -C "$repo" tag light
echo 2 >"$repo/file" && ln -s file "$repo/link"
two=$(commit two)
git -C "$repo" -c user.name=t -c user.email=t@t tag -a -m v2 v2
git -C "$repo" branch v2 "$one" # a branch with the name of a tag: the tag is meant
echo 3 >"$repo/file"
three=$(commit three)
git -C "$repo" branch feature/x
mkdir -p "$repo/.git/hooks"
for hook in post-checkout pre-receive post-upload-pack; do
	printf '#!/bin/sh\ntouch %s/hooked\n' "$work" >"$repo/.git/hooks/$hook"
	chmod 755 "$repo/.git/hooks/$hook"
done
for case in "light $one 1" "v2 $two 2" "main $three 3" "feature/x $three 3" "refs/tags/v2 $two 2" \
	"$one $one 1" "${two^^} $two 2"; do
	set -- $case
	app fingerprint source="git+file://$repo#$1"
	is "git: $1 is its commit" "$out" "$2"
	app deploy source="git+file://$repo#$1"
	is "git: and is deployed" "$(cat "$root/current/file") $status" "$3 0"
done
app deploy source="git+file:$repo"
is "git: without # it is HEAD" "$(cat "$root/current/file")" 3
[ ! -e "$root/current/.git" ]
ok $? "git: a release is just files"
app deploy source="git+file://$repo#nosuch"
says "git: a tag that is not there is named" "has no tag or branch nosuch"
app deploy source="git+file://$repo#${one:0:12}"
says "git: a short commit is not guessed" "with all its digits"
app deploy source="git+file://$repo#${one//[0-7]/9}"
says "git: a commit that is not there is an error" "git failed"
app deploy source="git+file://$work/nowhere#main"
says "git: a repository that is not there is named" "file://$work/nowhere"
app deploy source="git+https://127.0.0.1:1/x.git#main"
says "git: over https it is asked, and its answer told" "https://127.0.0.1:1/x.git: git failed"
chown -R games:games "$repo"
app deploy source="git+file://$repo#light"
is "git: a repository of another user is taken" "$(cat "$root/current/file") $status" "1 0"
chown -R root:root "$repo"
ln -s /etc/passwd "$repo/out"
commit out >/dev/null
app deploy source="git+file://$repo#main"
says "git: a link that leads out is refused" "/out: is a symbolic link that leads out"
[ ! -e "$work/hooked" ]
ok $? "git: no hook has run"
is "git: nothing is left behind" "$(left_over)" ""

# -- builds --

fresh build
app deploy source="file:$source" user=nobody env=WORD=hello build='id -un >who' \
	build='echo $WORD >word; mkdir -p out && echo "$HOME" >out/home; touch "$HOME/cache"; pwd >where' \
	build='ln -s /usr/bin/env outward; chmod 777 out; umask 0; echo x >out/open; chmod 4755 out/open; mkfifo out/fifo'
is "a build runs as the app's user" "$status $(cat "$root/current/who")" "0 nobody"
is "with the app's environment" "$(cat "$root/current/word")" hello
is "in the place where the release will be" "$(cat "$root/current/where")" "$root/releases/$out"
is "with a home that it may write, and that goes away" \
	"$(cat "$root/current/out/home") $(ls -A "$root/releases" | grep -c home)" \
	"$root/releases/.home 0"
is "afterwards all of it is root's" "$(find "$root/current/" ! -user root -o ! -group root)" ""
is "and writable for nobody else, with no set-user-ID" \
	"$(find "$root/current/" ! -type l -perm /7022)" ""
is "a build may link out of the release" "$(readlink "$root/current/outward")" /usr/bin/env
before=$(readlink "$root/current")
app deploy source="file:$source" user=nobody build='echo first' build='echo oh no >&2; exit 7'
[[ $status != 0 && $err == *'`echo oh no >&2; exit 7` failed with exit status 7: oh no'* ]]
ok $? "a build line that fails is named, with its last words" "$err"
[[ $err == *"web: first"* ]]
ok $? "what a build writes is passed on" "$err"
is "and current is what it was" "$(readlink "$root/current")" "$before"
is "and nothing is left behind" "$(left_over)" ""
app deploy source="file:$source" user=nobody build="setsid sleep 7654 & sleep 0.1"
is "nothing that a build starts is left running" "$status $(pgrep -f 'sleep 7654')" "0 "
app deploy source="file:$source" user=nosuch build=true
says "a user who does not exist is named" "nosuch"
app deploy source="file:$source" user=nobody build="ln $work/foreign here"
says "a build cannot get at files of others" "failed"
if [ "$(cat /proc/sys/fs/protected_hardlinks)" = 1 ]; then
	echo theirs >"$work/foreign" && chown games "$work/foreign" && chmod 666 "$work/foreign"
	app deploy source="file:$source" user=nobody build="ln $work/foreign here"
	says "not even at those that it may hard-link" "here: belongs to somebody else"
	is "which are as they were" "$(stat -c '%U %a' "$work/foreign")" "games 666"
fi

# -- killed at any moment --

fresh killed
numbers=$work/numbers
mkdir -p "$numbers"
step='for i in 1 2 3 4 5 6 7 8; do echo $i >>built; sleep 0.01; done'
prepare() { # VERSION
	local i
	echo "$1" >"$numbers/version"
	for i in {1..40}; do echo "$1 $i" >"$numbers/file$i"; done
}
deploy_numbers() {
	exec "$drive" deploy path="$root" source="file:$numbers" user=nobody keep=2 \
		build="$step" build='cat version file* built | sha256sum >sum'
}
whole() { # current is a complete release, by its own checksum
	(cd "$root/current/" && cat version file* built | sha256sum | cmp -s - sum &&
		[ "$(wc -l <built)" = 8 ] && [ "$(ls file* | wc -l)" = 40 ])
}
prepare 0
since=${EPOCHREALTIME/[.,]/}
(deploy_numbers) >/dev/null 2>&1
span=$(((${EPOCHREALTIME/[.,]/} - since) / 1000 + 200)) # ms; 200 for what the one before left
shows "a release to begin with" whole
broken=0 unfinished=0 notes=
for i in $(seq 1 "$kills"); do
	version=$((i / 2)) # the rest of a killed run is also what the next one wants
	prepare "$version"
	deploy_numbers >/dev/null 2>&1 &
	running=$!
	moment=$((RANDOM % span))
	sleep "$((moment / 1000)).$(printf %03d $((moment % 1000)))"
	kill -KILL $running 2>/dev/null
	wait $running 2>/dev/null
	running=
	whole || { broken=$((broken + 1)) notes+="after kill $i: $(ls -A "$root/releases"); "; }
	# The machine may be faster or slower by now: aim where half of the kills hit.
	if [ "$(cat "$root/current/version")" = "$version" ]; then
		span=$((span * 3 / 4 + 1))
	else
		unfinished=$((unfinished + 1))
		span=$((span * 4 / 3))
	fi
done
is "after each of $kills kills current is a complete release" "$broken" 0
[ -z "$notes" ] || echo "# $notes"
[ $unfinished -gt 0 ]
ok $? "some kills did hit ($unfinished of $kills)"
prepare last
running=
(deploy_numbers) >/dev/null 2>&1
ok $? "the next run succeeds"
is "and has what the source holds" "$(whole && cat "$root/current/version")" last
is "and has removed what the killed ones left" "$(left_over)" ""
is "and kept two releases" "$(ls "$root"/releases/*.complete | wc -l)" 2
is "no process of a killed build is left" "$(pgrep -u nobody -f 'echo .i >>built')" ""

done_testing
