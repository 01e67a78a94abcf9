/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "config-merge.h"
#include "file.h"
#include "launch-data.h"
#include "log.h"
#include "spawn.h"
#include "user-data.h"

#define DIRECTORY    "/etc/instanced"
#define FILES_MAX    96 /* the main file, conf.d/, templates */
#define GZIP_TIMEOUT (10 * 1000000ull)

/* The files that make up a configuration, and where they go. */
struct files {
	struct launch_file list[FILES_MAX];
	size_t n;
	size_t layers; /* of them configuration: the first ones */
};

static void files_clear(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free((char *)files->list[i].path);
		free((char *)files->list[i].data);
	}
}

/* Takes `path`. */
static int files_add(struct files *files, const char *from, char *path, struct err *err)
{
	struct launch_file *file = &files->list[files->n];
	char *data;
	int r;

	if (files->n == FILES_MAX || !path) {
		free(path);
		return err_set(err, path ? -E2BIG : -ENOMEM, "%s: %m", from);
	}
	r = file_read(from, CONFIG_FILE_MAX, &data, &file->length);
	if (r < 0) {
		free(path);
		return err_set(err, r, "%s: %m", from);
	}
	file->path = path;
	file->data = data;
	files->n++;
	return 0;
}

static char *join(const char *directory, const char *name)
{
	char *path;

	return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/* Several files may come from one template. */
static int template_add(struct files *files, const char *path, struct err *err)
{
	for (size_t i = files->layers; i < files->n; i++)
		if (strcmp(files->list[i].path, path) == 0)
			return 0;
	return files_add(files, path, strdup(path), err);
}

/* Everybody on an instance can read its user-data. */
static void tell_secrets(const struct config_app *app)
{
	static const char words[] = "the instance must have %s: user-data is no place for a secret";

	if (app->env_file)
		log_notice(words, app->env_file);
	for (size_t i = 0; i < app->credentials.n; i++)
		log_notice(words, strchr(app->credentials.items[i], '=') + 1);
}

/* The layers that config_load() reads, wherever they are here, as they will lie on the instance. */
static int files_read(
	struct files *files, const char *path, const struct config *config, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char pattern[PATH_MAX];
	glob_t found = {0};
	int r = files_add(files, path, strdup(CONFIG_PATH_DEFAULT), err);

	snprintf(pattern, sizeof pattern, "%.*sconf.d/*.conf", slash ? (int)(slash - path + 1) : 0,
		path);
	if (r == 0 && glob(pattern, 0, NULL, &found) == GLOB_NOSPACE)
		r = err_set(err, -ENOMEM, "%m");
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
		r = files_add(files, found.gl_pathv[i],
			join(DIRECTORY "/conf.d", strrchr(found.gl_pathv[i], '/') + 1), err);
	globfree(&found);
	files->layers = files->n;
	if (r == 0 && config->index.template)
		r = template_add(files, config->index.template, err);
	for (size_t i = 0; i < config->n_apps; i++) {
		const struct config_app *app = &config->apps[i];

		for (size_t j = 0; r == 0 && j < app->files.n; j++)
			r = template_add(files, strchr(app->files.items[j], '=') + 1, err);
		tell_secrets(app);
	}
	return r;
}

/* One layer as it is, with its comments; more of them as one. */
static int make_document(const struct options *options, const struct files *files, char **ret_text,
	size_t *ret_length, struct err *err)
{
	_cleanup_free_ char *merged = NULL;
	const char *text = files->list[0].data;
	size_t length = files->list[0].length;
	int r = 0;

	if (files->layers > 1) {
		r = config_merge(options->config, &merged, &length);
		text = merged;
	}
	if (r == 0)
		r = launch_document(text, length, ret_text, ret_length);
	for (size_t i = files->layers; i < files->n; i++)
		log_notice("the image must have %s: user-data of this form does not carry it",
			files->list[i].path);
	return r < 0 ? err_set(err, r, "%s: %m", options->config) : 0;
}

/* How long the text is for gzip(1); 0: not known. */
static size_t compressed(const char *text, size_t length)
{
	char path[] = "/tmp/instancectl.XXXXXX", packed[sizeof path + 3];
	const char *const argv[] = {"gzip", "-9", "-n", path, NULL};
	struct spawn spawn = {.argv = argv, .timeout_usec = GZIP_TIMEOUT};
	_cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
	struct stat st = {0};

	if (fd < 0)
		return 0;
	snprintf(packed, sizeof packed, "%s.gz", path);
	if (write(fd, text, length) == (ssize_t)length && spawn_run(&spawn, NULL, NULL) == 0)
		(void)stat(packed, &st);
	(void)unlink(packed);
	(void)unlink(path);
	return (size_t)st.st_size;
}

static int check_size(const char *text, size_t length)
{
	size_t packed;

	if (length <= USER_DATA_MAX)
		return EXIT_DONE;
	packed = compressed(text, length);
	log_error("the user-data has %zu bytes, EC2 takes %zu: %zu too many", length, USER_DATA_MAX,
		length - USER_DATA_MAX);
	if (packed > 0 && packed <= USER_DATA_MAX)
		log_notice("compressed it fits, with %zu bytes, and is read as well: append "
			   "`| gzip -9n`",
			packed);
	else if (packed > 0)
		log_notice("compressed it does not fit either, with %zu bytes", packed);
	return EXIT_FAILED;
}

/* Printed even when it is too long: a pipe may make it shorter. */
static int print_data(const struct options *options, const char *text, size_t length)
{
	if (options->json)
		command_print_json(json_pack("{s:I, s:I, s:s%}", "bytes", (json_int_t)length,
			"limit", (json_int_t)USER_DATA_MAX, "userData", text, length));
	else
		(void)fwrite(text, 1, length, stdout);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		log_error("standard output: %m");
		return EXIT_FAILED;
	}
	return check_size(text, length);
}

static int take_packages(const struct options *options, struct launch_package *ret_packages)
{
	struct err err;
	int r = 0;

	if (options->baked && (options->url || options->sha256))
		r = err_set(&err, -EINVAL,
			"--baked is for an image that has the package: without --url and --sha256");
	else if (!options->baked && (!options->url || !options->sha256))
		r = err_set(&err, -EINVAL,
			"the package to install is expected: --url URL --sha256 HEX; or --baked, "
			"for an image that has it");
	else if (!options->baked)
		r = launch_packages(options->url, options->sha256, ret_packages, &err);
	if (r < 0)
		fprintf(stderr, "instancectl: %s\nTry `instancectl --help`.\n", err.text);
	return r;
}

int cmd_user_data(const struct options *options)
{
	_cleanup_(config_free_p) struct config *config = NULL;
	struct launch_package packages[LAUNCH_PACKAGES_MAX];
	struct options named = *options;
	struct files files = {0};
	_cleanup_free_ char *text = NULL;
	size_t length = 0;
	struct err err;
	int n = take_packages(options, packages), r;

	if (n < 0)
		return EXIT_USAGE;
	named.config_given = true; /* there is nothing to print of no configuration */
	r = command_config_with(&named, NULL, &config, NULL);
	if (r != EXIT_DONE)
		return r;
	r = files_read(&files, options->config, config, &err);
	if (r == 0 && options->baked)
		r = make_document(options, &files, &text, &length, &err);
	else if (r == 0 &&
		 launch_script(packages, (size_t)n, files.list, files.n, &text, &length) < 0)
		r = err_set(&err, -ENOMEM, "%m");
	files_clear(&files);
	if (r < 0) {
		log_error("%s", err.text);
		return EXIT_FAILED;
	}
	return print_data(options, text, length);
}
