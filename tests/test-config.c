/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "filesystem.h"
#include "scratch.h"
#include "tap.h"

#define SECOND 1000000ull

#define HASH "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

/* Every section and nearly every key; only the template's path (%s) and the hash are filled in. */
static const char design[] =
	"[agent]\n"
	"listen = 0.0.0.0:8080            ; repeatable; also unix:/path; or systemd socket "
	"activation\n"
	"details = 127.0.0.0/8, ::1       ; who may read details and /metrics; others see the "
	"short form\n"
	"agent_check = 127.0.0.1:8081     ; HAProxy agent-check, off unless set\n"
	"\n"
	"[index]\n"
	"path = /var/www/html/index.html  ; also served by the agent at /\n"
	"title = Hola desde el EC2\n"
	"template = %s   ; optional; {{instance-id}} {{hostname}} {{availability-zone}} "
	"{{tag:Name}} …\n"
	"\n"
	"[packages]\n"
	"install = nginx, git             ; apt, dnf or yum; already installed means nothing runs\n"
	"\n"
	"[volume data]\n"
	"device = /dev/sdf                ; as named at attach-volume; or a real block device\n"
	"; volume = vol-0123456789abcdef0 ; or by ID;  instance_store = yes for ephemeral disks\n"
	"filesystem = xfs                 ; xfs, ext4, btrfs\n"
	"mount = /data\n"
	"options = noatime\n"
	"owner = www-data:www-data\n"
	"mode = 0750\n"
	"grow = yes\n"
	"required = yes                   ; /instance is not ready without it\n"
	"timeout = 120s                   ; then degraded or failed; still taken when it arrives\n"
	"\n"
	"[app web]\n"
	"source = git+https://example.org/app.git#v1.2   ; https:, s3:, file:, git+https:, "
	"git+file:\n"
	"sha256 = " HASH " ; archives from the network must be pinned\n"
	"build =\n"
	"    python3 -m venv venv\n"
	"    venv/bin/pip install -r requirements.txt\n"
	"run = venv/bin/python app.py\n"
	"user = www-data\n"
	"env.PORT = 80\n"
	"limit_nofile = 102400\n"
	"health = http://127.0.0.1:80/task\n"
	"keep = 3\n"
	"\n"
	"[health]\n"
	"rise = 2\n"
	"fall = 3\n"
	"interval = 5s\n"
	"\n"
	"[scaling]\n"
	"cloudwatch = yes\n"
	"namespace = instanced\n"
	"period = 10s\n"
	"\n"
	"[lifecycle]\n"
	"drain = 30s\n"
	"complete = yes\n";

#define VOLUME "[volume data]\ndevice = /dev/sdf\nmount = /data\n"
#define APP    "[app web]\nsource = file:///srv/web\nrun = ./web\n"

static struct config *config; /* of the last parse, or NULL */
static struct config_problems problems;

static int parse_bytes(const char *text, size_t length)
{
	config = config_free(config);
	config_problems_clear(&problems);
	return config_parse(text, length, "test.conf", &config, &problems);
}

static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static int load(const char *path, bool must_exist)
{
	config = config_free(config);
	config_problems_clear(&problems);
	return config_load(path, must_exist, NULL, &config, &problems);
}

/* Error number `i` as a person reads it; "" when there are fewer. */
static const char *problem(size_t i)
{
	static char text[PATH_MAX + 2048];

	text[0] = '\0';
	if (i < problems.n_errors)
		config_problem_text(&problems.errors[i], text, sizeof text);
	return text;
}

/* All errors, a line each. */
static const char *all_problems(void)
{
	static char text[65536];
	size_t length = 0;

	text[0] = '\0';
	for (size_t i = 0; i < problems.n_errors; i++)
		length += (size_t)snprintf(
			text + length, sizeof text - length, "%s%s", i ? "\n" : "", problem(i));
	return text;
}

static void is_list(const struct config_list *list, const char *expected, const char *name)
{
	char text[1024] = "";

	for (size_t i = 0; i < list->n; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? "|" : "",
			list->items[i]);
	is_str(text, expected, name);
}

/* -- what is right -- */

static void test_design(void)
{
	const char *template = scratch_write("index.html.in", "<h1>{{title}} {{tag:Name}}</h1>");
	char text[8192], path[PATH_MAX];
	const struct config_volume *data;

	snprintf(path, sizeof path, "%s", template);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(text, sizeof text, design, path);
#pragma GCC diagnostic pop
	is_int(parse(text), 0, "the whole example is read");
	is_str(all_problems(), "", "without an error");
	if (!config)
		return;
	is_list(&config->agent.listen, "0.0.0.0:8080", "agent listen");
	is_list(&config->agent.details, "127.0.0.0/8|::1", "agent details");
	is_str(config->agent.agent_check, "127.0.0.1:8081", "agent agent_check");
	is_str(config->index.path, "/var/www/html/index.html", "index path");
	is_str(config->index.title, "Hola desde el EC2", "index title");
	is_str(config->index.template, path, "index template");
	is_str(config->index.template_text, "<h1>{{title}} {{tag:Name}}</h1>", "and its text");
	is_list(&config->packages.install, "nginx|git", "packages install");
	is_int((long long)config->n_volumes, 1, "one volume");
	data = &config->volumes[0];
	is_str(data->name, "data", "its name");
	ok(strcmp(data->origin.file, "test.conf") == 0 && data->origin.line == 15,
		"where it stands");
	is_str(data->device, "/dev/sdf", "volume device");
	ok(!data->volume_id && !data->instance_store, "and no other selector");
	is_str(data->filesystem->name, "xfs", "volume filesystem");
	is_str(data->label, "data", "volume label, by its name");
	is_str(data->mount, "/data", "volume mount");
	is_str(data->options, "noatime", "volume options");
	is_str(data->owner, "www-data:www-data", "volume owner");
	is_int(data->mode, 0750, "volume mode");
	ok(data->grow && data->required, "volume grow, required");
	is_int((long long)data->timeout_usec, 120 * SECOND, "volume timeout");
}

