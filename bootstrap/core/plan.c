/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan-making.h"
#include "template.h"

struct plan_step *making_add(struct making *m, enum plan_subject subject, size_t index,
	enum plan_op op, enum plan_sign sign, const char *reason, ...)
{
	struct plan_step *step = &m->plan->steps[m->plan->n++];
	va_list ap;

	*step = (struct plan_step){.subject = subject, .index = index, .op = op, .sign = sign};
	va_start(ap, reason);
	(void)vsnprintf(step->reason, sizeof step->reason, reason, ap);
	va_end(ap);
	return step;
}

const char *making_trouble(const struct making *m)
{
	return m->inventory->metadata_trouble.text[0] ? m->inventory->metadata_trouble.text
						      : "the metadata service has not answered yet";
}

/* -- index page -- */

static int plan_index(struct making *m)
{
	const struct config_index *wanted = &m->config->index;
	const struct inventory_index *there = &m->inventory->index;
	const struct config_volume *below;
	struct plan_step *step;
	struct err err = {0};
	char *page = NULL;
	int r = 0;

	if (!wanted->path)
		return 0;
	below = making_mount_below(m, wanted->path);
	if (m->metadata)
		r = template_render(
			wanted->template_text ? wanted->template_text : template_builtin,
			m->metadata, wanted->title, &page, &err);
	if (r == -ENOMEM)
		return r;
	if (!m->metadata)
		step = making_add(
			m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_WAIT, "%s", making_trouble(m));
	else if (r < 0)
		step = making_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_REFUSE, "%s", err.text);
	else if (there->unread.text[0])
		step = making_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE,
			m->inventory->root ? PLAN_REFUSE : PLAN_WAIT, "%s", there->unread.text);
	else if (!there->content || below) /* what is there now will lie under the mount */
		step = making_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_CREATE, "is not there");
	else if (strcmp(there->content, page) == 0)
		step = making_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_KEEP, "says who this is");
	else if (there->ours)
		step = making_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_CHANGE,
			"says something else than this instance is");
	else
		step = making_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_CHANGE,
			"somebody else's page is there; it is kept beside");
	step->page = page;
	step->after = below;
	snprintf(step->what, sizeof step->what, "%s", wanted->path);
	return 0;
}

/* -- what comes after what -- */

/* Whether a step of this [volume] cannot be taken now. */
static bool volume_waits(const struct making *m, const struct config_volume *volume)
{
	for (size_t i = 0; i < m->plan->n; i++) {
		const struct plan_step *step = &m->plan->steps[i];

		if (step->subject == PLAN_VOLUME && &m->config->volumes[step->index] == volume &&
			(step->sign == PLAN_WAIT || step->sign == PLAN_REFUSE))
			return true;
	}
	return false;
}

static bool is_work(const struct plan_step *step)
{
	return step->sign == PLAN_CREATE || step->sign == PLAN_CHANGE;
}

/* Says what a step comes after; if that cannot come now, the step waits, and what comes after it.
 */
static void settle_after(struct making *m)
{
	bool changed;

	for (size_t i = 0; i < m->plan->n; i++) {
		struct plan_step *step = &m->plan->steps[i];
		size_t length = strlen(step->reason);

		if (step->after && is_work(step))
			length += (size_t)snprintf(step->reason + length,
				sizeof step->reason - length, "; after [volume %s]",
				step->after->name);
		if (step->after_packages && length < sizeof step->reason)
			snprintf(step->reason + length, sizeof step->reason - length,
				"; after packages");
	}
	do {
		changed = false;
		for (size_t i = 0; i < m->plan->n; i++) {
			struct plan_step *step = &m->plan->steps[i];

			if (!step->after || !is_work(step) || !volume_waits(m, step->after))
				continue;
			step->sign = PLAN_WAIT;
			changed = true;
		}
	} while (changed);
}

int plan_make(const struct config *config, const struct metadata *metadata,
	const struct inventory *inventory, struct plan **ret_plan)
{
	_cleanup_(plan_free_p) struct plan *plan = calloc(1, sizeof *plan);
	struct making m = {
		.config = config, .metadata = metadata, .inventory = inventory, .plan = plan};
	int r;

	if (!plan)
		return -ENOMEM;
	making_packages(&m);
	making_find_volumes(&m);
	for (size_t i = 0; i < config->n_volumes; i++)
		making_volume(&m, i);
	r = plan_index(&m);
	for (size_t i = 0; r == 0 && i < config->n_apps; i++)
		r = making_app(&m, i);
	if (r < 0)
		return r;
	settle_after(&m);
	*ret_plan = steal_ptr(plan);
	return 0;
}

struct plan *plan_free(struct plan *plan)
{
	if (!plan)
		return NULL;
	for (size_t i = 0; i < plan->n; i++)
		free(plan->steps[i].page);
	for (size_t i = 0; i < CONFIG_APPS_MAX; i++)
		for (size_t j = 0; j < CONFIG_LIST_MAX; j++)
			free(plan->files[i][j]);
	free(plan);
	return NULL;
}
