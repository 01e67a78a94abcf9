/* SPDX-License-Identifier: Apache-2.0 */
/* manager-bus: what the calls to systemd share. Private to manager*.c. */
#pragma once

#include <systemd/sd-bus.h>

#include "manager.h"
#include "output.h"

#define SERVICE "org.freedesktop.systemd1"
#define PATH    "/org/freedesktop/systemd1"
#define MANAGER SERVICE ".Manager"
#define UNIT    SERVICE ".Unit"

struct manager {
	sd_bus *bus;
	/* the job that is waited for */
	char job[128], result[32];
};

/* The words of a call that was refused. Returns `r`. */
int manager_refused(int r, const sd_bus_error *error, const char *what, struct err *err);

/*
 * Takes the reply to what made a job, and turns the bus until the job is removed; then its result
 * is known. Meanwhile reads `output`, if there is one.
 */
int manager_wait(struct manager *manager, sd_bus_message *reply, const char *what,
	uint64_t timeout_usec, struct output *output, struct err *err);

/* How the last run of a unit ended; "" where that is not known. */
void manager_result(struct manager *manager, const char *name, char *ret_result, size_t size,
	int32_t *ret_status);