static void test_design_rest(void)
{
	const struct config_app *web;

	if (!config)
		return;
	is_int((long long)config->n_apps, 1, "one app");
	web = &config->apps[0];
	is_str(web->name, "web", "its name");
	is_str(web->source, "git+https://example.org/app.git#v1.2", "app source");
	is_str(web->sha256, HASH, "app sha256");
	is_str(web->path, "/var/lib/instanced/app/web", "app path, by its name");
	is_list(&web->build, "python3 -m venv venv|venv/bin/pip install -r requirements.txt",
		"app build");
	is_str(web->run, "venv/bin/python app.py", "app run");
	is_str(web->user, "www-data", "app user");
	is_list(&web->env, "PORT=80", "app env");
	is_int(web->limit_nofile, 102400, "app limit_nofile");
	is_str(web->health, "http://127.0.0.1:80/task", "app health");
	is_int(web->keep, 3, "app keep");
	ok(config->health.rise == 2 && config->health.fall == 3 &&
			config->health.interval_usec == 5 * SECOND,
		"health");
	ok(config->scaling.cloudwatch && strcmp(config->scaling.namespace, "instanced") == 0 &&
			config->scaling.period_usec == 10 * SECOND,
		"scaling");
	ok(config->lifecycle.drain_usec == 30 * SECOND && config->lifecycle.complete, "lifecycle");
}

static void test_defaults(void)
{
	const struct config_volume *data;

	is_int(parse(""), 0, "an empty configuration is one");
	if (!config)
		return;
	is_list(&config->agent.listen, "0.0.0.0:8080", "agent listen by default");
	is_list(&config->agent.details, "127.0.0.0/8|::1", "agent details by default");
	ok(!config->agent.agent_check && !config->index.path && !config->index.template &&
			config->packages.install.n == 0 && config->n_volumes == 0 &&
			config->n_apps == 0,
		"nothing that was not asked for");
	is_str(config->index.title, "Hello from EC2", "index title by default");
	ok(config->health.rise == 2 && config->health.fall == 3 &&
			config->health.interval_usec == 5 * SECOND,
		"health by default");
	ok(!config->scaling.cloudwatch && config->lifecycle.complete &&
			config->lifecycle.drain_usec == 30 * SECOND,
		"scaling and lifecycle by default");
	is_int(parse(VOLUME APP), 0, "the least of a volume and an app");
	if (!config)
		return;
	data = &config->volumes[0];
	ok(strcmp(data->filesystem->name, "xfs") == 0 && data->mode == CONFIG_MODE_UNSET &&
			!data->owner && !data->options && data->grow && data->required &&
			data->timeout_usec == 120 * SECOND,
		"a volume's defaults");
	ok(strcmp(config->apps[0].user, "nobody") == 0 && config->apps[0].keep == 3 &&
			config->apps[0].limit_nofile == 0 && !config->apps[0].health,
		"an app's defaults");
}

static const struct {
	const char *name, *text;
} good[] = {
	{"no newline at the end", "[agent]\nlisten = 127.0.0.1:80"},
	{"a file with CR LF", "[agent]\r\nlisten = 127.0.0.1:80\r\n"},
	{"a byte order mark", "\xef\xbb\xbf[agent]\nlisten = 127.0.0.1:80\n"},
	{"a byte order mark and a long comment",
		"\xef\xbb\xbf[agent] ; sixty characters of a comment are no section, nor a key\n"
		"listen = 127.0.0.1:80\n"},
	{"a comment behind the value", "[agent]\nlisten = 127.0.0.1:80 ; x\n"},
	{"a tab before the comment", "[agent]\nlisten = 127.0.0.1:80\t; x\n"},
	{"blanks around everything", "[agent]\nlisten   =   127.0.0.1:80   \n\n  \n"},
	{"no blanks", "[agent]\nlisten=127.0.0.1:80\n"},
	{"a colon instead of the equals sign", "[agent]\nlisten: 127.0.0.1:80\n"},
	{"comments at the start of lines", "# a\n; b\n[agent]\n  # c\nlisten = 127.0.0.1:80\n"},
	{"a section in two parts", "[agent]\nlisten = 127.0.0.1:80\n[index]\n[agent]\n"},
};

static void test_forms(void)
{
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		(void)parse(good[i].text);
		ok(config && config->agent.listen.n == 1 &&
				strcmp(config->agent.listen.items[0], "127.0.0.1:80") == 0,
			good[i].name);
		if (!config)
			printf("# %s\n", all_problems());
	}
}

static void test_lists(void)
{
	is_int(parse("[agent]\nlisten = 127.0.0.1:80\nlisten = unix:/run/x\nlisten = [::1]:80\n"
		     "details = 10.0.0.0/8,\n\t192.0.2.7,\n\t::1\n[packages]\ninstall = a b,c\n"),
		0, "lists in all their forms");
	if (!config)
		return;
	is_list(&config->agent.listen, "127.0.0.1:80|unix:/run/x|[::1]:80", "a key given again");
	is_list(&config->agent.details, "10.0.0.0/8|192.0.2.7|::1", "a value over several lines");
	is_list(&config->packages.install, "a|b|c", "words by blanks and commas");
	is_int(parse(APP "build = first\n\tsecond; third\n\n\t# a comment\n\t[x] = y\n"
			 "env.A = 1\nenv.B_2 = x=y; #z\n"),
		0, "commands and variables");
	if (!config)
		return;
	is_list(&config->apps[0].build, "first|second; third|[x] = y",
		"a line is a command as it stands, whatever it looks like");
	is_list(&config->apps[0].env, "A=1|B_2=x=y; #z", "a variable's value as it stands");
}

static const struct {
	const char *text;
	uint64_t usec;
} durations[] = {{"0", 0}, {"90", 90 * SECOND}, {"90s", 90 * SECOND}, {"5m", 300 * SECOND},
	{"1h30m", 5400 * SECOND}, {"1h1m1s", 3661 * SECOND}, {"250ms", SECOND / 4},
	{"1s500ms", 3 * SECOND / 2}, {"168h", 604800 * SECOND}};

static const struct {
	const char *text;
	mode_t mode;
} modes[] = {{"0750", 0750}, {"750", 0750}, {"1777", 01777}, {"000", 0}};

static const struct {
	const char *text;
	bool value;
} booleans[] = {{"yes", true}, {"no", false}, {"true", true}, {"false", false}, {"on", true},
	{"off", false}, {"Yes", true}, {"OFF", false}};

static void test_values(void)
{
	char text[256], name[64];

	for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
		snprintf(text, sizeof text, VOLUME "timeout = %s\n", durations[i].text);
		snprintf(name, sizeof name, "%s is a duration", durations[i].text);
		ok(parse(text) == 0 && config->volumes[0].timeout_usec == durations[i].usec, name);
	}
	for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
		snprintf(text, sizeof text, VOLUME "mode = %s\n", modes[i].text);
		snprintf(name, sizeof name, "%s is a mode", modes[i].text);
		ok(parse(text) == 0 && config->volumes[0].mode == modes[i].mode, name);
	}
	for (size_t i = 0; i < sizeof booleans / sizeof booleans[0]; i++) {
		snprintf(text, sizeof text, VOLUME "required = %s\n", booleans[i].text);
		snprintf(name, sizeof name, "%s is %s", booleans[i].text,
			booleans[i].value ? "yes" : "no");
		ok(parse(text) == 0 && config->volumes[0].required == booleans[i].value, name);
	}
}

