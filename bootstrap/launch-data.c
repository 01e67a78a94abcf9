/* SPDX-License-Identifier: Apache-2.0 */
#include "launch-data.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "text.h"

#define FIRST_LINE "#instanced\n"
#define DELIMITER  "END_OF_FILE"
#define ARCH       "{arch}"

/* -- which package -- */

/* What packages call an architecture, and what the kernel calls it. */
static const struct {
	const char *name, *machine;
} architectures[] = {
	{"amd64", "x86_64"},
	{"x86_64", "x86_64"},
	{"arm64", "aarch64"},
	{"aarch64", "aarch64"},
};

static const char *machine_of(const char *name, size_t length)
{
	FOREACH_ELEMENT (i, architectures)
		if (strlen(architectures[i].name) == length &&
			memcmp(architectures[i].name, name, length) == 0)
			return architectures[i].machine;
	return NULL;
}

static int check_url(const char *url, struct err *err)
{
	static const char *const schemes[] = {"https://", "http://", "file://"};
	bool known = false;

	FOREACH_ELEMENT (i, schemes)
		known = known || strncmp(url, schemes[i], strlen(schemes[i])) == 0;
	if (!known)
		return err_set(err, -EINVAL,
			"--url: https://…, http://… or file://… is expected, not \"%s\"", url);
	for (const char *p = url; *p; p++)
		if (*p <= ' ' || *p > '~')
			return err_set(err, -EINVAL,
				"--url: there is a blank or a byte in it that no URL has");
	return 0;
}

