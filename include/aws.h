/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws: calls to the AWS services that an instance speaks with, signed with its role's credentials.
 * One table has every action: its service, API version, and the error that means that there is
 * nothing left to do. Region and domain come from the metadata service, credentials too; they are
 * refreshed before they expire, and once more when a service says that they have.
 *
 * Throttling (HTTP 400 with code Throttling, as 503 and silence) is waited out with capped,
 * jittered back-off until the call's own time is over. Nothing secret gets into words.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "cleanup.h"
#include "err.h"
#include "http.h"
#include "imds.h"
#include "query.h"

#define AWS_CODE_MAX   64
#define AWS_ANSWER_MAX ((size_t)256 << 10) /* bytes of an answer */

enum aws_action {
	AWS_COMPLETE_LIFECYCLE_ACTION,
	AWS_RECORD_LIFECYCLE_ACTION_HEARTBEAT,
	AWS_DESCRIBE_AUTO_SCALING_INSTANCES,
	AWS_DESCRIBE_LIFECYCLE_HOOKS,
	AWS_SET_INSTANCE_HEALTH,
	AWS_SIGNAL_RESOURCE,
	AWS_REGISTER_TARGETS,
	AWS_DEREGISTER_TARGETS,
	AWS_PUT_METRIC_DATA,
	AWS_ACTIONS,
};

struct aws;
struct aws_call;

struct aws_answer {
	/*
	 * 0 (also when the action is gone, see aws_judge); -EINVAL: the service refuses the
	 * request; -EACCES: not allowed, or the role's credentials are not to be had; -ENOENT: the
	 * instance has no role; -EAGAIN: throttled until the time was over; -ETIMEDOUT; -EPROTO:
	 * anything else
	 */
	int result;
	bool gone;               /* there was nothing to do any more */
	char code[AWS_CODE_MAX]; /* the service's error code, or "" */
	json_t *json;            /* the result element, xml.h; NULL on failure. Borrowed */
	struct err err;          /* when result < 0 */
};

typedef void (*aws_done)(const struct aws_answer *answer, void *userdata);

/*
 * `endpoint`: NULL: https://SERVICE.REGION.DOMAIN; or a URL, in which "{service}" and "{region}"
 * are replaced (an interface endpoint, a simulator). `http` and `imds` stay the caller's, and must
 * outlive it.
 */
int aws_new(sd_event *event, struct http *http, struct imds *imds, const char *endpoint,
	struct aws **ret_aws);

/* Ends what is under way without calling back. Not from inside a `done`. */
struct aws *aws_free(struct aws *aws);

/*
 * Starts an action with the parameters of `query` (copied; Action and Version are put in front;
 * a query with an error is returned as that error). Bodies of PutMetricData go gzipped. `done` is
 * called once from the loop, at the latest after `timeout_usec`, unless it is cancelled first.
 */
int aws_start(struct aws *aws, enum aws_action action, const struct query *query,
	uint64_t timeout_usec, aws_done done, void *userdata, struct aws_call **ret_call);

/* NULL is no call. Not from inside its own `done`. */
void aws_cancel(struct aws_call *call);

/* The same as aws_start(), running the loop. The caller releases ret_answer->json. */
int aws_wait(struct aws *aws, enum aws_action action, const struct query *query,
	uint64_t timeout_usec, struct aws_answer *ret_answer);

const char *aws_action_name(enum aws_action action);

/* -- decisions -- */

enum aws_verdict {
	AWS_USE,
	AWS_GONE,  /* "No active Lifecycle Action found …", a signal that was not waited for */
	AWS_RENEW, /* the credentials have expired: get new ones, ask once more */
	AWS_RETRY, /* throttled, 5xx, no answer */
	AWS_DENIED,
	AWS_REFUSED,
};

/* `status` is HTTP's, 0 when there was no answer; `code` and `message` the service's, or "". */
enum aws_verdict aws_judge(enum aws_action action, int status, const char *code,
	const char *message, bool credentials_are_fresh);

/*
 * How long to wait before try number `attempt` (1 is the first retry): at random between 0 and a
 * bound that doubles from 500 ms to 20 s ("full jitter").
 */
uint64_t aws_backoff(unsigned attempt, uint32_t random);

CLEANUP_FOR(aws, aws_free);
