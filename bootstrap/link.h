/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: the symbolic link by which others find an app's current release, as /var/www/html for a web
 * server. What was in its place is kept beside.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "config.h"
#include "err.h"

/* Whether app->link leads to `current`; else what is in its place, in words, or "". */
void link_read(const struct config_app *app, bool *ret_right, char *ret_there, size_t size);

/*
 * Puts the link there in one step. `ret_kept` gets the new name of what was there, or "". -EBUSY: a
 * mount point is there, which is not moved.
 */
int link_put(const struct config_app *app, char ret_kept[static PATH_MAX], struct err *err);