static const struct {
	const char *name, *section, *setting;
} accepted[] = {
	{"a user without a group", VOLUME, "owner = www-data"},
	{"a user of digits", VOLUME, "owner = 1000:1000"},
	{"ext4", VOLUME, "filesystem = ext4"},
	{"btrfs", VOLUME, "filesystem = btrfs"},
	{"a label that just fits xfs", VOLUME, "label = 123456789012"},
	{"a mount below a directory of the system", "[volume x]\ndevice = /dev/sdf\n",
		"mount = /var/lib/mysql"},
	{"a device by link", "[volume x]\nmount = /x\n", "device = /dev/disk/by-id/nvme-x"},
	{"a volume of 17 digits", "[volume x]\nmount = /x\n", "volume = vol-0123456789abcdef0"},
	{"a volume of 8 digits", "[volume x]\nmount = /x\n", "volume = vol-01234567"},
	{"instance store", "[volume x]\nmount = /x\n", "instance_store = yes"},
	{"a name of 32 characters", "[volume abcdefghijklmnopqrstuvwxyz_-0123]\nmount = /x\n",
		"device = /dev/sdf"},
	{"a source in git over https", "[app x]\nrun = x\n", "source = git+https://h/p#r"},
	{"a source in git in a directory", "[app x]\nrun = x\n", "source = git+file:///srv/x"},
	{"a source with one slash", "[app x]\nrun = x\n", "source = file:/srv/x.tar"},
	{"a health URL of https", APP, "health = https://[::1]:8443/x?y=z"},
	{"a run line with quotes and equals signs", APP "sha256 = " HASH "\n",
		"build = X='a = b' make"},
	{"no time to drain", "[lifecycle]\n", "drain = 0s"},
	{"ten questions a second", "[health]\n", "interval = 100ms"},
	{"a listener on a socket", "[agent]\n", "listen = unix:/run/instanced.sock"},
};

static void test_accepted(void)
{
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
		char text[512];

		snprintf(text, sizeof text, "%s%s\n", accepted[i].section, accepted[i].setting);
		ok(parse(text) == 0, accepted[i].name);
		if (!config)
			printf("# %s\n", all_problems());
	}
}

/* -- what is wrong -- */

#define NO_SECTION                                                                                 \
	"no such section; there are [agent], [index], [packages], [volume NAME], [app NAME], "     \
	"[health], [aws], [scaling], [lifecycle]"
#define NOT_PINNED "is missing: what comes from the network is pinned, or `unpinned = yes`"
#define NO_KEY     "no such key; `instancectl check --reference` lists all"
#define BAD_NAME   "a name of at most 32 lower-case letters, digits, _ and - is expected"
#define ONE_LINE   "the line is indented, which continues the value above; this key takes one line"
#define NONE_ABOVE "the line is indented, but there is no value above that it continues"
#define COMMENT    "\" ;\" starts a comment and would cut the value; write \";\" without the space"

/* The whole of what is said: place, section, key, and what was expected. */
#define FOUR "listen = [::]:1\nlisten = [::]:2\nlisten = [::]:3\nlisten = [::]:4\n"

