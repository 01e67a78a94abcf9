/* SPDX-License-Identifier: Apache-2.0 */
#include "config-problem.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static struct config_problem problem_make(const char *file, unsigned line, const char *section,
	const char *key, const char *format, va_list ap)
{
	struct config_problem problem = {copy(file), line, copy(section), copy(key), NULL};

	if (vasprintf(&problem.message, format, ap) < 0)
		problem.message = NULL;
	return problem;
}

void config_problem_add(struct config_problems *problems, const char *file, unsigned line,
	const char *section, const char *key, const char *format, ...)
{
	va_list ap;

	if (problems->n_errors == CONFIG_PROBLEMS_MAX)
		return;
	va_start(ap, format);
	problems->errors[problems->n_errors++] = problem_make(file, line, section, key, format, ap);
	va_end(ap);
}

void config_warning_add(struct config_problems *problems, const char *file, unsigned line,
	const char *section, const char *key, const char *format, ...)
{
	va_list ap;

	if (problems->n_warnings == CONFIG_PROBLEMS_MAX)
		return;
	va_start(ap, format);
	problems->warnings[problems->n_warnings++] =
		problem_make(file, line, section, key, format, ap);
	va_end(ap);
}

static void problem_clear(struct config_problem *problem)
{
	free(problem->file);
	free(problem->section);
	free(problem->key);
	free(problem->message);
}

void config_problems_clear(struct config_problems *problems)
{
	while (problems->n_errors > 0)
		problem_clear(&problems->errors[--problems->n_errors]);
	while (problems->n_warnings > 0)
		problem_clear(&problems->warnings[--problems->n_warnings]);
}

void config_problem_text(const struct config_problem *problem, char *buffer, size_t size)
{
	char place[PATH_MAX + 16] = "", subject[256] = "";

	if (problem->line)
		snprintf(place, sizeof place, "%s:%u: ", problem->file, problem->line);
	else if (problem->file)
		snprintf(place, sizeof place, "%s: ", problem->file);
	if (problem->section && problem->key)
		snprintf(subject, sizeof subject, "[%s] %s: ", problem->section, problem->key);
	else if (problem->section)
		snprintf(subject, sizeof subject, "[%s]: ", problem->section);
	snprintf(buffer, size, "%s%s%s", place, subject,
		problem->message ? problem->message : "out of memory");
}

void config_problems_log(const struct config_problems *problems)
{
	char text[PATH_MAX + 1024];

	for (size_t i = 0; i < problems->n_errors; i++) {
		config_problem_text(&problems->errors[i], text, sizeof text);
		log_error("%s", text);
	}
	for (size_t i = 0; i < problems->n_warnings; i++) {
		config_problem_text(&problems->warnings[i], text, sizeof text);
		log_warning("%s", text);
	}
}
