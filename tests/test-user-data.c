/* SPDX-License-Identifier: Apache-2.0 */
/* TOP is the source tree: vectors that other tools made are in tests/user-data (see make there). */
#include <errno.h>
#include <stdlib.h>

#include "config.h"
#include "file.h"
#include "tap.h"
#include "user-data.h"

#define VECTORS  TOP "/tests/user-data/"
#define EXAMPLES TOP "/packaging/examples/"

#define OURS "#instanced\n[index]\ntitle = x\n"

/* A part of a multipart document with boundary "X", and the document around parts. */
#define FIELD(type)      "Content-Type: " type "\n"
#define PART(type, text) "--X\n" FIELD(type) "\n" text "\n"
#define MULTIPART(parts)                                                                           \
	FIELD("multipart/mixed; boundary=X") "MIME-Version: 1.0\n\n" parts "--X--\n"
#define BARE(parts) MULTIPART("--X\n" parts "\n")

/* What has a text is ours; else what has words is an error, and the rest is none of ours. */
static const struct {
	const char *name, *data, *text, *words;
} documents[] = {
	/* plain */
	{"the first line makes it ours", OURS, OURS, NULL},
	{"the first line alone is a document", "#instanced", "#instanced", NULL},
	{"blanks and CR may follow", "#instanced \t\r\n[index]\r\n", "#instanced \t\r\n[index]\r\n",
		NULL},
	{"a byte order mark is left out", "\xef\xbb\xbf" OURS, OURS, NULL},
	{"blank lines before it are kept, for the count", "\n \r\n  " OURS, "\n \r\n  " OURS, NULL},
	{"MIME fields in our text are our text", "#instanced\n" MULTIPART(PART("text/plain", OURS)),
		"#instanced\n" MULTIPART(PART("text/plain", OURS)), NULL},
	{"nothing at all", "", NULL, NULL},
	{"only blank lines", "\n\n", NULL, NULL},
	{"a longer word", "#instanced-not\n", NULL, NULL},
	{"words behind it", "#instanced v2\n", NULL, NULL},
	{"capitals", "#INSTANCED\n", NULL, NULL},
	{"it stands in the second line", "# hello\n#instanced\n", NULL, NULL},
	{"a shell script", "#!/bin/sh\ncat <<X\n#instanced\nX\n", NULL, NULL},
	{"cloud-config", "#cloud-config\nx: 1\n#instanced\n", NULL, NULL},
	{"a cloud-config archive", "#cloud-config-archive\n- type: text/x-instanced\n", NULL, NULL},
	{"jinja", "## template: jinja\n#instanced\n", NULL, NULL},
	{"#include", "#include\nhttps://example.org/\n", NULL, NULL},
	{"YAML that looks like header fields", "Content: x\nfoo: bar\n\n#instanced\n", NULL, NULL},
	{"what happens to be base64", "abcd", NULL, NULL},
	{"PowerShell", "<powershell>\n#instanced\n</powershell>\n", NULL, NULL},

	/* base64 of the whole */
	{"base64 of ours", "I2luc3RhbmNlZAo=\n", "#instanced\n", NULL},
	{"base64 of ours, cut off", "I2luc3RhbmNlZApb\naW5kZX", NULL, "base64 is cut off"},
	{"base64 of ours, damaged", "I2luc3RhbmNlZApb\naW5k-X==", NULL, "is not base64"},
	{"base64 of base64", "STJsdWMzUmhibU5sWkFvPQo=\n", NULL, NULL},
	{"base64 of a shell script, damaged", "IyEvYmluL3NoCg", NULL, NULL},

	/* one entity */
	{"a single part", "MIME-Version: 1.0\n" FIELD("text/x-instanced") "\n[index]\n",
		"[index]\n", NULL},
	{"names of fields in any case, CRLF",
		"content-TYPE:TEXT/X-Instanced;charset=utf-8\r\n\r\n[index]\r\n", "[index]\r\n",
		NULL},
	{"a folded field", "Content-Type:\n\ttext/x-instanced\n ; charset=\"x\"\n\n[index]\n",
		"[index]\n", NULL},
	{"no type is text/plain", "MIME-Version: 1.0\n\n" OURS, OURS, NULL},
	{"a body without the empty line", "MIME-Version: 1.0\n" OURS, OURS, NULL},
	{"a type too long to be one",
		"Content-Type: "
		"text/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
		"\n#cloud-config\n",
		NULL, NULL},

	/* multipart */
	{"ours beside cloud-config",
		MULTIPART(PART("text/cloud-config", "#cloud-config\nx: 1")
				PART("text/x-instanced", "#instanced\n[index]\n")),
		"#instanced\n[index]\n", NULL},
	{"the end of line before a delimiter belongs to it",
		MULTIPART(PART("text/x-instanced", "[index]")), "[index]", NULL},
	{"our type without our first line", MULTIPART(PART("text/x-instanced", "[index]")),
		"[index]", NULL},
	{"our type and an empty body", BARE(FIELD("text/x-instanced")), "", NULL},
	{"text/plain with our first line", MULTIPART(PART("text/plain", OURS)), OURS, NULL},
	{"a part without fields", BARE("\n" OURS), OURS, NULL},
	{"text/plain without it", MULTIPART(PART("text/plain", "#!/bin/sh")), NULL, NULL},
	{"our first line in a part of another type",
		MULTIPART(PART("text/x-shellscript", OURS) PART("text/cloud-config", OURS)), NULL,
		NULL},
	{"what stands before and behind the parts",
		FIELD("multipart/mixed; boundary=X") "\n" OURS "--X--\n" PART("text/plain", OURS),
		NULL, NULL},
	{"no parts", FIELD("multipart/mixed; boundary=X") "\n--X--\n", NULL, NULL},
	{"the examples of AWS: boundary //",
		"Content-Type: multipart/mixed; boundary=\"//\"\nMIME-Version: 1.0\n\n--//\n"
		"Content-Type: text/x-instanced; charset=\"us-ascii\"\nMIME-Version: 1.0\n"
		"Content-Transfer-Encoding: 7bit\n"
		"Content-Disposition: attachment; filename=\"instanced.conf\"\n\n" OURS "--//--\n",
		"#instanced\n[index]\ntitle = x", NULL},
	{"a quoted boundary with a backslash",
		"Content-Type: multipart/mixed; a=\"b;\\\"boundary=Y\"; Boundary = "
		"\"\\X\"; c=d\n\n" PART("text/plain", OURS) "--X--",
		OURS, NULL},
	{"a boundary that starts another one's delimiter",
		MULTIPART("--X\n" FIELD("multipart/mixed; boundary=Xy") "\n--Xy\n\n" OURS
									"\n--Xy--\n"),
		OURS, NULL},
	{"blanks behind delimiters",
		FIELD("multipart/mixed; boundary=X") "\n--X \t\n\n" OURS "\n--X-- \n", OURS, NULL},
	{"a delimiter in the middle of a line is none",
		MULTIPART(PART("text/x-instanced", "#instanced\n; --X--")), "#instanced\n; --X--",
		NULL},
	{"base64 in a part",
		BARE(FIELD("text/x-instanced") "Content-Transfer-Encoding: BASE64\n\nI2luc3Rh\n "
					       "bmNl\nZAo=\n"),
		"#instanced\n", NULL},
	{"quoted-printable in a part",
		BARE(FIELD("text/plain") "Content-Transfer-Encoding: quoted-printable\n\n#inst=\n"
					 "ance=64=  \n\n[index]\n; =c3=A9\n"),
		"#instanced\n[index]\n; \xc3\xa9\n", NULL},

	/* ours and broken */
	{"two of them", MULTIPART(PART("text/x-instanced", "[index]") PART("text/plain", OURS)),
		NULL, "more than one #instanced"},
	{"no closing delimiter",
		FIELD("multipart/mixed; boundary=X") "\n" PART("text/x-instanced", OURS), NULL,
		"no line \"--X--\" closes it"},
	{"no closing delimiter, but another part follows",
		FIELD("multipart/mixed; boundary=X") "\n" PART("text/x-instanced", OURS)
			PART("text/x-shellscript", "#!"),
		OURS, NULL},
	{"a delimiter that is not the boundary",
		FIELD("multipart/mixed; boundary=Y") "\n" PART("text/x-instanced", OURS), NULL,
		"no part begins with its boundary \"Y\""},
	{"multipart without a boundary", FIELD("multipart/mixed") "\n" PART("Text/X-instanced", ""),
		NULL, "no part begins"},
	{"multipart without a boundary, somebody else's",
		FIELD("multipart/mixed") "\n" PART("text/cloud-config", ""), NULL, NULL},
	{"base64 in a part, cut off",
		BARE(FIELD("text/x-instanced") "Content-Transfer-Encoding: base64\n\nI2luc3R\n"),
		NULL, "base64 is cut off"},
	{"base64 in a part, with text behind its end",
		BARE(FIELD("text/x-instanced") "Content-Transfer-Encoding: base64\n\nI2k=I2k=\n"),
		NULL, "not base64"},
	{"quoted-printable in a part, broken",
		BARE(FIELD("text/x-instanced") "Content-Transfer-Encoding: quoted-printable\n\n"
					       "a = b\n"),
		NULL, "two hexadecimal digits"},
	{"an encoding that is not known",
		BARE(FIELD("text/x-instanced") "Content-Transfer-Encoding: x-uuencode\n\nx\n"),
		NULL, "x-uuencode is not known"},
	{"broken base64 in somebody else's part",
		BARE(FIELD("text/cloud-config") "Content-Transfer-Encoding: base64\n\n-\n"), NULL,
		NULL},
};

