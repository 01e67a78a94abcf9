/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output: what a program that we run writes. Its lines are passed on as they come, and the last
 * bytes are kept, for the error if it fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define OUTPUT_TAIL_MAX  4096 /* bytes that are kept: the last ones */
#define OUTPUT_LINE_MAX  1024 /* bytes of a line that is passed on; a longer one is cut up */
#define OUTPUT_WORDS_MAX 400  /* bytes that go into an error */

struct output {
	const char *label; /* lines go to our stderr as "label: line"; NULL: nowhere. Borrowed */
	int fd;            /* the reading end of a pipe, non-blocking; borrowed */
	/* Told each line first; true: it goes nowhere else. NULL: nobody. */
	bool (*told)(const char *line, void *userdata);
	void *userdata;
	char tail[OUTPUT_TAIL_MAX + 1], line[OUTPUT_LINE_MAX + 1];
	size_t tail_length, line_length;
};

/* Reads once; false when there is nothing more for now, or for ever. */
bool output_read(struct output *output);

/* Reads what is left, a daemon's endless output not, and passes on an unfinished line. */
void output_end(struct output *output);

/* The last lines as one, ": oldest / newest", or "". May be called once: it cuts up the tail. */
void output_last_words(struct output *output, char ret_words[static OUTPUT_WORDS_MAX]);
