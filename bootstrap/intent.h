/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intent: the record of a format under way, so that a run that is cut off in the middle of mkfs is
 * finished by the next one, although the volume is then neither blank nor a file system.
 *
 * DATA/format/NAME.json, one file a volume: which file system, the UUID that mkfs is told to give
 * it, and the volume's size. Written and synced before mkfs starts, removed when mkfs has
 * succeeded, or before the first mount when it had.
 *
 * A record permits nothing. It says which UUID to look for; the volume is half made only if every
 * rule of the blank proof holds and each block that is not zero is proven to be that file system's
 * (remains.h). Whoever has used the volume since is safe.
 *
 * NAME is what only this volume has: its EBS volume ID, which no clone and no snapshot shares, so
 * that a record in an AMI is about nothing on the instances that are made of it. A disk without one
 * (instance store, Xen, others: serials are not unique) is known by the kernel's sequence number in
 * this very boot of this machine: after a reboot the record is about no disk, and what was left is
 * refused. Without a sequence number (kernel before 5.15) there is no record.
 */
#pragma once

#include "err.h"
#include "mkfs.h"
#include "volume.h"

/*
 * Records that `volume` is about to get this file system; gives the UUID to use. If there is a
 * record already it is the same one, so that what a run cut off twice has left has one UUID.
 */
int intent_write(const char *data, const struct volume *volume, const struct filesystem *filesystem,
	char ret_uuid[static UUID_SIZE], struct err *err);

/* Removes the record. No record: 0. */
int intent_remove(const char *data, const struct volume *volume, struct err *err);

/*
 * Asks every rule of the open device again and sets volume->half_made if there is a record and they
 * hold; then `type` and `uuid` are what it was to become. Its evidence is this proof's. 0 whatever
 * the verdict; -ENODATA no record; another errno if the proof could not be made (remains_open()).
 */
int intent_prove(const char *data, int fd, struct volume *volume, struct err *err);

/*
 * The same by the volume's node, for a plan: of a volume that is probed, not blank and not used. If
 * the proof cannot be made, the volume's evidence says so.
 */
void intent_recognise(const char *data, struct volume *volume);
