/* SPDX-License-Identifier: Apache-2.0 */
/* Names and texts of units, by vectors and by systemd's own programs where they are installed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../bootstrap/unit.h"
#include "file.h"
#include "scratch.h"
#include "tap.h"

static const char *const paths[] = {"/data", "/", "/srv/www data", "/var/lib/app-1", "//srv///www/",
	"/mnt/.hidden", "/.top", "/a.b/c_d:e", "/ñandú", "/x\\y", "/100%", "/a/..b"};

static void test_names(void)
{
	char name[UNIT_NAME_MAX], path[600];

	is_int(unit_path_name("/srv/www data", ".mount", name), 0, "a path has a unit name");
	is_str(name, "srv-www\\x20data.mount", "a blank in it is escaped");
	is_int(unit_path_name("/", ".mount", name), 0, "so has the root");
	is_str(name, "-.mount", "it is the dash");
	is_int(unit_path_name("data", ".mount", name), -EINVAL, "a relative path has none");
	is_int(unit_path_name("/data/../etc", ".mount", name), -EINVAL, "nor one with ..");
	memset(path, '-', sizeof path);
	path[0] = '/';
	path[sizeof path - 1] = '\0';
	is_int(unit_path_name(path, ".mount", name), -ENAMETOOLONG,
		"a path whose name would be too long has none");
}

/* As systemd itself says. */
static void test_escape(void)
{
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		char command[256], expected[300] = "", name[UNIT_NAME_MAX], title[160];
		FILE *pipe;

		snprintf(command, sizeof command, "systemd-escape --path --suffix=mount '%s'",
			paths[i]);
		snprintf(title, sizeof title, "the unit of %s is called as systemd calls it",
			paths[i]);
		pipe = popen(command, "r");
		if (!pipe || !fgets(expected, sizeof expected, pipe)) {
			skip(title, "there is no systemd-escape");
		} else {
			expected[strcspn(expected, "\n")] = '\0';
			(void)unit_path_name(paths[i], ".mount", name);
			is_str(name, expected, title);
		}
		if (pipe)
			(void)pclose(pipe);
	}
}

static struct config *config_of(const char *text)
{
	struct config_problems problems = {0};
	struct config *config = NULL;

	(void)config_parse(text, strlen(text), "test", &config, &problems);
	for (size_t i = 0; i < problems.n_errors; i++)
		printf("# %s\n", problems.errors[i].message);
	config_problems_clear(&problems);
	return config;
}

static const char text_config[] = "[volume data]\n"
				  "device = /dev/sdf\n"
				  "mount = /srv/www data\n"
				  "[volume scratch]\n"
				  "device = /dev/sdg\n"
				  "mount = /scratch\n"
				  "required = no\n"
				  "[app web]\n"
				  "source = file:/srv/app\n"
				  "path = /srv/100% of it\n"
				  "run = python3 app.py --name \"$HOME\" --percent 5% \\\n"
				  "env.GREETING = say \"hi\" to 100% of $USER \\o/\n"
				  "env.PORT = 80\n"
				  "limit_nofile = 4096\n"
				  "env_file = /etc/web%.env\n"
				  "credential.key = /etc/web.key\n"
				  "credential.name = stored\n";

static void test_app(const struct config *config)
{
	char id[RELEASE_ID_MAX], *text;

	text = unit_app_text(config, &config->apps[0], "0123456789ab-01234567", "5ec2e7");
	unit_app_release(text, id);
	is_str(id, "0123456789ab-01234567", "a unit says which release it is for");
	ok(unit_is_ours(text), "and that it is ours");
	ok(strstr(text, "RequiresMountsFor=\"/srv/100%% of it\" \"/srv/www data\"\n") != NULL,
		"it needs the mounts of its own path and of every volume that is required");
	ok(strstr(text, "/bin/sh -c \"exec python3 app.py --name \\\"$$HOME\\\" --percent 5%% "
			"\\\\\"\n") != NULL,
		"what the shell is to expand is not systemd's to expand");
	ok(strstr(text, "Environment=\"GREETING=say \\\"hi\\\" to 100%% of $USER \\\\o/\"\n") !=
			NULL,
		"an environment variable keeps quotes, percent and backslash");
	ok(strstr(text, "LimitNOFILE=4096\n") != NULL, "and the limit of open files");
	ok(strstr(text, "EnvironmentFile=/etc/web%%.env\n") != NULL, "secrets are named, not read");
	ok(strstr(text, "LoadCredential=key:/etc/web.key\nLoadCredential=name:stored\n") != NULL,
		"credentials too, by file or from the store");
	ok(strstr(text, "# secrets 5ec2e7\n") != NULL, "and the unit changes when they do");
	free(text);
	unit_app_release("[Unit]\n", id);
	is_str(id, "", "somebody else's unit is for no release");
	ok(!unit_is_ours("[Unit]\nDescription=data\n"), "and is not ours");
}

/* systemd reads them without a word. */
static void test_verify(const struct config *config)
{
	char path[PATH_MAX + 64], command[3 * PATH_MAX];
	const struct {
		const char *name;
		char *text;
	} units[] = {
		{"srv-www\\x20data.mount", unit_mount_text("/dev/null", "/srv/www data", "xfs",
						   "noatime,context=\"a%b\"")},
		{"instance-app-web.service",
			unit_app_text(config, &config->apps[0], "0123456789ab-01234567", "5ec2e7")},
	};
	bool there;

	scratch_make();
	there = system("command -v systemd-analyze >/dev/null") == 0;

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		char title[96];

		snprintf(title, sizeof title, "systemd-analyze verify has nothing to say about %s",
			units[i].name);
		snprintf(path, sizeof path, "%s/%s", scratch_directory, units[i].name);
		(void)file_write(path, units[i].text, strlen(units[i].text), 0644);
		snprintf(command, sizeof command,
			"out=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no '%s' 2>&1 "
			"| grep -F '%s/'); test -z \"$out\" || { printf '%%s\\n' \"$out\" | "
			"sed 's/^/# /'; false; }",
			path, scratch_directory);
		if (there)
			ok(system(command) == 0, title);
		else
			skip(title, "there is no systemd-analyze");
		free(units[i].text);
	}
}

int main(void)
{
	struct config *config = config_of(text_config);

	test_names();
	test_escape();
	ok(config != NULL, "the configuration is good");
	if (config) {
		test_app(config);
		test_verify(config);
	}
	config_free(config);
	return done_testing();
}
