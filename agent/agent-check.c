/* SPDX-License-Identifier: Apache-2.0 */
#include "agent-check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define LINGER_USEC 1000000ull /* for the peer to take the line and close */
#define ACCEPT_MAX  16         /* in a row; then the loop's other sources have their turn */

struct connection_slot {
	int fd; /* -1: free */
	uint64_t order;
	sd_event_source *readable, *timeout;
};

struct agent_check {
	sd_event *event;
	struct listener listener;
	sd_event_source *incoming;
	struct connection_slot slots[AGENT_CHECK_CONNECTIONS_MAX];
	uint64_t taken; /* how many connections so far */
	unsigned weight;
	char line[AGENT_CHECK_LINE_MAX];
};

/* -- what is said -- */

unsigned agent_check_weight(unsigned previous, double demand)
{
	const unsigned most = AGENT_CHECK_WEIGHT_MAX, least = AGENT_CHECK_WEIGHT_MIN;
	double above = (demand - AGENT_CHECK_DEMAND) / (1 - AGENT_CHECK_DEMAND);
	unsigned target;

	if (!(demand >= 0))
		return previous ? previous : most;
	above = fmin(fmax(above, 0), 1);
	target = (unsigned)lround(most - above * (most - least));
	if (previous && target != most && target != least &&
		abs((int)target - (int)previous) < AGENT_CHECK_WEIGHT_STEP)
		return previous;
	return target;
}

void agent_check_line(
	enum status status, unsigned weight, char ret_line[static AGENT_CHECK_LINE_MAX])
{
	static const char *const states[] = {
		[STATUS_STARTING] = "ready down #starting",
		[STATUS_DRAINING] = "drain",
		[STATUS_FAILED] = "ready fail #failed",
	};

	if (status_serves(status))
		snprintf(ret_line, AGENT_CHECK_LINE_MAX, "ready up %u%%\n", weight);
	else
		snprintf(ret_line, AGENT_CHECK_LINE_MAX, "%s\n", states[status]);
}

/* -- connections -- */

static void slot_close(struct connection_slot *slot)
{
	slot->readable = sd_event_source_disable_unref(slot->readable);
	slot->timeout = sd_event_source_disable_unref(slot->timeout);
	cleanup_close(&slot->fd);
	slot->fd = -1;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata)
{
	(void)source, (void)usec;
	slot_close(userdata);
	return 0;
}

/* What is sent to us (agent-send) is taken and forgotten. */
static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	char ignored[4096];
	ssize_t n = read(fd, ignored, sizeof ignored);

	(void)source, (void)revents;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		slot_close(userdata);
	return 0;
}

/* A free one, else that of the oldest connection. */
static struct connection_slot *slot_for(struct agent_check *agent_check)
{
	struct connection_slot *oldest = &agent_check->slots[0];

	FOREACH_ELEMENT (i, agent_check->slots) {
		if (agent_check->slots[i].fd < 0)
			return &agent_check->slots[i];
		if (agent_check->slots[i].order < oldest->order)
			oldest = &agent_check->slots[i];
	}
	slot_close(oldest);
	return oldest;
}

/*
 * Says the line. A close while something unread is there, or comes later, would be a reset, which
 * can cost the peer the line: so we end our side and wait for the end of his.
 */
static void answer(struct agent_check *agent_check, int fd)
{
	struct connection_slot *slot = slot_for(agent_check);

	*slot = (struct connection_slot){.fd = fd, .order = agent_check->taken++};
	/* The first bytes of a connection always fit into its buffer. */
	if (send(fd, agent_check->line, strlen(agent_check->line), MSG_NOSIGNAL | MSG_DONTWAIT) <
			0 ||
		shutdown(fd, SHUT_WR) < 0 ||
		sd_event_add_io(
			agent_check->event, &slot->readable, fd, EPOLLIN, on_readable, slot) < 0 ||
		sd_event_add_time_relative(agent_check->event, &slot->timeout, CLOCK_MONOTONIC,
			LINGER_USEC, 0, on_timeout, slot) < 0)
		slot_close(slot);
}

static int on_incoming(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
	struct agent_check *agent_check = userdata;

	(void)fd, (void)revents;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int client = listener_accept(&agent_check->listener, NULL, NULL);

		if (client >= 0)
			answer(agent_check, client);
		else if (client == -ENFILE) /* until the next update */
			return sd_event_source_set_enabled(source, SD_EVENT_OFF);
		else if (client == -EAGAIN)
			return 0;
	}
	return 0;
}

/* -- beginning and end -- */

int agent_check_new(struct sd_event *event, struct listeners *kept, const char *address,
	struct agent_check **ret_agent_check, struct err *err)
{
	_cleanup_(agent_check_free_p) struct agent_check *agent_check =
		calloc(1, sizeof *agent_check);
	int r;

	if (!agent_check)
		return err_set(err, -ENOMEM, "agent_check: %m");
	agent_check->event = sd_event_ref(event);
	agent_check->listener.fd = -1;
	FOREACH_ELEMENT (i, agent_check->slots)
		agent_check->slots[i].fd = -1;
	r = listeners_open(kept, address, &agent_check->listener, err);
	if (r < 0)
		return err_wrap(err, r, "agent_check");
	r = sd_event_add_io(event, &agent_check->incoming, agent_check->listener.fd, EPOLLIN,
		on_incoming, agent_check);
	if (r < 0)
		return err_set(err, r, "agent_check: %m");
	agent_check_update(agent_check, STATUS_STARTING, -1);
	*ret_agent_check = steal_ptr(agent_check);
	return 0;
}

void agent_check_keep_listener(struct agent_check *agent_check, struct listeners *kept)
{
	if (!agent_check)
		return;
	agent_check->incoming = sd_event_source_disable_unref(agent_check->incoming);
	listeners_keep(kept, &agent_check->listener);
}

void agent_check_update(struct agent_check *agent_check, enum status status, double demand)
{
	if (!agent_check)
		return;
	agent_check->weight = agent_check_weight(agent_check->weight, demand);
	agent_check_line(status, agent_check->weight, agent_check->line);
	(void)sd_event_source_set_enabled(agent_check->incoming, SD_EVENT_ON);
}

unsigned agent_check_told(const struct agent_check *agent_check)
{
	return agent_check ? agent_check->weight : 0;
}

int agent_check_address(
	const struct agent_check *agent_check, char ret_text[static LISTENER_ADDRESS_MAX])
{
	return listener_address(&agent_check->listener, ret_text);
}

struct agent_check *agent_check_free(struct agent_check *agent_check)
{
	if (!agent_check)
		return NULL;
	FOREACH_ELEMENT (i, agent_check->slots)
		slot_close(&agent_check->slots[i]);
	(void)sd_event_source_disable_unref(agent_check->incoming);
	listener_close(&agent_check->listener);
	(void)sd_event_unref(agent_check->event);
	free(agent_check);
	return NULL;
}
