/* SPDX-License-Identifier: Apache-2.0 */
#include "html.h"

#include <string.h>

void html_escape(FILE *out, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = {
		{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

	for (; text && *text; text++) {
		size_t i = 0;

		while (i < sizeof entities / sizeof entities[0] && entities[i].c != *text)
			i++;
		if (i < sizeof entities / sizeof entities[0])
			(void)fputs(entities[i].entity, out);
		else
			(void)fputc(*text, out);
	}
}