static const struct {
	const char *name, *text, *expected;
} bad[] = {
	{"an unknown section", "\n[agents]\nlisten = x\n", "test.conf:2: [agents]: " NO_SECTION},
	{"an unknown section without keys", "[agents]\n", "test.conf:1: [agents]: " NO_SECTION},
	{"a section with a name that takes none", "[agent x]\n",
		"test.conf:1: [agent x]: " NO_SECTION},
	{"a section without the name it takes", "[volume]\ndevice = /dev/sdf\n",
		"test.conf:1: [volume]: " NO_SECTION},
	{"a section that begins like one", "[agentx]\n", "test.conf:1: [agentx]: " NO_SECTION},
	{"a section in capitals", "[Agent]\n", "test.conf:1: [Agent]: " NO_SECTION},
	{"an empty section", "[]\n", "test.conf:1: []: " NO_SECTION},
	{"a name in capitals", "[volume Data]\n", "test.conf:1: [volume Data]: " BAD_NAME},
	{"a name with a slash", "[app a/b]\n", "test.conf:1: [app a/b]: " BAD_NAME},
	{"a name of dots", "[app ..]\n", "test.conf:1: [app ..]: " BAD_NAME},
	{"a name that begins with -", "[app -x]\n", "test.conf:1: [app -x]: " BAD_NAME},
	{"a name of blanks", "[app  ]\n", "test.conf:1: [app  ]: " BAD_NAME},
	{"a name of 33 characters", "[app abcdefghijklmnopqrstuvwxyz_-01234]\n",
		"test.conf:1: [app abcdefghijklmnopqrstuvwxyz_-01234]: " BAD_NAME},
	{"something behind a section", "[agent] listen = x\n",
		"test.conf:1: \"listen = x\" stands behind the section"},
	{"a section not closed", "[agent\n", "test.conf:1: neither [section] nor key = value"},
	{"an unknown key", "[agent]\nlisten = 127.0.0.1:80\nlisen = x\n",
		"test.conf:3: [agent] lisen: " NO_KEY},
	{"a key of another section", "[agent]\ndevice = /dev/sdf\n",
		"test.conf:2: [agent] device: " NO_KEY},
	{"a key in capitals", "[agent]\nListen = x\n", "test.conf:2: [agent] Listen: " NO_KEY},
	{"a key before any section", "listen = x\n",
		"test.conf:1: \"listen\" stands before any [section]"},
	{"a line that is nothing", "[agent]\nlisten\n",
		"test.conf:2: neither [section] nor key = value"},
	{"a key twice", "[index]\ntitle = a\npath = /x\ntitle = b\n",
		"test.conf:4: [index] title: set before, in line 2"},
	{"a key twice in two parts of a section", VOLUME "[index]\n[volume data]\nmount = /x\n",
		"test.conf:6: [volume data] mount: set before, in line 3"},
	{"a variable twice", APP "env.A = 1\nenv.A = 2\n",
		"test.conf:5: [app web] env.A: set before, in line 4"},
	{"an indented line below a key of one line", "[index]\ntitle = a\n path = /x\n",
		"test.conf:3: [index] title: " ONE_LINE},
	{"an indented key below a section", VOLUME "[index]\n  title = a\n  path = /x\n",
		"test.conf:5: [index] title: " NONE_ABOVE},
	{"an indented key below a section continues no list above",
		APP "build = make\n[volume data]\n  device = /dev/sdf\n",
		"test.conf:6: [volume data] device: " NONE_ABOVE},
	{"an indented line below an unknown key counts once", "[index]\nx = a\n  b\n  c\n",
		"test.conf:2: [index] x: " NO_KEY},
	{"a comment in run", "[app web]\nsource = file:/x\nrun = a ; b\n",
		"test.conf:3: [app web] run: " COMMENT},
	{"a comment in run behind a tab", "[app web]\nsource = file:/x\nrun = a\t; b\n",
		"test.conf:3: [app web] run: " COMMENT},
	{"a comment in run at its beginning", "[app web]\nsource = file:/x\nrun = ;\n",
		"test.conf:3: [app web] run: " COMMENT},
	{"a comment in build", APP "build = a ; b\n", "test.conf:4: [app web] build: " COMMENT},
	{"a comment in a line of build", APP "build =\n\ta\n\tb ; c\n",
		"test.conf:6: [app web] build: " COMMENT},
	{"a comment in a variable", APP "env.A = a ;b\n", "test.conf:4: [app web] env.A: " COMMENT},
	{"bytes that are no UTF-8", "[index]\ntitle = caf\xe9\n",
		"test.conf:2: there is a byte that is no text in it; it is no INI file in UTF-8"},
	{"an overlong form of UTF-8", "[index]\ntitle = \xc0\xaf\n",
		"test.conf:2: there is a byte that is no text in it; it is no INI file in UTF-8"},
	{"half a surrogate", "\n\n\xed\xa0\x80",
		"test.conf:3: there is a byte that is no text in it; it is no INI file in UTF-8"},
	{"UTF-8 that is cut off", "# \xe2\x80",
		"test.conf:1: there is a byte that is no text in it; it is no INI file in UTF-8"},
	/* sections as a whole */
	{"a volume without a selector", "[volume a]\nmount = /a\n",
		"test.conf:2: [volume a]: exactly one of device, volume and instance_store is "
		"expected, there are 0"},
	{"a volume with two selectors", VOLUME "volume = vol-01234567\n",
		"test.conf:2: [volume data]: exactly one of device, volume and instance_store is "
		"expected, there are 2"},
	{"a volume with three", VOLUME "volume = vol-01234567\ninstance_store = yes\n",
		"test.conf:2: [volume data]: exactly one of device, volume and instance_store is "
		"expected, there are 3"},
	{"a volume without a mount", "[volume a]\ndevice = /dev/sdf\n",
		"test.conf:2: [volume a] mount: is missing"},
	{"two volumes with one mount", VOLUME "[volume b]\ndevice = /dev/sdg\nmount = /data\n",
		"test.conf:5: [volume b] mount: /data is also the mount of [volume data]"},
	{"two volumes of one device", VOLUME "[volume b]\ndevice = /dev/sdf\nmount = /b\n",
		"test.conf:5: [volume b]: names the same volume as [volume data]"},
	{"two volumes of one ID",
		"[volume a]\nvolume = vol-01234567\nmount = /a\n"
		"[volume b]\nvolume = vol-01234567\nmount = /b\n",
		"test.conf:5: [volume b]: names the same volume as [volume a]"},
	{"a label too long for xfs", VOLUME "label = 1234567890123\n",
		"test.conf:2: [volume data] label: \"1234567890123\" is longer than the 12 bytes "
		"that xfs takes"},
	{"an app without a source", "[app a]\nrun = x\n",
		"test.conf:2: [app a] source: is missing"},
	{"a source of git with a blank", "[app a]\nsource = git+https://example.org/a b\n",
		"test.conf:2: [app a] source: \"git+https://example.org/a b\" is not git+"
		"https://HOST/PATH#REF, git+file:///PATH#REF, file:///PATH, https://… or s3://…"},
	{"an archive from https: that is not pinned",
		"[app a]\nrun = x\nsource = https://example.org/x.tar.gz\n",
		"test.conf:2: [app a] sha256: " NOT_PINNED},
	{"an archive from s3: that is not pinned", "[app a]\nsource = s3://bucket/x\n",
		"test.conf:2: [app a] sha256: " NOT_PINNED},
	{"a region for what is not S3", APP "region = eu-west-1\n",
		"test.conf:2: [app web] region: is for s3: sources"},
	{"an endpoint for what is not S3", APP "endpoint = https://x.example\n",
		"test.conf:2: [app web] endpoint: is for s3: sources"},
	{"a repository that is stripped", "[app a]\nsource = git+file:///x\nstrip = 1\n",
		"test.conf:2: [app a] strip: is for archives"},
	{"a place in another", APP "writable = tmp\nshared = tmp/up\n",
		"test.conf:2: [app web] writable: tmp/up and tmp are the same, or one lies in the "
		"other"},
	{"a place twice", APP "writable = tmp, tmp\n",
		"test.conf:2: [app web] writable: tmp and tmp are the same, or one lies in the "
		"other"},
	{"a place that leads out", APP "writable = a/../b\n",
		"test.conf:4: [app web] writable: \"a/../b\" is not relative paths without \".\" "
		"and \"..\", separated by commas or spaces"},
	{"a file that leads out", APP "files.../x = /x\n",
		"test.conf:4: [app web] files.../x: \"../x=/x\" is not files.PATH = TEMPLATE: a "
		"relative path, and an absolute one"},
	{"a template that is not there", APP "files.x = /no/such/file\n",
		"/no/such/file: No such file or directory"},
	{"a credential from a relative path", APP "credential.a = b/c\n",
		"test.conf:4: [app web] credential.a: \"a=b/c\" is not credential.NAME = an "
		"absolute path, or the name of a system credential"},
	{"a link in the app's own path", APP "link = /var/lib/instanced/app/web/x\n",
		"test.conf:2: [app web] link: /var/lib/instanced/app/web/x and "
		"/var/lib/instanced/app/web lie in each other"},
	{"two apps with one link", APP "link = /srv/x\n[app b]\nsource = file:/x\nlink = /srv/x\n",
		"test.conf:6: [app b] link: /srv/x is also the link of [app web]"},
	{"two apps in one directory",
		APP "path = /srv/x\n[app b]\nsource = file:/x\nrun = x\n"
		    "path = /srv/x/b\n",
		"test.conf:6: [app b] path: /srv/x/b and the path of [app web] lie in each other"},
	{"a period that CloudWatch has not", "[scaling]\ncloudwatch = yes\nperiod = 20s\n",
		"[scaling] period: is none of 10s, 30s and 60s"},
	{"a namespace of AWS", "[scaling]\ncloudwatch = yes\nnamespace = AWS/EC2\n",
		"[scaling] namespace: begins with AWS/, which is for services of AWS"},
	{"more addresses than are listened at", "[agent]\n" FOUR FOUR FOUR FOUR "listen = [::]:5\n",
		"[agent] listen: there are more than 16 addresses"},
	{"a template without a page", "[index]\ntemplate = /x\n",
		"[index] path: is missing; without it the template has no use"},
	{"a template that is not there", "[index]\npath = /x\ntemplate = /nowhere/x\n",
		"/nowhere/x: No such file or directory"},
};

