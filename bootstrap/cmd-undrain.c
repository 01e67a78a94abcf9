/* SPDX-License-Identifier: Apache-2.0 */
/* Takes a drain back: first the word to the agent, then an apply, which starts the apps again. */
#include <errno.h>
#include <stdio.h>

#include "converge.h"
#include "drain.h"
#include "log.h"

/*
 * 1: nobody had drained. The notice stays known, so that it is not acted on again. One that was
 * taken back before is so again: that run may have been cut off before its apply.
 */
static int take_back(const struct options *options, struct err *err)
{
	_cleanup_close_ int lock = -1;
	struct drain drain;
	int r = command_lock(options->state, COMMAND_LOCK_DRAIN, &lock, err);

	if (r == 1) {
		log_notice("a drain is at work; waiting for it to end");
		r = command_lock_wait(lock, UINT64_MAX, err);
	}
	if (r == 0)
		r = drain_read(options->state, &drain, err);
	if (r < 0 || drain.phase == DRAIN_NONE || drain.phase == DRAIN_UNDRAINED)
		return r < 0 ? r : drain.phase == DRAIN_NONE;
	drain_undo(&drain);
	return drain_write(options->state, &drain, err);
}

int cmd_undrain(const struct options *options)
{
	struct config *config = NULL;
	struct err err;
	int r = command_config(options, &config); /* with an error in it nothing is touched */

	config_free(config);
	if (r != EXIT_DONE)
		return r;
	r = take_back(options, &err);
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	if (r == 0)
		return converge(options, NULL);
	if (options->json)
		command_print_json(json_pack("{s:s, s:[]}", "status", "not drained", "steps"));
	else
		puts("this instance is not drained");
	return EXIT_DONE;
}
