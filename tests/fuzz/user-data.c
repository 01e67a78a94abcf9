/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User-data, MIME, base64 and gzip included: what is found in it is found again when it is
 * user-data by itself, as `instancectl user-data --baked` prints it.
 *
 * Seeds: tests/user-data
 * Covers: bootstrap/core/user-data.c bootstrap/core/mime.c
 */
#include "user-data.h"

#include <errno.h>

#include "../../bootstrap/launch-data.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL, *document = NULL, *again = NULL;
	size_t length = 0, document_length, again_length;
	struct err err = {""};
	int r = user_data_layer(data, size, &text, &length, &err);

	must(r == 0 || r == 1 || r == -EBADMSG);
	must((r < 0) == (err.text[0] != '\0') && (r == 1) == (text != NULL));
	must(size <= USER_DATA_MAX || r == -EBADMSG);
	if (r != 1)
		return 0;
	must(text[length] == '\0' && length <= USER_DATA_EXPANDED_MAX);
	must(launch_document(text, length, &document, &document_length) == 0);
	if (document_length > USER_DATA_MAX)
		return 0;
	must(user_data_layer(document, document_length, &again, &again_length, NULL) == 1);
	must(again_length == document_length && memcmp(again, document, again_length) == 0);
	return 0;
}
