/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup: destructors that run when a variable goes out of scope (GCC's cleanup attribute), and
 * the way to take a value out of their reach. Every destructor takes the empty value (NULL, -1).
 */
#pragma once

#include <stdio.h>

#define _cleanup_(f)     __attribute__((cleanup(f)))
#define _cleanup_free_   _cleanup_(cleanup_free)
#define _cleanup_close_  _cleanup_(cleanup_close)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)

#define FOREACH_ELEMENT(i, array) for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

/* Declares `name_p`, the scope's-end form of the destructor `name` for `struct type *`. */
#define CLEANUP_FOR(type, name)                                                                    \
	static inline void name##_p(struct type **p)                                               \
	{                                                                                          \
		(void)name(*p);                                                                    \
	}                                                                                          \
	struct type

/* Returns the value and leaves NULL (-1) behind: ownership moves to the caller. */
#define steal_ptr(p)                                                                               \
	({                                                                                         \
		__typeof__(p) steal_ = (p);                                                        \
		(p) = NULL;                                                                        \
		steal_;                                                                            \
	})
int steal_fd(int *fd);

void cleanup_free(void *pointer_to_pointer);
void cleanup_fclose(FILE **stream);
/* Closes unless negative. errno is kept. */
void cleanup_close(int *fd);
