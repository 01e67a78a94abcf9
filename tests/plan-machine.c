/* SPDX-License-Identifier: Apache-2.0 */
#include "plan-machine.h"

#include <stdlib.h>
#include <sys/sysmacros.h>

#include "filesystem.h"
#include "tap.h"

struct config *config;
struct inventory inventory;
struct volume disks[DISKS_MAX];
struct plan *plan;
struct metadata *metadata;
struct metadata identity = {
	.fields = {[METADATA_INSTANCE_ID] = (char *)"i-1", [METADATA_HOSTNAME] = (char *)"h"},
};

void machine(const char *text)
{
	struct config_problems problems = {.n_errors = 0};

	config = config_free(config);
	if (config_parse(text, strlen(text), "test.conf", &config, &problems) < 0) {
		printf("# %s\n", problems.errors[0].message);
		config_problems_clear(&problems);
		exit(99);
	}
	free(inventory.index.content);
	memset(&inventory, 0, sizeof inventory);
	memset(disks, 0, sizeof disks);
	inventory.root = true;
	inventory.volumes = disks;
	for (size_t i = 0; i < CONFIG_VOLUMES_MAX; i++)
		inventory.for_volumes[i].mkfs_there = true;
	metadata = &identity;
}

/* Attaches a blank EBS volume of 8 GiB, proven, under this mapping name. */
struct volume *attach(const char *mapping)
{
	size_t i = inventory.n_volumes++;
	struct volume *disk = &disks[i];

	*disk = (struct volume){.kind = VOLUME_EBS,
		.number = makedev(259, (unsigned)i + 1),
		.size = 8 * GIB,
		.probed = true,
		.n_evidence = VOLUME_RULES,
		.proven = true};
	snprintf(disk->node, sizeof disk->node, "/dev/nvme%zun1", i + 1);
	snprintf(disk->mapping, sizeof disk->mapping, "%s", mapping);
	snprintf(disk->volume_id, sizeof disk->volume_id, "vol-0000000%zu", i + 1);
	for (size_t j = 0; j < VOLUME_RULES; j++)
		disk->evidence[j] =
			(struct evidence){.rule = volume_rule_names[j], .holds = true, .text = "t"};
	return disk;
}

struct volume *attach_store(void)
{
	struct volume *disk = attach("");

	disk->kind = VOLUME_INSTANCE_STORE;
	disk->volume_id[0] = '\0';
	return disk;
}

/* Puts a file system on the disk. */
void fill(struct volume *disk, const char *type, const char *label)
{
	snprintf(disk->type, sizeof disk->type, "%s", type);
	snprintf(disk->label, sizeof disk->label, "%s", label);
	disk->proven = disk->half_made = false;
	disk->evidence[VOLUME_RULE_SIGNATURE].holds = false;
	snprintf(disk->evidence[VOLUME_RULE_SIGNATURE].text, VOLUME_TEXT_MAX, "%s", type);
}

/* Mounts the disk where [volume i] wants it. */
void mounted(size_t i, struct volume *disk, const char *type)
{
	struct inventory_volume *there = &inventory.for_volumes[i];

	fill(disk, type, "");
	there->mounted = true;
	there->mounted_disk = disk->number;
	there->mode = 0755;
	snprintf(there->mounted_type, sizeof there->mounted_type, "%s", type);
	snprintf(there->mounted_source, sizeof there->mounted_source, "%s", disk->node);
	snprintf(disk->mount, sizeof disk->mount, "%s", config->volumes[i].mount);
}

const char *planned(void)
{
	static char text[8192];
	size_t length = 0;

	plan = plan_free(plan);
	if (plan_make(config, metadata, &inventory, &plan) < 0)
		return "-ENOMEM";
	text[0] = '\0';
	for (size_t i = 0; i < plan->n; i++) {
		const struct plan_step *step = &plan->steps[i];
		char subject[96];

		plan_subject_name(config, step, subject, sizeof subject);
		length += (size_t)snprintf(text + length, sizeof text - length,
			"%s%s %s %s: %s (%s)", i ? "\n" : "", plan_sign_mark(step->sign), subject,
			plan_op_name(step->op), step->what, step->reason);
	}
	return text;
}

