/* SPDX-License-Identifier: Apache-2.0 */
#include "group.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "autoscaling.h"

struct group {
	struct aws *aws;
	char instance_id[64];
	group_known known;
	void *userdata;
	struct aws_call *call;
	sd_event_source *again;
};

static uint64_t random_below(uint64_t bound)
{
	uint32_t random = 0;

	(void)getrandom(&random, sizeof random, GRND_NONBLOCK);
	return random % bound;
}

static void ask_again(struct group *group, const char *words)
{
	group->known(NULL, words, group->userdata);
	(void)sd_event_source_set_time_relative(
		group->again, GROUP_AGAIN_USEC + random_below(GROUP_AGAIN_USEC));
	(void)sd_event_source_set_enabled(group->again, SD_EVENT_ONESHOT);
}

static void on_answer(const struct aws_answer *answer, void *userdata)
{
	struct group *group = userdata;
	struct autoscaling_instance instance;
	struct err err = answer->err;
	int r = answer->result;

	group->call = NULL;
	if (r == 0)
		r = autoscaling_read_instance(answer->json, group->instance_id, &instance, &err);
	if (r == 0 || (r == -ENOENT && answer->result == 0))
		group->known(r == 0 ? instance.group : NULL, NULL, group->userdata);
	else
		ask_again(group, err.text);
}

static int on_time(sd_event_source *source, uint64_t usec, void *userdata)
{
	struct group *group = userdata;
	_cleanup_(query_clear) struct query query = {0};
	int r;

	(void)source, (void)usec;
	autoscaling_query_instance(&query, group->instance_id);
	r = aws_start(group->aws, AWS_DESCRIBE_AUTO_SCALING_INSTANCES, &query, GROUP_TIMEOUT_USEC,
		on_answer, group, &group->call);
	if (r < 0)
		ask_again(group, strerror(-r));
	return 0;
}

int group_new(sd_event *event, struct aws *aws, const char *instance_id, group_known known,
	void *userdata, struct group **ret_group)
{
	_cleanup_(group_free_p) struct group *group = calloc(1, sizeof *group);
	int r;

	if (!group)
		return -ENOMEM;
	*group = (struct group){.aws = aws, .known = known, .userdata = userdata};
	snprintf(group->instance_id, sizeof group->instance_id, "%s", instance_id);
	r = sd_event_add_time_relative(event, &group->again, CLOCK_MONOTONIC,
		random_below(GROUP_FIRST_USEC), 1, on_time, group);
	if (r < 0)
		return r;
	*ret_group = steal_ptr(group);
	return 0;
}

struct group *group_free(struct group *group)
{
	if (!group)
		return NULL;
	aws_cancel(group->call);
	(void)sd_event_source_disable_unref(group->again);
	free(group);
	return NULL;
}
