/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "file.h"
#include "op.h"
#include "page-file.h"

int op_page(struct op *op, struct err *err)
{
	char kept[PATH_MAX];
	int r = page_file_write(op->config->index.path, op->step->page, kept, err);

	if (r == 0 && kept[0])
		snprintf(op->note, sizeof op->note, "the page that was there is now %.300s", kept);
	return r;
}
