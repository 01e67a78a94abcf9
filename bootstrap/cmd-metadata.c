/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "log.h"
#include "metadata.h"

#define TIMEOUT_DEFAULT (5ull * 1000000)

/* "meta-data/…", "dynamic/…", "user-data" as they are; anything else below meta-data/. */
static int print_path(const struct options *options, struct service *service, uint64_t timeout)
{
	static const char *const tops[] = {"meta-data", "dynamic", "user-data"};
	_cleanup_free_ char *body = NULL;
	const char *path = options->argument, *prefix = "meta-data/";
	char full[512];
	struct err err;
	size_t length;
	int r;

	while (*path == '/')
		path++;
	if (strncmp(path, "latest/", 7) == 0)
		path += 7;
	FOREACH_ELEMENT (i, tops)
		if (strncmp(path, tops[i], strlen(tops[i])) == 0)
			prefix = "";
	if (snprintf(full, sizeof full, "%s%s", prefix, path) >= (int)sizeof full) {
		log_error("%s: the path is too long", path);
		return EXIT_USAGE;
	}
	r = imds_wait(service->imds, full, timeout, &body, &length, &err);
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	if (options->json)
		command_print_json(json_stringn(body, length));
	else
		printf("%.*s%s", (int)length, body, length && body[length - 1] == '\n' ? "" : "\n");
	return EXIT_DONE;
}

static int print_all(const struct options *options, struct service *service, uint64_t timeout)
{
	_cleanup_(metadata_free_p) struct metadata *metadata = NULL;
	struct err err;

	if (metadata_wait(service->event, service->imds, timeout, &metadata, &err) < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	if (options->json) {
		command_print_json(metadata_to_json(metadata));
		return EXIT_DONE;
	}
	for (size_t i = 0; i < METADATA_FIELDS; i++)
		if (metadata->fields[i])
			printf("%s: %s\n", metadata_names[i].name, metadata->fields[i]);
	for (size_t i = 0; i < metadata->n_tags; i++)
		printf("tag:%s: %s\n", metadata->tags[i].key,
			metadata->tags[i].value ? metadata->tags[i].value : "");
	return EXIT_DONE;
}

int cmd_metadata(const struct options *options)
{
	uint64_t timeout =
		options->imds_timeout_usec ? options->imds_timeout_usec : TIMEOUT_DEFAULT;
	struct service service;
	struct err err;
	int status = EXIT_FAILED;

	if (service_open(options, &service, &err) < 0)
		log_error("%s", err.text);
	else
		status = options->argument ? print_path(options, &service, timeout)
					   : print_all(options, &service, timeout);
	service_close(&service);
	return status;
}