/* Each of these is tests/user-data/instanced.conf, wrapped by a tool. */
static const char *const vectors[] = {
	"cloud-init-make-mime",
	"instanced.conf",
	"instanced.conf.base64",
	"instanced.conf.gz",
	"python-8bit",
	"python-nested",
	"python-part.gz",
	"python-quoted-printable",
	"terraform",
	"terraform.gz",
	"terraform.gz.base64",
	"write-mime-multipart",
	"write-mime-multipart.gz",
};

static const char *const examples[] = {"user-data.conf", "user-data.mime"};

/* Decodes a copy of its own size, so that the sanitizer sees every byte too many. */
static int decode(const char *data, size_t size, char **ret_text, struct err *err)
{
	_cleanup_free_ char *copy = size > 0 ? malloc(size) : NULL;
	char *text = NULL;
	size_t length = 0;
	int r;

	if (size > 0)
		memcpy(copy, data, size);
	r = user_data_layer(copy, size, &text, &length, err);
	*ret_text = text;
	return r == 1 && text[length] != '\0' ? -EIO : r;
}

static void show_documents(void)
{
	FOREACH_ELEMENT (i, documents) {
		_cleanup_free_ char *text = NULL;
		struct err err = {.text = "untouched"};
		int r = decode(documents[i].data, strlen(documents[i].data), &text, &err);
		int expected = documents[i].text ? 1 : documents[i].words ? -EBADMSG : 0;

		if (!tap_ok(r == expected, documents[i].name, __FILE__, __LINE__))
			printf("#      got: %d %s\n", r, err.text);
		else if (r == 1)
			is_str(text, documents[i].text, "  and its text");
		else if (r < 0)
			ok(strstr(err.text, documents[i].words), err.text);
		else
			is_str(err.text, "untouched", "  and there are no words");
	}
}

