/* SPDX-License-Identifier: Apache-2.0 */
/* html: values into pages. */
#pragma once

#include <stdio.h>

/* Writes `text` (NULL: nothing) so that it is text in an element or in a quoted attribute. */
void html_escape(FILE *out, const char *text);
