/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: what is accepted reads the same after it was merged into one text, and whoever has
 * to read a value of it again can; what is refused says why.
 *
 * Covers: bootstrap/core/config.c bootstrap/core/config-read.c bootstrap/core/config-check.c
 * bootstrap/core/config-types.c bootstrap/core/config-types-network.c
 * bootstrap/core/config-merge.c bootstrap/core/config-problem.c
 */
#include "config.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config-merge.h"
#include "fuzz.h"
#include "network.h"
#include "source.h"
#include "template.h"

static void check_problems(const struct config_problems *problems, int r)
{
	char text[1024];

	must((r == 0) == (problems->n_errors == 0));
	for (size_t i = 0; i < problems->n_errors && i < CONFIG_PROBLEMS_MAX; i++) {
		must(problems->errors[i].message && problems->errors[i].message[0]);
		config_problem_text(&problems->errors[i], text, sizeof text);
	}
}

static struct config *parse(const char *text, size_t length)
{
	struct config_problems problems = {.n_errors = 0};
	struct config *config = NULL;
	int r = config_parse(text, length, "fuzz", &config, &problems);

	must(r == 0 || r == -EINVAL);
	check_problems(&problems, r);
	config_problems_clear(&problems);
	return config;
}

/* config_merge() reads files. */
static char *merge(const char *text, size_t length)
{
	static int file = -1;
	static char path[64];
	char *merged = NULL;
	size_t merged_length;

	if (file < 0) {
		file = memfd_create("config", MFD_CLOEXEC);
		(void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	}
	must(ftruncate(file, 0) == 0 && pwrite(file, text, length, 0) == (ssize_t)length);
	must(config_merge(path, &merged, &merged_length) == 0);
	must(strlen(merged) == merged_length);
	return merged;
}

static void check_values(const struct config *config)
{
	struct sockaddr_storage address;
	struct network network;
	struct source source;
	unsigned line;
	socklen_t length;

	for (size_t i = 0; i < config->agent.listen.n; i++)
		must(network_parse_listen(config->agent.listen.items[i], &address, &length, NULL) ==
			0);
	for (size_t i = 0; i < config->agent.details.n; i++)
		must(network_parse(config->agent.details.items[i], &network, NULL) == 0);
	for (size_t i = 0; i < config->n_volumes; i++)
		must(config->volumes[i].filesystem && config->volumes[i].mount[0] == '/');
	for (size_t i = 0; i < config->n_apps; i++)
		must(source_parse(config->apps[i].source, &source, NULL) == 0);
	if (config->index.template_text)
		must(template_check(config->index.template_text, &line, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(config_free_p) struct config *config = parse((const char *)data, size);
	_cleanup_(config_free_p) struct config *again = NULL;
	_cleanup_free_ char *once = NULL, *twice = NULL;

	if (!config)
		return 0;
	check_values(config);
	once = merge((const char *)data, size);
	again = parse(once, strlen(once));
	must(again);
	must(again->n_volumes == config->n_volumes && again->n_apps == config->n_apps);
	twice = merge(once, strlen(once));
	must(strcmp(once, twice) == 0);
	return 0;
}
