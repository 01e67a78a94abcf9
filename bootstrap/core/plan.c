/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filesystem.h"
#include "template.h"

/* What plan_make()'s parts share. */
struct making {
	const struct config *config;
	const struct metadata *metadata;
	const struct inventory *inventory;
	struct plan *plan;
	struct finding {
		const struct volume *volume;   /* the disk, if exactly one answers to the name */
		const struct volume *conflict; /* answers to the name, but says it is another */
		size_t matches;
	} found[CONFIG_VOLUMES_MAX]; /* for each [volume] */
};

static struct plan_step *step_add(struct making *m, enum plan_subject subject, size_t index,
	enum plan_op op, enum plan_sign sign, const char *reason, ...)
	__attribute__((format(printf, 6, 7)));

static struct plan_step *step_add(struct making *m, enum plan_subject subject, size_t index,
	enum plan_op op, enum plan_sign sign, const char *reason, ...)
{
	struct plan_step *step = &m->plan->steps[m->plan->n++];
	va_list ap;

	*step = (struct plan_step){.subject = subject, .index = index, .op = op, .sign = sign};
	va_start(ap, reason);
	(void)vsnprintf(step->reason, sizeof step->reason, reason, ap);
	va_end(ap);
	return step;
}

/* -- volumes -- */

/* Another [volume] than `self` that names this disk; if there are two, the first in the file. */
static const struct config_volume *taken_by(
	const struct making *m, const struct volume *volume, size_t self)
{
	for (size_t i = 0; i < m->config->n_volumes; i++)
		if (i != self && m->found[i].volume == volume)
			return &m->config->volumes[i];
	return NULL;
}

/* The disk that [volume i] names. Instance store: the one mounted already, else the next free. */
static struct finding find_volume(const struct making *m, size_t i)
{
	const struct config_volume *wanted = &m->config->volumes[i];
	const struct inventory_volume *there = &m->inventory->for_volumes[i];
	struct volume_selector selector = config_selector(wanted);
	struct finding finding = {0};

	for (size_t j = 0; j < m->inventory->n_volumes; j++) {
		const struct volume *volume = &m->inventory->volumes[j];
		enum volume_match match = volume_matches(
			volume, &selector, there->canonical[0] ? there->canonical : NULL);

		if (match == VOLUME_CONFLICT)
			finding.conflict = volume;
		if (match != VOLUME_MATCH || (wanted->instance_store && taken_by(m, volume, i)))
			continue;
		if (wanted->instance_store && there->mounted &&
			there->mounted_disk == volume->number)
			return (struct finding){.volume = volume, .matches = 1};
		if (wanted->instance_store && (volume->mount[0] || finding.volume))
			continue;
		finding.volume = volume;
		finding.matches++;
	}
	return finding;
}

static const char *selector_text(const struct config_volume *wanted)
{
	return wanted->device      ? wanted->device
	       : wanted->volume_id ? wanted->volume_id
				   : "an instance store disk";
}

static void describe(struct plan_step *step, const struct volume *volume)
{
	char size[VOLUME_SIZE_TEXT_MAX];

	volume_size_text(volume->size, size);
	step->volume = volume;
	snprintf(step->what, sizeof step->what, "%s%s%s%s%s (%s)", volume->node,
		volume->volume_id[0] ? " " : "", volume->volume_id, volume->mapping[0] ? " " : "",
		volume->mapping, size);
}

static void refuse(struct making *m, size_t i, const struct volume *volume, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void refuse(struct making *m, size_t i, const struct volume *volume, const char *format, ...)
{
	char reason[400];
	struct plan_step *step;
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(reason, sizeof reason, format, ap);
	va_end(ap);
	step = step_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_REFUSE, "%s", reason);
	if (volume)
		describe(step, volume);
	else
		snprintf(
			step->what, sizeof step->what, "%s", selector_text(&m->config->volumes[i]));
}

static bool owner_differs(const struct config_volume *wanted, const struct inventory_volume *there)
{
	return (wanted->owner &&
		       (there->uid != there->owner_uid ||
			       (strchr(wanted->owner, ':') && there->gid != there->owner_gid))) ||
	       (wanted->mode != CONFIG_MODE_UNSET && there->mode != wanted->mode);
}

