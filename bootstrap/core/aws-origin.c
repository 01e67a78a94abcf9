/* SPDX-License-Identifier: Apache-2.0 */
#include "aws-origin.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include <time.h>

#define REGION_PATH    "meta-data/placement/region"
#define DOMAIN_PATH    "meta-data/services/domain"
#define DOMAIN_DEFAULT "amazonaws.com"
#define SECOND         1000000ull
#define RENEWAL_MAX    (5 * SECOND) /* while there are old ones, for each of two questions */

/* One line that can be a part of a host's name. */
static int place_read(const struct imds_answer *answer, char *ret_place, struct err *err)
{
	size_t length = strcspn(answer->body, "\r\n");

	if (length == 0 || length >= AWS_PLACE_MAX || answer->body[0] == '.' ||
		strspn(answer->body, "abcdefghijklmnopqrstuvwxyz0123456789-.") < length)
		return err_set(err, -EPROTO, "metadata service: region or domain is none");
	memcpy(ret_place, answer->body, length);
	ret_place[length] = '\0';
	return 0;
}

static void on_place(struct imds_answer *answer, void *userdata)
{
	struct aws_origin *origin = userdata;
	bool domain = origin->asked == AWS_ASKED_DOMAIN;
	int r = answer->result;

	origin->asked = AWS_ASKED_NOTHING;
	if (r == 0)
		r = place_read(answer, domain ? origin->domain : origin->region, &answer->err);
	else if (r == -ENOENT && domain)
		r = 0, strcpy(origin->domain, DOMAIN_DEFAULT);
	else if (r == -ENOENT) /* which would mean that there is no role */
		r = -EPROTO;
	origin->changed(r, &answer->err, origin->userdata);
}

/* What is there already stays, whatever the service says now: it may be good for hours. */
static void on_credentials(
	int result, struct credentials *credentials, const struct err *err, void *userdata)
{
	struct aws_origin *origin = userdata;

	origin->asked = AWS_ASKED_NOTHING;
	origin->call = NULL;
	origin->rejected = false;
	origin->again = clock_boot() + CREDENTIALS_RETRY_SECONDS * SECOND;
	if (result == 0 && (!origin->credentials ||
				   strcmp(credentials->token, origin->credentials->token) != 0)) {
		credentials_free(origin->credentials);
		origin->credentials = credentials;
		origin->number++;
	} else if (result == 0) {
		credentials_free(credentials);
	}
	origin->changed(origin->credentials ? 0 : result, err, origin->userdata);
}

static enum aws_asked missing(const struct aws_origin *origin, time_t now)
{
	if (!*origin->region)
		return AWS_ASKED_REGION;
	if (origin->wants_domain && !*origin->domain)
		return AWS_ASKED_DOMAIN;
	if (!origin->credentials || origin->rejected ||
		(credentials_is_stale(origin->credentials, now) && clock_boot() >= origin->again))
		return AWS_ASKED_CREDENTIALS;
	return AWS_ASKED_NOTHING;
}

bool aws_origin_ready(struct aws_origin *origin, time_t now, uint64_t timeout_usec)
{
	enum aws_asked what = missing(origin, now);
	int r;

	if (origin->asked)
		return false;
	if (what == AWS_ASKED_NOTHING)
		return true;
	if (origin->credentials && timeout_usec > RENEWAL_MAX)
		timeout_usec = RENEWAL_MAX;
	origin->asked = what;
	if (what == AWS_ASKED_CREDENTIALS)
		r = credentials_get(
			origin->imds, timeout_usec, on_credentials, origin, &origin->call);
	else
		r = imds_get(origin->imds, what == AWS_ASKED_REGION ? REGION_PATH : DOMAIN_PATH,
			timeout_usec, on_place, origin);
	if (r < 0)
		origin->asked = AWS_ASKED_NOTHING;
	return false;
}

void aws_origin_renew(struct aws_origin *origin, unsigned number)
{
	if (number == origin->number)
		origin->rejected = true;
}

void aws_origin_clear(struct aws_origin *origin)
{
	credentials_cancel(origin->call);
	imds_cancel(origin->imds, origin);
	origin->call = NULL;
	origin->credentials = credentials_free(origin->credentials);
	origin->asked = AWS_ASKED_NOTHING;
}
