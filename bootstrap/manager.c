/* SPDX-License-Identifier: Apache-2.0 */
#include "manager.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clock.h"
#include "manager-bus.h"

bool manager_is_there(void)
{
	struct stat st;

	return lstat("/run/systemd/system", &st) == 0 && S_ISDIR(st.st_mode);
}

int manager_refused(int r, const sd_bus_error *error, const char *what, struct err *err)
{
	return err_set(
		err, r, "systemd: %s: %s", what, error->message ? error->message : strerror(-r));
}

static int on_job(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
	struct manager *manager = userdata;
	const char *job, *result;

	(void)ret_error;
	if (sd_bus_message_read(message, "uoss", NULL, &job, NULL, &result) >= 0 &&
		strcmp(job, manager->job) == 0)
		snprintf(manager->result, sizeof manager->result, "%s", result);
	return 0;
}

int manager_open(struct manager **ret_manager, struct err *err)
{
	_cleanup_(manager_free_p) struct manager *manager = calloc(1, sizeof *manager);
	int r;

	if (!manager)
		return err_set(err, -ENOMEM, "%m");
	r = sd_bus_open_system(&manager->bus);
	/* Neither answer is waited for: systemd gets both before what is asked next. */
	if (r >= 0)
		r = sd_bus_match_signal_async(manager->bus, NULL, SERVICE, PATH, MANAGER,
			"JobRemoved", on_job, NULL, manager);
	if (r >= 0)
		r = sd_bus_call_method_async(
			manager->bus, NULL, SERVICE, PATH, MANAGER, "Subscribe", NULL, NULL, NULL);
	if (r < 0)
		return err_set(err, r, "systemd cannot be reached over the system bus: %m");
	*ret_manager = steal_ptr(manager);
	return 0;
}

struct manager *manager_free(struct manager *manager)
{
	if (!manager)
		return NULL;
	(void)sd_bus_flush_close_unref(manager->bus);
	free(manager);
	return NULL;
}

/* -- asking -- */

static int load(
	struct manager *manager, const char *name, char *ret_path, size_t size, struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *path;
	int r = sd_bus_call_method(
		manager->bus, SERVICE, PATH, MANAGER, "LoadUnit", &error, &reply, "s", name);

	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r >= 0)
		snprintf(ret_path, size, "%s", path);
	else
		(void)manager_refused(r, &error, name, err);
	(void)sd_bus_message_unref(reply);
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

/* A property that is wanted, and where it goes. */
struct property {
	const char *name;
	char type; /* s, b, t, u, i */
	void *value;
	size_t size; /* of a text */
};

static int take_property(sd_bus_message *reply, const struct property *property)
{
	const char contents[] = {property->type, '\0'};
	const char *text;
	int flag, r = sd_bus_message_enter_container(reply, 'v', contents);

	if (r < 0)
		return r;
	switch (property->type) {
	case 's':
		r = sd_bus_message_read_basic(reply, 's', &text);
		if (r >= 0)
			snprintf(property->value, property->size, "%s", text);
		break;
	case 'b':
		r = sd_bus_message_read_basic(reply, 'b', &flag);
		if (r >= 0)
			*(bool *)property->value = flag != 0;
		break;
	default: r = sd_bus_message_read_basic(reply, property->type, property->value);
	}
	return r < 0 ? r : sd_bus_message_exit_container(reply);
}

static int take_entry(sd_bus_message *reply, const struct property *wanted, size_t n)
{
	const struct property *property = NULL;
	const char *name;
	int r = sd_bus_message_read(reply, "s", &name);

	for (size_t i = 0; r >= 0 && i < n; i++)
		if (strcmp(wanted[i].name, name) == 0)
			property = &wanted[i];
	if (r >= 0)
		r = property ? take_property(reply, property) : sd_bus_message_skip(reply, "v");
	return r < 0 ? r : sd_bus_message_exit_container(reply);
}

/* All in one call; what the object does not have is left as it is. */
static int read_properties(struct manager *manager, const char *path, const char *interface,
	const struct property *wanted, size_t n, struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	int r = sd_bus_call_method(manager->bus, SERVICE, path, "org.freedesktop.DBus.Properties",
		"GetAll", &error, &reply, "s", interface);

	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0)
		r = take_entry(reply, wanted, n);
	if (r < 0)
		(void)manager_refused(r, &error, path, err);
	(void)sd_bus_message_unref(reply);
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

int manager_unit(
	struct manager *manager, const char *name, struct manager_unit *ret_unit, struct err *err)
{
	struct manager_unit unit = {0};
	const struct property wanted[] = {
		{"LoadState", 's', unit.load_state, sizeof unit.load_state},
		{"ActiveState", 's', unit.active_state, sizeof unit.active_state},
		{"SubState", 's', unit.sub_state, sizeof unit.sub_state},
		{"FragmentPath", 's', unit.fragment, sizeof unit.fragment},
		{"NeedDaemonReload", 'b', &unit.stale, 0},
		{"InactiveExitTimestampMonotonic", 't', &unit.inactive_exit, 0},
		{"ActiveEnterTimestampMonotonic", 't', &unit.active_enter, 0},
	};
	char path[512];
	int r = load(manager, name, path, sizeof path, err);