static void test_bad(void)
{
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		int r = parse(bad[i].text);

		is_str(all_problems(), bad[i].expected, bad[i].name);
		if (r != -EINVAL || config)
			ok(false, "  is -EINVAL and gives no configuration");
	}
}

/* A bad value of each type: "FILE:LINE: [SECTION] KEY: "VALUE" is not WHAT". */
static const struct {
	const char *section, *key, *value, *expected;
} bad_values[] = {
	{"agent", "listen", "8080", "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH"},
	{"agent", "listen", "localhost:80", "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH"},
	{"agent", "listen", "0.0.0.0:65536", "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH"},
	{"agent", "listen", "unix:run/x", "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH"},
	{"agent", "agent_check", "::1:80", "ADDRESS:PORT, [IPv6]:PORT or unix:/PATH"},
	{"aws", "endpoint", "ftp://x", "a URL like https://{service}.{region}.example.org"},
	{"aws", "endpoint", "https://{bucket}.x",
		"a URL like https://{service}.{region}.example.org"},
	{"aws", "endpoint", "https://{service",
		"a URL like https://{service}.{region}.example.org"},
	{"aws", "endpoint", "https://a?b", "a URL like https://{service}.{region}.example.org"},
	{"lifecycle", "ports", "80, http", "ports like 80, 443"},
	{"lifecycle", "ports", "0", "ports like 80, 443"},
	{"lifecycle", "ports", "65536", "ports like 80, 443"},
	{"lifecycle", "target_groups", "web",
		"ARNs like arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID"},
	{"agent", "details", "10.0.0.0/33", "addresses or ranges like 127.0.0.0/8, ::1"},
	{"agent", "details", "::1, everybody", "addresses or ranges like 127.0.0.0/8, ::1"},
	{"agent", "details", "", "addresses or ranges like 127.0.0.0/8, ::1"},
	{"index", "path", "index.html", "an absolute path without \".\" and \"..\""},
	{"index", "path", "/a/../b", "an absolute path without \".\" and \"..\""},
	{"index", "path", "/a/..", "an absolute path without \".\" and \"..\""},
	{"index", "path", "/./a", "an absolute path without \".\" and \"..\""},
	{"index", "path", "/a//b", "an absolute path without \".\" and \"..\""},
	{"index", "path", "//a", "an absolute path without \".\" and \"..\""},
	{"index", "path", "/a/", "an absolute path without \".\" and \"..\""},
	{"index", "path", "/", "an absolute path without \".\" and \"..\""},
	{"index", "title", "", "text"},
	{"packages", "install", ", ,", "names separated by commas or spaces"},
	{"volume data", "mount", "/",
		"an absolute path to mount on, not / and not a directory of the system"},
	{"volume data", "mount", "//",
		"an absolute path to mount on, not / and not a directory of the system"},
	{"volume data", "mount", "/etc",
		"an absolute path to mount on, not / and not a directory of the system"},
	{"volume data", "mount", "//etc",
		"an absolute path to mount on, not / and not a directory of the system"},
	{"volume data", "mount", "/data/../etc",
		"an absolute path to mount on, not / and not a directory of the system"},
	{"volume data", "mount", "data",
		"an absolute path to mount on, not / and not a directory of the system"},
	{"volume data", "instance_store", "maybe", "yes or no"},
	{"volume data", "instance_store", "", "yes or no"},
	{"volume data", "timeout", "120 s", "a duration like 90s, 5m or 1h30m, at most 7 days"},
	{"volume data", "timeout", "5d", "a duration like 90s, 5m or 1h30m, at most 7 days"},
	{"volume data", "timeout", "-1s", "a duration like 90s, 5m or 1h30m, at most 7 days"},
	{"volume data", "timeout", "1.5s", "a duration like 90s, 5m or 1h30m, at most 7 days"},
	{"volume data", "timeout", "s", "a duration like 90s, 5m or 1h30m, at most 7 days"},
	{"volume data", "timeout", "", "a duration like 90s, 5m or 1h30m, at most 7 days"},
	{"volume data", "timeout", "169h", "a duration like 90s, 5m or 1h30m, at most 7 days"},
	{"volume data", "timeout", "99999999999999999999s",
		"a duration like 90s, 5m or 1h30m, at most 7 days"},
	{"volume data", "timeout",
		"604800000h604800000h604800000h604800000h604800000h604800000h604800000h604800000h"
		"285695577h",
		"a duration like 90s, 5m or 1h30m, at most 7 days"}, /* 2^64 usec and a bit */
	{"volume data", "mode", "rwx", "an octal mode like 0750"},
	{"volume data", "mode", "0780", "an octal mode like 0750"},
	{"volume data", "mode", "07777777", "an octal mode like 0750"},
	{"volume data", "mode", "75", "an octal mode like 0750"},
	{"volume data", "owner", "a b", "user or user:group"},
	{"volume data", "owner", "root:", "user or user:group"},
	{"volume data", "owner", ":root", "user or user:group"},
	{"volume data", "owner", "a:b:c", "user or user:group"},
	{"volume data", "owner", "-x", "user or user:group"},
	{"volume data", "device", "sdf",
		"a device as named at attach-volume, like /dev/sdf, or a block device below /dev/"},
	{"volume data", "device", "/dev/../etc/passwd",
		"a device as named at attach-volume, like /dev/sdf, or a block device below /dev/"},
	{"volume data", "device", "/dev/",
		"a device as named at attach-volume, like /dev/sdf, or a block device below /dev/"},
	{"volume data", "volume", "vol-012", "a volume ID like vol-0123456789abcdef0"},
	{"volume data", "volume", "vol-0123456789ABCDEF0",
		"a volume ID like vol-0123456789abcdef0"},
	{"volume data", "volume", "snap-0123456789abcdef0",
		"a volume ID like vol-0123456789abcdef0"},
	{"volume data", "filesystem", "ntfs", "xfs, ext4 or btrfs"},
	{"volume data", "filesystem", "XFS", "xfs, ext4 or btrfs"},
	{"app web", "source", "ftp://x/y",
		"git+https://HOST/PATH#REF, git+file:///PATH#REF, file:///PATH, https://… or "
		"s3://…"},
	{"app web", "source", "git+ssh://x/y",
		"git+https://HOST/PATH#REF, git+file:///PATH#REF, file:///PATH, https://… or "
		"s3://…"},
	{"app web", "source", "https://",
		"git+https://HOST/PATH#REF, git+file:///PATH#REF, file:///PATH, https://… or "
		"s3://…"},
	{"app web", "sha256", "123", "a SHA-256 of 64 hexadecimal digits in lower case"},
	{"app web", "run", "", "a shell command"},
	{"app web", "build", "", "shell commands, one a line, the lines indented"},
	{"app web", "user", "a:b", "a user name"},
	{"app web", "limit_nofile", "0", "a whole number from 1 to 9999999"},
	{"app web", "limit_nofile", "1k", "a whole number from 1 to 9999999"},
	{"app web", "limit_nofile", "10000000", "a whole number from 1 to 9999999"},
	{"app web", "limit_nofile", "-1", "a whole number from 1 to 9999999"},
	{"app web", "health", "127.0.0.1:80", "a URL that starts with http:// or https://"},
	{"app web", "health", "http://", "a URL that starts with http:// or https://"},
	{"app web", "health", "http://a b", "a URL that starts with http:// or https://"},
	{"app web", "health", "file:///x", "a URL that starts with http:// or https://"},
	{"health", "interval", "0s", "a duration like 500ms, 5s or 1m, from 100ms to 7 days"},
	{"health", "interval", "99ms", "a duration like 500ms, 5s or 1m, from 100ms to 7 days"},
	{"scaling", "period", "0", "a duration like 500ms, 5s or 1m, from 100ms to 7 days"},
};

