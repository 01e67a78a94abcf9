/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials: those of the instance's role, which the metadata service hands out (EC2 User Guide,
 * "Retrieve security credentials from instance metadata"). They are good for some hours; the
 * service has new ones before the old expire. Secrets are wiped when they are freed, as far as they
 * are in our own memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "cleanup.h"
#include "err.h"
#include "imds.h"

#define CREDENTIALS_STALE_SECONDS (15 * 60)
#define CREDENTIALS_RETRY_SECONDS (10 * 60)

/* As http_signer (http.h) wants them. None is NULL. */
struct credentials {
	char *access_key, *secret, *token;
	time_t expires; /* seconds since 1970, CLOCK_REALTIME */
};

/*
 * Reads the JSON of security-credentials/ROLE. Pure. -EACCES: the service says why there are none
 * (`Code` is not Success); -EBADMSG: it is nothing of the kind. No secret gets into the words.
 */
int credentials_parse(
	const char *text, size_t length, struct credentials **ret_credentials, struct err *err);

/*
 * Whether it is time to ask for new ones. The service may hand out the old ones again: keep them,
 * they are good until they expire, and ask again after CREDENTIALS_RETRY_SECONDS. Pure.
 */
bool credentials_is_stale(const struct credentials *credentials, time_t now);

/* Wipes and frees. */
struct credentials *credentials_free(struct credentials *credentials);

typedef void (*credentials_done)(
	int result, struct credentials *credentials, const struct err *err, void *userdata);

struct credentials_call;

/*
 * Asks which role this instance has, then for its credentials; each takes `timeout_usec` at most.
 * `done` is called once from the loop, with credentials that it owns when result is 0, unless it is
 * cancelled first. -ENOENT: the instance has no role; and the errors of imds.h.
 */
int credentials_get(struct imds *imds, uint64_t timeout_usec, credentials_done done, void *userdata,
	struct credentials_call **ret_call);

/* Before imds_free(); not from inside its own `done`. NULL is no call. */
void credentials_cancel(struct credentials_call *call);

/* The same, running the loop until there is an answer. */
int credentials_wait(sd_event *event, struct imds *imds, uint64_t timeout_usec,
	struct credentials **ret_credentials, struct err *err);

CLEANUP_FOR(credentials, credentials_free);
