/* SPDX-License-Identifier: Apache-2.0 */
#include "volume.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

#define AMAZON_PCI_VENDOR 0x1d0f

_Static_assert(VOLUME_RULES <= VOLUME_EVIDENCE_MAX, "room for each rule's evidence");

const char *const volume_rule_names[VOLUME_RULES] = {
	[VOLUME_RULE_WHOLE_DISK] = "is a whole disk",
	[VOLUME_RULE_SIZE] = "of sane size",
	[VOLUME_RULE_ROOT_DISK] = "not the root disk",
	[VOLUME_RULE_WRITABLE] = "not read-only",
	[VOLUME_RULE_MOUNT] = "not mounted",
	[VOLUME_RULE_USE] = "not in use",
	[VOLUME_RULE_SIGNATURE] = "no signature",
	[VOLUME_RULE_FIRST_MIB] = "first MiB is zero",
	[VOLUME_RULE_LAST_MIB] = "last MiB is zero",
	[VOLUME_RULE_BACKUPS] = "backup places are zero",
	[VOLUME_RULE_SAMPLES] = "samples are zero",
	[VOLUME_RULE_EXCLUSIVE] = "opens exclusively",
};

static const char *without_dev(const char *name)
{
	return strncmp(name, "/dev/", 5) == 0 ? name + 5 : name;
}

/* What makes "sdf" and "/dev/xvdf" one name: "f". NULL when it is no attachment name. */
static const char *attachment(const char *name)
{
	const char *suffix = without_dev(name), *p;

	if (strncmp(suffix, "xvd", 3) == 0)
		suffix += 3;
	else if (strncmp(suffix, "sd", 2) == 0)
		suffix += 2;
	else
		return NULL;
	p = suffix + strspn(suffix, "abcdefghijklmnopqrstuvwxyz");
	if (p == suffix || p > suffix + 2)
		return NULL;
	return p[strspn(p, "0123456789")] == '\0' ? suffix : NULL;
}

/* `name` is an attachment name. */
static bool same_name(const char *name, const char *other)
{
	const char *suffix = attachment(other);

	return suffix && strcmp(attachment(name), suffix) == 0;
}

/* The hexadecimal part of "vol-0123" or "vol0123"; NULL when it is no ID. */
static const char *id_digits(const char *id)
{
	if (strncmp(id, "vol", 3) != 0)
		return NULL;
	id += 3;
	if (*id == '-')
		id++;
	return *id && id[strspn(id, "0123456789abcdef")] == '\0' ? id : NULL;
}

static bool same_id(const char *a, const char *b)
{
	const char *digits_a = id_digits(a), *digits_b = id_digits(b);

	return digits_a && digits_b && strcmp(digits_a, digits_b) == 0;
}

static enum volume_match matches_device(
	const struct volume *volume, const char *device, const char *canonical)
{
	const char *says =
		volume->kind == VOLUME_XEN && !*volume->mapping ? volume->node : volume->mapping;
	bool answers = canonical && strcmp(canonical, volume->node) == 0;

	if (!attachment(device) || !*says)
		return answers ? VOLUME_MATCH : VOLUME_NO_MATCH;
	if (same_name(device, says))
		return VOLUME_MATCH;
	return answers ? VOLUME_CONFLICT : VOLUME_NO_MATCH;
}

enum volume_match volume_matches(
	const struct volume *volume, const struct volume_selector *selector, const char *canonical)
{
	bool same;

	if (selector->device)
		return matches_device(volume, selector->device, canonical);
	if (selector->volume_id)
		same = same_id(volume->volume_id, selector->volume_id);
	else
		same = selector->instance_store && volume->kind == VOLUME_INSTANCE_STORE;
	return same ? VOLUME_MATCH : VOLUME_NO_MATCH;
}

size_t volume_xen_names(const char *device, char ret_names[static 2][VOLUME_NODE_MAX])
{
	static const char *const families[] = {"sd", "xvd"};
	const char *suffix = attachment(device);
	bool xvd = strncmp(without_dev(device), "xvd", 3) == 0;

	if (!suffix || strlen(suffix) > VOLUME_NODE_MAX - sizeof "/dev/xvd")
		return 0;
	FOREACH_ELEMENT (i, families)
		(void)snprintf(
			ret_names[i], VOLUME_NODE_MAX, "/dev/%s%.32s", families[i ^ xvd], suffix);
	return 2;
}