static void test_useless(void)
{
	char text[256];

	is_int(parse("[scaling]\nperiod = 30s\n[lifecycle]\nreplace_after = 1m\n"), 0,
		"what has no effect is no error");
	is_int((long long)problems.n_warnings, 2, "but a warning each");
	if (problems.n_warnings == 2) {
		config_problem_text(&problems.warnings[0], text, sizeof text);
		is_str(text,
			"test.conf:2: [scaling] period: has no effect without `cloudwatch = yes`",
			"with what it lacks");
	}
	is_int(parse("[scaling]\nperiod = 30s\ncloudwatch = yes\n"), 0, "with that");
	is_int((long long)problems.n_warnings, 0, "there is none");
}

static void test_bad_values(void)
{
	for (size_t i = 0; i < sizeof bad_values / sizeof bad_values[0]; i++) {
		char text[512], expected[512], name[256];

		snprintf(text, sizeof text, "[%s]\n%s = %s\n", bad_values[i].section,
			bad_values[i].key, bad_values[i].value);
		snprintf(expected, sizeof expected, "test.conf:2: [%s] %s: \"%s\" is not %s",
			bad_values[i].section, bad_values[i].key, bad_values[i].value,
			bad_values[i].expected);
		snprintf(name, sizeof name, "%s = %.40s is refused", bad_values[i].key,
			bad_values[i].value);
		(void)parse(text);
		is_str(all_problems(), expected, name);
	}
}

static void test_variable_names(void)
{
	(void)parse("[app web]\nenv. = 1\nenv.2A = 1\nenv.A-B = 1\n");
	is_str(all_problems(),
		"test.conf:2: [app web] env.: \"=1\" is not env.NAME, a name of letters, digits "
		"and _\n"
		"test.conf:3: [app web] env.2A: \"2A=1\" is not env.NAME, a name of letters, "
		"digits "
		"and _\n"
		"test.conf:4: [app web] env.A-B: \"A-B=1\" is not env.NAME, a name of letters, "
		"digits and _",
		"names of variables that no shell takes");
	(void)parse("[app web]\nbuild =\n\n");
	is_str(problem(0),
		"test.conf:2: [app web] build: \"\" is not shell commands, one a line, the lines "
		"indented",
		"build without a command");
	(void)parse("[packages]\ninstall = ,\n\t,\n");
	is_str(problem(0),
		"test.conf:2: [packages] install: the lines are not names separated by commas or "
		"spaces",
		"several lines are not shown again");
}

/* -- bounds -- */

/* "key = xxx…" of `length` characters. */
static const char *long_line(const char *start, size_t length)
{
	static char line[512];

	snprintf(line, sizeof line, "%s", start);
	memset(line + strlen(start), 'x', length - strlen(start));
	line[length] = '\0';
	return line;
}

static void test_lengths(void)
{
	char text[1024];

	snprintf(text, sizeof text, "[index]\n%s\n", long_line("title = ", 198));
	ok(parse(text) == 0 && strlen(config->index.title) == 190,
		"a line of 198 characters is read whole");
	snprintf(text, sizeof text, "[index]\n%s", long_line("title = ", 198));
	ok(parse(text) == 0 && strlen(config->index.title) == 190, "also without a newline");
	snprintf(text, sizeof text, "[index]\n%s\r\n", long_line("title = ", 197));
	ok(parse(text) == 0 && strlen(config->index.title) == 189, "one of 197 with CR LF");
	snprintf(text, sizeof text, "[index]\n%s\n", long_line("title = ", 199));
	(void)parse(text);
	is_str(all_problems(), "test.conf:2: the line has 199 characters, at most 198 are read",
		"one of 199 is refused");
	snprintf(text, sizeof text, "[index]\n%s", long_line("title = ", 199));
	(void)parse(text);
	is_str(all_problems(), "test.conf:2: the line has 199 characters, at most 198 are read",
		"also without a newline");
	snprintf(text, sizeof text, "%s\n", long_line("; ", 300));
	(void)parse(text);
	is_str(all_problems(), "test.conf:1: the line has 300 characters, at most 198 are read",
		"also a comment, whose end would be read as a line");
}

