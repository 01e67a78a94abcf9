/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: what the programs say while they run. To the journal when standard error is connected to
 * it (JOURNAL_STREAM, systemd.exec(5)), else to standard error. Libraries of this project do not
 * log; they return a `struct err`.
 */
#pragma once

#include <syslog.h>

/* `name` (kept by reference) becomes SYSLOG_IDENTIFIER; messages above `level` are dropped. */
void log_open(const char *name, int level);

void log_print(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_print(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_print(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)  log_print(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)    log_print(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_print(LOG_DEBUG, __VA_ARGS__)
