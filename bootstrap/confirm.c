/* SPDX-License-Identifier: Apache-2.0 */
#include "confirm.h"

#include <errno.h>
#include <time.h>

struct asking {
	const struct config_lifecycle *config;
	struct question {
		struct asking *asking;
		enum notice_kind kind;
	} questions[NOTICE_KINDS];
	struct notice *notices;
	struct err *trouble;
	size_t pending;
};

static void on_answer(struct imds_answer *answer, void *userdata)
{
	const struct question *question = userdata;
	struct asking *asking = question->asking;
	const char *body = answer->result == 0 ? answer->body : NULL;
	struct err err = answer->err;
	int r = answer->result == -ENOENT ? 0 : answer->result;

	asking->pending--;
	if (r == 0)
		r = notice_parse(question->kind, body, notice_moment_now(), asking->config,
			&asking->notices[question->kind], &err);
	if (r < 0 && !asking->trouble->text[0])
		*asking->trouble = err;
}

int confirm_ask(struct service *service, const struct config_lifecycle *config,
	uint64_t timeout_usec, struct notice ret_notices[static NOTICE_KINDS],
	struct err *ret_trouble, struct err *err)
{
	struct asking asking = {.config = config, .notices = ret_notices, .trouble = ret_trouble};
	int r = 0;

	*ret_trouble = (struct err){""};
	for (int kind = 0; kind < NOTICE_KINDS; kind++)
		ret_notices[kind] = (struct notice){.verdict = NOTICE_NOTHING};
	for (int kind = 0; r >= 0 && kind < NOTICE_KINDS; kind++) {
		asking.questions[kind] = (struct question){&asking, (enum notice_kind)kind};
		r = imds_get(service->imds, notice_sources[kind].path, timeout_usec, on_answer,
			&asking.questions[kind]);
		asking.pending += r >= 0;
	}
	while (r >= 0 && asking.pending > 0)
		r = sd_event_run(service->event, UINT64_MAX);
	if (asking.pending > 0) /* which would call back here */
		service->imds = imds_free(service->imds);
	return r < 0 ? err_set(err, r, "metadata service: %m") : 0;
}
