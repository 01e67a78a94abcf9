/* SPDX-License-Identifier: Apache-2.0 */
#include "ahead.h"

#include <pthread.h>
#include <stdlib.h>

struct ahead {
	pthread_t thread;
	struct inventory_request request;
	struct inventory *inventory;
};

static void *look(void *userdata)
{
	struct ahead *ahead = userdata;

	(void)inventory_take(&ahead->request, NULL, &ahead->inventory, NULL);
	return NULL;
}

struct ahead *ahead_start(const struct inventory_request *request)
{
	struct ahead *ahead = calloc(1, sizeof *ahead);

	if (!ahead)
		return NULL;
	ahead->request = *request;
	/* User-data may name any disk. */
	ahead->request.prove_all = true;
	ahead->request.sources = false;
	if (pthread_create(&ahead->thread, NULL, look, ahead) == 0)
		return ahead;
	free(ahead);
	return NULL;
}

struct inventory *ahead_finish(struct ahead *ahead)
{
	struct inventory *inventory;

	if (!ahead)
		return NULL;
	(void)pthread_join(ahead->thread, NULL);
	inventory = ahead->inventory;
	free(ahead);
	return inventory;
}
