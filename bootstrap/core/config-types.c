/* SPDX-License-Identifier: Apache-2.0 */
#include "config-types.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "filesystem.h"

#define DURATION_MAX_SECONDS (7ull * 24 * 3600)
#define INTERVAL_MIN_USEC    100000ull

int config_set_text(const char *value, void *field)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

void config_clear_text(void *field)
{
	free(*(char **)field);
	*(char **)field = NULL;
}

int config_list_add(struct config_list *list, const char *text, size_t length)
{
	if (list->n == CONFIG_LIST_MAX)
		return -E2BIG;
	list->items[list->n] = strndup(text, length);
	if (!list->items[list->n])
		return -ENOMEM;
	list->n++;
	return 0;
}

void config_clear_list(void *field)
{
	struct config_list *list = field;

	while (list->n > 0)
		free(list->items[--list->n]);
}

static int parse_text(const char *value, void *field)
{
	return *value ? config_set_text(value, field) : -EINVAL;
}

/* Absolute, without "..", "." or doubled slashes: what is checked is what will be used. */
static bool path_is_clean(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; (p = strchr(p, '/')); p++) {
		size_t length = strcspn(p + 1, "/");

		if (length == 0 && path[1])
			return false;
		if ((length == 1 && p[1] == '.') || (length == 2 && p[1] == '.' && p[2] == '.'))
			return false;
	}
	return true;
}

static int parse_path(const char *value, void *field)
{
	return path_is_clean(value) && value[1] ? config_set_text(value, field) : -EINVAL;
}

/* A mount point hides what is below it, a link takes its place: never the root or a directory the
 * system lives in. */
static int parse_mount(const char *value, void *field)
{
	static const char *const system_directories[] = {"/bin", "/boot", "/dev", "/etc", "/lib",
		"/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var"};

	FOREACH_ELEMENT (i, system_directories)
		if (strcmp(value, system_directories[i]) == 0)
			return -EINVAL;
	return parse_path(value, field);
}

