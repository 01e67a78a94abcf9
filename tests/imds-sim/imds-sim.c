/* SPDX-License-Identifier: Apache-2.0 */
/*
 * imds-sim: the EC2 instance metadata service (IMDSv2), over a directory tree.
 *
 * It stands in for http://169.254.169.254 wherever there is no EC2, so that what is built for an
 * instance can run, and be tested, on any machine. A path is a file:
 *
 *	DIR/meta-data/instance-id                 /latest/meta-data/instance-id
 *	DIR/meta-data/placement/region            /latest/meta-data/placement/region
 *	DIR/meta-data/public-keys/0/openssh-key   listed as 0=NAME, NAME being the key's comment
 *	DIR/dynamic/instance-identity/document    /latest/dynamic/instance-identity/document
 *	DIR/user-data                             absent: 404, as on an instance without any
 *
 * Files are read at each request: to create, change or remove one is an event that clients see at
 * once (meta-data/spot/instance-action, a tag, a new role). They are served byte for byte; the real
 * service ends no value with a newline. `tree-make`, next to this, makes a whole realistic tree.
 * Names at the top of DIR that begin with a dot are never served. Two of them mean something:
 *
 *	DIR/.faults         what is to go wrong; see fault.h
 *	DIR/.token-epoch    when its text changes, every token issued so far is dead (a 401)
 *
 * and the others are room to write a file in before it is renamed into its place.
 *
 * What it holds to, and where that comes from: the "Use the Instance Metadata Service" chapters of
 * the Amazon EC2 User Guide, and headers and bodies that people captured from the real service.
 * Sessions: token.h. Statuses, listings, error pages: service.c. Each connection carries one
 * request, as captured. Clients that nobody here wrote vouch for it in tests/system/imds-sim.t.
 *
 * What it does not do: version 1; the hop limit; the packet rate limit (use 429 or 503 in .faults);
 * different trees for different versions; signatures of the identity document, which it could only
 * fake (pkcs7, rsa2048, signature: absent). An empty directory is listed, and is empty; on the real
 * service a category without entries is absent.
 *
 * One thread, one loop: this file has HTTP (libmicrohttpd), sockets and signals, and nothing of
 * what is answered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>
#include <unistd.h>

#include "service.h"
#include "tree.h"

enum {
	LISTENERS_MAX = 8,
	ADDRESS_MAX = 64,    /* bytes of one --listen */
	CLIENT_TIMEOUT = 30, /* seconds that a connection may idle */
	BACKLOG = 64,
};

struct listener {
	int fd;
	struct MHD_Daemon *http;
	char url[ADDRESS_MAX + 32];
};

struct simulator {
	struct service service;
	int log; /* -1: none */
	struct listener listeners[LISTENERS_MAX];
	size_t n_listeners;
};

/* One request on its way in: its target as it came, and whether its head has been seen. */
struct transfer {
	char *target;
	bool begun;
};

static volatile sig_atomic_t stopping;

