/* SPDX-License-Identifier: Apache-2.0 */
#include "download.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "credentials.h"
#include "file.h"
#include "random.h"

#define UNKNOWN        UINT64_MAX
#define REDIRECTS_MAX  5
#define ERROR_BODY_MAX 16384
#define VALUE_SIZE     256 /* of a header */

/* What an exchange came to. */
struct answer {
	bool done;
	int status, error; /* as in struct http_response */
	char reason[VALUE_SIZE], retry_after[16], bucket_region[S3_REGION_SIZE];
	char code[S3_CODE_SIZE]; /* S3's */
	char *body;              /* of what is no success */
	uint64_t range_total;    /* of a 416 */
};

struct transfer {
	const struct download *download;
	struct credentials *credentials;
	bool renewed;
	struct answer answer;
	char *version; /* download_version(): where it goes; NULL: download_to() */
	bool head;     /* ask by HEAD */

	int fd;
	bool regular;
	uint64_t max, size, total; /* bytes: at most, in place, of all of it */
	uint64_t farthest;         /* the most that was ever in place */
	char validator[VALUE_SIZE];
	bool begun;        /* this exchange has a body */
	struct err failed; /* what is our own fault, not the network's; "" */
};

static void told(const struct transfer *t)
{
	t->download->progress(t->size, t->total, t->download->userdata);
}

/* -- decisions -- */

enum download_verdict download_judge(int status, int error, const char *code)
{
	static const int final[] = {
		-EINVAL, -EPROTONOSUPPORT, -EACCES, -ELOOP, -EKEYREJECTED, -ENOKEY, -ENOMEM};

	FOREACH_ELEMENT (i, final)
		if (status == 0 && error == final[i])
			return DOWNLOAD_REFUSE;
	if (status == 200 || status == 206)
		return DOWNLOAD_USE;
	if (status == 416)
		return DOWNLOAD_RANGE;
	if (strcmp(code, "ExpiredToken") == 0)
		return DOWNLOAD_RENEW;
	if (status == 0 || status == 408 || status == 429 || (status >= 500 && status != 501) ||
		strcmp(code, "RequestTimeout") == 0)
		return DOWNLOAD_RETRY;
	return DOWNLOAD_REFUSE;
}

/* Digits only: strtoull() alone takes signs and blanks too. */
static bool number(const char **text, uint64_t *ret_number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*ret_number = strtoull(*text, &end, 10);
	*text = end;
	return errno == 0;
}

bool download_range(const char *text, uint64_t *ret_first, uint64_t *ret_total)
{
	uint64_t first = UNKNOWN, last, total = UNKNOWN;

	if (strncmp(text, "bytes ", 6) != 0)
		return false;
	text += 6;
	if (*text == '*')
		text++;
	else if (!number(&text, &first) || *text++ != '-' || !number(&text, &last) || last < first)
		return false;
	if (*text++ != '/')
		return false;
	if (*text == '*')
		text++;
	else if (!number(&text, &total))
		return false;
	if (*text)
		return false;
	*ret_first = first;
	*ret_total = total;
	return true;
}

/* -- the file -- */

static int start_over(struct transfer *t)
{
	if (t->size > 0 && !t->regular)
		return err_set(&t->failed, -ESTALE,
			"it has to be started over, but what was written cannot be taken back");
	if (t->size > 0 && (ftruncate(t->fd, 0) < 0 || lseek(t->fd, 0, SEEK_SET) < 0))
		return err_set(&t->failed, -errno, "cannot be written: %m");
	t->size = 0;
	t->total = UNKNOWN;
	t->validator[0] = '\0';
	return 0;
}

/* -- an exchange -- */

/* A header's value if it is visible ASCII, blanks among it, and fits; else "". */
static void value_copy(
	const struct http_response *response, const char *name, char *ret_value, size_t size)
{
	const char *value = http_header(response, name);

	ret_value[0] = '\0';
	if (!value || strlen(value) >= size)
		return;
	for (const char *p = value; *p; p++)
		if (*p < ' ' || *p > '~')
			return;
	strcpy(ret_value, value);
}

/*
 * The first bytes of a body are there, or its end. -ESTALE: it does not go on where we are, or is
 * another version.
 */
