/* SPDX-License-Identifier: Apache-2.0 */
#include "packages.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file.h"
#include "spawn.h"

#define ASK_TIMEOUT (60ull * 1000000)
#define LISTING_MAX ((size_t)16 << 20) /* bytes; thousands of packages need one MiB */

/* -- names -- */

bool packages_is_name(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < length; i++)
		if (!isalnum((unsigned char)name[i]) && (i == 0 || !strchr("+._-:~=/", name[i])))
			return false;
	return length > 0 && length < PACKAGES_NAME_MAX && name[length - 1] != '-';
}

static int check_names(const struct config_list *wanted, struct err *err)
{
	for (size_t i = 0; i < wanted->n; i++)
		if (!packages_is_name(wanted->items[i]))
			return err_set(
				err, -EINVAL, "\"%s\" is no name of a package", wanted->items[i]);
	return 0;
}

/* -- dpkg -- */

/* A part of a text. */
struct part {
	const char *text;
	size_t length;
};

static bool part_is(struct part part, struct part other)
{
	return part.length == other.length && memcmp(part.text, other.text, part.length) == 0;
}

/* Up to one of `ends`; `*p` is then behind it. */
static struct part part_take(const char **p, const char *ends)
{
	struct part part = {*p, strcspn(*p, ends)};

	*p += part.length;
	*p += **p != '\0';
	return part;
}

/* What apt takes for a package: NAME[:ARCHITECTURE][=VERSION | /RELEASE]; apt-get(8), "install". */
struct wish {
	struct part name, architecture, version;
};

static struct wish wish_read(const char *text)
{
	struct wish wish = {.name = {text, strcspn(text, ":=/")}};
	const char *p = text + wish.name.length;

	if (*p == ':') {
		p++;
		wish.architecture = (struct part){p, strcspn(p, "=/")};
		p += wish.architecture.length;
	}
	if (*p == '=')
		wish.version = (struct part){p + 1, strlen(p + 1)};
	return wish;
}

/* "httpd, httpd-cgi (= 1.22)" */
static bool is_provided(const struct wish *wish, struct part provides)
{
	const char *p = provides.text, *end = p + provides.length;

	while (p < end) {
		struct part name = {p, strcspn(p, " ,(\n")};

		if (part_is(name, wish->name))
			return true;
		p += strcspn(p, ",\n");
		p += strspn(p, ", ");
	}
	return false;
}

static bool is_granted(const struct wish *wish, const char *line)
{
	static const struct part installed = {"installed", 9}, all = {"all", 3};
	struct part status = part_take(&line, "\t\n"), name = part_take(&line, "\t\n");
	struct part architecture = part_take(&line, "\t\n"), version = part_take(&line, "\t\n");
	struct part provides = {line, strcspn(line, "\n")};

	if (!part_is(status, installed))
		return false;
	if (!part_is(name, wish->name))
		return !wish->version.text && is_provided(wish, provides);
	return (!wish->architecture.text || part_is(architecture, wish->architecture) ||
		       part_is(architecture, all)) &&
	       (!wish->version.text || part_is(version, wish->version));
}

void packages_read_dpkg(const struct config_list *wanted, const char *listing,
	bool ret_missing[static CONFIG_LIST_MAX])
{
	for (size_t i = 0; i < wanted->n; i++) {
		struct wish wish = wish_read(wanted->items[i]);

		ret_missing[i] = true;
		for (const char *p = listing; *p && ret_missing[i]; (void)part_take(&p, "\n"))
			ret_missing[i] = !is_granted(&wish, p);
	}
}

/* -- rpm -- */

/* Whether a line of `answer` is `before`, the name, `after`. */
static bool has_line(const char *answer, const char *before, const char *name, const char *after)
{
	char line[PACKAGES_NAME_MAX + 64];
	size_t length = (size_t)snprintf(line, sizeof line, "%s%s%s\n", before, name, after);

	for (const char *p = answer; (p = strstr(p, line)); p += length)
		if (p == answer || p[-1] == '\n')
			return true;
	return false;
}

