/* SPDX-License-Identifier: Apache-2.0 */
/* JSON is read and printed, or the process ends with words: whichever allocation it is that fails.
 */
#include "json-text.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "tap.h"

static unsigned int allocations, fails_at;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size); /* -Wl,--wrap=malloc */

void *__wrap_malloc(size_t size)
{
	return ++allocations == fails_at ? NULL : __real_malloc(size);
}

/* Tokens that outgrow the lexer's buffer, as strings and as numbers. */
static const char text[] =
	"{\"a name that is longer than sixteen bytes\": [12345678901234567890e-1, true, null, "
	"\"a string of some lengt\\u0068, with more after what its buffer had room for at "
	"first\"]}";

/* What a child has when it ends is not lost. */
static json_t *volatile kept;
static char *volatile printed;

static bool read_and_print(void)
{
	kept = json_from_text(text, sizeof text - 1, NULL);
	printed = json_dumps(kept, JSON_INDENT(2));
	return kept && printed;
}

static int child_ends(unsigned int allocation, bool *ret_words)
{
	char words[256];
	int status, out[2];
	ssize_t n;

	if (pipe(out) < 0)
		return -1;
	switch (fork()) {
	case -1: return -1;
	case 0:
		(void)dup2(out[1], STDERR_FILENO);
		allocations = 0;
		fails_at = allocation;
		_exit(read_and_print() ? EXIT_DONE : EXIT_USAGE);
	default:
		(void)close(out[1]);
		n = read(out[0], words, sizeof words - 1);
		words[n > 0 ? n : 0] = '\0';
		(void)close(out[0]);
		*ret_words = strstr(words, "cannot allocate memory for JSON");
		return wait(&status) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	}
}

static void test_memory(void)
{
	unsigned int first, all, failed = 0;
	bool words;

	ok(read_and_print(), "a document is read and printed"); /* and what is allocated once */
	free(printed);
	json_decref(kept);
	first = allocations;
	ok(read_and_print(), "and once more");
	all = allocations - first;
	free(printed);
	json_decref(kept);
	for (unsigned int at = 1; at <= all; at++)
		if (child_ends(at, &words) == EXIT_FAILED && words)
			failed++;
	ok(all > 10, "its allocations are many");
	is_int(failed, all, "any of them fails: the process ends, with words");
	is_int(child_ends(all + 1, &words), EXIT_DONE, "none of them fails");
}

int main(void)
{
	json_error_t error;
	json_t *json;

	json_whole_or_end();
	test_memory();
	ok(!json_from_text("{\"a\": 1, \"a\": 2}", 16, &error), "a key that comes twice");
	ok(strstr(error.text, "duplicate"), "is said");
	ok(!json_from_text("{\"a\"", 4, NULL), "a text that is cut");
	json = json_text("ab\xc3\xa4");
	is_str(json_string_value(json), "ab\xc3\xa4", "text is a string");
	json_decref(json);
	json = json_text("ab\xc3");
	is_str(json_string_value(json), "ab", "a character that was split is left out");
	json_decref(json);
	return done_testing();
}
