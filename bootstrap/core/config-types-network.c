/* SPDX-License-Identifier: Apache-2.0 */
/* Values that name places on a network. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "config-types.h"
#include "network.h"
#include "source.h"

static int parse_url(const char *value, void *field)
{
	static const char *const schemes[] = {"http://", "https://"};

	FOREACH_ELEMENT (i, schemes) {
		size_t length = strlen(schemes[i]);

		if (strncmp(value, schemes[i], length) == 0 && value[length] &&
			!strpbrk(value, " \"<>\\^`{|}"))
			return config_set_text(value, field);
	}
	return -EINVAL;
}

/* The store's URL; the bucket comes after it, or stands where "{bucket}." does. */
static int parse_endpoint(const char *value, void *field)
{
	static const char mark[] = "://{bucket}.";
	const char *host = strstr(value, mark);
	char plain[256];

	if (!host)
		return strcspn(value, "?#@{}") == strlen(value) ? parse_url(value, field) : -EINVAL;
	snprintf(plain, sizeof plain, "%.*s://%s", (int)(host - value), value, host + strlen(mark));
	if (strlen(value) >= sizeof plain || plain[strcspn(plain, "?#@{}")] ||
		parse_url(plain, field) < 0)
		return -EINVAL;
	return config_set_text(value, field);
}

/* "{service}" and "{region}" may stand anywhere in it; what is left must be a URL. */
static int parse_aws_endpoint(const char *value, void *field)
{
	static const char *const names[] = {"{service}", "{region}"};
	const char *p = value;
	char plain[256] = "";
	size_t n = 0;

	while (*p && n + 1 < sizeof plain) {
		size_t named = 0;

		FOREACH_ELEMENT (i, names)
			if (strncmp(p, names[i], strlen(names[i])) == 0)
				named = strlen(names[i]);
		plain[n++] = named ? 'x' : *p;
		p += named ? named : 1;
	}
	if (*p || strpbrk(plain, "?#@{}") || parse_url(plain, field) < 0)
		return -EINVAL;
	return config_set_text(value, field);
}

static int parse_region(const char *value, void *field)
{
	size_t length = strlen(value);

	return length > 0 && length < 40 &&
			       strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-") == length
		       ? config_set_text(value, field)
		       : -EINVAL;
}

static int parse_source(const char *value, void *field)
{
	struct source source;

	return source_parse(value, &source, NULL) == 0 ? config_set_text(value, field) : -EINVAL;
}

static bool is_listen_address(const char *value)
{
	struct sockaddr_storage address;
	socklen_t length;

	return network_parse_listen(value, &address, &length, NULL) == 0;
}

static int parse_address(const char *value, void *field)
{
	return is_listen_address(value) ? config_set_text(value, field) : -EINVAL;
}

static int parse_listen(const char *value, void *field)
{
	return is_listen_address(value) ? config_list_add(field, value, strlen(value)) : -EINVAL;
}

static int parse_networks(const char *value, void *field)
{
	struct config_list *list = field;
	struct network network;
	int r = config_parse_words(value, field);

	for (size_t i = 0; r == 0 && i < list->n; i++)
		r = network_parse(list->items[i], &network, NULL);
	return r;
}

static int parse_ports(const char *value, void *field)
{
	struct config_list *list = field;
	int r = config_parse_words(value, field);

	for (size_t i = 0; r == 0 && i < list->n; i++) {
		char *end;
		unsigned long port = strtoul(list->items[i], &end, 10);

		if (!isdigit((unsigned char)list->items[i][0]) || *end || port == 0 || port > 65535)
			r = -EINVAL;
	}
	return r;
}

static int parse_target_groups(const char *value, void *field)
{
	struct config_list *list = field;
	int r = config_parse_words(value, field);

	for (size_t i = 0; r == 0 && i < list->n; i++)
		if (strncmp(list->items[i], "arn:", 4) != 0 ||
			!strstr(list->items[i], ":targetgroup/"))
			r = -EINVAL;
	return r;
}

/* clang-format off */
const struct config_type type_url = {
	.expected = "a URL that starts with http:// or https://",
	.parse = parse_url, .clear = config_clear_text };
const struct config_type type_source = {
	.expected = "git+https://HOST/PATH#REF, git+file:///PATH#REF, file:///PATH, https://… or s3://…",
	.parse = parse_source, .clear = config_clear_text };
const struct config_type type_endpoint = {
	.expected = "a URL like https://store.example.org:9000 or https://{bucket}.store.example.org",
	.parse = parse_endpoint, .clear = config_clear_text };
const struct config_type type_aws_endpoint = {
	.expected = "a URL like https://{service}.{region}.example.org",
	.parse = parse_aws_endpoint, .clear = config_clear_text };
const struct config_type type_ports = {
	.expected = "ports like 80, 443",
	.parse = parse_ports, .clear = config_clear_list, .lines = true };
const struct config_type type_target_groups = {
	.expected = "ARNs like arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID",
	.parse = parse_target_groups, .clear = config_clear_list, .lines = true };
const struct config_type type_region = {
	.expected = "a region like eu-west-1", .parse = parse_region, .clear = config_clear_text };
const struct config_type type_listen = {
	.expected = "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH",
	.parse = parse_listen, .clear = config_clear_list };
const struct config_type type_address = {
	.expected = "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH",
	.parse = parse_address, .clear = config_clear_text };
const struct config_type type_networks = {
	.expected = "addresses or ranges like 127.0.0.0/8, ::1",
	.parse = parse_networks, .clear = config_clear_list, .lines = true };
/* clang-format on */
