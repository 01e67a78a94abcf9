/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "log.h"
#include "seal.h"
#include "show.h"
#include "volume.h"

/* The work, and what must be given back after it. */
struct sealing {
	int lock;    /* of apply; -1 */
	int outside; /* the root directory that we came from; -1: we are in no other */
	struct config *config;
	struct seal *seal;
};

static void leave(struct sealing *sealing)
{
	if (sealing->outside >= 0 && (fchdir(sealing->outside) < 0 || chroot(".") < 0))
		log_warning("the way back from the tree: %m");
	cleanup_close(&sealing->outside);
	cleanup_close(&sealing->lock);
	sealing->config = config_free(sealing->config);
	sealing->seal = seal_free(sealing->seal);
}

/* No apply while we are at work, and we not while one is. */
static int lock_out(const char *state, int *ret_fd, struct err *err)
{
	int r = command_lock(state, COMMAND_LOCK_APPLY, ret_fd, err);

	return r == 1 ? err_set(err, -EBUSY, "an apply is at work; seal when it has ended") : r;
}

/* Becomes a process of the tree: no path and no link leads out of it. */
static int enter_root(const char *root, int *ret_outside, struct err *err)
{
	_cleanup_close_ int outside = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (outside < 0 || chroot(root) < 0 || chdir("/") < 0)
		return err_set(err, -errno, "%s: %m", root);
	*ret_outside = steal_fd(&outside);
	return 0;
}

/* Whether --root is there and another root than ours. */
static bool is_tree(const char *root)
{
	struct stat here, there;

	return root && !(stat("/", &here) == 0 && stat(root, &there) == 0 &&
			       here.st_dev == there.st_dev && here.st_ino == there.st_ino);
}

/* -- what is shown -- */

static void print_item(const struct seal_item *item)
{
	bool keep = item->how == SEAL_KEEP;
	char size[VOLUME_SIZE_TEXT_MAX];

	volume_size_text(item->bytes, size);
	printf("  %s%-6s%s  %s", show_colour(stdout, keep ? SHOW_DIM : SHOW_WARN),
		seal_how_name(item->how), show_colour(stdout, SHOW_PLAIN), item->path);
	if (keep)
		printf(": %s\n", item->why);
	else
		printf("  %s(%s)%s\n", show_colour(stdout, SHOW_DIM), size,
			show_colour(stdout, SHOW_PLAIN));
}

static void print_items(const struct seal *seal)
{
	uint64_t bytes = 0;
	char size[VOLUME_SIZE_TEXT_MAX];

	for (size_t i = 0; i < seal->n; i++) {
		const struct seal_item *item = &seal->items[i];

		if (i == 0 || strcmp(item->what, seal->items[i - 1].what) != 0)
			printf("%s%s%s\n", show_colour(stdout, SHOW_BOLD), item->what,
				show_colour(stdout, SHOW_PLAIN));
		print_item(item);
		bytes += item->how == SEAL_KEEP ? 0 : item->bytes;
	}
	volume_size_text(bytes, size);
	if (seal->todo > 0)
		printf("%zu to take away, %s\n", seal->todo, size);
	(void)fflush(stdout);
}

static void print_json(const struct options *options, const struct seal *seal, bool done)
{
	json_t *items = json_array();

	for (size_t i = 0; i < seal->n; i++) {
		const struct seal_item *item = &seal->items[i];

		(void)json_array_append_new(
			items, json_pack("{s:s, s:s, s:s, s:I, s:s?}", "path", item->path, "what",
				       item->what, "action", seal_how_name(item->how), "sizeBytes",
				       (json_int_t)item->bytes, "reason", item->why));
	}
	command_print_json(json_pack("{s:s, s:b, s:o}", "root", options->root ? options->root : "/",
		"sealed", done, "items", items));
}

static void print_next(const struct options *options, bool running)
{
	if (!running) {
		printf("%s is sealed\n", options->root);
		return;
	}
	puts("Sealed. Now power off, and make the image of the stopped instance:\n"
	     "  systemctl poweroff\n"
	     "  aws ec2 create-image --instance-id i-… --name …\n"
	     "Each attached EBS volume becomes part of the image; to leave one out, add\n"
	     "  --block-device-mappings '[{\"DeviceName\": \"/dev/sdf\", \"NoDevice\": \"\"}]'\n"
	     "If it is started again, or rebooted, it begins anew as if it were a clone.");
}

/* -- the work -- */

/* EXIT_DONE: go on. */
static int ask(const struct options *options)
{
	char answer[16] = "";

	if (options->yes)
		return EXIT_DONE;
	if (options->json || !isatty(STDIN_FILENO)) {
		log_error("nothing is touched without --yes, or an answer from a terminal");
		return EXIT_USAGE;
	}
	printf("Take all this away? [y/N] ");
	(void)fflush(stdout);
	if (fgets(answer, sizeof answer, stdin)) {
		answer[strcspn(answer, "\n")] = '\0';
		if (strcasecmp(answer, "y") == 0 || strcasecmp(answer, "yes") == 0)
			return EXIT_DONE;
	}
	log_notice("nothing is touched");
	return EXIT_FAILED;
}

static int take_all(const struct seal_request *request, const struct seal *seal, size_t *ret_left,
	struct err *err)
{
	int r = 0;

	*ret_left = seal->todo;
	for (size_t i = 0; r == 0 && i < seal->n; i++) {
		r = seal_take(request, &seal->items[i], err);
		*ret_left -= r == 0 && seal->items[i].how != SEAL_KEEP;
	}
	return r;
}

static int work(
	const struct options *options, const struct seal_request *request, const struct seal *seal)
{
	struct err err;
	size_t left;
	int status = EXIT_DONE;

	if (!options->json)
		print_items(seal);
	if (seal->todo > 0)
		status = ask(options);
	if (status == EXIT_DONE && take_all(request, seal, &left, &err) < 0) {
		log_error("%s; %zu are left, run it again", err.text, left);
		status = EXIT_FAILED;
	}
	if (options->json)
		print_json(options, seal, status == EXIT_DONE);
	else if (status == EXIT_DONE && seal->todo == 0)
		puts("nothing to take away");
	else if (status == EXIT_DONE)
		print_next(options, request->running);
	return status;
}

/* EXIT_DONE: go on. */
static int prepare(const struct options *options, struct sealing *sealing)
{
	bool tree = is_tree(options->root);
	struct err err;
	int status, r = 0;

	if (options->state[0] != '/' || options->data[0] != '/') {
		log_error("--state, --data: absolute paths are expected");
		return EXIT_USAGE;
	}
	if (geteuid() != 0)
		r = err_set(&err, -EPERM, "only root can seal");
	if (r == 0 && tree)
		r = enter_root(options->root, &sealing->outside, &err);
	status = r == 0 ? command_config(options, &sealing->config) : EXIT_FAILED;
	if (status == EXIT_DONE && !tree)
		r = lock_out(options->state, &sealing->lock, &err);
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	return status;
}

int cmd_seal(const struct options *options)
{
	_cleanup_(leave) struct sealing sealing = {.lock = -1, .outside = -1};
	struct seal_request request = {.state = options->state, .data = options->data};
	struct err err;
	int status = prepare(options, &sealing);

	if (status != EXIT_DONE)
		return status;
	request.config = sealing.config;
	request.running = sealing.outside < 0;
	if (seal_find(&request, &sealing.seal, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	return work(options, &request, sealing.seal);
}
