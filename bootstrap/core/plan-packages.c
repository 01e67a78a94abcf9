/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "plan-making.h"

/* The names of those that are missing, or are there, as a list. */
static void list(const struct making *m, bool missing, char *text, size_t size)
{
	const struct config_list *wanted = &m->config->packages.install;
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < wanted->n && length < size; i++)
		if (m->inventory->packages.missing[i] == missing)
			length += (size_t)snprintf(text + length, size - length, "%s%s",
				length ? ", " : "", wanted->items[i]);
}

static bool any_is_missing(const struct making *m)
{
	char text[2];

	list(m, true, text, sizeof text);
	return text[0];
}

bool making_awaits_packages(const struct making *m)
{
	const struct inventory_packages *there = &m->inventory->packages;

	return any_is_missing(m) && !there->unknown.text[0] && !there->given_up;
}

static void add_install(struct making *m)
{
	const struct inventory_packages *there = &m->inventory->packages;
	bool missing = any_is_missing(m);
	struct plan_step *step;

	if (there->unknown.text[0])
		step = making_add(m, PLAN_PACKAGES, 0, PLAN_OP_INSTALL, PLAN_REFUSE, "%s",
			there->unknown.text);
	else
		step = making_add(m, PLAN_PACKAGES, 0, PLAN_OP_INSTALL,
			missing ? PLAN_CREATE : PLAN_KEEP, missing ? "not installed" : "installed");
	list(m, missing, step->what, sizeof step->what);
}

void making_packages(struct making *m)
{
	static const char *const updates[] = {
		[CONFIG_UPDATE_SECURITY] = "security updates", [CONFIG_UPDATE_ALL] = "all updates"};
	const struct config_packages *wanted = &m->config->packages;
	bool due = m->inventory->packages.update_due;
	struct plan_step *step;

	if (wanted->install.n > 0)
		add_install(m);
	if (wanted->update == CONFIG_UPDATE_NO)
		return;
	step = making_add(m, PLAN_PACKAGES, 0, PLAN_OP_UPDATE, due ? PLAN_CHANGE : PLAN_KEEP,
		due ? "not yet since boot" : "done since boot");
	snprintf(step->what, sizeof step->what, "%s", updates[wanted->update]);
}
