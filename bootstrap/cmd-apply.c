/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply.h"
#include "file.h"
#include "log.h"
#include "show.h"

#define TIMEOUT_DEFAULT (120ull * 1000000)

static const struct {
	const char *name;
	const char *mark; /* NULL: the step's own sign */
	enum show_colour colour;
} outcomes[] = {
	[APPLY_BEGINS] = {"begins", "·", SHOW_DIM},
	[APPLY_DONE] = {"done", NULL, SHOW_GOOD},
	[APPLY_KEPT] = {"kept", NULL, SHOW_DIM},
	[APPLY_FAILED] = {"failed", "✗", SHOW_BAD},
	[APPLY_WAITS] = {"waits", "…", SHOW_WARN},
	[APPLY_REFUSED] = {"refused", "!", SHOW_BAD},
};

static void print_report(const struct apply_report *report, void *userdata)
{
	const char *mark = outcomes[report->outcome].mark;

	(void)userdata;
	if (report->outcome == APPLY_BEGINS && !isatty(STDOUT_FILENO))
		return; /* progress, for somebody who watches */
	show_step(stdout, mark ? mark : plan_sign_mark(report->step->sign),
		outcomes[report->outcome].colour, report->subject, report->step);
	if (report->outcome == APPLY_DONE || report->outcome == APPLY_FAILED)
		printf(": %s in %.2f s", outcomes[report->outcome].name, report->seconds);
	printf("%s%s\n", report->text[0] ? ": " : "", report->text);
	(void)fflush(stdout);
}

static void collect_report(const struct apply_report *report, void *userdata)
{
	if (report->outcome == APPLY_BEGINS)
		return;
	(void)json_array_append_new(userdata,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:f}", "subject", report->subject, "op",
			plan_op_name(report->step->op), "sign", plan_sign_name(report->step->sign),
			"what", report->step->what, "outcome", outcomes[report->outcome].name,
			"text", report->text, "seconds", report->seconds));
}

/* One apply at a time; the lock ends with the process. */
static int take_lock(const char *state, int *ret_fd, struct err *err)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int r = file_make_directories(state);

	snprintf(path, sizeof path, "%s/apply.lock", state);
	if (r == 0) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		r = fd < 0 ? -errno : 0;
	}
	if (r < 0)
		return err_set(err, r, "%s: %m", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		log_notice("another apply is at work; waiting for it to end");
		while (flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				return err_set(err, -errno, "%s: %m", path);
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* --device as its canonical node, as the plan has it. */
static int canonical_device(struct options *options, char *buffer, struct err *err)
{
	if (!options->device)
		return 0;
	if (!realpath(options->device, buffer))
		return err_set(err, -errno, "%s: %m", options->device);
	options->device = buffer;
	return 0;
}

static int run(const struct options *given, const struct config *config, enum status *ret_status,
	struct err *err)
{
	_cleanup_close_ int lock = -1;
	struct options options = *given;
	json_t *steps = json_array();
	struct service service = {0};
	char device[PATH_MAX];
	int r;

	(void)umask(022);
	r = canonical_device(&options, device, err);
	if (r == 0)
		r = take_lock(options.state, &lock, err);
	if (r == 0)
		r = service_open(&options, &service, err);
	if (r == 0)
		r = apply_walk(&options, config, &service,
			options.imds_timeout_usec ? options.imds_timeout_usec : TIMEOUT_DEFAULT,
			options.json ? collect_report : print_report, steps, ret_status, err);
	service_close(&service);
	if (r == 0 && options.json)
		command_print_json(json_pack(
			"{s:s, s:O}", "status", status_name(*ret_status), "steps", steps));
	json_decref(steps);
	return r;
}

int cmd_apply(const struct options *options)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	enum status status;
	struct err err;
	int r = command_config(options, &config);

	if (r != EXIT_DONE)
		return r;
	if (run(options, config, &status, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	return (int)status_exit(status);
}