	if (r == 0)
		r = read_properties(
			manager, path, UNIT, wanted, sizeof wanted / sizeof wanted[0], err);
	if (r == 0)
		*ret_unit = unit;
	return r;
}

int manager_service(struct manager *manager, const char *name, unsigned *ret_pid,
	unsigned *ret_restarts, struct err *err)
{
	uint32_t pid = 0, restarts = 0;
	const struct property wanted[] = {
		{"MainPID", 'u', &pid, 0}, {"NRestarts", 'u', &restarts, 0}};
	char path[512];
	int r = load(manager, name, path, sizeof path, err);

	if (r == 0)
		r = read_properties(manager, path, SERVICE ".Service", wanted, 2, err);
	if (r == 0) {
		*ret_pid = pid;
		*ret_restarts = restarts;
	}
	return r;
}

int manager_number(
	struct manager *manager, const char *property, uint64_t *ret_number, struct err *err)
{
	int r = sd_bus_get_property_trivial(
		manager->bus, SERVICE, PATH, MANAGER, property, NULL, 't', ret_number);

	return r < 0 ? err_set(err, r, "systemd: %s: %m", property) : 0;
}

void manager_result(struct manager *manager, const char *name, char *ret_result, size_t size,
	int32_t *ret_status)
{
	const char *suffix = strrchr(name, '.');
	const struct property wanted[] = {
		{"Result", 's', ret_result, size}, {"ExecMainStatus", 'i', ret_status, 0}};
	char path[512];

	if (load(manager, name, path, sizeof path, NULL) == 0)
		(void)read_properties(manager, path,
			suffix && strcmp(suffix, ".mount") == 0 ? SERVICE ".Mount"
								: SERVICE ".Service",
			wanted, 2, NULL);
}

/* -- telling -- */

int manager_reload(struct manager *manager, struct err *err)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	int r = sd_bus_call_method(
		manager->bus, SERVICE, PATH, MANAGER, "Reload", &error, NULL, NULL);

	if (r < 0)
		(void)manager_refused(r, &error, "reload", err);
	sd_bus_error_free(&error);
	return r < 0 ? r : 0;
}

int manager_wait(struct manager *manager, sd_bus_message *reply, const char *what,
	uint64_t timeout_usec, struct output *output, struct err *err)
{
	uint64_t deadline = clock_monotonic() + timeout_usec;
	struct pollfd fds[2] = {{.fd = sd_bus_get_fd(manager->bus), .events = POLLIN},
		{.fd = output ? output->fd : -1, .events = POLLIN}};
	const char *job;
	int r = sd_bus_message_read(reply, "o", &job);

	manager->result[0] = '\0';
	if (r >= 0)
		snprintf(manager->job, sizeof manager->job, "%s", job);
	while (r >= 0 && !manager->result[0]) {
		uint64_t now = clock_monotonic();

		r = sd_bus_process(manager->bus, NULL);
		if (r != 0)
			continue;
		if (now >= deadline)
			return err_set(err, -ETIMEDOUT, "%s: its job did not end within %llu s",
				what, (unsigned long long)(timeout_usec / 1000000));
		if (poll(fds, 2, (int)((deadline - now) / 1000) + 1) < 0 && errno != EINTR)
			r = -errno;
		if (fds[1].revents && !output_read(output))
			fds[1].fd = -1;
	}
	return r < 0 ? err_set(err, r, "systemd: %s: %m", what) : 0;
}

static int judge_job(struct manager *manager, const char *unit, struct err *err)
{
	char result[32] = "";
	int32_t status;

	if (strcmp(manager->result, "done") == 0)
		return 0;
	manager_result(manager, unit, result, sizeof result, &status);
	if (result[0] && strcmp(result, "success") != 0)
		return err_set(err, -EIO, "%s: %s (%s); `journalctl -u '%s'` says more", unit,
			manager->result, result, unit);
	return err_set(err, -EIO, "%s: %s; `systemctl status '%s'` says more", unit,
		manager->result, unit);
}

int manager_job(struct manager *manager, enum manager_verb verb, const char *unit, struct err *err)
{
	static const char *const methods[] = {
		[MANAGER_START] = "StartUnit",
		[MANAGER_STOP] = "StopUnit",
		[MANAGER_RESTART] = "RestartUnit",
	};
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	int r = sd_bus_call_method(manager->bus, SERVICE, PATH, MANAGER, methods[verb], &error,
		&reply, "ss", unit, "replace");

	if (verb == MANAGER_STOP && sd_bus_error_has_name(&error, SERVICE ".NoSuchUnit"))
		r = 0;
	else if (r < 0)
		(void)manager_refused(r, &error, unit, err);
	else
		r = manager_wait(manager, reply, unit, MANAGER_JOB_TIMEOUT, NULL, err);
	if (r >= 0 && reply)
		r = judge_job(manager, unit, err);
	(void)sd_bus_message_unref(reply);
	sd_bus_error_free(&error);
	return r;
}