/* Copies a padded field as text: printable ASCII up to the first other byte, trimmed. */
static void copy_field(char *ret_text, size_t room, const uint8_t *field, size_t length)
{
	size_t start = 0, end = 0;

	while (start < length && field[start] == ' ')
		start++;
	for (size_t i = start; i < length && field[i] >= ' ' && field[i] <= '~'; i++)
		if (field[i] != ' ')
			end = i + 1;
	length = end > start ? end - start : 0;
	if (length >= room)
		length = 0; /* half a name is somebody else's */
	memcpy(ret_text, field + start, length);
	ret_text[length] = '\0';
}

static void parse_mapping(struct volume *volume, const uint8_t *field, size_t length)
{
	char text[sizeof volume->mapping];
	const char *name, *p;

	copy_field(text, sizeof text, field, length);
	name = without_dev(text);
	if (volume->kind == VOLUME_INSTANCE_STORE && strchr(name, ':'))
		name = without_dev(strchr(name, ':') + 1);
	for (p = name; isalnum((unsigned char)*p); p++)
		;
	if (*p == '\0' && strcmp(name, "none") != 0)
		memcpy(volume->mapping, name, (size_t)(p - name) + 1);
}

void volume_parse_identify(struct volume *volume, const uint8_t identify[static NVME_IDENTIFY_SIZE])
{
	const char *digits;

	volume->kind = VOLUME_OTHER;
	volume->mapping[0] = volume->volume_id[0] = '\0';
	copy_field(volume->serial, sizeof volume->serial, identify + 4, 20);
	copy_field(volume->model, sizeof volume->model, identify + 24, 40);
	if ((identify[0] | identify[1] << 8) != AMAZON_PCI_VENDOR)
		return;
	if (strcmp(volume->model, "Amazon Elastic Block Store") == 0)
		volume->kind = VOLUME_EBS;
	else if (strcmp(volume->model, "Amazon EC2 NVMe Instance Storage") == 0)
		volume->kind = VOLUME_INSTANCE_STORE;
	else
		return;
	parse_mapping(volume, identify + 3072, 32);
	digits = volume->kind == VOLUME_EBS ? id_digits(volume->serial) : NULL;
	if (digits)
		(void)snprintf(volume->volume_id, sizeof volume->volume_id, "vol-%s", digits);
}

/* Facts that no blank volume has, whatever its evidence says. */
static const struct evidence *contradiction(const struct volume *volume)
{
	static const struct evidence objections[] = {
		{"of sane size", false, "too small"},
		{"not the root disk", false, "it is"},
		{"not read-only", false, "it is"},
		{"not mounted", false, "it is"},
		{"not in use", false, "it is"},
		{"no signature", false, "could not be read"},
		{"no signature", false, "there is one"},
		{"proven", false, "the proof was not completed"},
	};
	const bool facts[] = {
		volume->size < VOLUME_SIZE_MIN,
		volume->root_disk,
		volume->read_only,
		*volume->mount != '\0',
		*volume->in_use != '\0',
		!volume->probed || *volume->unread,
		*volume->type || *volume->label || *volume->uuid,
		!volume->proven,
	};

	_Static_assert(sizeof facts == sizeof objections / sizeof objections[0], "one for each");
	FOREACH_ELEMENT (i, facts)
		if (facts[i])
			return &objections[i];
	return NULL;
}

const struct evidence *volume_objection(const struct volume *volume)
{
	static const struct evidence incomplete = {"proven", false, "not every rule was asked"};

	for (size_t i = 0; i < VOLUME_RULES && i < volume->n_evidence; i++)
		if (!volume->evidence[i].holds)
			return &volume->evidence[i];
	if (volume->n_evidence != VOLUME_RULES)
		return &incomplete;
	for (size_t i = 0; i < VOLUME_RULES; i++)
		if (!volume->evidence[i].rule ||
			strcmp(volume->evidence[i].rule, volume_rule_names[i]) != 0)
			return &incomplete;
	return contradiction(volume);
}

bool volume_is_blank(const struct volume *volume)
{
	return volume_objection(volume) == NULL;
}

void volume_size_text(uint64_t bytes, char ret_text[static VOLUME_SIZE_TEXT_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double size = (double)bytes;
	size_t unit = 0;

	for (; size >= 1024 && unit < sizeof units / sizeof units[0] - 1; unit++)
		size /= 1024;
	(void)snprintf(ret_text, VOLUME_SIZE_TEXT_MAX, "%.4g %s", size, units[unit]);
}