int packages_read_rpm(
	const struct config_list *wanted, const char *answer, bool missing[static CONFIG_LIST_MAX])
{
	bool unknown[CONFIG_LIST_MAX] = {false};
	size_t granted = 0, found = 0;

	for (size_t i = 0; i < wanted->n; i++) {
		const char *name = wanted->items[i];

		unknown[i] =
			missing[i] && (has_line(answer, "package ", name, " is not installed") ||
					      has_line(answer, "no package provides ", name, ""));
		granted += missing[i] && !unknown[i];
	}
	for (const char *p = answer; (p = strstr(p, PACKAGES_RPM_FORMAT)); p++)
		found += p == answer || p[-1] == '\n';
	if (found < granted) /* one name may stand for several packages, never for none */
		return -EBADMSG;
	memcpy(missing, unknown, sizeof unknown);
	return 0;
}

/* -- updates -- */

/* "Debian-Security:12/stable-security": label, version, suite, as apt's RelStr() has it. */
static bool is_security(struct part origin)
{
	static const char label[] = "Debian-Security:", suffix[] = "-security";

	return (origin.length >= strlen(label) && memcmp(origin.text, label, strlen(label)) == 0) ||
	       (origin.length >= strlen(suffix) &&
		       memcmp(origin.text + origin.length - strlen(suffix), suffix,
			       strlen(suffix)) == 0);
}

/*
 * "Inst NAME [OLD] (NEW LABEL:VERSION/SUITE, … [ARCHITECTURE]) […]"; without [OLD] the package is
 * new. A label may have spaces.
 */
bool packages_read_update(const char *line, char ret_name[static PACKAGES_NAME_MAX])
{
	char name[PACKAGES_NAME_MAX];
	const char *end, *p;
	int read = 0;

	if (sscanf(line, "Inst %127s [%*[^] ]] (%*[^ ()] %n", name, &read) < 1 || read == 0 ||
		!packages_is_name(name))
		return false;
	p = line + read;
	end = strstr(p, " [");
	while (end && p < end) {
		struct part origin = {p, strcspn(p, ",")};

		if (p + origin.length > end)
			origin.length = (size_t)(end - p);
		if (is_security(origin)) {
			strcpy(ret_name, name);
			return true;
		}
		p += origin.length;
		p += strspn(p, ", ");
	}
	return false;
}

/* -- the machine -- */

/* What a program prints on standard output, as a whole; also, with the error, if it fails. */
static int ask(const char *const *argv, char **ret_answer, struct err *err)
{
	_cleanup_close_ int fd = memfd_create("answer", MFD_CLOEXEC);
	int result, r;

	if (fd < 0)
		return err_set(err, -errno, "memfd: %m");
	result = spawn_run(&(struct spawn){.argv = argv, .output = fd, .timeout_usec = ASK_TIMEOUT},
		NULL, err);
	if (result < 0 && result != -ECHILD)
		return result;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, -errno, "%s: %m", argv[0]);
	r = file_read_fd(fd, LISTING_MAX, ret_answer, NULL);
	return r < 0 ? err_set(err, r, "%s: %m", argv[0]) : result;
}

/* All that is installed: dpkg-query reads all of it anyway, and only so what is provided is seen.
 */
static int ask_dpkg(
	const struct config_list *wanted, bool ret_missing[static CONFIG_LIST_MAX], struct err *err)
{
	static const char *const argv[] = {"dpkg-query", "-W", "-f", PACKAGES_DPKG_FORMAT, NULL};
	_cleanup_free_ char *listing = NULL;
	int r = ask(argv, &listing, err);

	if (r == 0)
		packages_read_dpkg(wanted, listing, ret_missing);
	return r;
}

