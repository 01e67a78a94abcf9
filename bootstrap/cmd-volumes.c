/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inventory.h"
#include "log.h"
#include "show.h"

/* Whether a format would be allowed, were the volume configured. */
static const char *verdict(const struct volume *volume)
{
	return volume_is_blank(volume) ? "blank"
	       : volume->half_made     ? "half made"
	       : volume->probed        ? "not blank"
				       : "unknown";
}

static json_t *volume_to_json(const struct volume *volume)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:o}",
		"device", volume->node, "mapping", volume->mapping, "volumeId", volume->volume_id,
		"model", volume->model, "serial", volume->serial, "sizeBytes",
		(json_int_t)volume->size, "type", volume->type, "label", volume->label, "uuid",
		volume->uuid, "mount", volume->mount, "inUse", volume->in_use, "rootDisk",
		volume->root_disk, "verdict", verdict(volume), "evidence",
		plan_evidence_to_json(volume));
}

static void print_use(const struct volume *volume)
{
	if (volume->mount[0])
		printf("    used      mounted on %s%s\n", volume->mount,
			volume->root_disk ? " (root disk)" : "");
	else if (volume->in_use[0] || volume->root_disk)
		printf("    used      %s\n", volume->in_use[0] ? volume->in_use : "root disk");
}

/* What a person may do who is sure; nothing here does it. */
static void print_way_out(const struct volume *volume)
{
	if (!volume->mount[0] && !volume->in_use[0] && !volume->root_disk)
		printf("    %sto give up all of its content, by hand: wipefs --all %s, then\n"
		       "    blkdiscard --zeroout %s; there is no option that does it here%s\n",
			show_colour(stdout, SHOW_DIM), volume->node, volume->node,
			show_colour(stdout, SHOW_PLAIN));
}

static void print_verdict(const struct volume *volume)
{
	const struct evidence *objection = volume_objection(volume);

	if (!objection) {
		printf("    verdict   %sblank%s: all %zu rules hold; formatted if configured\n",
			show_colour(stdout, SHOW_GOOD), show_colour(stdout, SHOW_PLAIN),
			volume->n_evidence);
	} else if (volume->half_made) {
		printf("    verdict   half made: a run of ours was cut off; finished if "
		       "configured\n");
	} else if (!volume->probed) {
		printf("    verdict   unknown\n");
	} else {
		printf("    verdict   would not be formatted: %s%s%s\n", objection->rule,
			objection->text[0] ? ": " : "", objection->text);
		print_way_out(volume);
	}
}

static void print_volume(const struct volume *volume)
{
	char size[VOLUME_SIZE_TEXT_MAX];

	volume_size_text(volume->size, size);
	printf("%s%s%s  %s%s%s%s%s\n", show_colour(stdout, SHOW_BOLD), volume->node,
		show_colour(stdout, SHOW_PLAIN), size, volume->mapping[0] ? "  " : "",
		volume->mapping, volume->volume_id[0] ? "  " : "", volume->volume_id);
	printf("    holds     %s%s%s%s\n", volume->probed ? "" : "unknown: ",
		!volume->probed   ? volume->unread
		: volume->type[0] ? volume->type
				  : "no signature",
		volume->label[0] ? ", label " : "", volume->label);
	print_use(volume);
	print_verdict(volume);
}

int cmd_volumes(const struct options *options)
{
	_cleanup_(inventory_free_p) struct inventory *inventory = NULL;
	struct config *none = calloc(1, sizeof *none);
	struct inventory_request request = {
		.config = none, .state = options->state, .data = options->data, .prove_all = true};
	json_t *list = json_array();
	struct err err;
	int r = none ? inventory_take(&request, NULL, &inventory, &err) : err_set(&err, -1, "%m");

	free(none);
	if (r < 0) {
		log_error("%s", err.text);
		json_decref(list);
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < inventory->n_volumes; i++) {
		if (options->json)
			(void)json_array_append_new(list, volume_to_json(&inventory->volumes[i]));
		else
			print_volume(&inventory->volumes[i]);
	}
	if (options->json)
		command_print_json(json_incref(list));
	json_decref(list);
	return EXIT_DONE;
}
