/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "identity.h"
#include "log.h"
#include "spawn.h"
#include "user-data.h"

#define LOCK_PAUSE       50000 /* usec between two tries */
#define INSTANCE_ID_PATH "meta-data/instance-id"

int command_config_with(const struct options *options, const struct config_layer *user_data,
	struct config **ret_config, struct err *ret_problem)
{
	struct config_problems problems = {0};
	int r = config_load(
		options->config, options->config_given, user_data, ret_config, &problems);

	config_problems_log(&problems);
	if (r == -EINVAL && ret_problem)
		config_problem_text(
			&problems.errors[0], ret_problem->text, sizeof ret_problem->text);
	config_problems_clear(&problems);
	if (r == -EINVAL)
		return EXIT_USAGE;
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

int command_layer(const struct options *options, struct config_layer *ret_layer)
{
	struct err err;
	int r = config_layer_read(options->state, ret_layer, &err);

	if (r == 0 || r == -ENOENT)
		return EXIT_DONE;
	log_error("%s", err.text);
	return EXIT_FAILED;
}

int command_config(const struct options *options, struct config **ret_config)
{
	_cleanup_(config_layer_clear) struct config_layer layer = {0};
	int status = command_layer(options, &layer);

	return status != EXIT_DONE ? status
				   : command_config_with(options, &layer, ret_config, NULL);
}

/* Runs the loop for so long. */
static int pause_for(struct service *service, uint64_t usec)
{
	uint64_t until = clock_monotonic() + usec, now;
	int r = 0;

	while (r >= 0 && (now = clock_monotonic()) < until)
		r = sd_event_run(service->event, until - now);
	return r;
}

/*
 * -ENOENT: the instance has none. Only who has what every instance has is believed that: a service
 * that has nothing at all is not up yet, or is none.
 */
static int ask_user_data(struct service *service, uint64_t timeout_usec, char **ret_body,
	size_t *ret_length, struct err *err)
{
	uint64_t end = clock_monotonic() + timeout_usec, wait, now;
	_cleanup_free_ char *id = NULL;
	unsigned attempt = 0;
	int r;

	do {
		now = clock_monotonic();
		timeout_usec = end > now ? end - now : 0;
		r = imds_wait(service->imds, "user-data", timeout_usec, ret_body, ret_length, err);
		if (r != -ENOENT)
			break;
		r = imds_wait(service->imds, INSTANCE_ID_PATH, timeout_usec, &id, NULL, err);
		if (r != -ENOENT) {
			r = r < 0 ? r : err_set(err, -ENOENT, "there is no user-data");
			break;
		}
		imds_doubt(service->imds, err);
		wait = imds_backoff(++attempt, true, NULL, UINT32_MAX);
		r = -EPROTO;
	} while (clock_monotonic() + wait < end && pause_for(service, wait) >= 0);
	imds_doubt(service->imds, NULL);
	return r;
}

int service_user_data(const struct options *options, struct service *service, uint64_t timeout_usec,
	struct config_layer *ret_layer, struct err *err)
{
	_cleanup_free_ char *body = NULL;
	struct config_layer layer = {0};
	size_t length = 0;
	int r = config_layer_read(options->state, ret_layer, err);

	if (r != -ENOENT)
		return r;
	r = ask_user_data(service, timeout_usec, &body, &length, err);
	if (r == 0)
		r = user_data_layer(body, length, &layer.text, &layer.length, err);
	if (r < 0 && r != -ENOENT) /* the instance has none */
		return r;
	*ret_layer = layer;
	return 1;
}

/* file_check_way() and the directory itself, where the sticky bit does not help. */
static int check_place(const char *directory, struct err *err)
{
	struct stat st;

	if (stat(directory, &st) < 0)
		return errno == ENOENT ? 0 : err_set(err, -errno, "%s: %m", directory);
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, -EPERM,
			"%s: belongs to, or may be written to by, others than root", directory);
	return file_check_way(directory, err);
}

int command_check_places(const struct options *options, struct err *err)
{
	const char *const places[] = {options->state, options->data};
	char real[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof places / sizeof places[0]; i++) {
		r = check_place(places[i], err);
		if (r == 0 && realpath(places[i], real))
			r = check_place(real, err);
		if (r < 0)
			err_wrap(err, r, "what root believes and writes is not safe");
	}
	return r;
}

int command_lock(const char *state, const char *name, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int r = file_make_directories(state);

	snprintf(path, sizeof path, "%s/%s", state, name);
	if (r == 0) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		r = fd < 0 ? -errno : 0;
	}
	if (r == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? 1 : -errno;
	if (r < 0)
		return err_set(err, r, "%s: %m", path);
	*ret_fd = steal_fd(&fd);
	return r;
}

int command_lock_wait(int fd, uint64_t timeout_usec, struct err *err)
{
	bool ever = timeout_usec == UINT64_MAX;
	uint64_t began = clock_monotonic();

	while (flock(fd, ever ? LOCK_EX : LOCK_EX | LOCK_NB) < 0) {
		if (errno != EINTR && errno != EWOULDBLOCK)
			return err_set(err, -errno, "lock: %m");
		if (!ever && clock_monotonic() - began >= timeout_usec)
			return err_set(err, -ETIMEDOUT,
				"who holds the lock does not end within %llu s",
				(unsigned long long)(timeout_usec / 1000000));
		if (!ever)
			(void)usleep(LOCK_PAUSE);
	}
	return 0;
}

int command_give_up_root(struct err *err)
{
	int r = geteuid() == 0 ? identity_give_up_to_agent() : 0;

	return r < 0 ? err_set(err, r, "cannot become the agent's user: %m") : 0;
}

int service_open(const struct options *options, struct service *ret_service, struct err *err)
{
	int r;

	*ret_service = (struct service){0};
	r = sd_event_default(&ret_service->event);
	if (r >= 0)
		r = http_new(ret_service->event, &ret_service->http);
	if (r >= 0)
		r = imds_new(
			ret_service->event, ret_service->http, options->imds, &ret_service->imds);
	return r < 0 ? err_set(err, r, "event loop: %m") : 0;
}

void service_close(struct service *service)
{
	service->imds = imds_free(service->imds);
	service->http = http_free(service->http);
	service->event = sd_event_unref(service->event);
}

void command_print_json(json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(2));

	if (text)
		puts(text);
	free(text);
	json_decref(json);
}

const char *command_reach(const struct options *options)
{
	return options->imds && strncmp(options->imds, "unix:", 5) != 0 ? options->imds : NULL;
}
