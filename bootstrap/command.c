/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>

int command_config(const struct options *options, struct config **ret_config)
{
	struct config_problems problems = {0};
	int r = config_load(options->config, options->config_given, ret_config, &problems);

	config_problems_log(&problems);
	config_problems_clear(&problems);
	return r < 0 ? EXIT_USAGE : EXIT_DONE;
}

int service_open(const struct options *options, struct service *ret_service, struct err *err)
{
	int r;

	*ret_service = (struct service){0};
	r = sd_event_default(&ret_service->event);
	if (r >= 0)
		r = http_new(ret_service->event, &ret_service->http);
	if (r >= 0)
		r = imds_new(
			ret_service->event, ret_service->http, options->imds, &ret_service->imds);
	return r < 0 ? err_set(err, r, "event loop: %m") : 0;
}

void service_close(struct service *service)
{
	service->imds = imds_free(service->imds);
	service->http = http_free(service->http);
	service->event = sd_event_unref(service->event);
}

void command_print_json(json_t *json)
{
	char *text = json_dumps(json, JSON_INDENT(2));

	if (text)
		puts(text);
	free(text);
	json_decref(json);
}
