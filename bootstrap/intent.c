/* SPDX-License-Identifier: Apache-2.0 */
#include "intent.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "blank.h"
#include "cleanup.h"
#include "file.h"
#include "json-text.h"
#include "remains.h"

#define RECORD_MAX 4096

struct record {
	const struct filesystem *filesystem;
	char uuid[UUID_SIZE];
};

static int read_line(const char *path, char *ret, size_t size)
{
	_cleanup_free_ char *text = NULL;
	int r = file_read(path, RECORD_MAX, &text, NULL);

	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	return snprintf(ret, size, "%s", text) < (int)size ? 0 : -EBADMSG;
}

/* -EOPNOTSUPP: there is nothing that only this volume has. */
static int record_path(
	const char *data, const struct volume *volume, char ret_path[static PATH_MAX])
{
	char boot[UUID_SIZE];
	int n, r;

	if (volume->volume_id[0]) {
		n = snprintf(ret_path, PATH_MAX, "%s/format/%s.json", data, volume->volume_id);
		return n < PATH_MAX ? 0 : -ENAMETOOLONG;
	}
	if (volume->diskseq == 0)
		return -EOPNOTSUPP;
	r = read_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot);
	n = snprintf(ret_path, PATH_MAX, "%s/format/boot-%s-disk-%" PRIu64 ".json", data, boot,
		volume->diskseq);
	return r < 0 ? r : n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* -ENOENT: there is none about this volume. */
static int read_record(const char *path, const struct volume *volume, struct record *ret)
{
	_cleanup_free_ char *text = NULL;
	struct record record = {0};
	const char *name, *uuid;
	json_int_t size;
	json_t *json;
	int r = file_read(path, RECORD_MAX, &text, NULL);

	if (r < 0)
		return r;
	json = json_from_text(text, strlen(text), NULL);
	if (json_unpack(json, "{s:s, s:s, s:I}", "filesystem", &name, "uuid", &uuid, "size",
		    &size) == 0 &&
		(uint64_t)size == volume->size && strlen(uuid) == UUID_SIZE - 1) {
		record.filesystem = filesystem_find(name);
		memcpy(record.uuid, uuid, UUID_SIZE);
	}
	json_decref(json);
	if (!record.filesystem)
		return -ENOENT;
	*ret = record;
	return 0;
}

static int write_record(const char *path, const struct volume *volume, const struct record *record)
{
	_cleanup_free_ char *text = NULL;
	json_t *json = json_pack("{s:s, s:s, s:I, s:s}", "filesystem", record->filesystem->name,
		"uuid", record->uuid, "size", (json_int_t)volume->size, "node", volume->node);
	int r;

	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	r = text ? file_make_parents(path) : -ENOMEM;
	return r < 0 ? r : file_write(path, text, strlen(text), 0600);
}

int intent_write(const char *data, const struct volume *volume, const struct filesystem *filesystem,
	char ret_uuid[static UUID_SIZE], struct err *err)
{
	struct record record;
	char path[PATH_MAX];
	int named = record_path(data, volume, path), r = 0;

	if (named == 0 && read_record(path, volume, &record) == 0 &&
		record.filesystem == filesystem) {
		memcpy(ret_uuid, record.uuid, UUID_SIZE);
		return 0;
	}
	record.filesystem = filesystem;
	if (named < 0 && named != -EOPNOTSUPP) /* without a name: formats, but is not resumed */
		r = named;
	if (r == 0)
		r = read_line("/proc/sys/kernel/random/uuid", record.uuid, sizeof record.uuid);
	if (r == 0 && named == 0)
		r = write_record(path, volume, &record);
	if (r < 0)
		return err_set(err, r, "record of the format of %s: %s: %m", volume->node,
			named == 0 ? path : data);
	memcpy(ret_uuid, record.uuid, UUID_SIZE);
	return 0;
}

int intent_remove(const char *data, const struct volume *volume, struct err *err)
{
	char path[PATH_MAX];

	if (record_path(data, volume, path) < 0 || unlink(path) == 0 || errno == ENOENT)
		return 0;
	return err_set(err, -errno, "%s: %m", path);
}

int intent_prove(const char *data, int fd, struct volume *volume, struct err *err)
{
	struct remains remains;
	struct record record;
	char path[PATH_MAX];
	int r;

	volume->half_made = false;
	if (record_path(data, volume, path) < 0 || read_record(path, volume, &record) < 0)
		return err_set(err, -ENODATA, "there is no record of a format");
	r = remains_open(record.filesystem, record.uuid, volume->size, &remains, err);
	if (r < 0)
		return r;
	r = blank_prove_but(fd, &remains, volume);
	remains_close(&remains);
	if (r < 0)
		return err_set(err, r, "%m");
	if (volume->half_made) {
		snprintf(volume->type, sizeof volume->type, "%s", record.filesystem->name);
		snprintf(volume->uuid, sizeof volume->uuid, "%s", record.uuid);
	}
	return 0;
}

/* A record without a proof: that it is there belongs to what a person is told of the refusal. */
static void say_unproven(struct volume *volume, const char *why)
{
	for (size_t i = 0; i < volume->n_evidence; i++) {
		struct evidence *evidence = &volume->evidence[i];
		size_t length = strlen(evidence->text);

		if (evidence->holds)
			continue;
		snprintf(evidence->text + length, sizeof evidence->text - length,
			"; our format was cut off here, unproven: %s", why);
		return;
	}
}

/* The record's own run holds the lock: nothing is cut off, and nothing may be done. */
static void say_under_way(struct volume *volume)
{
	struct evidence *evidence = &volume->evidence[VOLUME_RULE_EXCLUSIVE];

	volume->half_made = volume->proven = evidence->holds = false;
	volume->type[0] = volume->uuid[0] = '\0';
	snprintf(evidence->text, sizeof evidence->text, "its lock is held: it is being formatted");
}

void intent_recognise(const char *data, struct volume *volume)
{
	_cleanup_close_ int fd = -1;
	struct err err;
	int r;

	volume->half_made = false;
	if (!volume->probed || volume_is_blank(volume) || volume->mount[0] || volume->in_use[0] ||
		volume->root_disk || blank_open(volume->node, &fd, NULL) < 0)
		return;
	r = intent_prove(data, fd, volume, &err);
	if (r < 0 && r != -ENODATA)
		say_unproven(volume, err.text);
	if (volume->half_made && blank_lock(fd, 0, NULL) < 0)
		say_under_way(volume);
}