/* The volume was enlarged. */
static void plan_grow(struct making *m, size_t i, const struct volume *volume)
{
	const struct config_volume *wanted = &m->config->volumes[i];
	uint64_t size = m->inventory->for_volumes[i].mounted_size;
	char now[VOLUME_SIZE_TEXT_MAX], then[VOLUME_SIZE_TEXT_MAX];
	struct plan_step *step;

	if (size == 0 || volume->size < size + PLAN_GROW_MIN)
		return;
	volume_size_text(size, now);
	volume_size_text(volume->size, then);
	step = step_add(m, PLAN_VOLUME, i, PLAN_OP_GROW, PLAN_CHANGE,
		"the volume is larger than its %s", wanted->filesystem->name);
	step->volume = volume;
	snprintf(step->what, sizeof step->what, "%s from %s to %s", wanted->mount, now, then);
}

static void plan_mounted(struct making *m, size_t i, const struct volume *volume)
{
	const struct config_volume *wanted = &m->config->volumes[i];
	const struct inventory_volume *there = &m->inventory->for_volumes[i];
	struct plan_step *step;

	if (strcmp(there->mounted_type, wanted->filesystem->name) != 0) {
		refuse(m, i, volume, "%s is mounted on %s; configuration asks for %s",
			there->mounted_type, wanted->mount, wanted->filesystem->name);
		return;
	}
	step = step_add(
		m, PLAN_VOLUME, i, PLAN_OP_FORMAT, PLAN_KEEP, "holds %s", wanted->filesystem->name);
	describe(step, volume);
	if (owner_differs(wanted, there))
		step = step_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_CHANGE,
			"is mounted; the top directory is %u:%u %04o", (unsigned)there->uid,
			(unsigned)there->gid, (unsigned)there->mode);
	else
		step = step_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_KEEP, "is mounted");
	step->volume = volume;
	snprintf(step->what, sizeof step->what, "%s", wanted->mount);
	if (wanted->grow)
		plan_grow(m, i, volume);
}

static bool is_mounted(const struct making *m, size_t i)
{
	const struct inventory_volume *there = &m->inventory->for_volumes[i];

	return m->found[i].volume && there->mounted &&
	       there->mounted_disk == m->found[i].volume->number;
}

/* The innermost [volume] not mounted yet on which `path` will lie; NULL: none. */
static const struct config_volume *mount_below(const struct making *m, const char *path)
{
	const struct config_volume *innermost = NULL;

	for (size_t i = 0; i < m->config->n_volumes; i++) {
		const struct config_volume *volume = &m->config->volumes[i];
		size_t length = strlen(volume->mount);

		if (strncmp(path, volume->mount, length) == 0 && path[length] == '/' &&
			!is_mounted(m, i) && (!innermost || length > strlen(innermost->mount)))
			innermost = volume;
	}
	return innermost;
}

/* What an app comes after: the volume that it lies on, or else any that is required. */
static const struct config_volume *missing_for_app(const struct making *m, const char *path)
{
	const struct config_volume *missing = mount_below(m, path);

	for (size_t i = 0; i < m->config->n_volumes && !missing; i++)
		if (m->config->volumes[i].required && !is_mounted(m, i))
			missing = &m->config->volumes[i];
	return missing;
}

/* A clone beside its origin: XFS mounts no second one of a UUID unless told. */
static bool has_twin(const struct making *m, const struct volume *volume)
{
	for (size_t i = 0; i < m->inventory->n_volumes; i++) {
		const struct volume *other = &m->inventory->volumes[i];

		if (other != volume && volume->uuid[0] && strcmp(other->uuid, volume->uuid) == 0 &&
			strcmp(other->type, volume->type) == 0)
			return true;
	}
	return false;
}

