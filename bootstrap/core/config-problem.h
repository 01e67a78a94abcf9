/* SPDX-License-Identifier: Apache-2.0 */
/* config-problem: what is wrong with a configuration, and where. Private to core/config*.c. */
#pragma once

#include "config.h"

/* Strings are copied; past the maximum nothing is added. */
void config_problem_add(struct config_problems *problems, const char *file, unsigned line,
	const char *section, const char *key, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* The same for what is no error. */
void config_warning_add(struct config_problems *problems, const char *file, unsigned line,
	const char *section, const char *key, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
