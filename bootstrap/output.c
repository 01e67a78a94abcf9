/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORDS_LINES 3
#define LAST_READS  64

/* Colours and cursor movements are not for a log, nor for an error. */
static void make_plain(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\n') || text[i] == 127)
			text[i] = ' ';
}

static void keep(struct output *output, const char *data, size_t length)
{
	size_t room = OUTPUT_TAIL_MAX - length, drop = 0;

	if (output->tail_length > room)
		drop = output->tail_length - room;
	memmove(output->tail, output->tail + drop, output->tail_length - drop);
	output->tail_length -= drop;
	memcpy(output->tail + output->tail_length, data, length);
	output->tail_length += length;
	output->tail[output->tail_length] = '\0';
}

/* `ending` is "\n", or "" for a piece of a line. */
static void end_line(struct output *output, const char *ending)
{
	size_t length = output->line_length;

	output->line[length] = '\0';
	output->line_length = 0;
	if (output->told && output->told(output->line, output->userdata))
		return;
	keep(output, output->line, length);
	keep(output, ending, strlen(ending));
	if (!output->label || length == 0)
		return;
	make_plain(output->line, length);
	(void)fprintf(stderr, "%s: %.*s\n", output->label, (int)length, output->line);
}

static void take(struct output *output, const char *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (data[i] != '\n')
			output->line[output->line_length++] = data[i];
		if (data[i] == '\n')
			end_line(output, "\n");
		else if (output->line_length == OUTPUT_LINE_MAX)
			end_line(output, "");
	}
}

bool output_read(struct output *output)
{
	char data[OUTPUT_TAIL_MAX];
	ssize_t n = read(output->fd, data, sizeof data);

	if (n > 0)
		take(output, data, (size_t)n);
	return n > 0 || (n < 0 && errno == EINTR);
}

void output_end(struct output *output)
{
	for (int i = 0; i < LAST_READS && output_read(output); i++)
		;
	if (output->line_length > 0)
		end_line(output, "");
}

void output_last_words(struct output *output, char ret_words[static OUTPUT_WORDS_MAX])
{
	char *lines[WORDS_LINES], *end = output->tail + output->tail_length;
	size_t n = 0, length = 0;

	make_plain(output->tail, output->tail_length);
	while (n < WORDS_LINES && end > output->tail) {
		char *start;

		*end = '\0';
		start = memrchr(output->tail, '\n', (size_t)(end - output->tail));
		end = start ? start : output->tail;
		start = start ? start + 1 : output->tail;
		if (start[strspn(start, " ")])
			lines[n++] = start + strspn(start, " ");
	}
	ret_words[0] = '\0';
	while (n-- > 0 && length < OUTPUT_WORDS_MAX)
		length += (size_t)snprintf(ret_words + length, OUTPUT_WORDS_MAX - length, "%s%s",
			length ? " / " : ": ", lines[n]);
}