static int begin(struct transfer *t, const struct http_response *response)
{
	char validator[VALUE_SIZE], text[VALUE_SIZE];
	const char *length = text;
	uint64_t first = UNKNOWN, total = UNKNOWN;
	int r = 0;

	t->begun = true;
	value_copy(response, "ETag", validator, sizeof validator);
	if (*validator !=
		'"') /* If-Range takes a strong ETag or a date (RFC 9110, section 13.1.5) */
		value_copy(response, "Last-Modified", validator, sizeof validator);
	if (response->status == 206) {
		value_copy(response, "Content-Range", text, sizeof text);
		if (!download_range(text, &first, &total) || first != t->size ||
			(*t->validator && strcmp(validator, t->validator) != 0) ||
			(t->total != UNKNOWN && total != t->total))
			return -ESTALE;
	} else {
		value_copy(response, "Content-Length", text, sizeof text);
		(void)number(&length, &total);
		r = start_over(t);
	}
	if (r < 0)
		return r;
	if (total != UNKNOWN && total > t->max)
		return err_set(&t->failed, -EFBIG,
			"it has %" PRIu64 " bytes, and %" PRIu64 " are the most", total, t->max);
	strcpy(t->validator, validator);
	t->total = total;
	return 0;
}

static void version_note(struct transfer *t, const struct http_response *response)
{
	char etag[VALUE_SIZE], modified[VALUE_SIZE], version[VALUE_SIZE], length[VALUE_SIZE];

	value_copy(response, "ETag", etag, sizeof etag);
	value_copy(response, "Last-Modified", modified, sizeof modified);
	value_copy(response, "x-amz-version-id", version, sizeof version);
	value_copy(response, "Content-Length", length, sizeof length);
	if (*etag || *modified) /* a date is for want of an ETag: copies of a file differ in it */
		(void)snprintf(t->version, DOWNLOAD_VERSION_SIZE, "%s%s%s%s%s%s%s",
			*etag ? "etag " : "modified \"", *etag ? etag : modified, *etag ? "" : "\"",
			*version ? " version " : "", version, *length ? " length " : "", length);
}

static int on_body(
	const struct http_response *response, const void *data, size_t length, void *userdata)
{
	struct transfer *t = userdata;
	int r = 0;

	if (t->version) {
		version_note(t, response);
		return -ECANCELED; /* the head was all we wanted */
	}
	if (!t->begun)
		r = begin(t, response);
	if (r < 0)
		return r;
	if (length > t->max - t->size)
		return err_set(&t->failed, -EFBIG, "it has more than %" PRIu64 " bytes", t->max);
	r = file_write_all(t->fd, data, length);
	if (r < 0)
		return err_set(&t->failed, r, "cannot be written: %m");
	t->size += length;
	told(t);
	return 0;
}

static void on_done(struct http_response *response, void *userdata)
{
	struct transfer *t = userdata;
	struct answer *answer = &t->answer;
	char text[VALUE_SIZE];
	uint64_t first;

	answer->done = true;
	answer->status = response->status;
	answer->error = response->error;
	(void)snprintf(answer->reason, sizeof answer->reason, "%s",
		response->error == -ESTALE ? "the server has another version by now"
					   : response->reason);
	if (t->version && response->error == -ECANCELED)
		answer->status = 200;
	if (!response->status)
		return;
	value_copy(response, "Retry-After", answer->retry_after, sizeof answer->retry_after);
	value_copy(response, "x-amz-bucket-region", answer->bucket_region,
		sizeof answer->bucket_region);
	value_copy(response, "Content-Range", text, sizeof text);
	if (!download_range(text, &first, &answer->range_total))
		answer->range_total = UNKNOWN;
	if (response->status / 100 == 2 && t->version)
		version_note(t, response);
	else if (response->status / 100 == 2 && !t->begun) /* an empty body */
		answer->error = begin(t, response);
	else if (response->status / 100 != 2)
		answer->body = steal_ptr(response->body);
	if (t->download->object)
		s3_element(answer->body, "Code", answer->code, sizeof answer->code);
}