static struct plan_step *plan_mount(struct making *m, size_t i, const struct volume *volume)
{
	const struct config_volume *wanted = &m->config->volumes[i];
	const struct config_volume *outer = mount_below(m, wanted->mount);
	struct plan_step *step =
		step_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_CREATE, "is not mounted");

	step->volume = volume;
	step->after = outer;
	if (has_twin(m, volume))
		step->clone_option = wanted->filesystem->clone_option;
	snprintf(step->what, sizeof step->what, "%s%s%s%s%s%s%s", wanted->mount,
		wanted->owner ? " owner " : "", wanted->owner ? wanted->owner : "",
		wanted->options ? " options " : "", wanted->options ? wanted->options : "",
		step->clone_option ? " beside its origin: " : "",
		step->clone_option ? step->clone_option : "");
	return step;
}

/* A disk with nothing on it, or with what our own mkfs left when it was cut off. */
static void plan_format(struct making *m, size_t i, const struct volume *volume)
{
	const struct config_volume *wanted = &m->config->volumes[i];
	const struct filesystem *filesystem = wanted->filesystem;
	struct plan_step *step, *mount;

	if (volume->size < filesystem->size_min) {
		refuse(m, i, volume, "is too small: %s needs %llu MiB at least", filesystem->name,
			(unsigned long long)filesystem->size_min >> 20);
		return;
	}
	if (!m->inventory->for_volumes[i].mkfs_there) {
		refuse(m, i, volume, "%s is not installed; it comes with the package %s",
			filesystem->mkfs[0], filesystem->package);
		return;
	}
	if (volume->half_made)
		step = step_add(m, PLAN_VOLUME, i, PLAN_OP_FORMAT, PLAN_CHANGE,
			"a run of ours was cut off while it formatted this volume");
	else
		step = step_add(m, PLAN_VOLUME, i, PLAN_OP_FORMAT, PLAN_CREATE,
			"is proven blank: all %zu rules hold", volume->n_evidence);
	describe(step, volume);
	snprintf(step->what + strlen(step->what), sizeof step->what - strlen(step->what),
		" as %s, label %s", filesystem->name, wanted->label);
	mount = plan_mount(m, i, volume);
	step->after = mount->after;
}

/* A disk that is attached and free: what is on it decides. */
static void plan_content(struct making *m, size_t i, const struct volume *volume)
{
	const struct config_volume *wanted = &m->config->volumes[i];
	const struct evidence *objection;
	struct plan_step *step;

	if (!volume->probed && !m->inventory->root) {
		step = step_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_WAIT,
			"cannot be read without root (%s), so it is unknown what is on it",
			volume->unread);
		describe(step, volume);
	} else if (!volume->probed) {
		refuse(m, i, volume, "cannot be read: %s", volume->unread);
	} else if (volume->half_made && strcmp(volume->type, wanted->filesystem->name) == 0) {
		plan_format(m, i, volume);
	} else if (strcmp(volume->type, wanted->filesystem->name) == 0) {
		step = step_add(m, PLAN_VOLUME, i, PLAN_OP_FORMAT, PLAN_KEEP, "holds %s%s%s",
			volume->type, volume->label[0] ? ", label " : "", volume->label);
		describe(step, volume);
		plan_mount(m, i, volume);
	} else if (volume->type[0]) {
		refuse(m, i, volume, "holds %s%s%s, configuration asks for %s: left alone",
			volume->type, volume->label[0] ? ", label " : "", volume->label,
			wanted->filesystem->name);
	} else if (volume_is_blank(volume)) {
		plan_format(m, i, volume);
	} else {
		objection = volume_objection(volume);
		refuse(m, i, volume, "is not proven blank: %s%s%s: left alone",
			objection ? objection->rule : "the proof is not complete",
			objection ? ": " : "", objection ? objection->text : "");
	}
}

