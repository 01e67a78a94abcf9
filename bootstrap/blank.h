/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blank: what is on a device, and the proof that nothing is (README "Never lose a byte").
 *
 * Nothing here writes to a device. Each call works on a descriptor that the caller keeps open, so
 * that all of them ask the same device, whatever becomes of its name. A plan, which only looks:
 *
 *	blank_open() -> device_read_fd() -> blank_probe(), blank_prove()
 *
 * An op that formats, in this order and without closing `fd` before the end:
 *
 *	blank_open(node)		holds the device
 *	blank_lock(fd)			keeps udev and other copies of us away
 *	fsync(fd)			what was written before
 *	device_read_fd(fd, &volume)	who it is and what uses it, now; match it with configuration
 *	blank_prove(fd, &volume)	rules 2 to 4; volume_is_blank() or stop
 *	blank_unchanged(fd, &volume)	rule 5: still that device, unused, unwritten; or stop
 *	mkfs_run(fd)			on the descriptor: no name in between
 *	blank_probe(fd, &volume)	must show the new file system: it went where it should
 *	close(fd)			udev looks now
 */
#pragma once

#include "err.h"
#include "remains.h"
#include "volume.h"

#define BLANK_LOCK_WAIT_MS 10000 /* for udev, which holds the lock while it probes */

/* Opens a block device for reading. -ENOTBLK for anything else. */
int blank_open(const char *node, int *ret_fd, struct err *err);

/* Takes flock(LOCK_EX); -EBUSY if somebody else has it for all of `wait_ms`. Closing frees it. */
int blank_lock(int fd, unsigned int wait_ms, struct err *err);

/*
 * Fills content: probed, type, label, uuid, or unread. Also for a mounted device. 0, or a negative
 * errno when it could not be read. A device with several signatures is of type "ambivalent".
 */
int blank_probe(int fd, struct volume *volume);

/*
 * Asks every rule and writes one evidence each, and with it the content; sets `proven` only if all
 * hold. The volume's who and use are device_read_fd()'s of the same descriptor. A device that is
 * in use is not read, the rest of one with a signature neither (a snapshot's blocks come
 * slowly), and one that is not blank is not opened exclusively: those rules say "not asked" and do
 * not hold. Of any size it takes at most 1,500 reads, of 4 KiB and for 2 MiB (all of a small
 * device) of 64 KiB; what that can miss is said at blank_samples(). 0 whatever the verdict; -EBADF
 * when `fd` is no block device.
 */
int blank_prove(int fd, struct volume *volume);

/*
 * The same rules, but the remains of our own mkfs count as nothing: if all hold, the volume is
 * `half_made`. It is never `proven`.
 */
int blank_prove_but(int fd, const struct remains *remains, struct volume *volume);

/*
 * -ESTALE, with words, if the device or its node is not the one of `proven`, is used now, or was
 * written to by anybody on this machine since `proven` was read. What is written between this and
 * mkfs' own first write is not noticed: there is no lock against writers.
 */
int blank_unchanged(int fd, const struct volume *proven, struct err *err);
