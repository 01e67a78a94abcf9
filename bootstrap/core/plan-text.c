/* SPDX-License-Identifier: Apache-2.0 */
/* A plan in words and as JSON. */
#include <stdio.h>

#include "json-text.h"
#include "plan.h"

static const struct {
	const char *name, *mark;
} signs[] = {
	[PLAN_KEEP] = {"keep", "="},
	[PLAN_CREATE] = {"create", "+"},
	[PLAN_CHANGE] = {"change", "~"},
	[PLAN_WAIT] = {"wait", "…"},
	[PLAN_REFUSE] = {"refuse", "!"},
};

static const char *const ops[] = {
	[PLAN_OP_INSTALL] = "install",
	[PLAN_OP_UPDATE] = "update",
	[PLAN_OP_FORMAT] = "format",
	[PLAN_OP_MOUNT] = "mount",
	[PLAN_OP_GROW] = "grow",
	[PLAN_OP_PAGE] = "page",
	[PLAN_OP_RELEASE] = "release",
	[PLAN_OP_FILES] = "files",
	[PLAN_OP_LINK] = "link",
	[PLAN_OP_RUN] = "run",
	[PLAN_OP_PROVE] = "prove",
};

const char *plan_sign_name(enum plan_sign sign)
{
	return signs[sign].name;
}

const char *plan_sign_mark(enum plan_sign sign)
{
	return signs[sign].mark;
}

const char *plan_op_name(enum plan_op op)
{
	return ops[op];
}

void plan_subject_name(
	const struct config *config, const struct plan_step *step, char *buffer, size_t size)
{
	if (step->subject == PLAN_INDEX || step->subject == PLAN_PACKAGES)
		snprintf(buffer, size, step->subject == PLAN_INDEX ? "index" : "packages");
	else
		snprintf(buffer, size, "%s %s", step->subject == PLAN_VOLUME ? "volume" : "app",
			step->subject == PLAN_VOLUME ? config->volumes[step->index].name
						     : config->apps[step->index].name);
}

json_t *plan_evidence_to_json(const struct volume *volume)
{
	json_t *list = json_array();

	for (size_t i = 0; i < volume->n_evidence; i++)
		(void)json_array_append_new(
			list, json_pack("{s:s, s:b, s:o}", "rule", volume->evidence[i].rule,
				      "holds", volume->evidence[i].holds, "found",
				      json_text(volume->evidence[i].text)));
	return list;
}

json_t *plan_to_json(const struct config *config, const struct plan *plan)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_step *step = &plan->steps[i];
		char subject[96];
		json_t *json;

		plan_subject_name(config, step, subject, sizeof subject);
		json = json_pack("{s:s, s:s, s:s, s:o, s:o}", "subject", subject, "op",
			plan_op_name(step->op), "sign", plan_sign_name(step->sign), "what",
			json_text(step->what), "reason", json_text(step->reason));
		if (step->volume && step->volume->n_evidence)
			(void)json_object_set_new(
				json, "evidence", plan_evidence_to_json(step->volume));
		(void)json_array_append_new(list, json);
	}
	return list;
}