void machine_end(void)
{
	plan = plan_free(plan);
	config = config_free(config);
	free(inventory.index.content);
	inventory.index.content = NULL;
}

void web(const char *wanted, const char *current, const char *running)
{
	struct inventory_app *there = &inventory.apps[0];

	*there = (struct inventory_app){.running = running != NULL,
		.running_as_configured = true,
		.proven = true,
		.shaped = true};
	snprintf(there->wanted, sizeof there->wanted, "%s", wanted);
	snprintf(there->current, sizeof there->current, "%s", current);
	snprintf(there->running_release, sizeof there->running_release, "%s",
		running ? running : "");
}

bool hidden;

static void check_hidden(const char *path)
{
	for (size_t i = 0; i < config->n_volumes; i++) {
		const char *mount = config->volumes[i].mount;
		size_t length = strlen(mount);

		hidden |= strncmp(path, mount, length) == 0 && path[length] == '/' &&
			  !inventory.for_volumes[i].mounted;
	}
}

static void do_step(const struct plan_step *step)
{
	struct inventory_volume *there = &inventory.for_volumes[step->index];
	struct inventory_app *app = &inventory.apps[step->index];
	struct volume *disk = step->volume ? &disks[step->volume - disks] : NULL;

	switch (step->op) {
	case PLAN_OP_INSTALL:
		memset(inventory.packages.missing, 0, sizeof inventory.packages.missing);
		for (size_t i = 0; i < CONFIG_VOLUMES_MAX; i++)
			inventory.for_volumes[i].mkfs_there = inventory.for_volumes[i].owner_known =
				true;
		break;
	case PLAN_OP_UPDATE: inventory.packages.update_due = false; break;
	case PLAN_OP_FORMAT:
		fill(disk, config->volumes[step->index].filesystem->name,
			config->volumes[step->index].label);
		break;
	case PLAN_OP_MOUNT:
		check_hidden(config->volumes[step->index].mount);
		mounted(step->index, disk, config->volumes[step->index].filesystem->name);
		there->uid = there->owner_uid;
		there->gid = there->owner_gid;
		if (config->volumes[step->index].mode != CONFIG_MODE_UNSET)
			there->mode = config->volumes[step->index].mode;
		break;
	case PLAN_OP_GROW: there->mounted_size = disk->size; break;
	case PLAN_OP_PAGE:
		check_hidden(config->index.path);
		free(inventory.index.content);
		inventory.index.content = strdup(step->page);
		inventory.index.ours = true;
		break;
	case PLAN_OP_RELEASE:
		check_hidden(config->apps[step->index].path);
		memcpy(app->current, app->wanted, sizeof app->current);
		app->proven = false;
		break;
	case PLAN_OP_FILES: break;
	case PLAN_OP_LINK: app->link_right = true; break;
	case PLAN_OP_PROVE: app->proven = true; break;
	case PLAN_OP_RUN:
		app->running = app->running_as_configured = true;
		memcpy(app->running_release, app->current, sizeof app->running_release);
		break;
	}
}

unsigned walk(void)
{
	for (unsigned rounds = 1; rounds < 20; rounds++) {
		struct plan *walked;
		bool any = false;

		(void)planned();
		walked = plan;
		plan = NULL;
		for (size_t i = 0; i < walked->n; i++) {
			const struct plan_step *step = &walked->steps[i];

			if ((step->sign != PLAN_CREATE && step->sign != PLAN_CHANGE) ||
				step->after || step->after_packages)
				continue;
			do_step(step);
			any = true;
		}
		plan_free(walked);
		if (!any)
			return rounds;
	}
	return 0;
}

bool all_kept(void)
{
	bool all = true;

	(void)planned();
	for (size_t i = 0; i < plan->n; i++)
		all &= plan->steps[i].sign == PLAN_KEEP;
	return all;
}
