/* SPDX-License-Identifier: Apache-2.0 */
/* What download.c decides; what it does is shown by tests/system/fetch.t. */
#include "../bootstrap/download.h"

#include <errno.h>

#include "cleanup.h"
#include "tap.h"

static const struct {
	int status, error;
	const char *code;
	enum download_verdict verdict;
} answers[] = {
	{200, 0, "", DOWNLOAD_USE},
	{206, 0, "", DOWNLOAD_USE},
	{204, 0, "", DOWNLOAD_REFUSE},
	{302, 0, "", DOWNLOAD_REFUSE},
	{400, 0, "", DOWNLOAD_REFUSE},
	{400, 0, "ExpiredToken", DOWNLOAD_RENEW},
	{400, 0, "RequestTimeout", DOWNLOAD_RETRY},
	{401, 0, "", DOWNLOAD_REFUSE},
	{403, 0, "AccessDenied", DOWNLOAD_REFUSE},
	{404, 0, "", DOWNLOAD_REFUSE},
	{408, 0, "", DOWNLOAD_RETRY},
	{410, 0, "", DOWNLOAD_REFUSE},
	{416, 0, "InvalidRange", DOWNLOAD_RANGE},
	{429, 0, "", DOWNLOAD_RETRY},
	{500, 0, "InternalError", DOWNLOAD_RETRY},
	{501, 0, "", DOWNLOAD_REFUSE},
	{503, 0, "SlowDown", DOWNLOAD_RETRY},
	{599, 0, "", DOWNLOAD_RETRY},
	{0, -EIO, "", DOWNLOAD_RETRY},
	{0, -ETIMEDOUT, "", DOWNLOAD_RETRY},
	{0, -ECONNREFUSED, "", DOWNLOAD_RETRY},
	{0, -EHOSTUNREACH, "", DOWNLOAD_RETRY},
	{0, -ESTALE, "", DOWNLOAD_RETRY},
	{0, -EKEYREJECTED, "", DOWNLOAD_REFUSE},
	{0, -ENOKEY, "", DOWNLOAD_REFUSE},
	{0, -EINVAL, "", DOWNLOAD_REFUSE},
	{0, -ELOOP, "", DOWNLOAD_REFUSE},
	{0, -EPROTONOSUPPORT, "", DOWNLOAD_REFUSE},
};

#define NONE UINT64_MAX

static const struct {
	const char *text;
	bool good;
	uint64_t first, total;
} ranges[] = {
	{"bytes 0-9/10", true, 0, 10},
	{"bytes 5-9/10", true, 5, 10},
	{"bytes 5-9/*", true, 5, NONE},
	{"bytes */10", true, NONE, 10},
	{"bytes */0", true, NONE, 0},
	{"bytes 18446744073709551614-18446744073709551615/*", true, NONE - 1, NONE},
	{"bytes 0-18446744073709551616/*", false, 0, 0},
	{"bytes 9-5/10", false, 0, 0},
	{"bytes -5-9/10", false, 0, 0},
	{"bytes +5-9/10", false, 0, 0},
	{"bytes  5-9/10", false, 0, 0},
	{"bytes 5-9/10 ", false, 0, 0},
	{"bytes 5-9", false, 0, 0},
	{"bytes 5/10", false, 0, 0},
	{"bytes ", false, 0, 0},
	{"bytes *", false, 0, 0},
	{"items 0-9/10", false, 0, 0},
	{"", false, 0, 0},
};

int main(void)
{
	char name[64];

	FOREACH_ELEMENT (i, answers) {
		(void)snprintf(name, sizeof name, "%d %d %s", answers[i].status, answers[i].error,
			answers[i].code);
		is_int(download_judge(answers[i].status, answers[i].error, answers[i].code),
			answers[i].verdict, name);
	}
	FOREACH_ELEMENT (i, ranges) {
		uint64_t first = 0, total = 0;

		(void)snprintf(name, sizeof name, "Content-Range: %s", ranges[i].text);
		ok(download_range(ranges[i].text, &first, &total) == ranges[i].good &&
				first == ranges[i].first && total == ranges[i].total,
			name);
	}
	return done_testing();
}
