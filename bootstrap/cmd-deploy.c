/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A deploy is an apply of one app, after what is known of its releases was changed by hand: the
 * wanted one is tried again even if it was bad; or the current one counts as bad, and the one
 * before it is current.
 */
#include <errno.h>
#include <string.h>

#include "converge.h"
#include "drain.h"
#include "release.h"

#define BY_HAND "somebody went back from it by hand"

static const struct config_app *find(const struct options *options, const struct config *config)
{
	for (size_t i = 0; i < config->n_apps; i++)
		if (strcmp(config->apps[i].name, options->app) == 0)
			return &config->apps[i];
	return NULL;
}

static int roll_back(const struct config_app *app, const struct reach *reach, struct err *err)
{
	char current[RELEASE_ID_MAX], before[RELEASE_ID_MAX], wanted[RELEASE_ID_MAX];
	int r = release_current(app, current, err);

	if (r == 0)
		r = release_before(app, current, before, err);
	if (r < 0)
		return err_wrap(err, r, "app %s", app->name);
	/* Else the same apply would go forward again. */
	if (release_wanted(app, reach, wanted, NULL) == 0 && strcmp(wanted, before) != 0)
		r = release_condemn(app, wanted, BY_HAND, err);
	if (r == 0)
		r = release_condemn(app, current, BY_HAND, err);
	return r < 0 ? r : release_switch(app, before, err);
}

static int prepare(const struct options *options, const struct config *config, struct err *err)
{
	const struct config_app *app = find(options, config);
	const struct reach reach = {.imds = command_reach(options)};
	char wanted[RELEASE_ID_MAX];
	struct drain drain;
	int r = drain_read(options->state, &drain, err);

	if (r < 0)
		return r;
	if (!app)
		return err_set(err, -ENODEV, "there is no [app %s]", options->app);
	if (options->rollback && drain_holds(&drain))
		return err_set(err, -EBUSY, "app %s: the instance is drained: %s", app->name,
			drain.reason);
	if (options->rollback)
		return roll_back(app, &reach, err);
	/* If it cannot be known, the walk says why. */
	return release_wanted(app, &reach, wanted, NULL) < 0 ? 0 : release_pardon(app, wanted, err);
}

int cmd_deploy(const struct options *given)
{
	struct options options = *given;

	options.app = given->argument;
	return converge(&options, prepare);
}