static int set_digest(
	const char *hex, size_t length, struct launch_package *package, struct err *err)
{
	snprintf(package->sha256, sizeof package->sha256, "%.*s", (int)length, hex);
	if (length != DIGEST_HEX_SIZE - 1 || !digest_is_hex(package->sha256, length))
		return err_set(err, -EINVAL, "--sha256: 64 hex digits are expected, not \"%.*s\"",
			(int)length, hex);
	for (char *p = package->sha256; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return 0;
}

/* The URL with {arch} replaced, wherever it stands. */
static int set_url(const char *url, const char *name, size_t length, struct launch_package *package,
	struct err *err)
{
	size_t n = 0;

	while (*url && n < sizeof package->url) {
		bool arch = name && strncmp(url, ARCH, strlen(ARCH)) == 0;

		n += (size_t)snprintf(package->url + n, sizeof package->url - n, "%.*s",
			arch ? (int)length : 1, arch ? name : url);
		url += arch ? strlen(ARCH) : 1;
	}
	return n < sizeof package->url
		       ? 0
		       : err_set(err, -EINVAL, "--url: is longer than %d characters",
				 LAUNCH_URL_MAX - 1);
}

/* "ARCH=HEX" */
static int set_package(const char *url, const char *word, size_t length,
	struct launch_package *package, struct err *err)
{
	const char *equals = memchr(word, '=', length);
	size_t name = equals ? (size_t)(equals - word) : length;
	int r;

	package->machine = equals ? machine_of(word, name) : NULL;
	if (!package->machine)
		return err_set(err, -EINVAL,
			"--sha256: for a URL with " ARCH " the digests are expected as "
			"amd64=HEX,arm64=HEX (or x86_64, aarch64), not \"%.*s\"",
			(int)length, word);
	r = set_url(url, word, name, package, err);
	return r < 0 ? r : set_digest(equals + 1, length - name - 1, package, err);
}

int launch_packages(const char *url, const char *sha256,
	struct launch_package ret_packages[static LAUNCH_PACKAGES_MAX], struct err *err)
{
	int n = 0, r = check_url(url, err);

	if (r < 0)
		return r;
	if (!strstr(url, ARCH)) {
		ret_packages[0].machine = NULL;
		r = set_url(url, NULL, 0, &ret_packages[0], err);
		if (r == 0)
			r = set_digest(sha256, strlen(sha256), &ret_packages[0], err);
		return r < 0 ? r : 1;
	}
	for (const char *word = sha256; r == 0; n++) {
		size_t length = strcspn(word, ",");

		if (n == LAUNCH_PACKAGES_MAX)
			return err_set(err, -EINVAL, "--sha256: there are more than %d of them",
				LAUNCH_PACKAGES_MAX);
		r = set_package(url, word, length, &ret_packages[n], err);
		for (int i = 0; r == 0 && i < n; i++)
			if (strcmp(ret_packages[i].machine, ret_packages[n].machine) == 0)
				r = err_set(err, -EINVAL, "--sha256: %s is there twice",
					ret_packages[n].machine);
		word += length;
		if (!*word++)
			return r < 0 ? r : n + 1;
	}
	return r;
}

/* -- the script -- */

static const char head[] =
	"#!/bin/sh\n"
	"# User-data made by `instancectl user-data`: installs instanced and writes its "
	"configuration.\n"
	"# Run again, it changes only what is not so.\n"
	"set -eu\n"
	"umask 022\n"
	"export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C\n"
	"export DEBIAN_FRONTEND=noninteractive\n"
	"cache=/var/cache/instanced\n"
	"written=no installed=no\n"
	"\n"
	"say() { printf '%s\\n' \"instanced: $*\"; }\n"
	"fail() { say \"$*\" >&2; exit 1; }\n"
	"\n"
	"# FILE BYTES: that many of standard input become the file, as a whole or not at all\n"
	"put() {\n"
	"\tmkdir -p \"${1%/*}\"\n"
	"\thead -c \"$2\" >\"$1.new\"\n"
	"\tif [ -f \"$1\" ] && [ \"$(sha256sum <\"$1\")\" = \"$(sha256sum <\"$1.new\")\" ]; then\n"
	"\t\trm -f \"$1.new\"\n"
	"\telse\n"
	"\t\tsync \"$1.new\"\n"
	"\t\tmv -f \"$1.new\" \"$1\"\n"
	"\t\twritten=yes\n"
	"\t\tsay \"wrote $1\"\n"
	"\tfi\n"
	"}\n"
	"\n"
	"# FILE: whether it is the package that is pinned\n"
	"verified() { echo \"$sha256  $1\" | sha256sum -c --status - 2>/dev/null; }\n"
	"\n"
	"# FILE: the package; only what is verified gets this name\n"
	"fetch() {\n"
	"\t! verified \"$1\" || return 0\n"
	"\tmkdir -p \"$cache\"\n"
	"\tif command -v curl >/dev/null; then\n"
	"\t\tcurl -fsSL --globoff --retry 5 --retry-connrefused --connect-timeout 10 \\\n"
	"\t\t\t--speed-limit 1 --speed-time 60 --output \"$1.part\" --url \"$url\" ||\n"
	"\t\t\tfail \"$url: cannot be downloaded\"\n"
	"\telif command -v wget >/dev/null; then\n"
	"\t\twget -q --tries=5 --timeout=60 -O \"$1.part\" -- \"$url\" ||\n"
	"\t\t\tfail \"$url: cannot be downloaded\"\n"
	"\telse\n"
	"\t\tfail 'neither curl nor wget is here'\n"
	"\tfi\n"
	"\tif ! verified \"$1.part\"; then\n"
	"\t\tgot=$(sha256sum <\"$1.part\")\n"
	"\t\trm -f \"$1.part\"\n"
	"\t\tfail \"$url: has SHA-256 ${got%% *}, not $sha256: nothing is installed\"\n"
	"\tfi\n"
	"\tmv -f \"$1.part\" \"$1\"\n"
	"}\n"
	"\n"
	"install_deb() {\n"
	"\tname=$(dpkg-deb -f \"$package\" Package)\n"
	"\tversion=$(dpkg-deb -f \"$package\" Version)\n"
	"\tthere=$(dpkg-query -W -f '${db:Status-Status} ${Version}' \"$name\" 2>/dev/null) || "
	"there=\n"
	"\t[ \"$there\" != \"installed $version\" ] || return 0\n"
	"\tset -- -qq -y --no-install-recommends --allow-downgrades -o DPkg::Lock::Timeout=300 \\\n"
	"\t\t-o Dpkg::Options::=--force-confold\n"
	"\ttries=3\n"
	"\tuntil apt-get \"$@\" install \"$package\"; do\n"
	"\t\ttries=$((tries - 1))\n"
	"\t\t[ $tries -gt 0 ] || fail \"$name $version: cannot be installed\"\n"
	"\t\tapt-get \"$@\" update || sleep 10\n"
	"\tdone\n"
	"\tinstalled=yes\n"
	"\tsay \"installed $name $version\"\n"
	"}\n"
	"\n"
	"install_rpm() {\n"
	"\tversion=$(rpm -qp \"$package\")\n"
	"\t! rpm -q --quiet \"$version\" || return 0\n"
	"\t{ dnf -q -y install \"$package\" && rpm -q --quiet \"$version\"; } ||\n"
	"\t\tfail \"$version: cannot be installed\"\n"
	"\tinstalled=yes\n"
	"\tsay \"installed $version\"\n"
	"}\n"
	"\n"
	"[ \"$(id -u)\" = 0 ] || fail 'only root can install'\n";

static const char middle[] = "if command -v apt-get >/dev/null; then\n"
			     "\tkind=deb\n"
			     "elif command -v dnf >/dev/null; then\n"
			     "\tkind=rpm\n"
			     "else\n"
			     "\tfail 'neither apt-get nor dnf is here'\n"
			     "fi\n"
			     "package=$cache/$sha256.$kind\n"
			     "fetch \"$package\"\n"
			     "\n"
			     "# The configuration first, so that the units start with it.\n";

static const char tail[] =
	"\n"
	"install_$kind\n"
	"if command -v systemctl >/dev/null; then\n"
	"\tsystemctl --quiet enable instance-bootstrap.service instanced.service\n"
	"fi\n"
	"if [ -d /run/systemd/system ]; then\n"
	"\tverb=start\n"
	"\t[ \"$written $installed\" != 'yes no' ] || verb=restart\n"
	"\tsystemctl --no-block \"$verb\" instance-bootstrap.service instanced.service\n"
	"else\n"
	"\tsay 'systemd is not running here: nothing is started'\n"
	"fi\n"
	"[ \"$written $installed\" != 'no no' ] || say 'it is all there: nothing changed'\n";

/* As one word of a POSIX shell (XCU 2.2.2). */
static void print_quoted(FILE *out, const char *text)
{
	fputc('\'', out);
	for (; *text; text++)
		fputs(*text == '\'' ? "'\\''" : (const char[]){*text, '\0'}, out);
	fputc('\'', out);
}

static void print_pin(FILE *out, const struct launch_package *package)
{
	fputs("url=", out);
	print_quoted(out, package->url);
	fprintf(out, "\nsha256=%s\n", package->sha256);
}

static void print_pins(FILE *out, const struct launch_package *packages, size_t n)
{
	if (n == 1 && !packages[0].machine) {
		print_pin(out, &packages[0]);
		return;
	}
	fputs("case $(uname -m) in\n", out);
	for (size_t i = 0; i < n; i++) {
		fprintf(out, "%s)\n", packages[i].machine);
		print_pin(out, &packages[i]);
		fputs(";;\n", out);
	}
	fputs("*) fail \"there is no package for $(uname -m)\" ;;\nesac\n", out);
}

/*
 * A here-document that nothing in it ends, and of which `put` takes as many bytes as the file has:
 * the line end before the delimiter need not be the file's.
 */
static void print_file(FILE *out, const struct launch_file *file)
{
	char delimiter[sizeof DELIMITER + 12] = DELIMITER;

	for (unsigned n = 1; memmem(file->data, file->length, delimiter, strlen(delimiter)); n++)
		snprintf(delimiter, sizeof delimiter, DELIMITER "_%u", n);
	fputs("put ", out);
	print_quoted(out, file->path);
	fprintf(out, " %zu <<'%s'\n", file->length, delimiter);
	(void)fwrite(file->data, 1, file->length, out);
	fprintf(out, "%s%s\n", file->length > 0 && file->data[file->length - 1] == '\n' ? "" : "\n",
		delimiter);
}

int launch_script(const struct launch_package *packages, size_t n_packages,
	const struct launch_file *files, size_t n_files, char **ret_text, size_t *ret_length)
{
	struct text text;

	if (text_begin(&text) < 0)
		return -ENOMEM;
	fputs(head, text.out);
	print_pins(text.out, packages, n_packages);
	fputs(middle, text.out);
	for (size_t i = 0; i < n_files; i++)
		print_file(text.out, &files[i]);
	fputs(tail, text.out);
	return text_end(&text, ret_text, ret_length);
}

/* -- the document -- */

int launch_document(const char *text, size_t length, char **ret_text, size_t *ret_length)
{
	size_t first = strlen(FIRST_LINE);
	bool marked, there;
	char *document;

	marked = length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
	text += marked ? 3 : 0;
	length -= marked ? 3 : 0;
	there = length >= first && memcmp(text, FIRST_LINE, first) == 0;
	document = malloc(first + length + 1);
	if (!document)
		return -ENOMEM;
	memcpy(document, FIRST_LINE, first);
	first = there ? 0 : first;
	memcpy(document + first, text, length);
	document[first + length] = '\0';
	*ret_text = document;
	*ret_length = first + length;
	return 0;
}
