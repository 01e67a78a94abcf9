/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ahead: the machine looked at, disks and their proofs, in a thread of its own while user-data is
 * waited for. It only reads; what is still true of it spares the first round its reads.
 */
#pragma once

#include "inventory.h"

struct ahead;

/* The configuration of the request must stay until ahead_finish(). NULL: it could not be started.
 */
struct ahead *ahead_start(const struct inventory_request *request);

/* Waits for its end. NULL: it found out nothing, or `ahead` is NULL. The caller frees. */
struct inventory *ahead_finish(struct ahead *ahead);