static int parse_boolean(const char *value, void *field)
{
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"yes", true}, {"no", false}, {"true", true}, {"false", false}, {"on", true},
		{"off", false}};

	FOREACH_ELEMENT (i, words) {
		if (strcasecmp(value, words[i].word) == 0) {
			*(bool *)field = words[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_duration(const char *value, void *field)
{
	static const struct {
		const char *unit;
		uint64_t usec;
	} units[] = {
		{"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}, {"", 1000000}};
	uint64_t total = 0;
	const char *p = value;

	do {
		char *end;
		size_t length, i;
		unsigned long long n;

		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		n = strtoull(p, &end, 10);
		length = strspn(end, "smh");
		for (i = 0; i < sizeof units / sizeof units[0]; i++)
			if (strlen(units[i].unit) == length &&
				strncmp(units[i].unit, end, length) == 0)
				break;
		if (i == sizeof units / sizeof units[0] || n > DURATION_MAX_SECONDS * 1000)
			return -EINVAL;
		total += n * units[i].usec;
		if (total > DURATION_MAX_SECONDS * 1000000)
			return -EINVAL;
		p = end + length;
	} while (*p);
	*(uint64_t *)field = total;
	return 0;
}

/* What is done again and again must leave time in between. */
static int parse_interval(const char *value, void *field)
{
	uint64_t usec;
	int r = parse_duration(value, &usec);

	if (r < 0 || usec < INTERVAL_MIN_USEC)
		return -EINVAL;
	*(uint64_t *)field = usec;
	return 0;
}

static int parse_mode(const char *value, void *field)
{
	size_t length = strlen(value);

	if (length < 3 || length > 4 || strspn(value, "01234567") != length)
		return -EINVAL;
	*(mode_t *)field = (mode_t)strtoul(value, NULL, 8);
	return 0;
}

static int parse_count(const char *value, void *field)
{
	size_t length = strlen(value);

	if (length == 0 || length > 7 || strspn(value, "0123456789") != length || value[0] == '0')
		return -EINVAL;
	*(unsigned *)field = (unsigned)strtoul(value, NULL, 10);
	return 0;
}

/* useradd(8): what a user or group name may be on all our platforms. */
static bool name_is_valid(const char *name, size_t length)
{
	if (length == 0 || length > 32 || name[0] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_-.", name[i]))
			return false;
	return true;
}

static int parse_user(const char *value, void *field)
{
	return name_is_valid(value, strlen(value)) ? config_set_text(value, field) : -EINVAL;
}

static int parse_owner(const char *value, void *field)
{
	size_t user = strcspn(value, ":");

	if (!name_is_valid(value, user))
		return -EINVAL;
	if (value[user] && !name_is_valid(value + user + 1, strlen(value + user + 1)))
		return -EINVAL;
	return config_set_text(value, field);
}

static int parse_device(const char *value, void *field)
{
	return strncmp(value, "/dev/", 5) == 0 && path_is_clean(value) && value[5]
		       ? config_set_text(value, field)
		       : -EINVAL;
}

static int parse_volume_id(const char *value, void *field)
{
	size_t digits;

	if (strncmp(value, "vol-", 4) != 0)
		return -EINVAL;
	digits = strspn(value + 4, "0123456789abcdef");
	return (digits == 8 || digits == 17) && !value[4 + digits] ? config_set_text(value, field)
								   : -EINVAL;
}

static int parse_filesystem(const char *value, void *field)
{
	const struct filesystem *filesystem = filesystem_find(value);

	if (!filesystem)
		return -EINVAL;
	*(const struct filesystem **)field = filesystem;
	return 0;
}

/* Bytes; "512M" is 512 MiB. */
static int parse_size(const char *value, void *field)
{
	static const char units[] = "KMGT";
	size_t digits = strspn(value, "0123456789");
	const char *unit = value[digits] ? strchr(units, value[digits]) : NULL;
	unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
	unsigned long long n;

	if (digits == 0 || digits > 9 || (value[digits] && (!unit || value[digits + 1])))
		return -EINVAL;
	n = strtoull(value, NULL, 10);
	if (n == 0 || n > UINT64_MAX >> shift)
		return -EINVAL;
	*(uint64_t *)field = n << shift;
	return 0;
}

static int parse_update(const char *value, void *field)
{
	static const char *const words[] = {
		[CONFIG_UPDATE_NO] = "no",
		[CONFIG_UPDATE_SECURITY] = "security",
		[CONFIG_UPDATE_ALL] = "all",
	};

	FOREACH_ELEMENT (i, words) {
		if (strcmp(value, words[i]) == 0) {
			*(enum config_update *)field = (enum config_update)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_sha256(const char *value, void *field)
{
	return strlen(value) == 64 && strspn(value, "0123456789abcdef") == 64
		       ? config_set_text(value, field)
		       : -EINVAL;
}

int config_parse_words(const char *value, void *field)
{
	static const char separators[] = ", \t\n";
	const char *p = value + strspn(value, separators);

	if (!*p)
		return -EINVAL;
	while (*p) {
		size_t length = strcspn(p, separators);
		int r = config_list_add(field, p, length);

		if (r < 0)
			return r;
		p += length;
		p += strspn(p, separators);
	}
	return 0;
}

/* Relative and clean, as path_is_clean(). */
static bool is_place(const char *path)
{
	char absolute[CONFIG_LINE_MAX + 2];

	return snprintf(absolute, sizeof absolute, "/%s", path) < (int)sizeof absolute && path[0] &&
	       path_is_clean(absolute);
}

static int parse_places(const char *value, void *field)
{
	struct config_list *list = field;
	int r = config_parse_words(value, field);

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = is_place(list->items[i]) ? 0 : -EINVAL;
	return r;
}

/* "path/in/release=/template" */
static int parse_file(const char *value, void *field)
{
	const char *template = strchr(value, '=');
	char place[CONFIG_NAME_MAX + 1];

	if (!template || (size_t)(template - value) >= sizeof place)
		return -EINVAL;
	snprintf(place, sizeof place, "%.*s", (int)(template - value), value);
	if (!is_place(place) || !path_is_clean(template + 1))
		return -EINVAL;
	return config_list_add(field, value, strlen(value));
}

/* "NAME=/file" or "NAME=CREDENTIAL"; systemd.exec(5), LoadCredential=. */
static int parse_credential(const char *value, void *field)
{
	size_t name = strcspn(value, "=");
	const char *from = value + name + 1;

	if (!name_is_valid(value, name) || !value[name])
		return -EINVAL;
	if (from[0] == '/' ? !path_is_clean(from) : !name_is_valid(from, strlen(from)))
		return -EINVAL;
	return config_list_add(field, value, strlen(value));
}

/* Every line is one command; the empty first line of a continued value is none. */
static int parse_commands(const char *value, void *field)
{
	const char *p = value;

	while (*p) {
		size_t length = strcspn(p, "\n");
		int r = length ? config_list_add(field, p, length) : 0;

		if (r < 0)
			return r;
		p += length + (p[length] == '\n');
	}
	return ((struct config_list *)field)->n ? 0 : -EINVAL;
}

static int parse_variable(const char *value, void *field)
{
	size_t name = strcspn(value, "=");

	if (name == 0 || isdigit((unsigned char)value[0]))
		return -EINVAL;
	for (size_t i = 0; i < name; i++)
		if (!isalnum((unsigned char)value[i]) && value[i] != '_')
			return -EINVAL;
	return config_list_add(field, value, strlen(value));
}

/* clang-format off */
const struct config_type type_text = {
	.expected = "text", .parse = parse_text, .clear = config_clear_text };
const struct config_type type_path = {
	.expected = "an absolute path without \".\" and \"..\"",
	.parse = parse_path, .clear = config_clear_text };
const struct config_type type_mount = {
	.expected = "an absolute path to mount on, not / and not a directory of the system",
	.parse = parse_mount, .clear = config_clear_text };
const struct config_type type_link = {
	.expected = "an absolute path, not / and not a directory of the system",
	.parse = parse_mount, .clear = config_clear_text };
const struct config_type type_boolean = {
	.expected = "yes or no", .parse = parse_boolean };
const struct config_type type_duration = {
	.expected = "a duration like 90s, 5m or 1h30m, at most 7 days", .parse = parse_duration };
const struct config_type type_interval = {
	.expected = "a duration like 500ms, 5s or 1m, from 100ms to 7 days",
	.parse = parse_interval };
const struct config_type type_mode = {
	.expected = "an octal mode like 0750", .parse = parse_mode };
const struct config_type type_count = {
	.expected = "a whole number from 1 to 9999999", .parse = parse_count };
const struct config_type type_user = {
	.expected = "a user name", .parse = parse_user, .clear = config_clear_text };
const struct config_type type_owner = {
	.expected = "user or user:group", .parse = parse_owner, .clear = config_clear_text };
const struct config_type type_device = {
	.expected = "a device as named at attach-volume, like /dev/sdf, or a block device below /dev/",
	.parse = parse_device, .clear = config_clear_text };
const struct config_type type_volume_id = {
	.expected = "a volume ID like vol-0123456789abcdef0",
	.parse = parse_volume_id, .clear = config_clear_text };
const struct config_type type_filesystem = {
	.expected = "xfs, ext4 or btrfs", .parse = parse_filesystem };
const struct config_type type_sha256 = {
	.expected = "a SHA-256 of 64 hexadecimal digits in lower case",
	.parse = parse_sha256, .clear = config_clear_text };
const struct config_type type_words = {
	.expected = "names separated by commas or spaces",
	.parse = config_parse_words, .clear = config_clear_list, .lines = true };
const struct config_type type_command = {
	.expected = "a shell command",
	.parse = parse_text, .clear = config_clear_text, .verbatim = true };
const struct config_type type_commands = {
	.expected = "shell commands, one a line, the lines indented",
	.parse = parse_commands, .clear = config_clear_list, .lines = true, .verbatim = true };
const struct config_type type_variable = {
	.expected = "env.NAME, a name of letters, digits and _",
	.parse = parse_variable, .clear = config_clear_list, .verbatim = true };
const struct config_type type_size = {
	.expected = "a size in bytes like 512M or 2G", .parse = parse_size };
const struct config_type type_update = {
	.expected = "no, security or all", .parse = parse_update };
const struct config_type type_places = {
	.expected = "relative paths without \".\" and \"..\", separated by commas or spaces",
	.parse = parse_places, .clear = config_clear_list, .lines = true };
const struct config_type type_file = {
	.expected = "files.PATH = TEMPLATE: a relative path, and an absolute one",
	.parse = parse_file, .clear = config_clear_list };
const struct config_type type_credential = {
	.expected = "credential.NAME = an absolute path, or the name of a system credential",
	.parse = parse_credential, .clear = config_clear_list };
/* clang-format on */
