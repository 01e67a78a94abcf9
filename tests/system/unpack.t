#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Unpacking, of archives that the usual tools make, and of such as an enemy would: every format gives
# the same files, what is hostile is refused whole, what is damaged does no harm, and the process
# that reads can do nothing but that. BUILD is the build directory.
# shellcheck disable=SC2317 # what traps and wait_for call
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${BUILD:-$top/build}
damages=${DAMAGES:-20} # of each kind, for each format
python=/usr/bin/python3
. "$(dirname "$0")/tap.sh"
readonly BOMB_SECONDS=60 BOMB_KIBI=$((700 << 10))
export ASAN_OPTIONS=${ASAN_OPTIONS-}:allocator_may_return_null=1 # as malloc(3) does

[ "$(id -u)" = 0 ] || skip_all "needs root to become nobody"
drive=$build/tests/system/unpack-drive
[ -x "$drive" ] || skip_all "tests/system/unpack-drive is not built"
for program in tar gzip bzip2 xz zstd zip setpriv prlimit $python; do
	type "$program" >/dev/null 2>&1 || skip_all "$program is not installed"
done
work=$(mktemp -d) || skip_all "no temporary directory"
running=
cd "$work" || exit

clean_up() {
	[ -z "$running" ] || kill -KILL "$running" 2>/dev/null
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# unpack ARCHIVE [STRIP]: to a new $into; sets err, status
unpack() {
	into=$work/box/into
	rm -rf "$work/box"
	mkdir -p "$into"
	err=$("$drive" unpack "$1" "${2-0}" "$into" 2>&1)
	status=$?
}

says() { # NAME WORDS: of the last `unpack`, which failed
	[ "$status" = 1 ] && [[ $err == *"$2"* ]]
	ok $? "$1" "status $status, $err"
}

tree_of() { # names, kinds, sizes of files, executable bits, links, contents
	(cd "$1" && find . ! -type f -printf '%p %y %l\n' | sort &&
		find . -type f -printf '%p %s %m\n' | sort &&
		find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

gives() { # NAME TREE
	[ "$status" = 0 ] && [ "$(tree_of "$into")" = "$2" ]
	ok $? "$1" "status $status, $err
$(diff <(echo "$2") <(tree_of "$into"))"
}

# -- formats --

umask 022
source=$work/source
mkdir -p "$source/top/bin" "$source/top/empty" "$source/top/ñandú y más/日本"
long=$(printf 'long-%.0s' {1..40})
mkdir -p "$source/top/$long/$long"
echo file >"$source/top/file"
: >"$source/top/nothing"
echo 'echo hello' >"$source/top/bin/run"
chmod 755 "$source/top/bin/run"
ln -s ../file "$source/top/bin/link"
ln -s "$long/$long/$long" "$source/top/to-long"
echo long >"$source/top/$long/$long/$long"
echo more >"$source/top/ñandú y más/日本/ö"
head -c 300000 /dev/urandom >"$source/top/random"
head -c 3000000 /dev/zero >"$source/top/zero"
wanted=$(tree_of "$source")

for format in gnu pax posix oldgnu; do
	tar -C "$source" --format=$format -cf "$work/$format.tar" top
	unpack "$work/$format.tar"
	gives "tar, $format: all files, links, executable bits, and long and foreign names" "$wanted"
done
cp gnu.tar app.tar
gzip -k app.tar && bzip2 -k app.tar && xz -k app.tar && zstd -q app.tar
xz -9 -k -c app.tar >app9.tar.xz
zstd -q --ultra -22 --long=27 <app.tar >long.tar.zst
gzip -k -c app.tar.gz >app.tar.gz.gz
cat <(head -c 1000000 app.tar | gzip) <(tail -c +1000001 app.tar | gzip) >two.tar.gz
for name in app.tar.gz app.tar.bz2 app.tar.xz app.tar.zst app9.tar.xz long.tar.zst app.tar.gz.gz \
	two.tar.gz; do
	unpack "$work/$name"
	gives "$name is the same" "$wanted"
done
(cd "$source" && zip -qry "$work/app.zip" top && zip -qry0 "$work/stored.zip" top)
$python - "$source" <<-'END'
	import os, sys, zipfile
	os.chdir(sys.argv[1])
	for name, method in (("bzip2", zipfile.ZIP_BZIP2), ("64", zipfile.ZIP_DEFLATED)):
	    with zipfile.ZipFile("../" + name + ".zip", "w", method) as z:
	        for top, dirs, files in os.walk("top"):
	            for path in [os.path.join(top, name) for name in dirs + files]:
	                info = zipfile.ZipInfo(path + "/" if os.path.isdir(path) else path)
	                info.create_system, info.external_attr = 3, os.lstat(path).st_mode << 16
	                if os.path.islink(path):
	                    z.writestr(info, os.readlink(path))
	                    continue
	                info.compress_type = method
	                with z.open(info, "w", force_zip64=name == "64") as out:
	                    if not os.path.isdir(path):
	                        out.write(open(path, "rb").read())
END
for name in app stored bzip2 64; do
	unpack "$work/$name.zip"
	gives "$name.zip is the same" "$wanted"
done
cp -rL "$source" followed
(cd followed && zip -qr - top) | cat >piped.zip # sizes come after the contents
unpack "$work/piped.zip"
gives "and a zip that was written to a pipe" "$(tree_of followed)"

truncate -s 40M "$source/top/sparse"
echo middle | dd of="$source/top/sparse" bs=1 seek=20000000 conv=notrunc status=none
sparse=$(tree_of "$source")
for format in "gnu" "pax --sparse-version=0.0" "pax --sparse-version=0.1" \
	"pax --sparse-version=1.0"; do
	# shellcheck disable=SC2086 # options
	tar -C "$source" --format=$format -S -cf sparse.tar top
	unpack "$work/sparse.tar"
	gives "a sparse file, $format" "$sparse"
	[ "$(stat -c %b "$into/top/sparse")" -lt 1000 ]
	ok $? "stays sparse" "$(stat -c %b "$into/top/sparse") blocks"
done
rm "$source/top/sparse"

unpack "$work/app.tar" 1
gives "strip = 1 leaves the top directory out" "$(tree_of "$source/top")"
unpack "$work/app.zip" 1
gives "in a zip, too" "$(tree_of "$source/top")"
tar -C "$source" -cf dot.tar ./top
unpack "$work/dot.tar" 1
gives "and ./ does not count" "$(tree_of "$source/top")"
tar -C "$source" --exclude=link -cf nolink.tar top # which would lead out
unpack "$work/nolink.tar" 2
mkdir -p plain && tar -C plain --strip-components=2 -xf nolink.tar
gives "strip = 2 is what tar --strip-components=2 is" "$(tree_of plain)"
unpack "$work/app.tar" 9
says "strip = 9 leaves nothing, which is an error" "app.tar: has nothing below 9 directories"

unpack "$work/app.tar" <&- >&-
gives "it works with no standard input and output" "$wanted"
is "and where signals are ignored, SIGCHLD too" "$(trap '' CHLD TERM PIPE
	unpack "$work/app.tar.gz"
	echo "$status $err")" "0 "

# -- what is off --

$python - <<-'END'
	import gzip, lzma
	tar = open("app.tar", "rb").read()
	lzma.open("app.tar.lzma", "w", format=lzma.FORMAT_ALONE).write(tar)
	def cpio(name, mode, data):
	    h = b"070701" + b"%08X" * 13 % (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
	    return (h + name + b"\0" + bytes(-(len(h) + len(name) + 1) % 4)) + data + bytes(-len(data) % 4)
	files = {
	    "x.cpio": cpio(b"f", 0o100644, b"x") + cpio(b"TRAILER!!!", 0, b"") + bytes(512),
	    "x.ar": b"!<arch>\n" + b"%-16s%-12d%-6d%-6d%-8o%-10d`\n" % (b"f/", 0, 0, 0, 0o644, 2) + b"x\n",
	    "x.mtree": b"#mtree\n./f type=file mode=0644 size=0\n",
	    "x.warc": b"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Date: 2001-01-01T00:00:00Z\r\n"
	        b"WARC-Target-URI: file://f\r\nContent-Length: 1\r\n\r\nx\r\n\r\n",
	    "x.uu": b"begin 644 f\n!>```\n`\nend\n",
	    "x.lrz": b"LRZI" + bytes(1000),
	    "x.Z": b"\x1f\x9d\x90" + bytes(1000),
	    "x.gz": gzip.compress(b"just a text\n"),
	    "x.zip.gz": gzip.compress(open("app.zip", "rb").read()),
	    "x.7z": b"7z\xbc\xaf\x27\x1c\0\4" + bytes(1000),
	    "x.rar": b"Rar!\x1a\7\0" + bytes(1000),
	    "nothing": b"",
	}
	for name, data in files.items():
	    open(name, "wb").write(data)
END
for name in app.tar.lzma x.cpio x.ar x.mtree x.warc x.uu x.lrz x.Z x.gz x.zip.gz x.7z x.rar \
	nothing; do
	unpack "$work/$name"
	says "nothing is made of $name" "$name: "
	is "nothing at all" "$(ls -A "$into")" ""
done
unpack /dev/null
says "nor of what is no regular file" "/dev/null: Invalid argument"

# -- what is hostile --

mkdir canary
echo alive >canary/file
mark() { # for `came_out`
	touch start
	sleep 0.01
}
came_out() { # KNOWN...: names outside of $into that have changed since `mark`
	find . -path ./box/into -prune -o -newer start -print |
		grep -vxE '\.|\./box' | grep -vE "^\./($1)"
}

# hostile NAME ENTRY WORDS: python on stdin writes it, by add() for tar and zip() for zip
hostile() {
	local archive
	rm -f hostile.tar hostile.zip
	$python -c "
import io, tarfile, zipfile
t = z = None
def add(name, data=b'x', **more):
    global t
    t = t or tarfile.open('hostile.tar', 'w')
    i = tarfile.TarInfo(name)
    i.size = len(data) if more.get('type', tarfile.REGTYPE) == tarfile.REGTYPE else 0
    for k, v in more.items(): setattr(i, k, v)
    t.addfile(i, io.BytesIO(data))
def zip(name, data='x', mode=0o100644):
    global z
    z = z or zipfile.ZipFile('hostile.zip', 'w')
    i = zipfile.ZipInfo(name)
    i.create_system, i.external_attr = 3, mode << 16
    z.writestr(i, data)
$(cat)
t and t.close()
z and z.close()" 2>/dev/null # that names are there twice
	for archive in hostile.*; do
		unpack "$work/$archive"
		says "refused whole: $1, ${archive#*.}" "$archive: entry $2 $3"
	done
}
both() { # NAME ENTRY WORDS PYTHON-ARGUMENTS [MODE]: one more entry, in a tar and in a zip
	hostile "$1" "$2" "$3" <<<"add($4)
zip($4)"
}
mark
both "a name with .." "../../escaped" "has .. in its name" "'../../escaped'"
both "a name with .. inside" "a/../../escaped" "has .. in its name" "'a/../../escaped'"
both "an absolute name" "$work/escaped" "has an absolute name" "'$work/escaped'"
both "a very deep name" "$(printf 'd/%.0s' {1..200})f" "is too deep" "'d/' * 200 + 'f'"
both "a name of 300 bytes" "$(printf 'x%.0s' {1..300})" "is too deep or has too long" "'x' * 300"
both "a name of 10000 bytes" "1" "has too long a name" "'x/' * 5000 + 'f'"
hostile "a link to an absolute place" "link" "is a symbolic link that leads out" <<<"
add('link', type=tarfile.SYMTYPE, linkname='/etc/passwd')
zip('link', '/etc/passwd', 0o120777)"
hostile "a link with .." "d/link" "is a symbolic link that leads out" <<<"
add('d/link', type=tarfile.SYMTYPE, linkname='../../x')
zip('d/link', '../../x', 0o120777)"
hostile "a link to nothing" "link" "is a symbolic link that leads out" <<<"
add('link', type=tarfile.SYMTYPE, linkname='')"
hostile "a link with .. behind another link" "link" "is a symbolic link that leads out" <<<"
add('b', type=tarfile.SYMTYPE, linkname='.')
add('link', type=tarfile.SYMTYPE, linkname='b/b/../..')
zip('b', '.', 0o120777)
zip('link', 'b/b/../..', 0o120777)"
hostile "a file through a link" "link/file" "passes through what is no directory" <<<"
add('link', type=tarfile.SYMTYPE, linkname='d')
add('d', type=tarfile.DIRTYPE)
add('link/file')
zip('link', 'd', 0o120777)
zip('d/', '', 0o040755)
zip('link/file')"
hostile "a file through a file" "good/file" "passes through what is no directory" <<<"
add('good')
add('good/file')
zip('good')
zip('good/file')"
hostile "a file over a link" "link" "is there twice" <<<"
add('link', type=tarfile.SYMTYPE, linkname='good')
add('link')
zip('link', 'good', 0o120777)
zip('link')"
hostile "a name twice" "good" "is there twice" <<<"
add('good')
add('./good')
zip('good')
zip('./good')"
hostile "a hard link" "hard" "is a hard link" <<<"
add('hard', type=tarfile.LNKTYPE, linkname='$work/canary/file')"
hostile "a hard link inside" "hard" "is a hard link" <<<"
add('good')
add('hard', type=tarfile.LNKTYPE, linkname='good')"
hostile "a character device" "null" "is no file" <<<"
add('null', type=tarfile.CHRTYPE, devmajor=1, devminor=3)
zip('null', '', 0o020666)"
hostile "a block device" "disk" "is no file" <<<"
add('disk', type=tarfile.BLKTYPE, devmajor=8)
zip('disk', '', 0o060666)"
hostile "a FIFO" "fifo" "is no file" <<<"
add('fifo', type=tarfile.FIFOTYPE)"
hostile "a socket" "socket" "is no file" <<<"
zip('socket', '', 0o140644)"
hostile "a set-user-ID file" "su" "has a set-user-ID" <<<"
add('su', mode=0o4755)
zip('su', mode=0o104755)"
hostile "a set-group-ID file" "sg" "has a set-user-ID" <<<"
add('sg', mode=0o2755)
zip('sg', mode=0o102755)"
hostile "a name that writes to the terminal" "??[2J?x" "is there twice" <<<"
add('\n\033[2J\nx')
add('\n\033[2J\nx')
zip('\n\033[2J\nx')
zip('\n\033[2J\nx')"
rm -f hostile.*
echo secret >secret && zip -qP password hostile.zip secret
unpack "$work/hostile.zip"
says "refused whole: an encrypted file" "hostile.zip: entry secret is encrypted"
mkdir -p strip/top && ln -s ../x strip/top/link && tar -C strip -cf hostile.tar top
unpack "$work/hostile.tar"
is "a link within the whole" "$status" 0
unpack "$work/hostile.tar" 1
says "leads out of what strip leaves" "entry top/link is a symbolic link that leads out"
is "nothing has come out of any" "$(came_out 'hostile\.|secret|strip')" ""
is "and no link leads in" "$(cat canary/file) $(stat -c %h canary/file)" "alive 1"

# -- bombs: refused before they fill a disk, soon, and without taking the memory --

bomb() { # NAME ARCHIVE WORDS
	local result seconds kibi
	rm -rf "$work/box"
	mkdir -p "$work/box/into"
	result=$($python - "$drive" "$work/$2" "$work/box/into" <<-'END'
		import resource, subprocess, sys
		run = subprocess.run([sys.argv[1], "unpack", sys.argv[2], "0", sys.argv[3]],
		    stderr=subprocess.PIPE)
		used = resource.getrusage(resource.RUSAGE_CHILDREN)
		print(run.returncode, int(used.ru_utime + used.ru_stime), used.ru_maxrss,
		    run.stderr.decode())
	END
	)
	read -r status seconds kibi err <<<"$result"
	[ "$status" = 1 ] && [[ $err == *"$3"* ]] && [ "$seconds" -le $BOMB_SECONDS ] &&
		[ "$kibi" -le $BOMB_KIBI ]
	ok $? "a bomb of $1 is refused" "status $status, $seconds s, $kibi KiB, $err"
}
$python - <<-'END'
	import gzip, io, lzma, struct, tarfile, zipfile, zlib
	MEBI = 1 << 20
	def header(name, **more):
	    i = tarfile.TarInfo(name)
	    for k, v in more.items(): setattr(i, k, v)
	    return i.tobuf(tarfile.GNU_FORMAT)
	zeros = bytes(MEBI)
	for name, opener in (("ratio.tar.gz", gzip.open), ("ratio.tar.xz", lzma.open)):
	    with opener(name, "w") as f:
	        f.write(header("bomb", size=300 * MEBI))
	        for i in range(300): f.write(zeros)
	        f.write(bytes(1024))
	with zipfile.ZipFile("ratio.zip", "w", zipfile.ZIP_DEFLATED) as z:
	    with z.open("bomb", "w") as f:
	        for i in range(300): f.write(zeros)
	with gzip.open("many.tar.gz", "w", 1) as f: # directories may be there twice
	    one = header("d", type=tarfile.DIRTYPE) * 1000
	    for i in range(500): f.write(one)
	    f.write(header("last") + bytes(1024))
	with gzip.open("globals.tar.gz", "w", 1) as f: # a header of a header of a header …
	    record = b"30 comment=xxxxxxxxxxxxxxxxxx\n"
	    one = (header("g", type=b"g", size=len(record)) + record.ljust(512, b"\0")) * 1000
	    for i in range(1000): f.write(one)
	    f.write(header("last") + bytes(1024))
	with gzip.open("name.tar.gz", "w", 1) as f: # a name of a gigabyte
	    f.write(header("././@LongLink", type=b"L", size=1024 * MEBI))
	    for i in range(1024): f.write(b"x" * MEBI)
	    f.write(header("last") + bytes(1024))
	# Old GNU: struct sparse at 386, four times offset and length; real size at 483.
	def hole(name, size):
	    h = bytearray(header(name, type=b"S"))
	    h[386:398], h[398:410] = b"%011o\0" % (size - 1), b"%011o\0" % 1
	    h[124:136], h[483:495] = b"%011o\0" % 1, b"%011o\0" % size
	    h[148:156] = b" " * 8
	    h[148:156] = b"%06o\0 " % sum(h)
	    return bytes(h) + b"x".ljust(512, b"\0")
	open("holes.tar", "wb").write(b"".join(hole("hole%d" % i, 3 << 30) for i in range(3)) + bytes(1024))
	with tarfile.open("hole.tar", "w", format=tarfile.PAX_FORMAT) as t:
	    i = tarfile.TarInfo("hole")
	    i.size, i.pax_headers = 1, {"GNU.sparse.size": str(1 << 40), "GNU.sparse.numblocks": "1",
	        "GNU.sparse.offset": str((1 << 40) - 1), "GNU.sparse.numbytes": "1"}
	    t.addfile(i, io.BytesIO(b"x"))
	# LZMA2's properties say how much memory the other side has to take: "The .xz File Format", 5.3.1.
	tar = open("gnu.tar", "rb").read()
	x = bytearray(lzma.compress(tar))
	n = (x[12] + 1) * 4
	x[x.index(b"\x21\x01", 12) + 2] = 35 # 768 MiB
	x[12 + n - 4:12 + n] = struct.pack("<I", zlib.crc32(bytes(x[12:12 + n - 4])))
	open("memory.tar.xz", "wb").write(x)
END
zstd -q --ultra --long=31 < <(cat app.tar) >memory.tar.zst # of a known size it would take less
for name in ratio.tar.gz ratio.tar.xz ratio.zip; do
	bomb "zeros, $name," $name "entry bomb is packed more tightly than anything honest"
done
bomb "500001 entries" many.tar.gz "entry last is one too many"
bomb "holes" holes.tar "entry hole2 is too much in all"
bomb "one hole" hole.tar "entry hole is too large"
bomb "a million headers" globals.tar.gz "globals.tar.gz: "
bomb "one name" name.tar.gz "name.tar.gz: "
bomb "memory, xz," memory.tar.xz "needs more memory than 512 MiB"
bomb "memory, zstd," memory.tar.zst "memory.tar.zst: "

# -- damage: who writes does not crash, nothing comes out --

small=$work/small
mkdir -p "$small/d"
(cd "$small" && head -c 20000 /dev/urandom >random && seq 3000 >d/numbers && ln -s d/numbers link &&
	tar cf ../small.tar . && tar czf ../small.tar.gz . && tar cjf ../small.tar.bz2 . &&
	tar cJf ../small.tar.xz . && zstd -q ../small.tar -o ../small.tar.zst &&
	zip -qry ../small.zip .)
small_tree=$(tree_of "$small")
mark
sound() { # an end in order, and no sanitizer has anything to say
	[ "$status" -le 1 ] && [[ $err != *Sanitizer* && $err != *"runtime error"* &&
		$err != *"child is left"* ]]
}
RANDOM=1
for format in tar tar.gz tar.bz2 tar.xz tar.zst zip; do
	size=$(stat -c %s "small.$format") crashes='' accepted=''
	for i in $(seq "$damages"); do
		at=$((size * i / (damages + 1)))
		head -c $at "small.$format" >damaged
		unpack "$work/damaged"
		sound || crashes+="cut at $at: $status $err; "
		[ "$status" = 1 ] || accepted+="$at "

		at=$(((RANDOM * 32768 + RANDOM) % size)) other=$((RANDOM % 256))
		[ "$i" -gt 3 ] || at=$((i * 7)) # in what is at the beginning of each
		cp "small.$format" damaged
		printf %b "\\x$(printf %02x $other)" | dd of=damaged bs=1 seek=$at conv=notrunc status=none
		unpack "$work/damaged"
		sound || crashes+="$other at $at: $status $err; "
	done
	is "$format, damaged in $((2 * damages)) ways: an error at most" "$crashes" ""
	[ $format = tar ] || # which may end anywhere between entries
		is "$format: what is cut is refused" "$accepted" ""
done
unpack "$work/small.zip"
gives "undamaged it is what it was" "$small_tree"
is "nothing has come out of any" "$(came_out damaged)" ""

# -- the process that reads --

of_status() { # FIELD
	awk -v field="$1:" '$1 == field { $1 = ""; print substr($0, 2) }' "/proc/$child/status"
}
of_limits() { # NAME-PATTERN: soft and hard
	sed -nE "s/^Max ($1) +([^ ]+) +([^ ]+) .*/\2 \3/p" "/proc/$child/limits"
}
wait_for() { # COMMAND...
	for _ in {1..500}; do
		"$@" 2>/dev/null && return
		sleep 0.01
	done
	return 1
}
is_confined() { [ "$(of_status Seccomp)" = 2 ]; }
is_stuck() { is_confined && [ "$(awk '{print $3}' "/proc/$child/stat")" = S ]; }
is_gone() { [ ! -e "/proc/$child" ]; }

# hold COMMAND...: `drive hold` with an open file too many; sets child, which waits to write more
hold() {
	mkfifo -m 600 hold.in hold.out
	"$@" hold "$work/ratio.tar.gz" <hold.in >hold.out 9</etc/passwd &
	running=$!
	exec 8>hold.in
	read -r child <hold.out
	wait_for is_stuck
}
let_go() {
	exec 8>&-
	wait "$running"
	running=
	rm hold.in hold.out
	wait_for is_gone
}
none=0000000000000000
hold "$drive"
is "who reads has a filter for system calls" "$(of_status Seccomp)" 2
is "no new privileges" "$(of_status NoNewPrivs)" 1
is "no capabilities" \
	"$(for set in CapEff CapPrm CapInh CapAmb; do of_status $set; done | sort -u)" $none
is "is nobody" "$(of_status Uid) $(of_status Gid) in no group$(of_status Groups)" \
	"65534 65534 65534 65534 65534 65534 65534 65534 in no group"
is "has two open files" "$(readlink "/proc/$child/fd/"* | sed 's/:.*//' | sort | tr '\n' ' ')" \
	"$work/ratio.tar.gz pipe "
is "may open no other, start nothing, write no file, dump no core" \
	"$(of_limits 'open files|processes|file size|core file size')" \
	$'0 0\n0 0\n0 0\n0 0'
is "has 600 s of processor time" "$(of_limits 'cpu time')" "600 601"
unlike "and not all memory" "$(of_limits 'data size')" unlimited
is "is nobody's to look into" "$(stat -c %U "/proc/$child/mem")" root
let_go
ok $? "and dies with who writes"

# As in the unit: capabilities to write, and none to become somebody else.
caps=-all,+chown,+dac_override,+fowner,+sys_admin,+sys_resource
hold setpriv --bounding-set=$caps "$drive"
is "without the right to become nobody it stays root, which can nothing" \
	"$(of_status Uid) $(of_status CapEff) $(of_status CapPrm) $(of_status Seccomp)" \
	"0 0 0 0 $none $none 2"
let_go
rm -rf "$work/box" && mkdir -p "$into"
err=$(setpriv --bounding-set=$caps --no-new-privs "$drive" unpack "$work/app.tar.gz" 0 "$into" 2>&1)
status=$?
gives "and unpacks" "$wanted"

for call in open create stat socket fork exec kill ptrace setuid execute share grow \
	make-executable write-archive write-error read-records limit; do
	is "who reads and tries to $call is killed" "$("$drive" try $call)" "signal SYS"
done
is "it can write records" "$("$drive" try write)" returned
is "and read the archive" "$("$drive" try read)" returned
is "and get no more memory than it may" "$("$drive" try memory)" failed

# -- how it ends is told --

head -c 5000000 /dev/urandom >big && tar cjf big.tar.bz2 big

# begin: an unpacking that is stopped in the middle; sets running and child
has_child() {
	read -r child <"/proc/$running/task/$running/children" # no line ends it
	[ -n "$child" ]
}
begin() {
	for _ in {1..9}; do
		rm -rf "$work/box" && mkdir -p "$into"
		"$drive" unpack "$work/big.tar.bz2" 0 "$into" 2>stderr &
		running=$!
		wait_for has_child && kill -STOP "$running" && wait_for is_stuck && return
		kill -KILL "$running" # it was faster
		end
	done 2>/dev/null
}
end() { # sets err, status
	wait "$running" 2>/dev/null
	status=$?
	running=
	err=$(cat stderr)
}
ended_by() { # SIGNAL
	begin
	kill "-$1" "$child"
	kill -CONT "$running"
	end
}
ended_by SYS
says "that it did what it may not" "big.tar.bz2: the unpacker did what it may not (signal SYS)"
ended_by XCPU
says "that it took too long" "big.tar.bz2: needs more than 600 s of processor time"
ended_by KILL
says "that somebody killed it" "big.tar.bz2: the unpacker ended with signal KILL"
ended_by TERM
is "a signal to the whole group is not for it" "$status $err" "0 "
cmp -s big "$into/big"
ok $? "and all is there"
begin
kill -STOP "$child" # so that it cannot see that nobody listens any more
kill -KILL "$running"
end
wait_for is_gone
ok $? "when who writes is killed, it is killed too"
is_gone || kill -KILL "$child"

done_testing
