/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "filesystem.h"
#include "plan-making.h"

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

void making_find_volumes(struct making *m)
{
	for (int store = 0; store <= 1; store++) /* who names a disk before who takes any */
		for (size_t i = 0; i < m->config->n_volumes; i++)
			if (m->config->volumes[i].instance_store == store)
				m->found[i] = find_volume(m, i);
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
	step = making_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_REFUSE, "%s", reason);
	if (volume)
		describe(step, volume);
	else
		snprintf(
			step->what, sizeof step->what, "%s", selector_text(&m->config->volumes[i]));
}

/* As refuse(), for what a package may still bring. */
static void refuse_or_wait(
	struct making *m, size_t i, const struct volume *volume, const char *what)
{
	struct plan_step *step;

	refuse(m, i, volume, "%s", what);
	if (!making_awaits_packages(m))
		return;
	step = &m->plan->steps[m->plan->n - 1];
	step->sign = PLAN_WAIT;
	step->after_packages = true;
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
	step = making_add(m, PLAN_VOLUME, i, PLAN_OP_GROW, PLAN_CHANGE,
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
	step = making_add(
		m, PLAN_VOLUME, i, PLAN_OP_FORMAT, PLAN_KEEP, "holds %s", wanted->filesystem->name);
	describe(step, volume);
	if (owner_differs(wanted, there))
		step = making_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_CHANGE,
			"is mounted; the top directory is %u:%u %04o", (unsigned)there->uid,
			(unsigned)there->gid, (unsigned)there->mode);
	else
		step = making_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_KEEP, "is mounted");
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

const struct config_volume *making_mount_below(const struct making *m, const char *path)
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

/* A [volume] not mounted yet that has just this mount point. */
static const struct config_volume *mount_at(const struct making *m, const char *path)
{
	for (size_t i = 0; i < m->config->n_volumes; i++)
		if (strcmp(m->config->volumes[i].mount, path) == 0 && !is_mounted(m, i))
			return &m->config->volumes[i];
	return NULL;
}

const struct config_volume *making_missing_for_app(
	const struct making *m, const struct config_app *app)
{
	const struct config_volume *missing = mount_at(m, app->path);

	if (!missing)
		missing = making_mount_below(m, app->path);
	if (!missing && app->link)
		missing = making_mount_below(m, app->link);
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
	const struct config_volume *outer = making_mount_below(m, wanted->mount);
	struct plan_step *step =
		making_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_CREATE, "is not mounted");

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
	char what[128];

	if (volume->size < filesystem->size_min) {
		refuse(m, i, volume, "is too small: %s needs %llu MiB at least", filesystem->name,
			(unsigned long long)filesystem->size_min >> 20);
		return;
	}
	if (!m->inventory->for_volumes[i].mkfs_there) {
		snprintf(what, sizeof what, "%s is not installed; it comes with the package %s",
			filesystem->mkfs[0], filesystem->package);
		refuse_or_wait(m, i, volume, what);
		return;
	}
	if (volume->half_made)
		step = making_add(m, PLAN_VOLUME, i, PLAN_OP_FORMAT, PLAN_CHANGE,
			"a run of ours was cut off while it formatted this volume");
	else
		step = making_add(m, PLAN_VOLUME, i, PLAN_OP_FORMAT, PLAN_CREATE,
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
		step = making_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_WAIT,
			"cannot be read without root (%s), so it is unknown what is on it",
			volume->unread);
		describe(step, volume);
	} else if (!volume->probed) {
		refuse(m, i, volume, "cannot be read: %s", volume->unread);
	} else if (volume->half_made && strcmp(volume->type, wanted->filesystem->name) == 0) {
		plan_format(m, i, volume);
	} else if (strcmp(volume->type, wanted->filesystem->name) == 0) {
		step = making_add(m, PLAN_VOLUME, i, PLAN_OP_FORMAT, PLAN_KEEP, "holds %s%s%s",
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
		refuse(m, i, volume, "is not proven blank: %s: %s: left alone", objection->rule,
			objection->text);
	}
}

void making_volume(struct making *m, size_t i)
{
	const struct config_volume *wanted = &m->config->volumes[i];
	const struct inventory_volume *there = &m->inventory->for_volumes[i];
	const struct finding *found = &m->found[i];
	const struct volume *volume = found->volume;
	const struct config_volume *other = volume ? taken_by(m, volume, i) : NULL;
	struct plan_step *step;
	char what[256];

	if (found->conflict && !volume) {
		refuse(m, i, found->conflict, "answers to %s but says that it is %s: left alone",
			selector_text(wanted), found->conflict->mapping);
	} else if (!volume && there->no_disk.text[0]) {
		refuse(m, i, NULL, "%s", there->no_disk.text);
	} else if (!volume) {
		step = making_add(m, PLAN_VOLUME, i, PLAN_OP_MOUNT, PLAN_WAIT,
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
		snprintf(what, sizeof what, "there is no user or group \"%s\"", wanted->owner);
		refuse_or_wait(m, i, volume, what);
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