/* `by` is an option of rpm, or NULL. */
static int ask_rpm_by(const struct config_list *wanted, const char *by,
	bool missing[static CONFIG_LIST_MAX], struct err *err)
{
	const char *argv[CONFIG_LIST_MAX + 8] = {"rpm", "-q", "--qf", PACKAGES_RPM_FORMAT};
	_cleanup_free_ char *answer = NULL;
	size_t n = 4, options; /* after these */
	struct err words;
	int r;

	if (by)
		argv[n++] = by;
	argv[n++] = "--";
	options = n;
	for (size_t i = 0; i < wanted->n; i++)
		if (missing[i])
			argv[n++] = wanted->items[i];
	if (n == options)
		return 0;
	r = ask(argv, &answer, &words); /* fails also when something is not installed */
	if ((r == 0 || r == -ECHILD) && packages_read_rpm(wanted, answer, missing) == 0)
		return 0;
	return err_set(err, r < 0 ? r : -EBADMSG, "%s",
		r < 0 ? words.text : "rpm does not answer for each package");
}

/* By names, which may have a version or architecture, then by what is provided. */
static int ask_rpm(
	const struct config_list *wanted, bool ret_missing[static CONFIG_LIST_MAX], struct err *err)
{
	bool missing[CONFIG_LIST_MAX] = {false};
	int r;

	memset(missing, true, wanted->n);
	r = ask_rpm_by(wanted, NULL, missing, err);
	if (r == 0)
		r = ask_rpm_by(wanted, "--whatprovides", missing, err);
	if (r == 0)
		memcpy(ret_missing, missing, sizeof missing);
	return r;
}

/* -- the machine's manager -- */

static const struct {
	const char *program;
	int (*ask)(const struct config_list *wanted, bool ret_missing[static CONFIG_LIST_MAX],
		struct err *err);
} managers[] = {
	[PACKAGES_APT] = {"apt-get", ask_dpkg},
	[PACKAGES_DNF] = {"dnf", ask_rpm},
	[PACKAGES_YUM] = {"yum", ask_rpm},
};

int packages_manager(enum packages_manager *ret_manager, struct err *err)
{
	char path[PATH_MAX];

	FOREACH_ELEMENT (i, managers) {
		if (spawn_find(managers[i].program, path, sizeof path) < 0)
			continue;
		*ret_manager = (enum packages_manager)i;
		return 0;
	}
	return err_set(err, -ENOENT, "none of apt-get, dnf and yum is on this machine");
}

int packages_missing(const struct config_packages *packages,
	bool ret_missing[static CONFIG_LIST_MAX], struct err *err)
{
	bool missing[CONFIG_LIST_MAX] = {false};
	enum packages_manager manager;
	int r = check_names(&packages->install, err);

	if (r == 0 && packages->install.n > 0)
		r = packages_manager(&manager, err);
	if (r == 0 && packages->install.n > 0)
		r = managers[manager].ask(&packages->install, missing, err);
	if (r == 0)
		memcpy(ret_missing, missing, sizeof missing);
	return r;
}

/* -- the mark -- */

static const char *const marks[] = {
	[CONFIG_UPDATE_NO] = "no\n",
	[CONFIG_UPDATE_SECURITY] = "security\n",
	[CONFIG_UPDATE_ALL] = "all\n",
};

bool packages_update_is_due(enum config_update update, const char *state)
{
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/" PACKAGES_MARK, state);
	for (size_t i = update; i < sizeof marks / sizeof marks[0]; i++)
		if (file_equals(path, marks[i], strlen(marks[i])))
			return false;
	return update != CONFIG_UPDATE_NO;
}

int packages_updated(enum config_update update, const char *state, struct err *err)
{
	char path[PATH_MAX];
	int r;

	snprintf(path, sizeof path, "%s/" PACKAGES_MARK, state);
	r = file_write(path, marks[update], strlen(marks[update]), 0644);
	return r < 0 ? err_set(err, r, "%s: %m", path) : 0;
}