static void on_signal(int signal)
{
	(void)signal;
	stopping = 1;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- HTTP ---- */

static void *transfer_begin(void *data, const char *target, struct MHD_Connection *connection)
{
	struct transfer *transfer = calloc(1, sizeof(*transfer));

	(void)data;
	(void)connection;
	if (transfer)
		transfer->target = strdup(target);
	return transfer;
}

static void transfer_end(void *data, struct MHD_Connection *connection, void **state,
	enum MHD_RequestTerminationCode code)
{
	struct transfer *transfer = *state;

	(void)data;
	(void)connection;
	(void)code;
	if (transfer)
		free(transfer->target);
	free(transfer);
	*state = NULL;
}

static void add_number(struct MHD_Response *response, const char *header, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	MHD_add_response_header(response, header, text);
}

static void add_headers(struct MHD_Response *response, const struct answer *answer)
{
	MHD_add_response_header(response, "Server", "EC2ws");
	MHD_add_response_header(response, "Connection", "close");
	MHD_add_response_header(response, "Content-Type", answer->type);
	if (answer->status == MHD_HTTP_OK)
		MHD_add_response_header(response, "Accept-Ranges", "none");
	if (answer->allow)
		MHD_add_response_header(response, "Allow", answer->allow);
	if (answer->retry_after)
		add_number(response, "Retry-After", answer->retry_after);
	if (answer->ttl)
		add_number(response, "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", answer->ttl);
	if (answer->modified) {
		char date[64];
		struct tm tm;

		gmtime_r(&answer->modified, &tm);
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		MHD_add_response_header(response, "Last-Modified", date);
	}
}

static enum MHD_Result handle(void *data, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *body, size_t *body_size, void **state)
{
	struct simulator *sim = data;
	struct transfer *transfer = *state;
	const struct request request = {
		.method = method,
		.path = url,
		.token = MHD_lookup_connection_value(
			connection, MHD_HEADER_KIND, "X-aws-ec2-metadata-token"),
		.ttl = MHD_lookup_connection_value(
			connection, MHD_HEADER_KIND, "X-aws-ec2-metadata-token-ttl-seconds"),
		.forwarded =
			MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "X-Forwarded-For"),
	};
	struct MHD_Response *response;
	struct answer answer;
	enum MHD_Result result;

	(void)version;
	(void)body;
	if (!transfer || !transfer->target)
		return MHD_NO;
	if (!transfer->begun || *body_size) { /* a body is read, and means nothing */
		transfer->begun = true;
		*body_size = 0;
		return MHD_YES;
	}

	service_answer(&sim->service, &request, now_ms(), &answer);
	if (sim->log >= 0) /* before the client has its answer: what it has seen is in the log */
		dprintf(sim->log, "%s %s %u %s\n", method, transfer->target, answer.status,
			answer.session);
	response = MHD_create_response_from_buffer(answer.size, answer.body, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(answer.body);
		return MHD_NO;
	}
	add_headers(response, &answer);
	result = MHD_queue_response(connection, answer.status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- listening ---- */

/* Reads 127.0.0.1:80 or [::1]:80. The port may be 0: any that is free. */
static int parse_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_size)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found;
	char copy[ADDRESS_MAX];
	char *host = copy, *colon, *end;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	colon = strrchr(copy, ':');
	if (!colon || colon == copy || !colon[1])
		return -EINVAL;
	if (strspn(colon + 1, "0123456789") != strlen(colon + 1) || atol(colon + 1) > UINT16_MAX)
		return -EINVAL; /* getaddrinfo would take 99999, modulo 65536 */
	*colon = '\0';
	end = colon - 1;
	if (*host == '[' && *end == ']') {
		host++;
		*end = '\0';
	} else if (strchr(host, ':')) {
		return -EINVAL; /* IPv6 without its brackets */
	}
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return -EINVAL;
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	*ret_size = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int open_socket(const struct sockaddr_storage *address, socklen_t size)
{
	const int on = 1;
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (address->ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, (const struct sockaddr *)address, size) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

static int listener_start(struct listener *l, struct simulator *sim,
	const struct sockaddr_storage *wanted, socklen_t size)
{
	const bool v6 = wanted->ss_family == AF_INET6;
	struct sockaddr_storage bound;
	char host[ADDRESS_MAX], port[8];

	l->fd = open_socket(wanted, size);
	if (l->fd < 0)
		return l->fd;
	if (getsockname(l->fd, (struct sockaddr *)&bound, &size) < 0)
		return -errno;
	if (getnameinfo((struct sockaddr *)&bound, size, host, sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -EINVAL;
	snprintf(l->url, sizeof(l->url), v6 ? "http://[%s]:%s" : "http://%s:%s", host, port);
	/* MHD owns the socket from here on. Without a thread of its own, it waits on our poll. */
	l->http = MHD_start_daemon(MHD_USE_EPOLL | (v6 ? MHD_USE_IPv6 : 0), 0, NULL, NULL, handle,
		sim, MHD_OPTION_LISTEN_SOCKET, l->fd, MHD_OPTION_URI_LOG_CALLBACK, transfer_begin,
		NULL, MHD_OPTION_NOTIFY_COMPLETED, transfer_end, NULL,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CLIENT_TIMEOUT, MHD_OPTION_END);
	return l->http ? 0 : -EIO;
}

static int write_urls(const struct simulator *sim, FILE *out)
{
	for (size_t i = 0; i < sim->n_listeners; i++)
		fprintf(out, "%s\n", sim->listeners[i].url);
	return fflush(out) == 0 ? 0 : -errno;
}

/* Whoever waits for the file finds it whole: a rename is what makes it appear. */
static int write_ports_file(const struct simulator *sim, const char *path)
{
	char temporary[SERVICE_PATH_MAX];
	FILE *out;
	int r;

	if ((size_t)snprintf(temporary, sizeof(temporary), "%s.new", path) >= sizeof(temporary))
		return -ENAMETOOLONG;
	out = fopen(temporary, "we");
	if (!out)
		return -errno;
	r = write_urls(sim, out);
	if (fclose(out) != 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temporary, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}

/* ---- the program ---- */

static int serve(struct simulator *sim, const sigset_t *unblocked)
{
	while (!stopping) {
		struct pollfd fds[LISTENERS_MAX];
		MHD_UNSIGNED_LONG_LONG wait, soonest = CLIENT_TIMEOUT * 1000;
		struct timespec timeout;

		for (size_t i = 0; i < sim->n_listeners; i++) {
			struct MHD_Daemon *http = sim->listeners[i].http;

			fds[i].fd = MHD_get_daemon_info(http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
			fds[i].events = POLLIN;
			if (MHD_get_timeout(http, &wait) == MHD_YES)
				soonest = MIN(soonest, wait);
		}
		timeout.tv_sec = (time_t)(soonest / 1000);
		timeout.tv_nsec = (long)(soonest % 1000) * 1000000;
		if (ppoll(fds, sim->n_listeners, &timeout, unblocked) < 0 && errno != EINTR)
			return -errno;
		for (size_t i = 0; i < sim->n_listeners; i++)
			MHD_run(sim->listeners[i].http);
	}
	return 0;
}

static void catch_signals(sigset_t *ret_unblocked)
{
	const struct sigaction action = {.sa_handler = on_signal};
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, ret_unblocked);
	sigdelset(ret_unblocked, SIGTERM);
	sigdelset(ret_unblocked, SIGINT);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int fail(const char *subject, int error)
{
	fprintf(stderr, "imds-sim: %s: %s\n", subject, strerror(error < 0 ? -error : error));
	return EXIT_FAILURE;
}

static int usage(const char *complaint, const char *subject)
{
	fprintf(stderr, "imds-sim: %s%s\nTry: imds-sim --help\n", complaint, subject);
	return 2;
}

static int help(void)
{
	puts("usage: imds-sim [--listen ADDRESS:PORT]... [--ports-file FILE] [--log FILE] DIR\n"
	     "\n"
	     "The EC2 instance metadata service (IMDSv2), over the files in DIR.\n"
	     "\n"
	     "  --listen ADDRESS:PORT  where to listen; repeatable; port 0 is any free one, IPv6\n"
	     "                         is written [::1]:0 (default: 127.0.0.1:0)\n"
	     "  --ports-file FILE      when up, write the URLs there, one a line, all at once\n"
	     "  --log FILE             append a line a request: METHOD TARGET STATUS TOKEN,\n"
	     "                         where TOKEN is none, valid or invalid\n"
	     "\n"
	     "The URLs also go to standard output. SIGTERM and SIGINT end it, with status 0.\n"
	     "Exit status: 1 when it cannot run, 2 when it is called wrongly.\n"
	     "\n"
	     "DIR/meta-data/instance-id is /latest/meta-data/instance-id, and so on; files are\n"
	     "read at each request. Names at the top of DIR that begin with a dot are not served:\n"
	     "  .faults       a line PATTERN STATUS [Retry-After=SECONDS] answers STATUS "
	     "(400..599)\n"
	     "                where PATTERN fits the path behind the version: api/token,\n"
	     "                meta-data/*. The first line that fits counts.\n"
	     "  .token-epoch  when its text changes, all tokens issued so far are refused");
	return EXIT_SUCCESS;
}

/* Everything but the wait. 0, or the exit status. */
static int start(struct simulator *sim, const char *directory, const char *const *addresses,
	size_t n_addresses, const char *log_file, const char *ports_file)
{
	int r;

	sim->service.root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (sim->service.root < 0)
		return fail(directory, errno);
	r = tree_open(sim->service.root, ""); /* says now what a kernel without openat2 lacks */
	if (r < 0)
		return fail(directory, r);
	close(r);
	if (log_file) {
		sim->log = open(log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (sim->log < 0)
			return fail(log_file, errno);
	}
	for (size_t i = 0; i < n_addresses; i++) {
		struct sockaddr_storage address;
		socklen_t size;

		if (parse_address(addresses[i], &address, &size) < 0)
			return usage("not ADDRESS:PORT or [ADDRESS]:PORT: ", addresses[i]);
		r = listener_start(&sim->listeners[i], sim, &address, size);
		if (r < 0)
			return fail(addresses[i], r);
		sim->n_listeners++;
	}
	r = ports_file ? write_ports_file(sim, ports_file) : 0;
	if (r < 0)
		return fail(ports_file, r);
	(void)write_urls(sim, stdout);
	return 0;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, 'l'},
		{"ports-file", required_argument, NULL, 'p'},
		{"log", required_argument, NULL, 'g'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	static struct simulator sim = {.log = -1, .service.root = -1};
	const char *addresses[LISTENERS_MAX] = {"127.0.0.1:0"};
	const char *log_file = NULL, *ports_file = NULL;
	size_t n_addresses = 0;
	sigset_t unblocked;
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			if (n_addresses == LISTENERS_MAX)
				return usage("too many --listen: ", optarg);
			addresses[n_addresses++] = optarg;
			break;
		case 'p': ports_file = optarg; break;
		case 'g': log_file = optarg; break;
		case 'h': return help();
		default: return usage("unknown option, or one without its value", "");
		}
	}
	if (argc - optind != 1)
		return usage("exactly one DIR is needed", "");

	catch_signals(&unblocked);
	status = start(
		&sim, argv[optind], addresses, MAX(n_addresses, (size_t)1), log_file, ports_file);
	if (status == 0) {
		int r = serve(&sim, &unblocked);

		status = r < 0 ? fail("poll", r) : EXIT_SUCCESS;
	}
	for (size_t i = 0; i < sim.n_listeners; i++)
		MHD_stop_daemon(sim.listeners[i].http);
	return status;
}
