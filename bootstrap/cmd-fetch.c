/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "download.h"
#include "log.h"
#include "source-fetch.h"

#define SECOND          1000000ull
#define MIB             (1024.0 * 1024.0)
#define TIMEOUT_DEFAULT (5 * SECOND)
#define DOMAIN_DEFAULT  "amazonaws.com"
#define DOMAIN_SIZE     128

struct fetching {
	char shown[S3_URL_SIZE]; /* what messages call it: a query may hold a secret */
	struct s3_object object; /* s3: only, as are the next */
	char region[S3_REGION_SIZE], domain[DOMAIN_SIZE];
	char url[S3_URL_SIZE];
	struct download download;
	/* progress */
	bool terminal;
	uint64_t started, told; /* usec of CLOCK_MONOTONIC; 0: not yet */
	uint64_t first, size, total;
};

/* -- progress -- */

static void draw(const struct fetching *f)
{
	uint64_t usec = clock_monotonic() - f->started;
	double rate = usec ? (double)(f->size - f->first) * 1e6 / (double)usec : 0;
	unsigned left;

	fprintf(stderr, "\r\033[K%.1f", (double)f->size / MIB);
	if (f->total == UINT64_MAX) {
		fprintf(stderr, " MiB, %.1f MiB/s", rate / MIB);
		return;
	}
	left = rate > 1 && f->size < f->total ? (unsigned)((double)(f->total - f->size) / rate) : 0;
	fprintf(stderr, " of %.1f MiB (%.0f %%), %.1f MiB/s, %u:%02u left", (double)f->total / MIB,
		f->total ? (double)f->size * 100 / (double)f->total : 100, rate / MIB, left / 60,
		left % 60);
}

static void progress_show(struct fetching *f)
{
	f->told = clock_monotonic();
	if (f->terminal)
		draw(f);
	else if (f->total == UINT64_MAX)
		fprintf(stderr, DOWNLOAD_LINE "? bytes\n", f->size);
	else
		fprintf(stderr, DOWNLOAD_LINE "%" PRIu64 " bytes\n", f->size, f->total);
}

static void on_progress(uint64_t size, uint64_t total, void *userdata)
{
	struct fetching *f = userdata;

	if (!f->started || size < f->first) { /* or started over */
		f->told = f->started || f->terminal ? f->told : clock_monotonic();
		f->started = clock_monotonic();
		f->first = size;
	}
	f->size = size;
	f->total = total;
	if (clock_monotonic() - f->told >= (f->terminal ? SECOND / 5 : SECOND))
		progress_show(f);
}

static void on_trouble(const char *words, uint64_t usec, void *userdata)
{
	struct fetching *f = userdata;

	if (f->terminal && f->told)
		fputc('\n', stderr);
	f->told = 0;
	log_print(f->terminal ? LOG_INFO : LOG_DEBUG, "%s: %s; trying again in %.1f s", f->shown,
		words, (double)usec / 1e6);
}

/* -- what it is, and where -- */