static void plan_volume(struct making *m, size_t i)
{
	const struct config_volume *wanted = &m->config->volumes[i];
	const struct inventory_volume *there = &m->inventory->for_volumes[i];
	const struct finding *found = &m->found[i];
	const struct volume *volume = found->volume;
	const struct config_volume *other = volume ? taken_by(m, volume, i) : NULL;
	struct plan_step *step;

	if (found->conflict && !volume) {
		refuse(m, i, found->conflict, "answers to %s but says that it is %s: left alone",
			selector_text(wanted), found->conflict->mapping);
	} else if (!volume && there->no_disk.text[0]) {
		refuse(m, i, NULL, "%s", there->no_disk.text);
	} else if (!volume) {
		step = step_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_WAIT,
			"is not attached; waits up to %llu s",
			(unsigned long long)wanted->timeout_usec / 1000000);
		snprintf(step->what, sizeof step->what, "%s", selector_text(wanted));
	} else if (found->matches > 1) {
		refuse(m, i, volume, "%zu volumes answer to %s: left alone", found->matches,
			selector_text(wanted));
	} else if (other && other < wanted) {
		refuse(m, i, volume, "is the disk of [volume %s]", other->name);
	} else if (volume->root_disk) {
		refuse(m, i, volume, "is the root disk");
	} else if (wanted->owner && !there->owner_known) {
		refuse(m, i, volume, "there is no user or group \"%s\"", wanted->owner);
	} else if (there->mounted && there->mounted_disk == volume->number) {
		plan_mounted(m, i, volume);
	} else if (there->mounted) {
		refuse(m, i, volume, "%s is the mount point of %s (%s) already", wanted->mount,
			there->mounted_source, there->mounted_type);
	} else if (volume->mount[0]) {
		refuse(m, i, volume, "is mounted on %s", volume->mount);
	} else if (volume->in_use[0]) {
		refuse(m, i, volume, "is in use: %s", volume->in_use);
	} else {
		plan_content(m, i, volume);
	}
}

/* -- index page -- */

static int plan_index(struct making *m)
{
	const struct config_index *wanted = &m->config->index;
	const struct inventory_index *there = &m->inventory->index;
	const struct config_volume *below;
	struct plan_step *step;
	struct err err = {0};
	char *page = NULL;
	int r = 0;

	if (!wanted->path)
		return 0;
	below = mount_below(m, wanted->path);
	if (m->metadata)
		r = template_render(
			wanted->template_text ? wanted->template_text : template_builtin,
			m->metadata, wanted->title, &page, &err);
	if (r == -ENOMEM)
		return r;
	if (!m->metadata)
		step = step_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_WAIT, "%s",
			m->inventory->metadata_trouble.text[0]
				? m->inventory->metadata_trouble.text
				: "the metadata service has not answered yet");
	else if (r < 0)
		step = step_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_REFUSE, "%s", err.text);
	else if (there->unread.text[0])
		step = step_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE,
			m->inventory->root ? PLAN_REFUSE : PLAN_WAIT, "%s", there->unread.text);
	else if (!there->content || below) /* what is there now will lie under the mount */
		step = step_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_CREATE, "is not there");
	else if (strcmp(there->content, page) == 0)
		step = step_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_KEEP, "says who this is");
	else if (there->ours)
		step = step_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_CHANGE,
			"says something else than this instance is");
	else
		step = step_add(m, PLAN_INDEX, 0, PLAN_OP_PAGE, PLAN_CHANGE,
			"somebody else's page is there; it is kept beside");
	step->page = page;
	step->after = below;
	snprintf(step->what, sizeof step->what, "%s", wanted->path);
	return 0;
}

/* -- apps -- */

