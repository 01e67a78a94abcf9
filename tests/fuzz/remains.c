/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks that a cut off mkfs may have left: a byte for the file system, one for the offset, then
 * the block. What is not zero is of one UUID only.
 *
 * Covers: bootstrap/remains.c
 */
#include "../../bootstrap/remains.h"

#include "fuzz.h"

typedef bool judge(const uint8_t uuid[static REMAINS_UUID], uint64_t offset, const uint8_t *unit,
	const uint8_t *reference);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		judge *judge;
		size_t unit;
	} kinds[] = {{remains_xfs, REMAINS_BLOCK}, {remains_btrfs, REMAINS_UNIT_MAX},
		{remains_ext4, REMAINS_BLOCK}};
	static const uint8_t uuid[REMAINS_UUID] = "0123456789abcdef", other[REMAINS_UUID] = "x";
	struct input input = {data, size};
	unsigned kind = input_byte(&input) % 3;
	uint64_t offset = (uint64_t)input_byte(&input) * REMAINS_BLOCK;
	uint8_t *unit = calloc(1, kinds[kind].unit), *zeros = calloc(1, kinds[kind].unit);

	must(unit && zeros);
	memcpy(unit, input.data, input.size < kinds[kind].unit ? input.size : kinds[kind].unit);
	if (memcmp(unit, zeros, kinds[kind].unit) != 0 &&
		kinds[kind].judge(uuid, offset, unit, zeros))
		must(!kinds[kind].judge(other, offset, unit, zeros));
	free(unit);
	free(zeros);
	return 0;
}
