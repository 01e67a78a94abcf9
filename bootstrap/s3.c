/* SPDX-License-Identifier: Apache-2.0 */
#include "s3.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

#define LOWER       "abcdefghijklmnopqrstuvwxyz"
#define UPPER       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS      "0123456789"
#define PLACE       "{bucket}"
#define LABEL_MAX   63 /* of a host name (RFC 1035, section 2.3.4) */
#define MESSAGE_MAX 512

int s3_parse(const char *url, struct s3_object *ret_object, struct err *err)
{
	const char *bucket = url + strlen("s3://"), *key;
	size_t length;

	if (strncmp(url, "s3://", strlen("s3://")) != 0)
		return err_set(err, -EINVAL, "expected s3://BUCKET/KEY");
	length = strcspn(bucket, "/");
	key = bucket + length + 1;
	if (length == 0 || length >= S3_BUCKET_SIZE || bucket[0] == '.' ||
		strspn(bucket, LOWER UPPER DIGITS ".-_") < length)
		return err_set(err, -EINVAL, "expected s3://BUCKET/KEY, and \"%.*s\" is no bucket",
			(int)length, bucket);
	if (!bucket[length] || !*key)
		return err_set(err, -EINVAL,
			"expected s3://BUCKET/KEY: there is no key, or a whole prefix");
	if (strlen(key) >= S3_KEY_SIZE)
		return err_set(err, -EINVAL, "the key is longer than %d bytes", S3_KEY_SIZE - 1);
	for (const char *p = key; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, -EINVAL, "the key holds a control character");
	memcpy(ret_object->bucket, bucket, length);
	ret_object->bucket[length] = '\0';
	strcpy(ret_object->key, key);
	return 0;
}

bool s3_is_region(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length < S3_REGION_SIZE && strspn(text, LOWER DIGITS "-") == length;
}

bool s3_is_domain(const char *text)
{
	size_t length = strlen(text);

	return length > 0 && length < 128 && text[0] != '.' &&
	       strspn(text, LOWER DIGITS "-.") == length;
}

bool s3_is_endpoint(const char *text)
{
	static const char *const starts[] = {
		"https://{bucket}.", "http://{bucket}.", "https://", "http://"};
	const char *host = NULL;

	for (size_t i = 0; !host && i < sizeof starts / sizeof starts[0]; i++)
		if (strncmp(text, starts[i], strlen(starts[i])) == 0)
			host = text + strlen(starts[i]);
	if (!host || strlen(text) >= S3_URL_SIZE / 4 || strcspn(host, "/:") == 0)
		return false;
	for (const char *p = host; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("?#@{}\\", *p))
			return false;
	return true;
}

/* Percent-encodes all but what is unreserved (RFC 3986, section 2.3) and "/". */
static int encode(const char *text, char *to, size_t size)
{
	size_t n = 0;

	for (; *text; text++) {
		if (n + 4 > size)
			return -ENAMETOOLONG;
		if (strchr(LOWER UPPER DIGITS "-._~/", *text))
			to[n++] = *text;
		else
			n += (size_t)snprintf(to + n, size - n, "%%%02X", (unsigned char)*text);
	}
	to[n] = '\0';
	return 0;
}

static bool is_host_label(const char *bucket)
{
	return strlen(bucket) <= LABEL_MAX && strspn(bucket, LOWER DIGITS "-") == strlen(bucket);
}

int s3_url(const struct s3_object *object, const char *endpoint, const char *region,
	const char *domain, char ret_url[static S3_URL_SIZE])
{
	const char *place = endpoint ? strstr(endpoint, PLACE) : NULL, *bucket = object->bucket;
	bool in_host = place || (!endpoint && is_host_label(bucket));
	char url[S3_URL_SIZE];
	size_t n;
	int r;

	if (place)
		n = (size_t)snprintf(url, sizeof url, "%.*s%s%s", (int)(place - endpoint), endpoint,
			bucket, place + strlen(PLACE));
	else if (endpoint)
		n = (size_t)snprintf(url, sizeof url, "%s", endpoint);
	else
		n = (size_t)snprintf(url, sizeof url, "https://%s%ss3.%s.%s", in_host ? bucket : "",
			in_host ? "." : "", region, domain);
	if (n + S3_BUCKET_SIZE >= sizeof url)
		return -ENAMETOOLONG;
	while (url[n - 1] == '/')
		n--;
	n += (size_t)snprintf(
		url + n, sizeof url - n, "/%s%s", in_host ? "" : bucket, in_host ? "" : "/");
	r = encode(object->key, url + n, sizeof url - n);
	if (r == 0)
		strcpy(ret_url, url);
	return r;
}

