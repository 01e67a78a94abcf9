/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine: what the agent gives up before it reads a byte from anybody. It holds without systemd,
 * too, and inside the unit's sandbox it is a second wall of another make.
 */
#pragma once

#include "err.h"

/*
 * For good, for this process and all of its threads: no new privileges, no core file, and no look
 * into its memory by others of its user, since there may be credentials in it. Only the system
 * calls in the table of confine.c; each other one fails with EPERM: no other program or process, no
 * mount, no ptrace, no sockets but streams and datagrams of AF_UNIX, AF_INET and AF_INET6. Files
 * are opened to read, or made anew (O_CREAT and O_EXCL), so that nothing which is there is written
 * to.
 *
 * A call that is not foreseen fails, and does not end the process: a newer libc is not to take the
 * health endpoint down. All that a start needs is allowed, because a reload is one.
 *
 * Returns 0, or a negative errno with words: what could be given up then is. -EOPNOTSUPP: a build
 * with sanitizers, whose leak detector may look.
 */
int confine_process(struct err *err);