/* Fresh ones if they are due; what cannot be renewed is used as long as it lasts. */
static int credentials_see_to(struct transfer *t, bool renew, struct err *err)
{
	const struct download *download = t->download;
	struct credentials *credentials;
	int r;

	if (!download->object ||
		(t->credentials && !renew && !credentials_is_stale(t->credentials, time(NULL))))
		return 0;
	r = credentials_wait(
		download->event, download->imds, download->imds_timeout_usec, &credentials, err);
	if (r == -ENOENT && !t->credentials)
		return err_wrap(err, r, "signing needs an instance role that allows s3:GetObject");
	if (r < 0)
		return t->credentials ? 0 : r;
	(void)credentials_free(t->credentials);
	t->credentials = credentials;
	return 0;
}

/* One request, until its end: 0, and t->answer says how it went. */
static int exchange(struct transfer *t, struct err *err)
{
	const struct download *download = t->download;
	const struct credentials *c = t->credentials; /* of an object */
	struct http_signer signer = {c ? c->access_key : NULL, c ? c->secret : NULL,
		c ? c->token : NULL, download->region, "s3"};
	char range[64], if_range[VALUE_SIZE + 16];
	struct http_request request = {.url = download->url,
		.method = t->head ? "HEAD" : NULL,
		.stall_usec = DOWNLOAD_STALL,
		.body_max = ERROR_BODY_MAX,
		.sink = on_body,
		.redirects_max = download->object ? 0 : REDIRECTS_MAX,
		.proxied = true,
		.path_as_is = download->object && s3_has_dots(download->url),
		.signer = c ? &signer : NULL};
	struct http_call *call = NULL;
	int r;

	(void)snprintf(range, sizeof range, "Range: bytes=%" PRIu64 "-", t->size);
	(void)snprintf(if_range, sizeof if_range, "If-Range: %s", t->validator);
	request.headers[0] = t->size > 0 ? range : NULL;
	request.headers[1] = t->size > 0 && *t->validator ? if_range : NULL;
	free(t->answer.body);
	t->answer = (struct answer){0};
	t->begun = false;
	r = http_start(download->http, &request, on_done, t, &call);
	while (r >= 0 && !t->answer.done)
		r = sd_event_run(download->event, UINT64_MAX);
	if (r < 0 && !t->answer.done)
		http_cancel(call);
	return r < 0 ? err_set(err, r, "event loop: %m") : 0;
}

/* -- until it is there -- */

/* What libcurl says, behind what it means here. */
static void explain_silence(const struct answer *answer, struct err *err)
{
	static const struct {
		int error;
		const char *words;
	} known[] = {
		{-EKEYREJECTED, "the server's certificate is not trusted: "},
		{-ENOKEY, "no certificate can be verified, is ca-certificates installed? "},
		{-ELOOP, "too many redirects: "},
		{-EACCES, "a redirect with a user name in it is not followed: "},
		{-EPROTONOSUPPORT, "a redirect to anything but https: is not followed: "},
	};
	static const char *const openings[] = {"SSL certificate problem: ", "SSL: "};
	const char *reason = answer->reason, *words = "";

	FOREACH_ELEMENT (i, openings)
		if (strncmp(reason, openings[i], strlen(openings[i])) == 0)
			reason += strlen(openings[i]);
	FOREACH_ELEMENT (i, known)
		if (known[i].error == answer->error)
			words = known[i].words;
	err_set(err, 0, "%s%s", words, reason);
}

/* Why it is not there. The code is never 0. */
static int explain(const struct transfer *t, struct err *err)
{
	const struct answer *answer = &t->answer;
	const struct download *download = t->download;

	if (*t->failed.text)
		err_set(err, 0, "%s", t->failed.text);
	else if (answer->status == 0 || answer->error < 0)
		explain_silence(answer, err);
	else if (answer->status == 200 || answer->status == 206)
		err_set(err, 0, "it ended after %" PRIu64 " of %" PRIu64 " bytes", t->size,
			t->total);
	else if (download->object)
		s3_explain(download->object, download->region, answer->status, answer->body,
			answer->bucket_region, err);
	else
		err_set(err, 0, "the server answered %d%s", answer->status,
			answer->status == 404 ? " (there is no such thing)" : "");
	return answer->error < 0 ? answer->error : -EIO;
}