bool s3_has_dots(const char *url)
{
	for (const char *p = strstr(url, "/."); p; p = strstr(p + 1, "/.")) {
		size_t dots = strspn(p + 1, ".");

		if (dots <= 2 && (p[1 + dots] == '/' || !p[1 + dots]))
			return true;
	}
	return false;
}

/* One character of XML text, or an entity that stands for it; moves on. */
static char character(const char **text)
{
	static const struct {
		const char *entity;
		char is;
	} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'},
		{"&apos;", '\''}, {"&#39;", '\''}, {"&#34;", '"'}};
	char c = **text;

	FOREACH_ELEMENT (i, entities)
		if (strncmp(*text, entities[i].entity, strlen(entities[i].entity)) == 0) {
			*text += strlen(entities[i].entity);
			return entities[i].is;
		}
	(*text)++;
	return (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
}

void s3_element(const char *xml, const char *name, char *ret_text, size_t size)
{
	char tag[32];
	const char *text, *end;
	size_t n = 0;

	ret_text[0] = '\0';
	(void)snprintf(tag, sizeof tag, "<%s>", name);
	text = xml ? strstr(xml, tag) : NULL;
	if (!text)
		return;
	text += strlen(tag);
	end = text + strcspn(text, "<");
	while (text < end && n + 1 < size)
		ret_text[n++] = character(&text);
	ret_text[n] = '\0';
}

void s3_explain(const struct s3_object *object, const char *region, int status, const char *xml,
	const char *bucket_region, struct err *ret_words)
{
	static const struct {
		const char *code, *hint;
	} hints[] = {
		{"AccessDenied", " (the role's policy must allow s3:GetObject on it; an object "
				 "that is not there looks the same without s3:ListBucket)"},
		{"NoSuchKey", " (upper and lower case differ in a key)"},
		{"NoSuchBucket", " (there is no such bucket here)"},
		{"ExpiredToken", " (the metadata service has no newer credentials of the role)"},
		{"InvalidAccessKeyId",
			" (the instance's role is not known here: another partition or store?)"},
		{"RequestTimeTooSkewed", " (this machine's clock is wrong)"},
		{"InvalidObjectState", " (it is archived: restore it first)"},
	};
	char code[S3_CODE_SIZE], message[MESSAGE_MAX], right[S3_REGION_SIZE], place[256];
	const char *hint = "";

	s3_element(xml, "Code", code, sizeof code);
	s3_element(xml, "Message", message, sizeof message);
	s3_element(xml, "Region", right, sizeof right);
	s3_element(xml, "Endpoint", place, sizeof place);
	if (bucket_region && s3_is_region(bucket_region))
		(void)snprintf(right, sizeof right, "%s", bucket_region);
	FOREACH_ELEMENT (i, hints)
		if (strcmp(hints[i].code, code) == 0)
			hint = hints[i].hint;
	if ((status / 100 == 3 || status == 400) && s3_is_region(right) &&
		(!region || strcmp(right, region) != 0))
		err_set(ret_words, 0, "bucket %s is in %s: set region = %s", object->bucket, right,
			right);
	else if (status / 100 == 3)
		err_set(ret_words, 0, "%d %s: bucket %s is asked for at another place%s%s", status,
			code, object->bucket, *place ? ": " : "", place);
	else
		err_set(ret_words, 0, "%d%s%s%s%s%s", status, *code ? " " : "", code,
			*message ? ": " : "", message, hint);
}
