/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What package managers print: a wish, and their text. What is given to them is a name.
 *
 * Covers: bootstrap/packages.c
 */
#include "../../bootstrap/packages.h"

#include <errno.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	_cleanup_free_ char *wish = input_text(&input), *text = input_text(&input);
	const struct config_list wanted = {.items = {wish, (char[]){"nginx"}}, .n = 2};
	bool missing[CONFIG_LIST_MAX] = {true, true};
	char name[PACKAGES_NAME_MAX];

	if (packages_read_update(text, name))
		must(packages_is_name(name) && name[0] != '-');
	if (!packages_is_name(wish))
		return 0;
	must(wish[0] != '-' && wish[strlen(wish) - 1] != '-' && !strpbrk(wish, " \t\n;&|$`"));
	packages_read_dpkg(&wanted, text, missing);
	missing[0] = missing[1] = true;
	(void)packages_read_rpm(&wanted, text, missing);
	return 0;
}