/* 0, or what is wrong with it. */
static int https_check(const char *url, struct err *err)
{
	const char *host = url + strlen("https://");

	if (strncmp(url, "https://", strlen("https://")) != 0)
		return err_set(err, -EINVAL, "expected https: or s3:");
	if (strlen(url) >= S3_URL_SIZE)
		return err_set(err, -EINVAL, "longer than %d bytes", S3_URL_SIZE - 1);
	if (strcspn(host, "/?#:") == 0)
		return err_set(err, -EINVAL, "there is no host");
	if (memchr(host, '@', strcspn(host, "/?#")))
		return err_set(err, -EINVAL, "a user name or password in it is not used");
	for (const char *p = url; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return err_set(err, -EINVAL,
				"a blank or control character has to be "
				"written as %%20 or alike");
	return 0;
}

/* Without its query and fragment, and without what may be a password. */
static void show_url(const char *url, char *ret_shown, size_t size)
{
	size_t length = strcspn(url, "?#");
	const char *at = memrchr(url, '@', length);
	size_t start = strncmp(url, "s3:", 3) != 0 && at ? (size_t)(at - url) + 1 : 0;

	if (strncmp(url, "s3:", 3) == 0) /* where "?" is part of the key */
		(void)snprintf(ret_shown, size, "%s", url);
	else
		(void)snprintf(ret_shown, size, "%s%.*s%s", start ? "…@" : "",
			(int)(length - start), url + start, url[length] ? "?…" : "");
}

/* One line of metadata, with what it has to look like. */
static int ask(struct service *service, const char *path, uint64_t timeout,
	bool (*fits)(const char *), char *ret_value, size_t size, struct err *err)
{
	_cleanup_free_ char *body = NULL;
	int r = imds_wait(service->imds, path, timeout, &body, NULL, err);

	if (r < 0)
		return r;
	body[strcspn(body, "\r\n")] = '\0';
	if (strlen(body) >= size || !fits(body))
		return err_set(
			err, -EBADMSG, "metadata service: %s is not what it should be", path);
	strcpy(ret_value, body);
	return 0;
}

static int object_find(
	struct fetching *f, const struct options *options, struct service *service, struct err *err)
{
	uint64_t timeout = f->download.imds_timeout_usec;
	int r = 0;

	if (options->region)
		(void)snprintf(f->region, sizeof f->region, "%s", options->region);
	else
		r = ask(service, "meta-data/placement/region", timeout, s3_is_region, f->region,
			sizeof f->region, err);
	if (r == 0 && !options->endpoint) {
		r = ask(service, "meta-data/services/domain", timeout, s3_is_domain, f->domain,
			sizeof f->domain, err);
		if (r == -ENOENT) {
			strcpy(f->domain, DOMAIN_DEFAULT);
			r = 0;
		}
	}
	if (r < 0)
		return r;
	r = s3_url(&f->object, options->endpoint, f->region, f->domain, f->url);
	f->download.url = f->url;
	f->download.object = &f->object;
	f->download.region = f->region;
	return r < 0 ? err_set(err, r, "%m") : 0;
}

/* What can be said without asking anybody. */
static int check(struct fetching *f, const struct options *options, struct err *err)
{
	bool s3 = strncmp(options->argument, "s3:", 3) == 0;

	if (options->region && !s3_is_region(options->region))
		return err_set(err, -EINVAL, "--region: a region like eu-west-1 is expected");
	if (options->endpoint && !s3_is_endpoint(options->endpoint))
		return err_set(err, -EINVAL,
			"--endpoint: a URL like https://s3.example.org or "
			"https://{bucket}.s3.example.org is expected");
	f->download.url = options->argument;
	return s3 ? s3_parse(options->argument, &f->object, err)
		  : https_check(options->argument, err);
}

static int fetch(
	struct fetching *f, const struct options *options, struct service *service, struct err *err)
{
	char version[DOWNLOAD_VERSION_SIZE];
	int r = 0;

	f->terminal = isatty(STDERR_FILENO);
	f->download.progress = on_progress;
	f->download.trouble = on_trouble;
	f->download.userdata = f;
	f->download.event = service->event;
	f->download.http = service->http;
	f->download.imds = service->imds;
	f->download.imds_timeout_usec =
		options->imds_timeout_usec ? options->imds_timeout_usec : TIMEOUT_DEFAULT;
	if (*f->object.bucket)
		r = object_find(f, options, service, err);
	if (r == 0 && options->head) {
		r = download_version(&f->download, version, err);
		if (r == 0 && (puts(version) < 0 || fflush(stdout) != 0))
			r = err_set(err, -errno, "cannot be written: %m");
	} else if (r == 0) {
		r = download_to(&f->download, STDOUT_FILENO, SOURCE_ARCHIVE_MAX, err);
		if (r == 0)
			progress_show(f);
		if (f->terminal && f->told)
			fputc('\n', stderr);
	}
	return r;
}

int cmd_fetch(const struct options *options)
{
	struct fetching f = {0};
	struct service service = {0};
	struct err err;
	int r;

	show_url(options->argument, f.shown, sizeof f.shown);
	if (check(&f, options, &err) < 0) {
		log_error("%s: %s", f.shown, err.text);
		return EXIT_USAGE;
	}
	r = command_give_up_root(&err);
	if (r == 0)
		r = service_open(options, &service, &err);
	if (r == 0)
		r = fetch(&f, options, &service, &err);
	if (r < 0)
		log_error("%s: %s", f.shown, err.text);
	service_close(&service);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
