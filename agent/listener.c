/* SPDX-License-Identifier: Apache-2.0 */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "network.h"

_Static_assert(LISTENER_ADDRESS_MAX >= NETWORK_TEXT_MAX, "an address fits");

/* Removes a socket file that refuses connections: its server is gone. */
static bool remove_stale(const struct sockaddr_storage *address, socklen_t length)
{
	const char *path = ((const struct sockaddr_un *)address)->sun_path;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (address->ss_family != AF_UNIX || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)address, length) < 0 &&
	       errno == ECONNREFUSED && unlink(path) == 0;
}

static int open_socket(const struct sockaddr_storage *address, socklen_t length)
{
	_cleanup_close_ int fd =
		socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1, zero = 0, r;

	if (fd < 0)
		return -errno;
	if (address->ss_family != AF_UNIX &&
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
		return -errno;
	if (address->ss_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero) < 0)
		return -errno;
	r = bind(fd, (const struct sockaddr *)address, length) < 0 ? -errno : 0;
	if (r == -EADDRINUSE && remove_stale(address, length))
		r = bind(fd, (const struct sockaddr *)address, length) < 0 ? -errno : 0;
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	return r < 0 ? r : steal_fd(&fd);
}

int listener_open(const char *address, struct listener *ret_listener, struct err *err)
{
	struct sockaddr_storage storage;
	socklen_t length;
	int r = network_parse_listen(address, &storage, &length, err), fd;

	if (r < 0)
		return r;
	fd = open_socket(&storage, length);
	if (fd < 0)
		return err_set(err, fd, "cannot listen on %s: %m", address);
	*ret_listener = (struct listener){.fd = fd, .ours = true};
	snprintf(ret_listener->address, sizeof ret_listener->address, "%s", address);
	return 0;
}

int listener_adopt(int fd, struct listener *ret_listener)
{
	int listening = 0, type = 0;
	socklen_t length = sizeof listening, type_length = sizeof type;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0 ||
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_length) < 0)
		return -errno;
	if (!listening || type != SOCK_STREAM)
		return -EINVAL;
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	*ret_listener = (struct listener){.fd = fd};
	return 0;
}

void listener_close(struct listener *listener)
{
	struct sockaddr_un un = {0};
	socklen_t length = sizeof un;

	if (listener->ours && getsockname(listener->fd, (void *)&un, &length) == 0 &&
		un.sun_family == AF_UNIX)
		(void)unlink(un.sun_path);
	cleanup_close(&listener->fd);
	listener->fd = -1;
}

void listeners_keep(struct listeners *kept, struct listener *listener)
{
	if (listener->ours && kept->n < LISTENERS_MAX)
		kept->items[kept->n++] = *listener;
	else
		listener_close(listener);
	listener->fd = -1;
}

int listeners_open(
	struct listeners *kept, const char *address, struct listener *ret_listener, struct err *err)
{
	for (size_t i = 0; i < kept->n; i++)
		if (strcmp(kept->items[i].address, address) == 0) {
			*ret_listener = kept->items[i];
			kept->items[i] = kept->items[--kept->n];
			return 0;
		}
	return listener_open(address, ret_listener, err);
}

void listeners_close(struct listeners *kept, size_t i)
{
	listener_close(&kept->items[i]);
	kept->items[i] = kept->items[--kept->n];
}

int listener_address(const struct listener *listener, char ret_text[static LISTENER_ADDRESS_MAX])
{
	struct sockaddr_storage storage = {0};
	socklen_t length = sizeof storage;

	if (getsockname(listener->fd, (struct sockaddr *)&storage, &length) < 0)
		return -errno;
	network_format_listen(&storage, ret_text);
	return 0;
}

int listener_accept(const struct listener *listener, struct sockaddr *peer, socklen_t *length)
{
	int fd = accept4(listener->fd, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case EAGAIN: return -EAGAIN;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM: return -ENFILE;
	default: return -ECONNABORTED; /* accept(2), "Error handling" */
	}
}