static void show_vectors(void)
{
	_cleanup_free_ char *expected = NULL;
	size_t length;

	if (!ok(file_read(VECTORS "instanced.conf", USER_DATA_MAX, &expected, &length) == 0,
		    "the vectors are there"))
		return;
	FOREACH_ELEMENT (i, vectors) {
		_cleanup_free_ char *path = NULL, *data = NULL, *text = NULL;
		struct err err;

		if (asprintf(&path, VECTORS "%s", vectors[i]) < 0 ||
			file_read(path, USER_DATA_MAX, &data, &length) < 0 ||
			decode(data, length, &text, &err) < 0)
			printf("# %s\n", err.text);
		is_str(text, expected, vectors[i]);
	}
}

static void show_examples(void)
{
	FOREACH_ELEMENT (i, examples) {
		_cleanup_free_ char *path = NULL, *data = NULL, *text = NULL;
		_cleanup_(config_free_p) struct config *config = NULL;
		struct config_problems problems = {0};
		size_t length;

		if (asprintf(&path, EXAMPLES "%s", examples[i]) < 0 ||
			file_read(path, USER_DATA_MAX, &data, &length) < 0 ||
			user_data_layer(data, length, &text, &length, NULL) != 1)
			length = 0;
		ok(text && config_parse(text, length, "user-data", &config, &problems) == 0 &&
				config->n_volumes == 1 && config->n_apps == 1,
			examples[i]);
		config_problems_clear(&problems);
	}
}

/* What a gzip that is cut off at any place, or has one bit turned, never is: ours, and different.
 */
