/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>

#define LOG_LINE_MAX 2048

static struct {
	const char *name;
	int level;
	bool journal;
} log_state = {.name = "instanced", .level = LOG_INFO};

/* systemd.exec(5), $JOURNAL_STREAM: "device:inode" of the stream that goes to the journal. */
static bool stderr_is_journal(void)
{
	const char *value = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return value && sscanf(value, "%llu:%llu", &device, &inode) == 2 && fstat(2, &st) == 0 &&
	       st.st_dev == device && st.st_ino == inode;
}

void log_open(const char *name, int level)
{
	log_state.name = name;
	log_state.level = level;
	log_state.journal = stderr_is_journal();
}

void log_print(int level, const char *format, ...)
{
	char line[LOG_LINE_MAX];
	va_list ap;

	if (level > log_state.level)
		return;
	va_start(ap, format);
	(void)vsnprintf(line, sizeof line, format, ap);
	va_end(ap);

	if (log_state.journal)
		(void)sd_journal_send("MESSAGE=%s", line, "PRIORITY=%i", level,
			"SYSLOG_IDENTIFIER=%s", log_state.name, NULL);
	else
		(void)fprintf(stderr, "%s: %s\n", log_state.name, line);
}
