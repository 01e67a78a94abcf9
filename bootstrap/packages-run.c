/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Package managers at work. What they print is the only way to know why one gave up: some of it
 * passes by itself (a lock, a network that is not there yet), some can be set right.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "host.h"
#include "output.h"
#include "packages.h"

#define USEC_PER_SEC     1000000ull
#define RUN_TIMEOUT      (30 * 60 * USEC_PER_SEC) /* of each command */
#define NETWORK_PATIENCE (2 * 60 * USEC_PER_SEC)  /* we may be up before the network is */
#define LOCK_SECONDS     600                      /* that somebody else's manager is waited for */
#define PAUSE_USEC       (1 * USEC_PER_SEC)       /* from one try to the next */
#define HOLDER_MAX       64
#define WORD_MAX         160

#define TEXT_OF(x)   #x
#define TEXT(number) TEXT_OF(number)
#define ARGV(...)    ((const char *const[]){__VA_ARGS__, NULL})

/*
 * What a person would be asked is answered as apt's own unattended upgrades do: a configuration
 * file that somebody changed stays. A mirror's error is an error, not a warning. Nothing is removed
 * to make room for something else.
 */
#define APT                                                                                        \
	"apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=" TEXT(LOCK_SECONDS), "-o",              \
		"Dpkg::Use-Pty=0", "-o", "Dpkg::Options::=--force-confdef", "-o",                  \
		"Dpkg::Options::=--force-confold", "-o", "APT::Update::Error-Mode=any", "-o",      \
		"APT::Get::Remove=false"

/*
 * Command lines; those that end in "--" or a verb take names. Security updates by apt: sources of
 * them win over others, so that a newer version elsewhere does not hide one; what else is upgraded
 * then is left out by packages_read_update().
 */
static const struct {
	const char *const *refresh;  /* learns what there is; NULL: the others do */
	const char *const *install;  /* names */
	const char *const *update;   /* of everything */
	const char *const *security; /* if `some`: only shows them, and is followed by … */
	const char *const *some;     /* … names */
} commands[] = {
	[PACKAGES_APT] = {ARGV(APT, "update"), ARGV(APT, "install", "--"),
		ARGV(APT, "--with-new-pkgs", "upgrade"),
		ARGV(APT, "--with-new-pkgs", "-s", "-t", "*-security", "upgrade"),
		ARGV(APT, "-t", "*-security", "--only-upgrade", "install", "--")},
	[PACKAGES_DNF] = {NULL, ARGV("dnf", "-y", "install"),
		ARGV("dnf", "-y", "--refresh", "upgrade"),
		ARGV("dnf", "-y", "--refresh", "upgrade", "--security"), NULL},
	[PACKAGES_YUM] = {NULL, ARGV("yum", "-y", "install"), ARGV("yum", "-y", "update"),
		ARGV("yum", "-y", "update", "--security"), NULL},
};

enum trouble { NONE, LOCKED, OFFLINE, CUT_OFF, UNMET, TROUBLES };

/* What helps: time, or a command, once. */
static const struct {
	uint64_t patience_usec;
	const char *const *repair;
} remedies[TROUBLES] = {
	[LOCKED] = {LOCK_SECONDS * USEC_PER_SEC, NULL},
	[OFFLINE] = {NETWORK_PATIENCE, NULL},
	[CUT_OFF] = {0, ARGV("dpkg", "--force-confdef", "--force-confold", "--configure", "-a")},
	[UNMET] = {0, ARGV(APT, "--fix-broken", "install")},
};

/* One operation, over all its commands. */
struct job {
	bool update;             /* else: install */
	bool given_up[TROUBLES]; /* for this operation */
	char holder[HOLDER_MAX]; /* "1234 (apt-get)", who had the lock */
	/* of the command that runs, or ran last */
	enum trouble trouble;
	char said[OUTPUT_WORDS_MAX]; /* its errors */
	char before[WORD_MAX];       /* the line before this one */
	unsigned more;               /* lines that the error has still */
	char summary[WORD_MAX];      /* "3 upgraded, 0 newly installed, …" */
	struct name_list *list;      /* what it prints is collected there; NULL: passed on */
	bool (*read)(const char *line, char ret_name[static PACKAGES_NAME_MAX]);
};

