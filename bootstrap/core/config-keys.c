/* SPDX-License-Identifier: Apache-2.0 */
#include "config-keys.h"

#include <string.h>

#include "config-types.h"

#define PLAIN(member) offsetof(struct config, member), 0, 0, 0
#define NAMED(array, maximum)                                                                      \
	offsetof(struct config, array), sizeof(((struct config *)NULL)->array[0]), maximum,        \
		offsetof(struct config, n_##array)

const struct config_section config_sections[SECTION_COUNT] = {
	[SECTION_AGENT] = {"agent", "The agent, instanced: where it listens, who may see what.",
		PLAIN(agent)},
	[SECTION_INDEX] = {"index", "The index page, rendered for each instance.", PLAIN(index)},
	[SECTION_PACKAGES] = {"packages", "Packages of the distribution.", PLAIN(packages)},
	[SECTION_VOLUME] = {"volume", "A volume, one section each: [volume data].",
		NAMED(volumes, CONFIG_VOLUMES_MAX)},
	[SECTION_APP] = {"app", "A web app, one section each: [app web].",
		NAMED(apps, CONFIG_APPS_MAX)},
	[SECTION_HEALTH] = {"health", "How the health of apps is judged.", PLAIN(health)},
	[SECTION_AWS] = {"aws", "How AWS's services are reached.", PLAIN(aws)},
	[SECTION_SCALING] = {"scaling", "What is published for scaling.", PLAIN(scaling)},
	[SECTION_LIFECYCLE] = {"lifecycle", "What happens when the instance is taken away.",
		PLAIN(lifecycle)},
};

#define AGENT(member)     offsetof(struct config_agent, member)
#define INDEX(member)     offsetof(struct config_index, member)
#define VOLUME(member)    offsetof(struct config_volume, member)
#define APP(member)       offsetof(struct config_app, member)
#define SCALING(member)   offsetof(struct config_scaling, member)
#define LIFECYCLE(member) offsetof(struct config_lifecycle, member)

const struct config_key config_keys[] = {
	/* clang-format off */
	{ SECTION_AGENT, "listen", &type_listen, AGENT(listen), "0.0.0.0:8080",
		"Where to answer HTTP; may be given several times.", KEY_REPEAT },
	{ SECTION_AGENT, "details", &type_networks, AGENT(details), "127.0.0.0/8, ::1",
		"Who may read details and /metrics; others see the short form.", 0 },
	{ SECTION_AGENT, "agent_check", &type_address, AGENT(agent_check), NULL,
		"Where to answer HAProxy's agent-check; off unless set.", 0 },

	{ SECTION_INDEX, "path", &type_path, INDEX(path), NULL,
		"Where the page is written; the agent also serves it at /.", 0 },
	{ SECTION_INDEX, "title", &type_text, INDEX(title), "Hello from EC2",
		"The title of the page, {{title}} in a template.", 0 },
	{ SECTION_INDEX, "template", &type_path, INDEX(template), NULL,
		"A page of your own with {{instance-id}}, {{hostname}}, {{tag:Name}} …", 0 },

	{ SECTION_PACKAGES, "install", &type_words, offsetof(struct config_packages, install), NULL,
		"Installed with apt, dnf or yum when missing.", 0 },
	{ SECTION_PACKAGES, "update", &type_update, offsetof(struct config_packages, update), "no",
		"What the first apply after each boot updates: nothing, security updates, all.", 0 },

	{ SECTION_VOLUME, "device", &type_device, VOLUME(device), NULL,
		"The name given at attach-volume, or a block device.", 0 },
	{ SECTION_VOLUME, "volume", &type_volume_id, VOLUME(volume_id), NULL,
		"The volume by its ID.", 0 },
	{ SECTION_VOLUME, "instance_store", &type_boolean, VOLUME(instance_store), "no",
		"The next instance store disk (ephemeral) that nobody else claims.", 0 },
	{ SECTION_VOLUME, "filesystem", &type_filesystem, VOLUME(filesystem), "xfs",
		"Made on the volume if it is proven blank; else it must be there.", 0 },
	{ SECTION_VOLUME, "label", &type_text, VOLUME(label), NULL,
		"The file system's label; the section's name unless set.", 0 },
	{ SECTION_VOLUME, "mount", &type_mount, VOLUME(mount), NULL,
		"Where it is mounted.", 0 },
	{ SECTION_VOLUME, "options", &type_text, VOLUME(options), NULL,
		"Mount options, as for mount -o.", 0 },
	{ SECTION_VOLUME, "owner", &type_owner, VOLUME(owner), NULL,
		"Who owns the top directory.", 0 },
	{ SECTION_VOLUME, "mode", &type_mode, VOLUME(mode), NULL,
		"Permissions of the top directory.", 0 },
	{ SECTION_VOLUME, "grow", &type_boolean, VOLUME(grow), "yes",
		"Grow the file system when the volume was enlarged.", 0 },
	{ SECTION_VOLUME, "required", &type_boolean, VOLUME(required), "yes",
		"/instance is not ready, and no app starts, without it.", 0 },
	{ SECTION_VOLUME, "timeout", &type_duration, VOLUME(timeout_usec), "120s",
		"How long to wait until it is attached.", 0 },

	{ SECTION_APP, "source", &type_source, APP(source), NULL,
		"Where it comes from.", 0 },
	{ SECTION_APP, "sha256", &type_sha256, APP(sha256), NULL,
		"What an archive must be, byte for byte.", 0 },
	{ SECTION_APP, "unpinned", &type_boolean, APP(unpinned), "no",
		"Whether an archive from the network may come without sha256.", 0 },
	{ SECTION_APP, "strip", &type_count, APP(strip), NULL,
		"How many leading directories of an archive's names are left out.", 0 },
	{ SECTION_APP, "region", &type_region, APP(region), NULL,
		"Of the bucket in an s3: source; the instance's unless set.", 0 },
	{ SECTION_APP, "endpoint", &type_endpoint, APP(endpoint), NULL,
		"Of another S3 store; {bucket} in the host's place for virtual-host style.", 0 },
	{ SECTION_APP, "path", &type_path, APP(path), NULL,
		"Where releases/, current and shared/ are; /var/lib/instanced/app/NAME unless set.",
		0 },
	{ SECTION_APP, "link", &type_link, APP(link), NULL,
		"A symbolic link to current, as /var/www/html; what is there is kept beside.", 0 },
	{ SECTION_APP, "build", &type_commands, APP(build), NULL,
		"Run in the new release as the app's user, before it is switched to.", 0 },
	{ SECTION_APP, "build_timeout", &type_interval, APP(build_timeout_usec), "30m",
		"How long each build line may take.", 0 },
	{ SECTION_APP, "build_memory", &type_size, APP(build_memory), NULL,
		"How much memory each build line may use; all there is unless set.", 0 },
	{ SECTION_APP, "run", &type_command, APP(run), NULL,
		"Runs the app, in the release's directory; without it others serve the files.", 0 },
	{ SECTION_APP, "user", &type_user, APP(user), "nobody",
		"Who runs build and the app.", 0 },
	{ SECTION_APP, "env.", &type_variable, APP(env), NULL,
		"Environment: env.PORT = 80.", KEY_REPEAT | KEY_PREFIX },
	{ SECTION_APP, "env_file", &type_path, APP(env_file), NULL,
		"A file of NAME=value lines for the app alone, root's with mode 0600: secrets.", 0 },
	{ SECTION_APP, "credential.", &type_credential, APP(credentials), NULL,
		"A secret that the app finds in $CREDENTIALS_DIRECTORY/NAME.",
		KEY_REPEAT | KEY_PREFIX },
	{ SECTION_APP, "files.", &type_file, APP(files), NULL,
		"A file of the release, rendered from a template like the index page.",
		KEY_REPEAT | KEY_PREFIX },
	{ SECTION_APP, "writable", &type_places, APP(writable), NULL,
		"Directories of the release that the app may write to; they go with it.", 0 },
	{ SECTION_APP, "shared", &type_places, APP(shared), NULL,
		"Directories that all releases share, in PATH/shared; the app may write to them.", 0 },
	{ SECTION_APP, "limit_nofile", &type_count, APP(limit_nofile), NULL,
		"How many files the app may have open.", 0 },
	{ SECTION_APP, "health", &type_url, APP(health), NULL,
		"A URL that answers 200 to 399 while the app is well.", 0 },
	{ SECTION_APP, "ready_timeout", &type_interval, APP(ready_timeout_usec), "60s",
		"How long a new release may take until it is well; then the old one comes back.", 0 },
	{ SECTION_APP, "keep", &type_count, APP(keep), "3",
		"How many releases remain on disk.", 0 },

	{ SECTION_HEALTH, "rise", &type_count, offsetof(struct config_health, rise), "2",
		"Good answers in a row until an app counts as well.", 0 },
	{ SECTION_HEALTH, "fall", &type_count, offsetof(struct config_health, fall), "3",
		"Bad answers in a row until it does not.", 0 },
	{ SECTION_HEALTH, "interval", &type_interval, offsetof(struct config_health, interval_usec),
		"5s", "Time between two questions.", 0 },

	{ SECTION_AWS, "endpoint", &type_aws_endpoint, offsetof(struct config_aws, endpoint), NULL,
		"Another URL for its services; {service} and {region} stand for their names.", 0 },

	{ SECTION_SCALING, "cloudwatch", &type_boolean, SCALING(cloudwatch), "no",
		"Publish metrics to CloudWatch.", 0 },
	{ SECTION_SCALING, "namespace", &type_text, SCALING(namespace), "instanced",
		"CloudWatch's namespace.", 0, "cloudwatch" },
	{ SECTION_SCALING, "period", &type_interval, SCALING(period_usec), "10s",
		"Time that one metric covers: 10s, 30s or 60s.", 0, "cloudwatch" },
	{ SECTION_SCALING, "group", &type_text, SCALING(group), NULL,
		"The Auto Scaling group; learnt from the instance's tags or the API unless set.", 0 },

	{ SECTION_LIFECYCLE, "drain", &type_duration, LIFECYCLE(drain_usec), "30s",
		"How long connections may take to finish, when draining or when the agent stops.", 0 },
	{ SECTION_LIFECYCLE, "quiet", &type_duration, LIFECYCLE(quiet_usec), "10s",
		"How long there must be none before they count as gone; above what the balancer "
		"takes to notice.", 0 },
	{ SECTION_LIFECYCLE, "ports", &type_ports, LIFECYCLE(ports), NULL,
		"Whose connections are waited for; those of the apps' health URLs unless set.", 0 },
	{ SECTION_LIFECYCLE, "target_groups", &type_target_groups, LIFECYCLE(target_groups), NULL,
		"Deregistered from when draining.", 0 },
	{ SECTION_LIFECYCLE, "complete", &type_boolean, LIFECYCLE(complete), "yes",
		"Complete Auto Scaling's lifecycle actions: launched when ready, terminated when "
		"drained.", 0 },
	{ SECTION_LIFECYCLE, "hooks", &type_words, LIFECYCLE(hooks), NULL,
		"The lifecycle hooks that are completed here; all of the group's unless set.", 0 },
	{ SECTION_LIFECYCLE, "abandon", &type_boolean, LIFECYCLE(abandon), "yes",
		"Abandon a launch that failed, instead of letting its hook time out.", 0, "complete" },
	{ SECTION_LIFECYCLE, "rebalance", &type_boolean, LIFECYCLE(rebalance), "no",
		"Drain on a rebalance recommendation for a Spot Instance.", 0 },
	{ SECTION_LIFECYCLE, "maintenance", &type_boolean, LIFECYCLE(maintenance), "yes",
		"Drain right before scheduled maintenance.", 0 },
	{ SECTION_LIFECYCLE, "signal", &type_boolean, LIFECYCLE(signal), "no",
		"Signal the CloudFormation resource that this instance is tagged as part of.", 0 },
	{ SECTION_LIFECYCLE, "replace", &type_boolean, LIFECYCLE(replace), "no",
		"Tell Auto Scaling that an instance that stays failed is unhealthy.", 0 },
	{ SECTION_LIFECYCLE, "replace_after", &type_duration, LIFECYCLE(replace_after_usec), "5m",
		"How long it must have failed for that.", 0, "replace" },
	/* clang-format on */
};
const size_t config_keys_count = sizeof config_keys / sizeof config_keys[0];

const struct config_key *config_key_find(enum config_section_id section, const char *name)
{
	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->section != section)
			continue;
		if (key->flags & KEY_PREFIX ? strncmp(key->name, name, strlen(key->name)) == 0
					    : strcmp(key->name, name) == 0)
			return key;
	}
	return NULL;
}

void *config_field(struct config *config, const struct config_key *key, size_t index)
{
	const struct config_section *section = &config_sections[key->section];

	return (char *)config + section->offset + index * section->size + key->offset;
}

void config_reference(FILE *out)
{
	for (size_t s = 0; s < SECTION_COUNT; s++) {
		const struct config_section *section = &config_sections[s];

		fprintf(out, "%s; %s\n[%s%s]\n", s ? "\n" : "", section->help, section->name,
			section->size ? " NAME" : "");
		for (size_t i = 0; i < config_keys_count; i++) {
			const struct config_key *key = &config_keys[i];

			if (key->section != s)
				continue;
			fprintf(out, "; %s\n;   Expects %s.\n;%s%s = %s\n", key->help,
				key->type->expected, key->name,
				key->flags & KEY_PREFIX ? "NAME" : "",
				key->fallback ? key->fallback : "");
		}
	}
}
