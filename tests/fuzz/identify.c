/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVMe Identify Controller structures, of which the input is the first bytes, the vendor's area (at
 * 3072) the last 32: names are text, and a mapping is letters and digits.
 *
 * Covers: bootstrap/core/volume.c
 */
#include <ctype.h>

#include "fuzz.h"
#include "volume.h"

#define HEAD   64
#define VENDOR 3072

static void check_text(const char *text, size_t size)
{
	must(strlen(text) < size);
	must(!*text || (*text != ' ' && text[strlen(text) - 1] != ' '));
	for (; *text; text++)
		must(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t identify[NVME_IDENTIFY_SIZE] = {0};
	size_t head = size < HEAD ? size : HEAD;
	struct volume volume = {.node = "/dev/nvme1n1"};
	char names[2][VOLUME_NODE_MAX];

	memcpy(identify, data, head);
	memcpy(identify + VENDOR, data + head, size - head < 32 ? size - head : 32);
	volume_parse_identify(&volume, identify);
	check_text(volume.model, sizeof volume.model);
	check_text(volume.serial, sizeof volume.serial);
	check_text(volume.volume_id, sizeof volume.volume_id);
	for (const char *p = volume.mapping; *p; p++)
		must(isalnum((unsigned char)*p));
	must(volume.kind != VOLUME_OTHER || (!volume.mapping[0] && !volume.volume_id[0]));
	must(!volume_is_blank(&volume));
	if (volume.mapping[0])
		must(volume_matches(&volume, &(struct volume_selector){.device = volume.mapping},
			     volume.node) == VOLUME_MATCH);
	if (volume.volume_id[0])
		must(volume_matches(&volume,
			     &(struct volume_selector){.volume_id = volume.volume_id},
			     NULL) == VOLUME_MATCH);
	(void)volume_xen_names(volume.mapping, names);
	return 0;
}