struct name_list {
	char names[PACKAGES_UPDATES_MAX][PACKAGES_NAME_MAX];
	const char *all[PACKAGES_UPDATES_MAX];
	size_t n;
	bool more; /* than there is room for */
};

/* -- what they print -- */

/* The last of a command's lines that has one of these words tells why it failed. */
static const struct {
	const char *words;
	enum trouble trouble;
} troubles[] = {
	{"E: Could not get lock ", LOCKED},
	{"lock was locked by another process", LOCKED}, /* dpkg */
	{"transaction lock", LOCKED},                   /* rpm */
	{"Temporary failure resolving", OFFLINE}, {"Could not resolve host", OFFLINE},
	{"Couldn't resolve host", OFFLINE}, {"Could not connect to", OFFLINE},
	{"Couldn't connect to", OFFLINE}, {"Failed to connect to", OFFLINE},
	{"Network is unreachable", OFFLINE}, {"Connection timed out", OFFLINE},
	{"E: dpkg was interrupted", CUT_OFF}, {"--fix-broken install", UNMET},
	{"dpkg: error processing ", NONE}, /* whatever its script said before */
};

/* What belongs into our error, with its neighbours. */
static const struct {
	const char *prefix;
	bool before;
	unsigned after; /* lines */
} errors[] = {
	{"dpkg: error processing ", true, 1}, /* what its script said; what script it was */
	{"E: ", false, 0},
	{"error: %", true, 0}, /* rpm's scripts */
	{"Error: ", false, 2},
	{"Error in ", false, 0},
};

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void say(struct job *job, const char *line)
{
	size_t length = strlen(job->said);

	snprintf(job->said + length, sizeof job->said - length, "%s%s", length ? " / " : "",
		line + strspn(line, " "));
}

static void take_error(struct job *job, const char *line)
{
	FOREACH_ELEMENT (i, errors) {
		if (!starts_with(line, errors[i].prefix))
			continue;
		if (starts_with(line, "E: Sub-process ") && job->said[0])
			return; /* dpkg said what it was */
		if (errors[i].before && job->before[0])
			say(job, job->before);
		say(job, line);
		job->more = errors[i].after;
		return;
	}
	if (job->more > 0) {
		job->more--;
		say(job, line);
	}
}

/* Who is waited for; whether that was told already. apt, dpkg and dnf, yum. */
static bool take_holder(struct job *job, const char *line)
{
	static const char *const words[] = {
		"held by process ", "process with pid ", "running as pid "};
	char name[32] = "", holder[HOLDER_MAX];
	const char *p = NULL;
	unsigned pid;
	bool known;

	for (size_t i = 0; !p && i < sizeof words / sizeof words[0]; i++) {
		p = strstr(line, words[i]);
		p = p ? p + strlen(words[i]) : NULL;
	}
	if (!p || sscanf(p, "%u (%31[^)])", &pid, name) < 1)
		return false;
	snprintf(holder, sizeof holder, "%u%s%s%s", pid, name[0] ? " (" : "", name,
		name[0] ? ")" : "");
	known = strcmp(holder, job->holder) == 0;
	memcpy(job->holder, holder, sizeof holder);
	return known;
}

static void take_name(struct job *job, const char *line)
{
	struct name_list *list = job->list;
	char name[PACKAGES_NAME_MAX];

	if (!job->read(line, name))
		return;
	list->more = list->n == PACKAGES_UPDATES_MAX;
	if (list->more)
		return;
	list->all[list->n] = memcpy(list->names[list->n], name, sizeof name);
	list->n++;
}

static bool is_whole_name(const char *line, char ret_name[static PACKAGES_NAME_MAX])
{
	if (!packages_is_name(line))
		return false;
	strcpy(ret_name, line);
	return true;
}

static bool on_line(const char *line, void *userdata)
{
	struct job *job = userdata;

	FOREACH_ELEMENT (i, troubles)
		if (strstr(line, troubles[i].words))
			job->trouble = troubles[i].trouble;
	take_error(job, line);
	snprintf(job->before, sizeof job->before, "%.*s", WORD_MAX - 1, line);
	if (strstr(line, " upgraded, ") || starts_with(line, "Upgrade  "))
		snprintf(job->summary, sizeof job->summary, "%.*s", WORD_MAX - 1, line);
	if (job->list)
		take_name(job, line);
	return take_holder(job, line); /* each is passed on once, not each second */
}