/* After a 416: what there is of it, if the server says so; S3 does it in its own way. */
static uint64_t whole_size(const struct transfer *t)
{
	uint64_t size = t->answer.range_total;
	const char *text;
	char digits[32];

	if (size == UNKNOWN && t->download->object) {
		s3_element(t->answer.body, "ActualObjectSize", digits, sizeof digits);
		text = digits;
		(void)number(&text, &size);
	}
	return size;
}

/* The verdict about the answer, and about what is there with it. */
static enum download_verdict judge(struct transfer *t)
{
	const struct answer *answer = &t->answer;
	enum download_verdict verdict = download_judge(answer->status, answer->error, answer->code);

	if (*t->failed.text)
		return DOWNLOAD_REFUSE;
	if (t->version)
		return verdict;
	if (verdict == DOWNLOAD_RANGE && t->size > 0 && t->size == whole_size(t))
		return DOWNLOAD_USE;
	if (verdict == DOWNLOAD_RANGE && t->size == 0)
		return DOWNLOAD_REFUSE;
	if (verdict == DOWNLOAD_RANGE || answer->error == -ESTALE)
		return start_over(t) < 0 ? DOWNLOAD_REFUSE : DOWNLOAD_RETRY;
	if (verdict == DOWNLOAD_USE && t->total != UNKNOWN && t->size != t->total)
		return DOWNLOAD_RETRY;
	return verdict;
}

static void rest(struct transfer *t, unsigned tries)
{
	struct err why = {0};
	uint64_t usec;

	usec = imds_backoff(tries, true, t->answer.retry_after, random_bits());
	(void)explain(t, &why);
	t->download->trouble(why.text, usec, t->download->userdata);
	(void)usleep((useconds_t)usec);
}

static int run(struct transfer *t, struct err *err)
{
	unsigned tries = 0;
	int r = credentials_see_to(t, false, err);

	while (r == 0) {
		r = exchange(t, err);
		if (r < 0)
			return r;
		if (t->size > t->farthest)
			tries = 0;
		t->farthest = t->size > t->farthest ? t->size : t->farthest;
		switch (judge(t)) {
		case DOWNLOAD_USE: return 0;
		case DOWNLOAD_RENEW:
			if (t->renewed)
				return explain(t, err);
			t->renewed = true;
			r = credentials_see_to(t, true, err);
			break;
		case DOWNLOAD_RETRY:
			if (++tries == DOWNLOAD_TRIES_MAX) {
				r = explain(t, err);
				return err_wrap(err, r, "tried %u times", tries);
			}
			rest(t, tries);
			r = credentials_see_to(t, false, err);
			break;
		default:
			if (!t->head || t->answer.status == 0)
				return explain(t, err);
			t->head = false; /* HEAD is refused, or has no body to say why */
		}
	}
	return r;
}

static void transfer_end(struct transfer *t)
{
	(void)credentials_free(t->credentials);
	free(t->answer.body);
}

int download_to(const struct download *download, int fd, uint64_t max, struct err *err)
{
	struct transfer t = {.download = download, .fd = fd, .max = max, .total = UNKNOWN};
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0 || (S_ISREG(st.st_mode) && lseek(fd, 0, SEEK_END) < 0))
		return err_set(err, -errno, "cannot be written: %m");
	t.regular = S_ISREG(st.st_mode);
	if (t.regular)
		t.size = t.farthest = (uint64_t)st.st_size;
	if (t.size > max)
		r = start_over(&t);
	r = r < 0 ? explain(&t, err) : run(&t, err);
	if (r == 0) {
		t.total = t.size;
		told(&t);
	}
	transfer_end(&t);
	return r;
}

int download_version(const struct download *download, char ret_line[static DOWNLOAD_VERSION_SIZE],
	struct err *err)
{
	char line[DOWNLOAD_VERSION_SIZE] = "";
	struct transfer t = {
		.download = download, .version = line, .head = true, .fd = -1, .total = UNKNOWN};
	int r = run(&t, err);

	transfer_end(&t);
	if (r < 0)
		return r;
	if (!*line)
		return err_set(
			err, -ENODATA, "the server names no version of it: pin it by sha256");
	strcpy(ret_line, line);
	return 0;
}