static void test_name_lengths(void)
{
	char text[1024];

	snprintf(text, sizeof text, "%s]\n", long_line("[", 50));
	(void)parse(text);
	ok(strstr(all_problems(), "no such section"), "a section of 49 characters is read");
	snprintf(text, sizeof text, "%s]\n", long_line("[", 51));
	(void)parse(text);
	is_str(all_problems(), "test.conf:1: the section has 50 characters, at most 49 are read",
		"one of 50 is refused");
	snprintf(text, sizeof text, APP "%s = 1\n", long_line("env.", 49));
	is_int(parse(text), 0, "a key of 49 characters is read");
	snprintf(text, sizeof text, APP "%s = 1\n", long_line("env.", 50));
	(void)parse(text);
	is_str(problem(0), "test.conf:4: the key has 50 characters, at most 49 are read",
		"one of 50 is refused");
	snprintf(text, sizeof text, "[index]\n %s = 1\n", long_line("", 60));
	(void)parse(text);
	is_str(problem(0), "test.conf:2: the key has 60 characters, at most 49 are read",
		"also an indented one");
}

static void test_bytes(void)
{
	static char many[CONFIG_FILE_MAX + 1];

	(void)parse_bytes("[index]\n\ntitle = a\0b\n", 21);
	is_str(all_problems(), "test.conf:3: there is a byte NUL in it; it is no INI file in UTF-8",
		"a NUL byte");
	for (size_t i = 0; i < sizeof many; i++)
		many[i] = i % 100 == 99 ? '\n' : ';';
	is_int(parse_bytes(many, sizeof many - 1), 0, "256 KiB are read");
	(void)parse_bytes(many, sizeof many);
	is_str(all_problems(), "test.conf: is longer than 256 KiB", "one byte more is not");
}

static void test_counts(void)
{
	static char text[16384];
	size_t length = 0;
	bool order = true;

	for (int i = 0; i < 64; i++)
		length += (size_t)snprintf(text + length, sizeof text - length,
			"[volume v%d]\ndevice = /dev/nvme%dn1\nmount = /v%d\n", i, i, i);
	is_int(parse(text), 0, "64 volumes are read");
	for (size_t i = 0; config && i < 64; i++)
		order &= config->volumes[i].name[1] - '0' == (int)(i < 10 ? i : i / 10);
	ok(order, "in their order");
	snprintf(text + length, sizeof text - length, "[volume v64]\nmount = /v64\n");
	(void)parse(text);
	is_str(problem(0), "test.conf:194: [volume v64]: there are more than 64 of them",
		"one more is refused");

	length = (size_t)snprintf(text, sizeof text, "[packages]\ninstall =\n");
	for (int i = 0; i < 64; i++)
		length += (size_t)snprintf(text + length, sizeof text - length, " p%d\n", i);
	is_int(parse(text), 0, "64 entries of a list are read");
	snprintf(text + length, sizeof text - length, " p64\n");
	(void)parse(text);
	is_str(all_problems(), "test.conf:2: [packages] install: there are more than 64 entries",
		"one more is refused");
}

static void test_several(void)
{
	static char text[8192];

	(void)parse("x = 1\n[agents]\n[index]\ntitel = a\npath = /a\npath = /b\nnothing\n");
	is_str(all_problems(),
		"test.conf:1: \"x\" stands before any [section]\n"
		"test.conf:2: [agents]: " NO_SECTION "\n"
		"test.conf:4: [index] titel: " NO_KEY "\n"
		"test.conf:6: [index] path: set before, in line 5\n"
		"test.conf:7: neither [section] nor key = value",
		"several errors are reported at once");
	(void)parse(VOLUME "mode = x\nfilesystem = zfs\nowner = :\n");
	is_int((long long)problems.n_errors, 3, "so are several values");
	(void)parse("[volume a]\n[app b]\nuser = x\n[volume c]\ngrow = yes\n");
	is_int((long long)problems.n_errors, 3, "and what several sections lack");

	strcpy(text, "[index]\n");
	for (int i = 0; i < 50; i++)
		strcat(text, "x = y\n");
	(void)parse(text);
	is_int((long long)problems.n_errors, CONFIG_PROBLEMS_MAX, "of 50 errors 20 are kept");
	is_str(problem(19), "test.conf:21: [index] x: " NO_KEY, "the first ones");
}

/* -- files -- */

static void test_template(void)
{
	char text[PATH_MAX + 64], expected[PATH_MAX + 256], path[PATH_MAX];

	snprintf(path, sizeof path, "%s",
		scratch_write("bad.in", "<p>\n{{hostname}}\n{{colour}}\n"));
	snprintf(text, sizeof text, "[index]\npath = /x\ntemplate = %s\n", path);
	snprintf(expected, sizeof expected,
		"%s:3: unknown name {{colour}}; a field of `instancectl metadata`, title or "
		"tag:KEY "
		"is expected",
		path);
	(void)parse(text);
	is_str(all_problems(), expected, "an unknown name in a template, with its file and line");
	scratch_write("bad.in", "{{title");
	snprintf(expected, sizeof expected, "%s:1: \"{{\" without \"}}\" in the same line", path);
	(void)parse(text);
	is_str(all_problems(), expected, "a name that does not end");
}

static void test_missing_file(void)
{
	char path[PATH_MAX], expected[PATH_MAX + 64];

	snprintf(path, sizeof path, "%s", scratch_path("none.conf"));
	ok(load(path, false) == 0 && config && config->n_volumes == 0,
		"without a main file there is the empty configuration");
	snprintf(expected, sizeof expected, "%s: No such file or directory", path);
	is_int(load(path, true), -EINVAL, "unless it was asked for by name");
	is_str(all_problems(), expected, "then that is the error");
	is_int(load(scratch_directory, false), -EINVAL, "a directory is no file");
	snprintf(expected, sizeof expected, "%s: Is a directory", scratch_directory);
	is_str(all_problems(), expected, "and named");
}

/* Root reads everything, so the tests of what may not be read are somebody else's. */
static void become(uid_t uid)
{
	static bool root;

	root |= geteuid() == 0;
	if (root && seteuid(uid) < 0)
		abort();
}

static void test_unreadable(void)
{
	char path[PATH_MAX], expected[PATH_MAX + 64], directory[PATH_MAX];

	snprintf(directory, sizeof directory, "%s", scratch_path("u"));
	(void)mkdir(directory, 0755);
	(void)mkdir(scratch_path("u/conf.d"), 0755);
	snprintf(path, sizeof path, "%s", scratch_write("u/main.conf", "[index]\n"));
	become(65534);
	ok(load(path, true) == 0, "a file that others own is read");
	become(0);
	(void)chmod(path, 0);
	become(65534);
	snprintf(expected, sizeof expected, "%s: Permission denied", path);
	(void)load(path, false);
	is_str(all_problems(), expected, "a file that may not be read is an error");
	become(0);
	(void)chmod(path, 0644);
	(void)chmod(scratch_path("u/conf.d"), 0);
	become(65534);
	snprintf(expected, sizeof expected, "%s/conf.d/*.conf: the directory cannot be read",
		directory);
	(void)load(path, false);
	is_str(all_problems(), expected, "and so is conf.d");
	become(0);
	(void)chmod(scratch_path("u/conf.d"), 0755);
}

