#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# apply, drain and undrain are killed right before each system call that changes the world, of
# themselves and of the mkfs, git, builds and apps that they start: everybody at once, as in a power
# cut, or for every third point that one process alone. After each kill, what others read is whole
# or absent and nobody else's byte is touched; the next run ends where an undisturbed one does.
#
#	KILLS=all tests/system/crash.t	at every point (at about 10 of each phase)
#	SEED=N				at the same ones
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/phases.sh"
phases_begin "$@"
kills=${KILLS:-10} actions=(kill kill kill-one)
began=$SECONDS
begin running apply
begin drain drain
begin undrain undrain
begin archive apply
begin git apply
begin page apply
begin xfs apply
begin ext4 apply
ended ext4 3 "a format as ext4 and a mount, beside a foreign disk"
ended xfs 0 "a format as xfs and a mount"
ended page 0 "the index page, where somebody has one"
ended archive 0 "a release from an archive, linked where somebody has a directory"
ended git 0 "a release from git"
ended running 0 "a release of an app that runs"
ended drain 0 "a drain"
ended undrain 0 "an undrain"
is "the foreign disk is what it was" "$(fingerprint foreign)" "$foreign_was"
echo "# $all points in all, $((SECONDS - began)) s"
done_testing