static void plan_app(struct making *m, size_t i)
{
	const struct config_app *wanted = &m->config->apps[i];
	const struct inventory_app *there = &m->inventory->apps[i];
	const struct config_volume *missing = missing_for_app(m, wanted->path);
	struct plan_step *release, *run;
	bool stays = there->current[0] && strcmp(there->wanted, there->current) == 0;

	if (!there->wanted[0])
		release = step_add(m, PLAN_APP, i, PLAN_OP_RELEASE, PLAN_REFUSE, "%s",
			there->wanted_err.text[0] ? there->wanted_err.text
						  : "the source cannot be read");
	else if (stays)
		release = step_add(m, PLAN_APP, i, PLAN_OP_RELEASE, PLAN_KEEP, "is current");
	else if (there->current[0])
		release = step_add(m, PLAN_APP, i, PLAN_OP_RELEASE, PLAN_CHANGE, "%s is current",
			there->current);
	else
		release = step_add(
			m, PLAN_APP, i, PLAN_OP_RELEASE, PLAN_CREATE, "nothing is deployed");
	snprintf(release->what, sizeof release->what, "%s%s%s",
		there->wanted[0] ? there->wanted : wanted->source, there->wanted[0] ? " from " : "",
		there->wanted[0] ? wanted->source : "");

	if (!there->wanted[0] && !there->current[0])
		return; /* nothing to run */
	if (!stays && there->wanted[0])
		run = step_add(m, PLAN_APP, i, PLAN_OP_RUN,
			there->running ? PLAN_CHANGE : PLAN_CREATE, "with the new release");
	else if (!there->running)
		run = step_add(m, PLAN_APP, i, PLAN_OP_RUN, PLAN_CREATE, "is not running");
	else if (strcmp(there->running_release, there->current) != 0)
		run = step_add(m, PLAN_APP, i, PLAN_OP_RUN, PLAN_CHANGE, "release %s is running",
			there->running_release);
	else if (!there->running_as_configured)
		run = step_add(m, PLAN_APP, i, PLAN_OP_RUN, PLAN_CHANGE,
			"is running with another configuration");
	else
		run = step_add(m, PLAN_APP, i, PLAN_OP_RUN, PLAN_KEEP, "is running");
	snprintf(run->what, sizeof run->what, "%s", wanted->run);

	release->after = run->after = missing;
}

/* Whether a step of this [volume] cannot be taken now. */
static bool volume_waits(const struct making *m, const struct config_volume *volume)
{
	for (size_t i = 0; i < m->plan->n; i++) {
		const struct plan_step *step = &m->plan->steps[i];

		if (step->subject == PLAN_VOLUME && &m->config->volumes[step->index] == volume &&
			(step->sign == PLAN_WAIT || step->sign == PLAN_REFUSE))
			return true;
	}
	return false;
}

static bool is_work(const struct plan_step *step)
{
	return step->sign == PLAN_CREATE || step->sign == PLAN_CHANGE;
}

/* Says what a step comes after; if that cannot come now, the step waits, and what comes after it.
 */
static void settle_after(struct making *m)
{
	bool changed;

	for (size_t i = 0; i < m->plan->n; i++) {
		struct plan_step *step = &m->plan->steps[i];
		size_t length = strlen(step->reason);

		if (step->after && is_work(step))
			snprintf(step->reason + length, sizeof step->reason - length,
				"; after [volume %s]", step->after->name);
	}
	do {
		changed = false;
		for (size_t i = 0; i < m->plan->n; i++) {
			struct plan_step *step = &m->plan->steps[i];

			if (!step->after || !is_work(step) || !volume_waits(m, step->after))
				continue;
			step->sign = PLAN_WAIT;
			changed = true;
		}
	} while (changed);
}

int plan_make(const struct config *config, const struct metadata *metadata,
	const struct inventory *inventory, struct plan **ret_plan)
{
	_cleanup_(plan_free_p) struct plan *plan = calloc(1, sizeof *plan);
	struct making m = {
		.config = config, .metadata = metadata, .inventory = inventory, .plan = plan};
	int r;

	if (!plan)
		return -ENOMEM;
	for (int store = 0; store <= 1; store++) /* who names a disk before who takes any */
		for (size_t i = 0; i < config->n_volumes; i++)
			if (config->volumes[i].instance_store == store)
				m.found[i] = find_volume(&m, i);
	for (size_t i = 0; i < config->n_volumes; i++)
		plan_volume(&m, i);
	r = plan_index(&m);
	if (r < 0)
		return r;
	for (size_t i = 0; i < config->n_apps; i++)
		plan_app(&m, i);
	settle_after(&m);
	*ret_plan = steal_ptr(plan);
	return 0;
}

struct plan *plan_free(struct plan *plan)
{
	if (!plan)
		return NULL;
	for (size_t i = 0; i < plan->n; i++)
		free(plan->steps[i].page);
	free(plan);
	return NULL;
}
