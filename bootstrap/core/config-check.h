/* SPDX-License-Identifier: Apache-2.0 */
/* config-check: what one key cannot tell: keys that belong together. Private to core/config*.c. */
#pragma once

#include "config.h"

/* Adds to `problems`; fills defaults that depend on names (label, path). 0 or -ENOMEM. */
int config_check(struct config *config, struct config_problems *problems);
