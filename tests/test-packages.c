/* SPDX-License-Identifier: Apache-2.0 */
/* What package managers print: texts as apt 2.6 (Debian 12), 2.7 (Ubuntu 24.04) and rpm 4.18 do. */
#include "../bootstrap/packages.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

static void test_names(void)
{
	static const char *const good[] = {"git", "g++", "libstdc++6", "python3.11", "7zip",
		"nginx=1.22.1-9+deb12u1", "libc6:i386", "nginx/stable-backports",
		"vim=2:9.0.1378-2~bpo1", "nginx-1.24.0", "amazon-efs-utils.noarch",
		"NetworkManager"};
	static const char *const bad[] = {"", "-y", "--allow-unauthenticated", "git-", "+git",
		"/bin/sh", "../x", "./x.deb", "a b", "a;b", "a$b", "nginx.*", "linux-*", "^lamp",
		"lamp-server^", "?installed", "~i", "@tools", "a\nb", "p(x)", "\xc3\xa9"};
	char long_name[PACKAGES_NAME_MAX + 1];

	for (size_t i = 0; i < LENGTH(good); i++)
		ok(packages_is_name(good[i]), good[i]);
	for (size_t i = 0; i < LENGTH(bad); i++)
		if (packages_is_name(bad[i]))
			ok(false, bad[i]);
	ok(true, "what is an option, a pattern, a file or a wish to remove is no name");
	memset(long_name, 'a', sizeof long_name);
	long_name[PACKAGES_NAME_MAX] = '\0';
	ok(!packages_is_name(long_name), "a name that is too long is none");
	long_name[PACKAGES_NAME_MAX - 1] = '\0';
	ok(packages_is_name(long_name), "the longest is");
}

static const char dpkg[] = "installed\tgit\tamd64\t1:2.39.5-0+deb12u2\tgit-completion, git-core\n"
			   "config-files\tnginx\tamd64\t1.22.1-9\thttpd, httpd-cgi\n"
			   "half-configured\tbroken\tall\t1\t\n"
			   "installed\tpostfix\tamd64\t3.7.11-0+deb12u1\tdefault-mta (= 3.7.11), "
			   "mail-transport-agent\n"
			   "installed\tlibc6\ti386\t2.36-9\tlibc6-i686\n"
			   "installed\ttzdata\tall\t2024a-0\ttzdata-bookworm";

static bool there(const char *name, const char *listing)
{
	struct config_list wanted = {{(char *)name}, 1};
	bool missing[CONFIG_LIST_MAX];

	packages_read_dpkg(&wanted, listing, missing);
	return !missing[0];
}

static void test_dpkg(void)
{
	static const char *const in[] = {"git", "git=1:2.39.5-0+deb12u2", "git:amd64", "git/stable",
		"git:amd64=1:2.39.5-0+deb12u2", "libc6:i386", "libc6", "tzdata:amd64",
		"mail-transport-agent", "default-mta", "git-core", "tzdata", "tzdata-bookworm"};
	static const char *const out[] = {"gi", "git-", "gits", "git=1:2.39.5", "git:i386", "nginx",
		"httpd", "broken", "libc6:amd64", "mail-transport-agent=1", "all", "3.7.11",
		"absent"};

	for (size_t i = 0; i < LENGTH(in); i++)
		ok(there(in[i], dpkg), in[i]);
	for (size_t i = 0; i < LENGTH(out); i++)
		if (there(out[i], dpkg))
			ok(false, out[i]);
	ok(true, "what is not there, not configured, or there as another one, is missing");
	ok(!there("git", ""), "on an empty machine all is missing");
	ok(!there("git", "\n\n\t\t\ngarbage\ninstalled\n"), "garbage grants nothing");
}

static int rpm(const char *answer, bool missing[static CONFIG_LIST_MAX])
{
	static const struct config_list wanted = {{(char *)"git", (char *)"gi", (char *)"jq"}, 3};

	return packages_read_rpm(&wanted, answer, missing);
}

static void test_rpm(void)
{
	bool m[CONFIG_LIST_MAX] = {true, true, true};

	is_int(rpm("+\npackage gi is not installed\n+\n", m), 0, "an answer for each");
	ok(!m[0] && m[1] && !m[2], "the one that rpm does not know is missing");
	is_int(rpm("+\n+\n", m), 0, "several packages that provide the one left");
	ok(!m[0] && !m[1] && !m[2], "so it is there");
	m[0] = m[1] = true;
	is_int(rpm("no package provides git\nno package provides gi\n", m), 0,
		"none provides them");
	ok(m[0] && m[1] && !m[2], "those asked for are missing");
	is_int(rpm("error: cannot open Packages database\n", m), -EBADMSG, "no answer");
	is_int(rpm("no package provides git\n", m), -EBADMSG, "an answer for one of two");
	is_int(rpm("no package provides git\nC++\n", m), -EBADMSG, "garbage grants nothing");
	ok(m[0] && m[1], "then nothing is changed");
}

