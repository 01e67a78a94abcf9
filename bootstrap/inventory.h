/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inventory: asks the machine what is there, for plan_make(). Reads only.
 */
#pragma once

#include "plan.h"

struct inventory_request {
	const struct config *config;
	const char *state; /* directory, for the supervisor's records */
	const char *data;  /* directory, for the records of formats under way */
	const char *imds;  /* for those who ask sources; NULL: the service's own address */
	bool sources;      /* look into the sources of apps too, which can take long */
	bool prove_all;    /* content and proof of every disk, not only of those configured */
};

/*
 * `previous` may be NULL; what it knows of the content of disks that nobody used since, and of
 * sources, is taken over instead of asked again. Disks are proven in parallel.
 */
int inventory_take(const struct inventory_request *request, const struct inventory *previous,
	struct inventory **ret_inventory, struct err *err);

/* Makes the next inventory_take() look at this disk anew. */
void inventory_forget(struct inventory *inventory, const char *node);

/* Makes the next inventory_take() ask sources again that it could not read. */
void inventory_forget_sources(struct inventory *inventory);

struct inventory *inventory_free(struct inventory *inventory);
CLEANUP_FOR(inventory, inventory_free);
