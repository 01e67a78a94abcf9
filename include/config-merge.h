/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-merge: all layers of a configuration as the text of one, for where there is room for one
 * layer only (user-data).
 */
#pragma once

#include <stddef.h>

/*
 * Every setting that no later layer sets again, as "key=value" below its [section], in the order in
 * which sections first appear; comments stay behind. config_parse() makes of it what config_load()
 * makes of the files. The main file must be there, and all layers valid: call config_load() first.
 * Returns 0 and the text, NUL-terminated, which the caller frees; -EINVAL: not valid; -ENOMEM.
 */
int config_merge(const char *path, char **ret_text, size_t *ret_length);
