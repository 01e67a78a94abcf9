/* SPDX-License-Identifier: Apache-2.0 */
#include "config-types.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "filesystem.h"
#include "network.h"

#define DURATION_MAX_SECONDS (7ull * 24 * 3600)
#define INTERVAL_MIN_USEC    100000ull

static int set_text(const char *value, void *field)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*(char **)field);
	*(char **)field = copy;
	return 0;
}

static void clear_text(void *field)
{
	free(*(char **)field);
	*(char **)field = NULL;
}

static int list_add(struct config_list *list, const char *text, size_t length)
{
	if (list->n == CONFIG_LIST_MAX)
		return -E2BIG;
	list->items[list->n] = strndup(text, length);
	if (!list->items[list->n])
		return -ENOMEM;
	list->n++;
	return 0;
}

static void clear_list(void *field)
{
	struct config_list *list = field;

	while (list->n > 0)
		free(list->items[--list->n]);
}

static int parse_text(const char *value, void *field)
{
	return *value ? set_text(value, field) : -EINVAL;
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
	return path_is_clean(value) && value[1] ? set_text(value, field) : -EINVAL;
}

/* A mount point hides what is below it: never the root or a directory the system lives in. */
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
	return name_is_valid(value, strlen(value)) ? set_text(value, field) : -EINVAL;
}

static int parse_owner(const char *value, void *field)
{
	size_t user = strcspn(value, ":");

	if (!name_is_valid(value, user))
		return -EINVAL;
	if (value[user] && !name_is_valid(value + user + 1, strlen(value + user + 1)))
		return -EINVAL;
	return set_text(value, field);
}

static int parse_device(const char *value, void *field)
{
	return strncmp(value, "/dev/", 5) == 0 && path_is_clean(value) && value[5]
		       ? set_text(value, field)
		       : -EINVAL;
}

static int parse_volume_id(const char *value, void *field)
{
	size_t digits;

	if (strncmp(value, "vol-", 4) != 0)
		return -EINVAL;
	digits = strspn(value + 4, "0123456789abcdef");
	return (digits == 8 || digits == 17) && !value[4 + digits] ? set_text(value, field)
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

static int parse_sha256(const char *value, void *field)
{
	return strlen(value) == 64 && strspn(value, "0123456789abcdef") == 64
		       ? set_text(value, field)
		       : -EINVAL;
}

static int parse_url(const char *value, void *field)
{
	static const char *const schemes[] = {"http://", "https://"};

	FOREACH_ELEMENT (i, schemes) {
		size_t length = strlen(schemes[i]);

		if (strncmp(value, schemes[i], length) == 0 && value[length] &&
			!strpbrk(value, " \"<>\\^`{|}"))
			return set_text(value, field);
	}
	return -EINVAL;
}

static int parse_source(const char *value, void *field)
{
	static const char *const schemes[] = {
		"git+https://", "git+file:///", "file:///", "file:/", "https://", "s3://"};

	FOREACH_ELEMENT (i, schemes) {
		size_t length = strlen(schemes[i]);

		if (strncmp(value, schemes[i], length) == 0 && value[length])
			return set_text(value, field);
	}
	return -EINVAL;
}

static int parse_words(const char *value, void *field)
{
	static const char separators[] = ", \t\n";
	const char *p = value + strspn(value, separators);

	if (!*p)
		return -EINVAL;
	while (*p) {
		size_t length = strcspn(p, separators);
		int r = list_add(field, p, length);

		if (r < 0)
			return r;
		p += length;
		p += strspn(p, separators);
	}
	return 0;
}

/* Every line is one command; the empty first line of a continued value is none. */
static int parse_commands(const char *value, void *field)
{
	const char *p = value;

	while (*p) {
		size_t length = strcspn(p, "\n");
		int r = length ? list_add(field, p, length) : 0;

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
	return list_add(field, value, strlen(value));
}

static bool is_listen_address(const char *value)
{
	struct sockaddr_storage address;
	socklen_t length;

	return network_parse_listen(value, &address, &length, NULL) == 0;
}

static int parse_address(const char *value, void *field)
{
	return is_listen_address(value) ? set_text(value, field) : -EINVAL;
}

static int parse_listen(const char *value, void *field)
{
	return is_listen_address(value) ? list_add(field, value, strlen(value)) : -EINVAL;
}

static int parse_networks(const char *value, void *field)
{
	struct config_list *list = field;
	struct network network;
	int r = parse_words(value, field);

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = network_parse(list->items[i], &network, NULL);
	return r;
}

/* clang-format off */
const struct config_type type_text = {
	.expected = "text", .parse = parse_text, .clear = clear_text };
const struct config_type type_path = {
	.expected = "an absolute path without \".\" and \"..\"",
	.parse = parse_path, .clear = clear_text };
const struct config_type type_mount = {
	.expected = "an absolute path to mount on, not / and not a directory of the system",
	.parse = parse_mount, .clear = clear_text };
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
	.expected = "a user name", .parse = parse_user, .clear = clear_text };
const struct config_type type_owner = {
	.expected = "user or user:group", .parse = parse_owner, .clear = clear_text };
const struct config_type type_device = {
	.expected = "a device as named at attach-volume, like /dev/sdf, or a block device below /dev/",
	.parse = parse_device, .clear = clear_text };
const struct config_type type_volume_id = {
	.expected = "a volume ID like vol-0123456789abcdef0",
	.parse = parse_volume_id, .clear = clear_text };
const struct config_type type_filesystem = {
	.expected = "xfs, ext4 or btrfs", .parse = parse_filesystem };
const struct config_type type_sha256 = {
	.expected = "a SHA-256 of 64 hexadecimal digits in lower case",
	.parse = parse_sha256, .clear = clear_text };
const struct config_type type_url = {
	.expected = "a URL that starts with http:// or https://",
	.parse = parse_url, .clear = clear_text };
const struct config_type type_source = {
	.expected = "git+https://HOST/PATH#REF, git+file:///PATH#REF, file:///PATH, https://… or s3://…",
	.parse = parse_source, .clear = clear_text };
const struct config_type type_words = {
	.expected = "names separated by commas or spaces",
	.parse = parse_words, .clear = clear_list, .lines = true };
const struct config_type type_command = {
	.expected = "a shell command",
	.parse = parse_text, .clear = clear_text, .verbatim = true };
const struct config_type type_commands = {
	.expected = "shell commands, one a line, the lines indented",
	.parse = parse_commands, .clear = clear_list, .lines = true, .verbatim = true };
const struct config_type type_variable = {
	.expected = "env.NAME, a name of letters, digits and _",
	.parse = parse_variable, .clear = clear_list, .verbatim = true };
const struct config_type type_listen = {
	.expected = "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH",
	.parse = parse_listen, .clear = clear_list };
const struct config_type type_address = {
	.expected = "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH",
	.parse = parse_address, .clear = clear_text };
const struct config_type type_networks = {
	.expected = "addresses or ranges like 127.0.0.0/8, ::1",
	.parse = parse_networks, .clear = clear_list, .lines = true };
/* clang-format on */