static void show_damaged_gzip(void)
{
	_cleanup_free_ char *data = NULL, *expected = NULL;
	size_t length, good = 0, unsaid = 0;
	char *text;
	struct err err;

	if (file_read(VECTORS "instanced.conf", USER_DATA_MAX, &expected, &length) < 0 ||
		file_read(VECTORS "instanced.conf.gz", USER_DATA_MAX, &data, &length) < 0)
		return;
	for (size_t i = 2; i < length; i++) {
		err.text[0] = '\0';
		good += decode(data, i, &text, &err) == -EBADMSG && strstr(err.text, "cut off");
	}
	is_int((long long)good, (long long)length - 2, "gzip cut off at any byte is an error");
	for (size_t bit = 16; bit < 8 * length; bit++) {
		int r;

		data[bit / 8] ^= (char)(1 << bit % 8);
		r = decode(data, length, &text, NULL);
		data[bit / 8] ^= (char)(1 << bit % 8);
		unsaid += r == 1 && strcmp(text, expected) != 0;
		if (r == 1)
			free(text);
	}
	is_int((long long)unsaid, 0, "no turned bit of gzip changes the text unsaid");
	data = realloc(data, length + 1);
	data[length] = 'x';
	is_int(decode(data, length + 1, &text, &err), -EBADMSG, "a byte behind gzip is an error");
	is_str(err.text, "1 bytes follow the end of its gzip", "and it is said");
}

static void show_bounds(void)
{
	static const char
		script_gz[] = /* of "#!/bin/sh\nexec nginx\n", without checksum and size */
		"\x1f\x8b\x08\0\0\0\0\0\0\x03\x53\x56\xd4\x4f\xca\xcc\xd3\x2f\xce\xe0\x4a\xad\x48"
		"\x4d\x56\xc8\x4b\xcf\xcc\xab\xe0\x02\x00";
	_cleanup_free_ char *large = calloc(1, USER_DATA_MAX + 1), *bomb = NULL, *text = NULL;
	char nested[1024] = "", *end = nested;
	size_t length;
	struct err err;

	memcpy(large, OURS, strlen(OURS));
	is_int(decode(large, USER_DATA_MAX + 1, &text, &err), -EBADMSG, "16 KiB and a byte");
	is_str(err.text, "it has 16385 bytes, EC2 keeps at most 16384", "and it is said");

	if (file_read(VECTORS "2-MiB.gz", USER_DATA_MAX, &bomb, &length) == 0)
		is_int(decode(bomb, length, &text, &err), -EBADMSG, "2 MiB in gzip are refused");
	is_str(err.text, "its gzip expands to more than 1 MiB", "and it is said");
	is_int(decode(script_gz, sizeof script_gz - 1, &text, NULL), 0,
		"gzip of somebody else's, cut off, is none of ours");

	for (char boundary = 'a'; boundary < 'a' + 20; boundary++)
		end += sprintf(end, "Content-Type: multipart/mixed; boundary=%c\n\n--%c\n",
			boundary, boundary);
	is_int(decode(nested, strlen(nested), &text, &err), -EBADMSG, "20 levels are refused");
	is_str(err.text, "its parts are nested too deep", "and it is said");
	is_int(decode(large, USER_DATA_MAX, &text, &err), 1, "16 KiB are read");
}

static void show_line_numbers(void)
{
	static const struct {
		const char *data;
		size_t size;
		const char *problem;
	} cases[] = {
#define CASE(data, problem) {data, sizeof(data) - 1, problem}
		CASE("#instanced\n[index]\ntitel = x\n", "user-data:3: [index] titel: no such key"),
		CASE("\n\n#instanced\r\n\r\n[indx]\r\n", "user-data:5: [indx]: no such section"),
		CASE(MULTIPART(PART("text/x-instanced", "#instanced\n[index]\ntitel = x")),
			"user-data:3: [index] titel: no such key"),
		CASE("#instanced\n[index]\ntitle = \0\n", "user-data:3: there is a byte NUL"),
		CASE("#instanced\n; \xff\n", "user-data:2: there is a byte that is no text"),
#undef CASE
	};

	FOREACH_ELEMENT (i, cases) {
		struct config_problems problems = {0};
		_cleanup_free_ char *text = NULL;
		char said[1024] = "";
		struct config *config = NULL;
		size_t length;

		if (user_data_layer(cases[i].data, cases[i].size, &text, &length, NULL) == 1)
			(void)config_parse(text, length, "user-data", &config, &problems);
		if (problems.n_errors == 1)
			config_problem_text(&problems.errors[0], said, sizeof said);
		if (!ok(strncmp(said, cases[i].problem, strlen(cases[i].problem)) == 0,
			    cases[i].problem))
			printf("# got: %s\n", said);
		config_problems_clear(&problems);
		config_free(config);
	}
}

int main(void)
{
	char *text = (char *)"untouched";
	size_t length = 7;

	is_int(user_data_layer(NULL, 0, &text, &length, NULL), 0, "no data are none of ours");
	ok(strcmp(text, "untouched") == 0 && length == 7, "the outputs are untouched");
	show_documents();
	show_vectors();
	show_damaged_gzip();
	show_bounds();
	show_line_numbers();
	show_examples();
	return done_testing();
}