static void test_updates(void)
{
	static const struct {
		const char *line, *name;
	} lines[] = {
		{"Inst sed [4.9-1] (4.9-1+deb12u1 Debian-Security:12/stable-security [amd64])",
			"sed"},
		{"Inst libgcrypt20-dev [1.10.1-3] (1.10.1-3+deb12u1 Debian:12.15/oldstable, "
		 "Debian-Security:12/oldstable-security [amd64]) []",
			"libgcrypt20-dev"},
		{"Inst libgcrypt20 [1.10] (1.11 Debian-Security:12/oldstable-security [amd64]) "
		 "[libgcrypt20-dev:amd64 ]",
			"libgcrypt20"},
		{"Inst libssl3t64 [3.0.13-0ubuntu3.4] (3.0.13-0ubuntu3.5 "
		 "Ubuntu:24.04/noble-updates, "
		 "Ubuntu:24.04/noble-security [arm64])",
			"libssl3t64"},
		{"Inst libc6:i386 [2.36-9] (2.36-9+deb12u4 Debian-Security:12/stable-security "
		 "[i386])",
			"libc6:i386"},
		{"Inst vim [2:9] (2:9.1 UbuntuESM:22.04/jammy-infra-security [amd64])", "vim"},
		{"Inst own [1] (2 noble-security [all])", "own"},
		{"Inst sed [4.9-1] (4.9-1+deb12u1 Debian:12.15/oldstable [amd64])", NULL},
		{"Inst tzdata [1] (2 Ubuntu:24.04/noble-updates [all])", NULL},
		{"Inst linux-image-6.1.0-38-cloud-amd64 (6.1.147-1 "
		 "Debian-Security:12/stable-security "
		 "[amd64])",
			NULL}, /* new: comes with what needs it */
		{"Inst app [1] (2 Some vendor, Inc.:1/stable [amd64])", NULL},
		{"Inst app [1] (2-security Vendor:1/stable [amd64])", NULL},
		{"Inst app [1-security] (2 Vendor:1/stable [amd64]) [x-security ]", NULL},
		{"Inst app [1] (2 localhost [amd64])", NULL},
		{"Conf sed (4.9-1+deb12u1 Debian-Security:12/stable-security [amd64])", NULL},
		{"Remv sed [4.9-1]", NULL},
		{"Inst -y [1] (2 Debian-Security:12/stable-security [amd64])", NULL},
		{"Inst sed [4.9-1] (4.9-1+deb12u1 Debian-Security:12/stable-security", NULL},
		{"Inst ", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < LENGTH(lines); i++) {
		char name[PACKAGES_NAME_MAX] = "untouched";
		bool is = packages_read_update(lines[i].line, name);

		is_str(name, lines[i].name ? lines[i].name : "untouched", lines[i].line);
		if (is != !!lines[i].name)
			ok(false, "and says so");
	}
}

static void test_mark(void)
{
	char state[] = "/tmp/test-packages-XXXXXX", path[sizeof state + 32];

	if (!mkdtemp(state))
		return;
	snprintf(path, sizeof path, "%s/" PACKAGES_MARK, state);
	ok(!packages_update_is_due(CONFIG_UPDATE_NO, state), "no update is never due");
	ok(packages_update_is_due(CONFIG_UPDATE_SECURITY, state), "after boot, one is");
	is_int(packages_updated(CONFIG_UPDATE_SECURITY, state, NULL), 0, "it is noted");
	ok(!packages_update_is_due(CONFIG_UPDATE_SECURITY, state), "then it is due no more");
	ok(packages_update_is_due(CONFIG_UPDATE_ALL, state), "but all updates are");
	is_int(packages_updated(CONFIG_UPDATE_ALL, state, NULL), 0, "they are noted");
	ok(!packages_update_is_due(CONFIG_UPDATE_ALL, state), "and due no more");
	ok(!packages_update_is_due(CONFIG_UPDATE_SECURITY, state),
		"security updates were with them");
	(void)unlink(path);
	ok(packages_update_is_due(CONFIG_UPDATE_ALL, state), "a reboot makes them due again");
	(void)rmdir(state);
}

int main(void)
{
	test_names();
	test_dpkg();
	test_rpm();
	test_updates();
	test_mark();
	return done_testing();
}
