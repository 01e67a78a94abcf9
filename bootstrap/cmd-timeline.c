/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each knows: systemd of the boot and of units, the state of what apply did, the agent of its
 * first 200. Only the state must be there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "command.h"
#include "log.h"
#include "manager.h"
#include "state.h"
#include "timeline.h"
#include "unit.h"

#define AGENT_UNIT    "instanced.service"
#define WIDTH_DEFAULT 100 /* where there is no terminal */

/* Of what can bring the network, a machine has one; it is the same with the names of cloud-init. */
static const struct {
	const char *name;
	enum timeline_group group;
} fixed_units[] = {
	{"sysinit.target", TIMELINE_SYSTEM},
	{"systemd-networkd.service", TIMELINE_SYSTEM},
	{"systemd-networkd-wait-online.service", TIMELINE_SYSTEM},
	{"NetworkManager.service", TIMELINE_SYSTEM},
	{"NetworkManager-wait-online.service", TIMELINE_SYSTEM},
	{"networking.service", TIMELINE_SYSTEM},
	{"network-online.target", TIMELINE_SYSTEM},
	{"cloud-init-local.service", TIMELINE_SYSTEM},
	{"cloud-init-main.service", TIMELINE_SYSTEM},
	{"cloud-init-network.service", TIMELINE_SYSTEM},
	{"cloud-init.service", TIMELINE_SYSTEM},
	{"cloud-config.service", TIMELINE_SYSTEM},
	{"cloud-final.service", TIMELINE_SYSTEM},
	{"multi-user.target", TIMELINE_SYSTEM},
	{"instance-bootstrap.service", TIMELINE_INSTANCED},
	{AGENT_UNIT, TIMELINE_INSTANCED},
};
_Static_assert(sizeof fixed_units / sizeof fixed_units[0] + CONFIG_VOLUMES_MAX + CONFIG_APPS_MAX <=
		       TIMELINE_UNITS_MAX,
	"room for all units");

struct known {
	struct timeline_facts facts;
	struct timeline_unit units[TIMELINE_UNITS_MAX];
	struct timeline timeline;
	struct err words;
};

/* -- systemd -- */

/* A unit that systemd does not know, or that never started, is left out. */
static void take_unit(
	struct known *known, struct manager *manager, const char *name, enum timeline_group group)
{
	struct timeline_unit *unit = &known->units[known->facts.n_units];
	struct manager_unit now;

	if (manager_unit(manager, name, &now, NULL) < 0 || !now.inactive_exit)
		return;
	*unit = (struct timeline_unit){.group = group,
		.began = now.inactive_exit,
		.active = now.active_enter,
		.starting = strcmp(now.active_state, "activating") == 0};
	snprintf(unit->name, sizeof unit->name, "%s", name);
	if (strcmp(name, AGENT_UNIT) == 0)
		known->facts.agent = unit->began;
	known->facts.n_units++;
}

static void take_configured(
	struct known *known, struct manager *manager, const struct config *config)
{
	char name[UNIT_NAME_MAX];

	for (size_t i = 0; i < config->n_volumes; i++)
		if (unit_path_name(config->volumes[i].mount, ".mount", name) == 0)
			take_unit(known, manager, name, TIMELINE_INSTANCED);
	for (size_t i = 0; i < config->n_apps; i++) {
		unit_app_name(&config->apps[i], name);
		take_unit(known, manager, name, TIMELINE_APPS);
	}
}

static void ask_systemd(struct known *known, const struct config *config)
{
	struct timeline_facts *facts = &known->facts;
	const struct {
		const char *property;
		uint64_t *usec;
	} numbers[] = {{"FirmwareTimestampMonotonic", &facts->firmware},
		{"LoaderTimestampMonotonic", &facts->loader},
		{"InitRDTimestampMonotonic", &facts->initrd},
		{"UserspaceTimestampMonotonic", &facts->userspace},
		{"FinishTimestampMonotonic", &facts->finish}};
	_cleanup_(manager_free_p) struct manager *manager = NULL;
	struct err err;

	if (!manager_is_there())
		return;
	if (manager_open(&manager, &err) < 0) {
		log_warning("%s", err.text);
		return;
	}
	FOREACH_ELEMENT (i, numbers)
		(void)manager_number(manager, numbers[i].property, numbers[i].usec, NULL);
	FOREACH_ELEMENT (i, fixed_units)
		take_unit(known, manager, fixed_units[i].name, fixed_units[i].group);
	take_configured(known, manager, config);
}

/* -- the agent -- */

static void ask_ready(
	struct known *known, const struct options *options, const struct config *config)
{
	struct service service = {0};
	json_t *health = NULL, *ready;
	const char *status;

	if (command_give_up_root(&known->words) == 0 &&
		service_open(options, &service, &known->words) == 0)
		health = ask_agent(config, &service, "/instance/health", &known->words);
	service_close(&service);
	ready = json_object_get(health, "timeToReadySeconds");
	status = json_string_value(json_object_get(health, "description"));
	if (json_is_number(ready))
		known->facts.ready = (uint64_t)(json_number_value(ready) * 1e6 + 0.5);
	else if (health)
		err_set(&known->words, 0, "not ready yet: %.100s", status ? status : "");
	else
		err_wrap(&known->words, 0,
			"when the instance was ready is not known, the agent does not answer");
	known->facts.words = known->words.text;
	json_decref(health);
}

static unsigned terminal_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col
									   : WIDTH_DEFAULT;
}

int cmd_timeline(const struct options *options)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	_cleanup_(state_free_p) struct state *state = NULL;
	_cleanup_free_ struct known *known = calloc(1, sizeof *known);
	struct err err;
	int r = command_config(options, &config);

	if (r != EXIT_DONE)
		return r;
	r = known ? state_read(options->state, &state, &err) : err_set(&err, -ENOMEM, "%m");
	if (r == -ENOENT) {
		log_notice("there is no timeline yet: instancectl apply has not run since boot");
		return EXIT_PROGRESS;
	}
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	known->facts =
		(struct timeline_facts){.state = state, .units = known->units, .now = clock_boot()};
	ask_systemd(known, config);
	ask_ready(known, options, config);
	timeline_make(&known->facts, &known->timeline);
	if (options->json)
		command_print_json(timeline_to_json(&known->timeline));
	else if (options->svg)
		timeline_svg(&known->timeline, stdout);
	else
		timeline_print(&known->timeline, terminal_width(), stdout);
	return EXIT_DONE;
}