/* -- commands -- */

/*
 * Not `alone`: a package may start its service. On systemd the unit has our number: what a killed
 * run left at work ends well by itself, and we wait for its lock as for anybody's.
 */
static int run_once(struct job *job, const char *const *argv, const char *const *names, size_t n,
	struct err *err)
{
	const char *const env[] = {"DEBIAN_FRONTEND=noninteractive",
		"APT_LISTCHANGES_FRONTEND=none", "UCF_FORCE_CONFFOLD=1",
		/* Restarts what uses a library that was updated; else nothing that was not asked.
		 */
		job->update ? "NEEDRESTART_MODE=a" : "NEEDRESTART_MODE=l", NULL};
	_cleanup_free_ const char **whole = NULL;
	size_t length = 0;
	char unit[64];
	int r;

	while (argv[length])
		length++;
	whole = calloc(length + n + 1, sizeof *whole);
	if (!whole)
		return err_set(err, -ENOMEM, "%m");
	memcpy(whole, argv, length * sizeof *argv);
	if (n > 0)
		memcpy(whole + length, names, n * sizeof *names);
	snprintf(unit, sizeof unit, "instance-packages-%d", (int)getpid());
	job->trouble = NONE;
	job->said[0] = job->before[0] = job->summary[0] = '\0';
	job->more = 0;
	if (job->list)
		job->list->n = 0;
	r = host()->run(unit,
		&(struct spawn){.argv = whole,
			.env = env,
			.label = job->list ? NULL : "packages",
			.line = on_line,
			.userdata = job,
			.proxies = true,
			.unconfined = true,
			.timeout_usec = RUN_TIMEOUT},
		NULL, err);
	return r == -ECHILD && job->said[0] ? err_set(err, r, "%s: %s", argv[0], job->said) : r;
}

/* As run_once(), with remedies for what stopped it. */
static int run(struct job *job, const char *const *argv, const char *const *names, size_t n,
	struct err *err)
{
	const struct timespec pause = {PAUSE_USEC / USEC_PER_SEC, 0};
	uint64_t began = clock_monotonic();

	for (;;) {
		int r = run_once(job, argv, names, n, err);
		enum trouble trouble = job->trouble;

		if (r != -ECHILD || trouble == NONE || job->given_up[trouble])
			return r;
		if (remedies[trouble].repair) {
			job->given_up[trouble] = true;
			(void)run(job, remedies[trouble].repair, NULL, 0, NULL);
		} else if (clock_monotonic() < began + remedies[trouble].patience_usec) {
			(void)nanosleep(&pause, NULL);
		} else {
			job->given_up[trouble] = true;
			return r;
		}
	}
}

