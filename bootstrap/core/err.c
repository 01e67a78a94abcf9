/* SPDX-License-Identifier: Apache-2.0 */
#include "err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void tidy(struct err *err, int length)
{
	static const char ellipsis[] = "…";

	char *end = err->text + sizeof err->text - sizeof ellipsis;

	/* Words of somebody else's are for terminals, too: no escape sequences. */
	for (char *byte = err->text; *byte; byte++)
		if (iscntrl((unsigned char)*byte) && *byte != '\n' && *byte != '\t')
			*byte = '?';
	if (length < (int)sizeof err->text)
		return;
	while (end > err->text && (*end & 0xc0) == 0x80) /* not into a UTF-8 sequence */
		end--;
	memcpy(end, ellipsis, sizeof ellipsis);
}

int err_set(struct err *err, int code, const char *format, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, format);
	errno = -code;
	tidy(err, vsnprintf(err->text, sizeof err->text, format, ap));
	va_end(ap);
	return code;
}

int err_wrap(struct err *err, int code, const char *format, ...)
{
	char context[ERR_TEXT_MAX];
	struct err inner;
	va_list ap;

	if (!err)
		return code;
	va_start(ap, format);
	errno = -code;
	(void)vsnprintf(context, sizeof context, format, ap);
	va_end(ap);
	inner = *err;
	tidy(err, snprintf(err->text, sizeof err->text, "%s: %s", context, inner.text));
	return code;
}
