/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of what seal takes away, which makes it safe to stop anywhere. What it does to real
 * trees is in system/seal.t.
 */
#include <string.h>

#include "../bootstrap/seal.h"
#include "tap.h"

/* Where in the order this path stands; -1: nowhere. */
static int place_of(const char *path)
{
	size_t length = strlen(path);

	for (size_t i = 0; i < seal_rules_count; i++)
		for (const char *p = seal_rules[i].paths; (p = strstr(p, path)); p += length)
			if ((p == seal_rules[i].paths || p[-1] == ' ') &&
				(p[length] == ' ' || p[length] == '\0'))
				return (int)i;
	return -1;
}

static bool comes_before(const char *first, const char *second)
{
	return place_of(first) >= 0 && place_of(first) < place_of(second);
}

/* The last rule that takes something away. */
static int last_place(void)
{
	int last = -1;

	for (size_t i = 0; i < seal_rules_count; i++)
		if (seal_rules[i].how != SEAL_KEEP)
			last = (int)i;
	return last;
}

int main(void)
{
	bool good = true;

	is_int(place_of("/etc/machine-id"), last_place(), "the machine ID goes last");
	ok(seal_rules[last_place()].how == SEAL_EMPTY, "and is emptied, not removed");
	ok(comes_before("/var/lib/dbus/machine-id", "/etc/machine-id"),
		"D-Bus's copy, from which it would be made again, before it");
	ok(comes_before("/var/lib/cloud/instances/*", "/etc/ssh/ssh_host_*_key"),
		"cloud-init's record that it has made host keys goes before the keys");
	ok(comes_before("/etc/hostname", "/var/lib/cloud/data/*"),
		"the host name goes before the record that tells whose it is");
	for (size_t i = 0; i < seal_rules_count; i++) {
		good = good && (seal_rules[i].how == SEAL_KEEP) == (seal_rules[i].why != NULL);
		good = good && !(seal_rules[i].trees && seal_rules[i].how != SEAL_REMOVE);
	}
	ok(good, "what stays says why, and only what is removed may be a tree");
	ok(seal_may_cross("/var") && seal_may_cross("/var/log") &&
			!seal_may_cross("/var/log/journal") && !seal_may_cross("/data") &&
			!seal_may_cross("/"),
		"mount points are crossed where systems have them");
	return done_testing();
}
