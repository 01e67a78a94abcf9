/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define MARK         "# Made by instanced from its configuration; a reboot clears it.\n"
#define RELEASE_MARK "# release "

/* -- names -- */

static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || c == ':' || c == '_' || c == '.';
}

int unit_path_name(const char *path, const char *suffix, char ret_name[static UNIT_NAME_MAX])
{
	char name[UNIT_NAME_MAX + 8];
	size_t n = 0;

	if (*path != '/')
		return -EINVAL;
	for (const char *p = path; *p;) {
		size_t length;

		p += strspn(p, "/");
		length = strcspn(p, "/");
		if (length == 0)
			break;
		if (strncmp(p, "..", length) == 0 && length <= 2)
			return -EINVAL;
		if (n > 0)
			name[n++] = '-';
		for (size_t i = 0; i < length; i++, p++) {
			if (n + 5 > UNIT_NAME_MAX)
				return -ENAMETOOLONG;
			/* A name that starts with a dot would be a hidden file. */
			if (is_plain(*p) && !(n == 0 && *p == '.'))
				name[n++] = *p;
			else
				n += (size_t)sprintf(name + n, "\\x%02x", (unsigned char)*p);
		}
	}
	if (n == 0)
		name[n++] = '-';
	name[n] = '\0';
	if (n + strlen(suffix) >= UNIT_NAME_MAX)
		return -ENAMETOOLONG;
	snprintf(ret_name, UNIT_NAME_MAX, "%s%s", name, suffix);
	return 0;
}

void unit_app_name(const struct config_app *app, char ret_name[static UNIT_NAME_MAX])
{
	snprintf(ret_name, UNIT_NAME_MAX, "instance-app-%.80s.service", app->name);
}

/* -- texts -- */

/* As a whole value: only specifiers have a meaning. */
static void put_plain(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '%')
			(void)fputc('%', out);
		(void)fputc(*text, out);
	}
}

/* As one quoted word; systemd.syntax(7), "Quoting". `variables`: $ has a meaning (ExecStart=). */
static void put_quoted(FILE *out, const char *text, bool variables)
{
	(void)fputc('"', out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		if (*text == '%' || (*text == '$' && variables))
			(void)fputc(*text, out);
		(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

char *unit_mount_text(const char *source, const char *target, const char *type, const char *options)
{
	char *unit = NULL;
	struct text text;

	if (text_begin(&text) < 0)
		return NULL;
	fputs(MARK "[Unit]\n"
		   "Description=Volume ",
		text.out);
	put_plain(text.out, target);
	fputs("\nDocumentation=man:instanced.conf(5)\n\n[Mount]\nWhat=", text.out);
	put_plain(text.out, source);
	fputs("\nWhere=", text.out);
	put_plain(text.out, target);
	fprintf(text.out, "\nType=%s\n", type);
	if (options) {
		fputs("Options=", text.out);
		put_plain(text.out, options);
		fputs("\n", text.out);
	}
	(void)text_end(&text, &unit, NULL);
	return unit;
}

/* A web app reads the system, writes where its files are and /tmp, and may have a low port. */
static const char app_service[] = "Type=exec\n"
				  "Restart=always\n"
				  "RestartSec=1s\n"
				  "TimeoutStopSec=15s\n"
				  "OOMPolicy=continue\n"
				  "AmbientCapabilities=CAP_NET_BIND_SERVICE\n"
				  "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
				  "NoNewPrivileges=yes\n"
				  "PrivateDevices=yes\n"
				  "PrivateTmp=yes\n"
				  "ProtectClock=yes\n"
				  "ProtectControlGroups=yes\n"
				  "ProtectHostname=yes\n"
				  "ProtectKernelLogs=yes\n"
				  "ProtectKernelModules=yes\n"
				  "ProtectKernelTunables=yes\n"
				  "ProtectSystem=full\n"
				  "RestrictRealtime=yes\n"
				  "RestrictSUIDSGID=yes\n"
				  "LockPersonality=yes\n"
				  "SystemCallArchitectures=native\n";

/* systemd reads them when the app starts; the stamp is there so that a change is seen. */
static void put_secrets(FILE *out, const struct config_app *app)
{
	if (app->env_file) {
		fputs("EnvironmentFile=", out);
		put_plain(out, app->env_file);
		fputs("\n", out);
	}
	for (size_t i = 0; i < app->credentials.n; i++) {
		const char *item = app->credentials.items[i];
		int name = (int)strcspn(item, "=");

		fprintf(out, "LoadCredential=%.*s:", name, item);
		put_plain(out, item + name + 1);
		fputs("\n", out);
	}
}

char *unit_app_text(const struct config *config, const struct config_app *app, const char *id,
	const char *stamp)
{
	char *unit = NULL, line[CONFIG_LINE_MAX + 16];
	struct text text;

	if (text_begin(&text) < 0)
		return NULL;
	fprintf(text.out, MARK RELEASE_MARK "%s\n", id);
	if (app->env_file || app->credentials.n > 0)
		fprintf(text.out, "# secrets %s\n", stamp);
	fprintf(text.out, "[Unit]\nDescription=App %s, release %s\n", app->name, id);
	fputs("Documentation=man:instanced.conf(5)\nAfter=network.target\n"
	      "StartLimitIntervalSec=0\nRequiresMountsFor=",
		text.out);
	put_quoted(text.out, app->path, false);
	for (size_t i = 0; i < config->n_volumes; i++) {
		if (!config->volumes[i].required)
			continue;
		(void)fputc(' ', text.out);
		put_quoted(text.out, config->volumes[i].mount, false);
	}
	fputs("\n\n[Service]\nExecStart=/bin/sh -c ", text.out);
	snprintf(line, sizeof line, "exec %s", app->run);
	put_quoted(text.out, line, true);
	fputs("\nWorkingDirectory=", text.out);
	put_plain(text.out, app->path);
	fprintf(text.out, "/releases/%s\nUser=%s\nEnvironment=LANG=C.UTF-8\n", id, app->user);
	for (size_t i = 0; i < app->env.n; i++) {
		fputs("Environment=", text.out);
		put_quoted(text.out, app->env.items[i], false);
		fputs("\n", text.out);
	}
	put_secrets(text.out, app);
	if (app->limit_nofile)
		fprintf(text.out, "LimitNOFILE=%u\n", app->limit_nofile);
	fputs(app_service, text.out);
	(void)text_end(&text, &unit, NULL);
	return unit;
}

bool unit_is_ours(const char *text)
{
	return strncmp(text, MARK, strlen(MARK)) == 0;
}

void unit_app_release(const char *text, char ret_id[static RELEASE_ID_MAX])
{
	const char *id = text + strlen(MARK RELEASE_MARK);
	size_t length;

	ret_id[0] = '\0';
	if (strncmp(text, MARK RELEASE_MARK, strlen(MARK RELEASE_MARK)) != 0)
		return;
	length = strcspn(id, "\n");
	if (length < RELEASE_ID_MAX)
		snprintf(ret_id, RELEASE_ID_MAX, "%.*s", (int)length, id);
}
