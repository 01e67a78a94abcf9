/* SPDX-License-Identifier: Apache-2.0 */
#include "credentials.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json-text.h"

#define ROLES_PATH "meta-data/iam/security-credentials/"
#define ROLE_MAX   64 /* IAM User Guide, "IAM and AWS STS quotas": a role's name */
#define VALUE_MAX  3072
#define REASON_MAX 256

static void wipe(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

struct credentials *credentials_free(struct credentials *credentials)
{
	if (!credentials)
		return NULL;
	wipe(credentials->access_key);
	wipe(credentials->secret);
	wipe(credentials->token);
	free(credentials);
	return NULL;
}

/* What becomes part of a header: visible ASCII (RFC 9110, section 5.5). */
static char *value_of(const json_t *document, const char *name)
{
	const char *text = json_string_value(json_object_get(document, name));
	size_t length = text ? strlen(text) : 0;

	if (length == 0 || length > VALUE_MAX)
		return NULL;
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return NULL;
	return strdup(text);
}

static int expires_of(const json_t *document, time_t *ret_expires)
{
	const char *text = json_string_value(json_object_get(document, "Expiration"));
	struct tm tm = {0};
	const char *end = text ? strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm) : NULL;

	if (!end || *end)
		return -EBADMSG;
	*ret_expires = timegm(&tm);
	return 0;
}

static int document_read(
	const json_t *document, struct credentials **ret_credentials, struct err *err)
{
	_cleanup_(credentials_free_p) struct credentials *credentials = NULL;
	const char *code = json_string_value(json_object_get(document, "Code"));
	const char *message = json_string_value(json_object_get(document, "Message"));

	if (!code)
		return err_set(err, -EBADMSG, "the role's credentials: there is no Code");
	if (strcmp(code, "Success") != 0)
		return err_set(err, -EACCES, "the instance's role has no credentials: %.*s%s%.*s",
			REASON_MAX, code, message ? ": " : "", REASON_MAX, message ? message : "");
	credentials = calloc(1, sizeof *credentials);
	if (!credentials)
		return err_set(err, -ENOMEM, "%m");
	credentials->access_key = value_of(document, "AccessKeyId");
	credentials->secret = value_of(document, "SecretAccessKey");
	credentials->token = value_of(document, "Token");
	if (!credentials->access_key || !credentials->secret || !credentials->token)
		return err_set(err, -EBADMSG,
			"the role's credentials: AccessKeyId, SecretAccessKey or Token is no text");
	if (expires_of(document, &credentials->expires) < 0)
		return err_set(err, -EBADMSG, "the role's credentials: Expiration is no time");
	*ret_credentials = steal_ptr(credentials);
	return 0;
}

int credentials_parse(
	const char *text, size_t length, struct credentials **ret_credentials, struct err *err)
{
	static const char *const secrets[] = {"SecretAccessKey", "Token"};
	json_t *document = json_from_text(text, length, NULL);
	int r = -EBADMSG;

	if (json_is_object(document))
		r = document_read(document, ret_credentials, err);
	else
		err_set(err, r, "the role's credentials: no JSON object");
	FOREACH_ELEMENT (i, secrets) {
		const json_t *value = json_object_get(document, secrets[i]);

		if (json_is_string(value))
			explicit_bzero((char *)json_string_value(value), json_string_length(value));
	}
	json_decref(document);
	return r;
}

bool credentials_is_stale(const struct credentials *credentials, time_t now)
{
	return now >= credentials->expires - CREDENTIALS_STALE_SECONDS;
}

struct credentials_call {
	struct imds *imds;
	uint64_t timeout;
	credentials_done done;
	void *userdata;
};

static void call_finish(struct credentials_call *call, int result, struct credentials *credentials,
	const struct err *err)
{
	call->done(result, credentials, err, call->userdata);
	free(call);
}

void credentials_cancel(struct credentials_call *call)
{
	if (call)
		imds_cancel(call->imds, call);
	free(call);
}

static void on_credentials(struct imds_answer *answer, void *userdata)
{
	struct credentials *credentials = NULL;

	if (answer->result == 0) {
		answer->result =
			credentials_parse(answer->body, answer->length, &credentials, &answer->err);
		explicit_bzero(answer->body, answer->length);
	}
	call_finish(userdata, answer->result, credentials, &answer->err);
}

/* The first line; -ENOENT: there is none. Names are [A-Za-z0-9+=,.@_-] (IAM API, CreateRole). */
static int role_path(const struct imds_answer *answer, char *ret_path, size_t size, struct err *err)
{
	size_t length = answer->body ? strcspn(answer->body, "\r\n") : 0;

	if (answer->result == -ENOENT || (answer->result == 0 && length == 0))
		return err_set(err, -ENOENT, "the instance has no role");
	if (answer->result < 0)
		return answer->result;
	if (length > ROLE_MAX || strspn(answer->body, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
						      "abcdefghijklmnopqrstuvwxyz"
						      "0123456789+=,.@_-") < length)
		return err_set(err, -EBADMSG, "metadata service: %s names no role", ROLES_PATH);
	(void)snprintf(ret_path, size, "%s%.*s", ROLES_PATH, (int)length, answer->body);
	return 0;
}

static void on_role(struct imds_answer *answer, void *userdata)
{
	struct credentials_call *call = userdata;
	char path[sizeof ROLES_PATH + ROLE_MAX];
	int r = role_path(answer, path, sizeof path, &answer->err);

	if (r == 0) {
		r = imds_get(call->imds, path, call->timeout, on_credentials, call);
		if (r < 0)
			err_set(&answer->err, r, "metadata service: %m");
	}
	if (r < 0)
		call_finish(call, r, NULL, &answer->err);
}

int credentials_get(struct imds *imds, uint64_t timeout_usec, credentials_done done, void *userdata,
	struct credentials_call **ret_call)
{
	struct credentials_call *call = calloc(1, sizeof *call);
	int r;

	if (!call)
		return -ENOMEM;
	*call = (struct credentials_call){
		.imds = imds, .timeout = timeout_usec, .done = done, .userdata = userdata};
	r = imds_get(imds, ROLES_PATH, timeout_usec, on_role, call);
	if (r < 0)
		free(call);
	else if (ret_call)
		*ret_call = call;
	return r;
}

struct waited {
	struct credentials *credentials;
	struct err *err;
	int result;
	bool done;
};

static void on_waited(
	int result, struct credentials *credentials, const struct err *err, void *userdata)
{
	struct waited *waited = userdata;

	*waited = (struct waited){credentials, waited->err, result, true};
	if (result < 0 && waited->err)
		*waited->err = *err;
}

int credentials_wait(sd_event *event, struct imds *imds, uint64_t timeout_usec,
	struct credentials **ret_credentials, struct err *err)
{
	struct waited waited = {.err = err};
	struct credentials_call *call = NULL;
	int r = credentials_get(imds, timeout_usec, on_waited, &waited, &call);

	while (r >= 0 && !waited.done)
		r = sd_event_run(event, UINT64_MAX);
	if (r < 0 && !waited.done) /* nobody is here any more when the answer comes */
		credentials_cancel(call);
	if (r < 0)
		return err_set(err, r, "metadata service: %m");
	if (waited.result == 0)
		*ret_credentials = waited.credentials;
	return waited.result;
}