static void test_layers(void)
{
	char path[PATH_MAX], expected[PATH_MAX * 2];

	(void)mkdir(scratch_path("conf.d"), 0755);
	snprintf(path, sizeof path, "%s",
		scratch_write("main.conf",
			"[index]\ntitle = main\npath = /main\n"
			"[agent]\nlisten = 127.0.0.1:1\nlisten = 127.0.0.1:2\n" VOLUME APP
			"env.A = 1\nenv.B = 2\nbuild = a\n"));
	scratch_write("conf.d/20-b.conf", "[index]\ntitle = b\n[volume more]\nmount = /more\n"
					  "device = /dev/sdg\n[volume data]\nmount = /elsewhere\n");
	scratch_write("conf.d/10-a.conf",
		"[index]\ntitle = a\npath = /a\n[agent]\n"
		"listen = 127.0.0.1:3\n[app web]\nenv.A = 7\nbuild = b\n\tc\n");
	scratch_write("conf.d/30.conf~", "not read\n");
	scratch_write("conf.d/.hidden.conf", "not read\n");
	is_int(load(path, true), 0, "a main file and conf.d are read");
	is_str(all_problems(), "", "setting a key again in another layer is no error");
	if (!config)
		return;
	is_str(config->index.title, "b", "the last layer by name wins");
	is_str(config->index.path, "/a", "for each key on its own");
	is_list(&config->agent.listen, "127.0.0.1:3", "a list is replaced as a whole");
	is_list(&config->apps[0].env, "B=2|A=7", "a variable on its own");
	is_list(&config->apps[0].build, "b|c", "build as a whole");
	ok(config->n_volumes == 2 && strcmp(config->volumes[0].mount, "/elsewhere") == 0 &&
			strcmp(config->volumes[0].device, "/dev/sdf") == 0,
		"a section is completed");

	scratch_write("conf.d/40.conf", "  title = x\n");
	(void)load(path, true);
	snprintf(expected, sizeof expected,
		"%s/conf.d/40.conf:1: the line is indented, but there is no value above that it "
		"continues",
		scratch_directory);
	is_str(all_problems(), expected, "a layer does not continue the one before");
	scratch_write("conf.d/40.conf", "[index]\ntitle = x\ntitle = y\n");
	(void)load(path, true);
	snprintf(expected, sizeof expected,
		"%s/conf.d/40.conf:3: [index] title: set before, in line 2", scratch_directory);
	is_str(all_problems(), expected, "within a layer a key twice is an error");
	scratch_write("conf.d/40.conf", "[volume data]\nmode = 9\n");
	(void)load(path, true);
	snprintf(expected, sizeof expected,
		"%s/conf.d/40.conf:2: [volume data] mode: \"9\" is not an octal mode like 0750",
		scratch_directory);
	is_str(all_problems(), expected, "an error names its layer");
}

static void test_file_length(void)
{
	char path[PATH_MAX], expected[PATH_MAX + 64];
	FILE *out;

	snprintf(path, sizeof path, "%s", scratch_path("long"));
	out = fopen(path, "we");
	for (size_t i = 0; i < CONFIG_FILE_MAX / 64; i++)
		fprintf(out, "%-63s\n", ";");
	fprintf(out, ";");
	(void)fclose(out);
	snprintf(expected, sizeof expected, "%s: is longer than 256 KiB", path);
	(void)load(path, true);
	is_str(problem(0), expected, "a file too long is refused");
}

/* -- the rest -- */

static void test_reference(void)
{
	static const char *const expected[] = {"\n[volume NAME]\n", ";device = \n",
		";filesystem = xfs\n", ";   Expects xfs, ext4 or btrfs.\n", ";env.NAME = \n",
		";listen = 0.0.0.0:8080\n",
		"; Abandon a launch that failed, instead of letting its hook time out.\n"};
	char *text = NULL;
	size_t length = 0;
	FILE *out = open_memstream(&text, &length);
	bool all = true;

	config_reference(out);
	(void)fclose(out);
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
		all &= strstr(text, expected[i]) != NULL;
	ok(all, "the reference has sections, keys, defaults and what is expected");
	free(text);
}

static void test_selector(void)
{
	struct volume_selector selector;

	(void)parse("[volume a]\nmount = /a\nvolume = vol-01234567\n"
		    "[volume b]\nmount = /b\ninstance_store = yes\n" VOLUME);
	if (!config)
		return;
	selector = config_selector(&config->volumes[0]);
	ok(!selector.device && strcmp(selector.volume_id, "vol-01234567") == 0 &&
			!selector.instance_store,
		"the selector by ID");
	selector = config_selector(&config->volumes[1]);
	ok(!selector.device && !selector.volume_id && selector.instance_store, "of instance store");
	selector = config_selector(&config->volumes[2]);
	ok(strcmp(selector.device, "/dev/sdf") == 0 && !selector.volume_id &&
			!selector.instance_store,
		"by device");
}

static void test_filesystems(void)
{
	const struct filesystem *xfs = filesystem_find("xfs");

	ok(xfs && strcmp(xfs->mkfs[0], "mkfs.xfs") == 0 && xfs->label_max == 12, "xfs is there");
	ok(filesystem_find("ext4") && filesystem_find("btrfs"), "and ext4, and btrfs");
	ok(!filesystem_find("ext3") && !filesystem_find(""), "and nothing else");
	is_str(filesystem_names(), "xfs, ext4 or btrfs", "as the error messages say");
}

int main(void)
{
	scratch_make();
	test_design();
	test_design_rest();
	test_defaults();
	test_forms();
	test_lists();
	test_values();
	test_accepted();
	test_bad();
	test_bad_values();
	test_useless();
	test_variable_names();
	test_lengths();
	test_name_lengths();
	test_bytes();
	test_counts();
	test_several();
	test_template();
	test_missing_file();
	test_unreadable();
	test_layers();
	test_file_length();
	test_reference();
	test_selector();
	test_filesystems();
	config = config_free(config);
	config_problems_clear(&problems);
	return done_testing();
}
