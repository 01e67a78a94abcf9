/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz: what the targets share. A target is one function that libFuzzer (LLVM's manual of that
 * name) calls with inputs of its own making; those that reach new code are kept. Its head names the
 * files whose coverage tests/fuzz/run reports. What must hold of every input is said with must().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__,    \
				#condition);                                                       \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* What is left of an input that is taken apart. */
struct input {
	const uint8_t *data;
	size_t size;
};

/* 0 at the end. */
static inline unsigned input_byte(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

/* Up to the next NUL, or all: a copy that ends where its memory does. The caller frees. */
static inline char *input_text(struct input *input)
{
	size_t length = strnlen((const char *)input->data, input->size);
	char *text = strndup((const char *)input->data, length);

	must(text);
	length += length < input->size;
	input->data += length;
	input->size -= length;
	return text;
}

static inline size_t count_of(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}
