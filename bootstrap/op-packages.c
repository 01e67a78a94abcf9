/* SPDX-License-Identifier: Apache-2.0 */
#include "op.h"
#include "packages.h"

_Static_assert(OP_NOTE_MAX >= PACKAGES_NOTE_MAX, "a note is passed on whole");

int op_install(struct op *op, struct err *err)
{
	const struct config_packages *packages = &op->config->packages;
	bool missing[CONFIG_LIST_MAX], any = false;
	int r = packages_missing(packages, missing, err);

	for (size_t i = 0; r == 0 && i < packages->install.n; i++)
		any |= missing[i];
	return r < 0 || !any ? r : packages_install(packages, missing, op->note, err);
}

int op_update(struct op *op, struct err *err)
{
	enum config_update update = op->config->packages.update;
	int r;

	if (!packages_update_is_due(update, op->state))
		return 0;
	r = packages_update(update, op->note, err);
	return r < 0 ? r : packages_updated(update, op->state, err);
}
