/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is an instance's own, after what cloud-init clean, virt-sysprep(1), EC2 Image Builder's
 * clean-up and systemd's "Safely Building Images" (https://systemd.io/BUILDING_IMAGES) remove; of
 * these only what belongs to this instance. `cloud-init clean` itself is not run: it cannot say
 * what it will remove or work on a tree, and it removes scripts that an image is meant to have.
 *
 * Not here because a new instance's cloud-init writes it anew, and without cloud-init (or with its
 * networking off) nobody would: network configuration, /etc/sudoers.d/90-cloud-init-users.
 */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "page-file.h"
#include "seal.h"

#define SMALL_MAX 4096

#define GOES      NULL
#define NOT_MEANT ""

static bool glob_finds(const char *pattern)
{
	glob_t found = {0};
	bool finds = glob(pattern, 0, NULL, &found) == 0;

	globfree(&found);
	return finds;
}

/* A machine that nobody gives new keys would be one that nobody can log in to. */
static const char *keys_objection(const struct seal_request *request, const char *path)
{
	static const char *const makers[] = {"/usr/lib/systemd/system/*keygen*.service",
		"/lib/systemd/system/*keygen*.service", "/etc/systemd/system/*keygen*.service"};

	(void)request;
	(void)path;
	if (access("/usr/bin/cloud-init", X_OK) == 0 &&
		access("/etc/cloud/cloud-init.disabled", F_OK) < 0)
		return GOES;
	FOREACH_ELEMENT (i, makers)
		if (glob_finds(makers[i]))
			return GOES;
	return "neither cloud-init nor a keygen unit would make new ones at boot";
}

/* The name is the instance's if cloud-init has noted it as the one that it gave. */
static const char *host_name_objection(const struct seal_request *request, const char *path)
{
	_cleanup_free_ char *name = NULL, *given = NULL;

	(void)request;
	if (file_read(path, SMALL_MAX, &name, NULL) < 0 ||
		file_read("/var/lib/cloud/data/previous-hostname", SMALL_MAX, &given, NULL) < 0)
		return NOT_MEANT;
	name[strcspn(name, "\n")] = '\0';
	given[strcspn(given, "\n")] = '\0';
	return *name && strcmp(name, given) == 0 ? GOES : NOT_MEANT;
}

static const char *page_objection(const struct seal_request *request, const char *path)
{
	_cleanup_free_ char *content = NULL;
	bool ours = false;

	(void)request;
	return page_file_read(path, &content, &ours) == 0 && ours ? GOES : NOT_MEANT;
}

/* On a running machine it is in memory, and apps are watched with it. */
static const char *state_objection(const struct seal_request *request, const char *path)
{
	(void)path;
	return request->running ? NOT_MEANT : GOES;
}

static const char *hook_objection(const struct seal_request *request, const char *path)
{
	(void)request;
	return access(path, X_OK) == 0 ? GOES : NOT_MEANT; /* the directory has a README */
}

/* machine-id(5): "uninitialized" is no ID either, and asks for more at the next boot. */
static const char *machine_id_objection(const struct seal_request *request, const char *path)
{
	(void)request;
	return file_equals(path, "uninitialized\n", strlen("uninitialized\n")) ? NOT_MEANT : GOES;
}

#define LOG  "/var/log/"
#define LIB  "/var/lib/"
#define KEYS "/etc/ssh/ssh_host_*_key"