static void note(char text[static PACKAGES_NOTE_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(char text[static PACKAGES_NOTE_MAX], const char *format, ...)
{
	size_t length = strlen(text);
	va_list ap;

	if (length > 0 && length + 2 < PACKAGES_NOTE_MAX)
		length += (size_t)snprintf(text + length, PACKAGES_NOTE_MAX - length, "; ");
	va_start(ap, format);
	(void)vsnprintf(text + length, PACKAGES_NOTE_MAX - length, format, ap);
	va_end(ap);
}

static void note_job(char text[static PACKAGES_NOTE_MAX], const struct job *job)
{
	if (job->holder[0])
		note(text, "waited for process %s", job->holder);
	if (job->given_up[CUT_OFF] || job->given_up[UNMET])
		note(text, "set right what was cut off before");
}

/* -- installing -- */

/* Each by itself, when all at once failed: one that cannot be had is not to keep out the others. */
static void install_each(struct job *job, const char *const *install, const char *const *names,
	size_t n, struct err *err)
{
	bool first = true;

	for (size_t i = 0; i < n; i++) {
		struct err words;

		if (run(job, install, &names[i], 1, &words) == 0 || !first)
			continue;
		*err = words;
		first = false;
	}
}

/* Asks the machine again: what counts is what is there now. */
static int judge(const struct config_packages *packages, const bool missing[static CONFIG_LIST_MAX],
	int result, const struct err *words, struct err *err)
{
	bool left[CONFIG_LIST_MAX];
	int r = packages_missing(packages, left, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < packages->install.n; i++)
		if (left[i] && missing[i])
			return result < 0 ? err_set(err, result, "%s", words->text)
					  : err_set(err, -ENOENT, "%s is still not installed",
						    packages->install.items[i]);
	return 0;
}

int packages_install(const struct config_packages *packages,
	const bool missing[static CONFIG_LIST_MAX], char ret_note[static PACKAGES_NOTE_MAX],
	struct err *err)
{
	const char *names[CONFIG_LIST_MAX];
	char text[PACKAGES_NOTE_MAX] = "";
	struct job job = {.update = false};
	struct err stale, failed, words;
	enum packages_manager manager;
	int refreshed = 0, result, r = packages_manager(&manager, err);
	size_t n = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < packages->install.n; i++)
		if (missing[i])
			names[n++] = packages->install.items[i];
	if (commands[manager].refresh)
		refreshed = run(&job, commands[manager].refresh, NULL, 0, &stale);
	result = run(&job, commands[manager].install, names, n, &failed);
	if (result == -ECHILD && job.trouble == NONE && n > 1)
		install_each(&job, commands[manager].install, names, n, &failed);
	r = judge(packages, missing, result, &failed, &words);
	if (r < 0)
		return err_set(err, r, "%.500s%s%.400s", words.text,
			refreshed < 0 ? "; before that " : "", refreshed < 0 ? stale.text : "");
	note_job(text, &job);
	if (refreshed < 0)
		note(text, "%s", stale.text);
	memcpy(ret_note, text, sizeof text);
	return 0;
}

/* -- updating -- */

/* The names that a command prints. */
static int list(struct job *job, const char *const *argv, const struct name_list *of,
	bool (*read)(const char *line, char ret_name[static PACKAGES_NAME_MAX]),
	struct name_list *ret_list, struct err *err)
{
	int r;

	job->list = ret_list;
	job->read = read;
	r = run(job, argv, of ? of->all : NULL, of ? of->n : 0, err);
	job->list = NULL;
	if (r == 0 && ret_list->more)
		r = err_set(err, -E2BIG, "there are more than %d security updates",
			PACKAGES_UPDATES_MAX);
	return r;
}

/* Those packages only that a security update is for. apt takes each for asked for by a person then;
 * what was installed for another package is to stay so. */
static int update_some(struct job *job, enum packages_manager manager, struct err *err)
{
	static const char *const show[] = {"apt-mark", "showauto", "--", NULL};
	static const char *const mark[] = {"apt-mark", "-qq", "auto", "--", NULL};
	_cleanup_free_ struct name_list *updates = calloc(1, sizeof *updates);
	_cleanup_free_ struct name_list *automatic = calloc(1, sizeof *automatic);
	char summary[WORD_MAX] = "nothing to update";
	int r;

	if (!updates || !automatic)
		return err_set(err, -ENOMEM, "%m");
	r = list(job, commands[manager].security, NULL, packages_read_update, updates, err);
	if (r == 0 && updates->n > 0) {
		r = list(job, show, updates, is_whole_name, automatic, err);
		if (r == 0)
			r = run(job, commands[manager].some, updates->all, updates->n, err);
		memcpy(summary, job->summary, sizeof summary);
	}
	if (r == 0 && automatic->n > 0)
		r = run(job, mark, automatic->all, automatic->n, err);
	memcpy(job->summary, summary, sizeof summary);
	return r;
}

int packages_update(
	enum config_update update, char ret_note[static PACKAGES_NOTE_MAX], struct err *err)
{
	char text[PACKAGES_NOTE_MAX] = "";
	struct job job = {.update = true};
	enum packages_manager manager;
	struct err stale;
	int refreshed = 0, r = packages_manager(&manager, err);

	if (r < 0)
		return r;
	if (commands[manager].refresh)
		refreshed = run(&job, commands[manager].refresh, NULL, 0, &stale);
	if (update == CONFIG_UPDATE_SECURITY && commands[manager].some)
		r = update_some(&job, manager, err);
	else
		r = run(&job,
			update == CONFIG_UPDATE_ALL ? commands[manager].update
						    : commands[manager].security,
			NULL, 0, err);
	if (r < 0 || refreshed < 0) /* what is not known of cannot have been updated */
		return r < 0 ? r : err_set(err, refreshed, "%s", stale.text);
	note_job(text, &job);
	if (job.summary[0])
		note(text, "%s", job.summary);
	memcpy(ret_note, text, sizeof text);
	return 0;
}
