/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "../bootstrap/tree.h"
#include "source.h"
#include "tap.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

static const struct {
	const char *text;
	int code;
	enum source_kind kind;
	const char *place, *ref, *words;
} sources[] = {
	{"file:/srv/app", 0, SOURCE_FILE, "/srv/app", "", NULL},
	{"file:///srv/app", 0, SOURCE_FILE, "/srv/app", "", NULL},
	{"file:/srv/app#1.tar.gz", 0, SOURCE_FILE, "/srv/app#1.tar.gz", "", NULL},
	{"git+file:///srv/app.git#v1.2", 0, SOURCE_GIT, "file:///srv/app.git", "v1.2", NULL},
	{"git+file:/srv/app.git", 0, SOURCE_GIT, "file:///srv/app.git", "", NULL},
	{"git+https://example.org/a/b.git#feature/x", 0, SOURCE_GIT, "https://example.org/a/b.git",
		"feature/x", NULL},
	{"git+https://example.org:8443/b#" COMMIT, 0, SOURCE_GIT, "https://example.org:8443/b",
		COMMIT, NULL},
	{"/srv/app", -EINVAL, 0, NULL, NULL, "source /srv/app: expected https:"},
	{"", -EINVAL, 0, NULL, NULL, "expected https:"},
	{"file:", -EINVAL, 0, NULL, NULL, "absolute path"},
	{"file:srv", -EINVAL, 0, NULL, NULL, "absolute path"},
	{"file:/", -EINVAL, 0, NULL, NULL, "absolute path"},
	{"file://host/srv", -EINVAL, 0, NULL, NULL, "absolute path"},
	{"git+file://host/srv", -EINVAL, 0, NULL, NULL, "absolute path"},
	{"git+file:///srv#", -EINVAL, 0, NULL, NULL, "after #"},
	{"git+file:///srv#-x", -EINVAL, 0, NULL, NULL, "after #"},
	{"git+file:///srv#a..b", -EINVAL, 0, NULL, NULL, "after #"},
	{"git+file:///srv#a b", -EINVAL, 0, NULL, NULL, "after #"},
	{"git+file:///srv#a*", -EINVAL, 0, NULL, NULL, "after #"},
	{"git+file:///srv#a^{}", -EINVAL, 0, NULL, NULL, "after #"},
	{"git+https:example.org/x", -EINVAL, 0, NULL, NULL, "git+https://HOST"},
	{"git+https:///x", -EINVAL, 0, NULL, NULL, "git+https://HOST"},
	{"git+https://-oProxyCommand/x", -EINVAL, 0, NULL, NULL, "git+https://HOST"},
	{"git+https://example.org/a b", -EINVAL, 0, NULL, NULL, "git+https://HOST"},
	{"git+https://me:secret@example.org/x", -EINVAL, 0, NULL, NULL, "password"},
	{"git+http://example.org/x", -EINVAL, 0, NULL, NULL, "expected https:"},
	{"git+ssh://example.org/x", -EINVAL, 0, NULL, NULL, "expected https:"},
	{"ext::sh -c id", -EINVAL, 0, NULL, NULL, "expected https:"},
	{"https://example.org/a.tar.gz", 0, SOURCE_NETWORK, "https://example.org/a.tar.gz", "",
		NULL},
	{"https://example.org/a?b=c#d", 0, SOURCE_NETWORK, "https://example.org/a?b=c#d", "", NULL},
	{"s3://bucket/a key/ñ+%#?", 0, SOURCE_NETWORK, "s3://bucket/a key/ñ+%#?", "", NULL},
	{"https:example.org/x", -EINVAL, 0, NULL, NULL, "https://"},
	{"https:///x", -EINVAL, 0, NULL, NULL, "https://"},
	{"https://-x/y", -EINVAL, 0, NULL, NULL, "https://"},
	{"https://me:secret@example.org/x", -EINVAL, 0, NULL, NULL, "password"},
	{"s3:///key", -EINVAL, 0, NULL, NULL, "s3://"},
};

static const struct {
	const char *path, *target;
	bool inside;
} links[] = {
	{"a", "b", true},
	{"a", "./b/c", true},
	{"d/a", "../b", true},
	{"d/e/a", "../../b", true},
	{"d/a", "..", true},
	{"a", "b..", true},
	{"a", ".", true},
	{"a", "/etc/passwd", false},
	{"a", "../b", false},
	{"a", "..", false},
	{"d/a", "../../b", false},
	{"d/a", ".././../b", false},
	{"d/a", "..//..", false},
	{"a", "", false},
	/* Through a link b -> . the three ".." would lead out, though the names balance. */
	{"a", "b/b/b/../../..", false},
	{"d/a", "../e/..", false},
};

int main(void)
{
	static char endless[PATH_MAX + 1];

	FOREACH_ELEMENT (i, sources) {
		struct source source = {.place = "untouched"};
		struct err err = {""};
		int r = source_parse(sources[i].text, &source, &err);
		bool good = r == sources[i].code;

		if (good && r == 0)
			good = source.kind == sources[i].kind &&
			       strcmp(source.place, sources[i].place) == 0 &&
			       strcmp(source.ref, sources[i].ref) == 0;
		else if (good)
			good = strstr(err.text, sources[i].words) &&
			       strcmp(source.place, "untouched") == 0;
		if (!ok(good, sources[i].text[0] ? sources[i].text : "(nothing)"))
			printf("# %d, place %s, ref %s, %s\n", r, source.place, source.ref,
				err.text);
	}
	memset(endless, 'x', sizeof endless - 1);
	memcpy(endless, "file:/", 6);
	ok(source_parse(endless, &(struct source){0}, NULL) == -EINVAL, "longer than any path");
	FOREACH_ELEMENT (i, links) {
		char name[128];

		snprintf(name, sizeof name, "%s -> %s leads %s", links[i].path, links[i].target,
			links[i].inside ? "inside" : "out");
		ok(tree_link_is_inside(links[i].path, links[i].target) == links[i].inside, name);
	}
	return done_testing();
}