/* From first to last; what an objection reads goes after what it is about. */
const struct seal_rule seal_rules[] = {
	{.what = "the host name that cloud-init gave",
		.how = SEAL_REMOVE,
		.paths = "/etc/hostname",
		.objection = host_name_objection},
	{.what = "cloud-init's records of this instance",
		.how = SEAL_REMOVE,
		.paths = LIB "cloud/instance " LIB "cloud/instances/* " LIB "cloud/data/* " LIB
			     "cloud/sem/* " LIB "cloud/scripts/vendor/*",
		.trees = true},
	{.what = "cloud-init's logs",
		.how = SEAL_REMOVE,
		.paths = LOG "cloud-init.log* " LOG "cloud-init-output.log*"},
	{.what = "SSH host keys",
		.how = SEAL_ERASE,
		.paths = KEYS " " KEYS ".pub " KEYS "-cert.pub",
		.objection = keys_objection},
	{.what = "instanced's records of formats", .how = SEAL_REMOVE, .paths = "DATA:format/*"},
	{.what = "what instanced did to target groups and stacks",
		.how = SEAL_REMOVE,
		.paths = LIB "instanced-agent/*"},
	{.what = "instanced's state",
		.how = SEAL_REMOVE,
		.paths = "STATE:*",
		.trees = true,
		.objection = state_objection},
	{.what = "instanced's index page",
		.how = SEAL_REMOVE,
		.paths = "PAGE:",
		.objection = page_objection},
	{.what = "DHCP leases",
		.how = SEAL_REMOVE,
		.paths = LIB "dhcp/*.leases* " LIB "dhclient/*.lease* " LIB
			     "NetworkManager/*.lease " LIB "dhcpcd/*.lease* " LIB "dhcpcd/duid"},
	{.what = "random seeds",
		.how = SEAL_ERASE,
		.paths = LIB "systemd/random-seed " LIB "urandom/random-seed " LIB
			     "random-seed /boot/loader/random-seed "
			     "/boot/efi/loader/random-seed /efi/loader/random-seed"},
	{.what = "system logs, rotated",
		.how = SEAL_REMOVE,
		.paths = LOG "syslog.* " LOG "messages[.-]* " LOG "auth.log.* " LOG
			     "secure[.-]* " LOG "kern.log.* " LOG "daemon.log.* " LOG
			     "user.log.* " LOG "debug.* " LOG "cron[.-]* " LOG "cron.log.* " LOG
			     "boot.log[.-]* " LOG "dmesg.* " LOG "wtmp[.-]* " LOG "btmp[.-]* " LOG
			     "audit/audit.log.*"},
	{.what = "system logs",
		.how = SEAL_EMPTY,
		.paths = LOG "syslog " LOG "messages " LOG "auth.log " LOG "secure " LOG
			     "kern.log " LOG "daemon.log " LOG "user.log " LOG "debug " LOG
			     "cron " LOG "cron.log " LOG "boot.log " LOG "dmesg " LOG
			     "audit/audit.log"},
	{.what = "records of logins",
		.how = SEAL_EMPTY,
		.paths = LOG "wtmp " LOG "btmp " LOG "lastlog"},
	{.what = "the journal", .how = SEAL_REMOVE, .paths = LOG "journal/*/*"},
	{.what = "the machine ID", .how = SEAL_REMOVE, .paths = LIB "dbus/machine-id"},
	{.what = "the machine ID",
		.how = SEAL_EMPTY,
		.paths = "/etc/machine-id",
		.objection = machine_id_objection},

	{.what = "keys that may log in",
		.how = SEAL_KEEP,
		.paths = "/root/.ssh/authorized_keys /home/*/.ssh/authorized_keys",
		.why = "whoever has them may log in to every instance of the image; cloud-init "
		       "adds the launching key by itself"},
	{.what = "cloud-init's seed",
		.how = SEAL_KEEP,
		.paths = LIB "cloud/seed/*/*",
		.why = "it was put there by hand, and every instance of the image will read it"},
	{.what = "hooks of cloud-init clean",
		.how = SEAL_KEEP,
		.paths = "/etc/cloud/clean.d/*",
		.objection = hook_objection,
		.why = "not run; run-parts runs them, should they matter"},
	{.what = "the key of encrypted credentials",
		.how = SEAL_KEEP,
		.paths = LIB "systemd/credential.secret",
		.why = "without it credentials that were encrypted here cannot be read"},
};
const size_t seal_rules_count = sizeof seal_rules / sizeof seal_rules[0];

bool seal_may_cross(const char *path)
{
	static const char *const places[] = {"/boot", "/boot/efi", "/efi", "/etc", "/home", "/root",
		"/usr", "/var", "/var/lib", "/var/log", "/var/log/audit"};

	FOREACH_ELEMENT (i, places)
		if (strcmp(path, places[i]) == 0)
			return true;
	return false;
}
