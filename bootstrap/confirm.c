/* SPDX-License-Identifier: Apache-2.0 */
#include "confirm.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "drain.h"

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

static int ask_all(struct service *service, struct asking *asking, uint64_t timeout_usec)
{
	int r = 0;

	for (int kind = 0; r >= 0 && kind < NOTICE_KINDS; kind++) {
		asking->questions[kind] = (struct question){asking, (enum notice_kind)kind};
		r = imds_get(service->imds, notice_sources[kind].path, timeout_usec, on_answer,
			&asking->questions[kind]);
		asking->pending += r >= 0;
	}
	while (r >= 0 && asking->pending > 0)
		r = sd_event_run(service->event, UINT64_MAX);
	return r;
}

int confirm_ask(const struct options *options, const struct config_lifecycle *config,
	struct notice ret_notices[static NOTICE_KINDS], struct err *ret_trouble, struct err *err)
{
	struct asking asking = {.config = config, .notices = ret_notices, .trouble = ret_trouble};
	struct service service;
	int r = service_open(options, &service, err);

	*ret_trouble = (struct err){""};
	for (int kind = 0; kind < NOTICE_KINDS; kind++)
		ret_notices[kind] = (struct notice){.verdict = NOTICE_NOTHING};
	if (r == 0) {
		r = ask_all(&service, &asking,
			options->imds_timeout_usec ? options->imds_timeout_usec : CONFIRM_TIMEOUT);
		if (r < 0)
			err_set(err, r, "metadata service: %m");
	}
	service_close(&service); /* with what would call back here */
	return r < 0 ? r : 0;
}

int confirm_take_request(const struct options *options, struct err *err)
{
	const char *run = options->run ? options->run : DRAIN_RUN_DEFAULT;
	_cleanup_close_ int directory = open(run, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (directory < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %m", run);
	if (unlinkat(directory, DRAIN_REQUEST, 0) == 0 ||
		(errno == EISDIR && unlinkat(directory, DRAIN_REQUEST, AT_REMOVEDIR) == 0))
		return 1;
	return errno == ENOENT ? 0 : err_set(err, -errno, "%s/" DRAIN_REQUEST ": %m", run);
}
