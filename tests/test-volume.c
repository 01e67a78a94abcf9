/* SPDX-License-Identifier: Apache-2.0 */
#include "volume.h"

#include <string.h>

#include "../bootstrap/blank-places.h"
#include "cleanup.h"
#include "tap.h"

#define EBS   "Amazon Elastic Block Store"
#define STORE "Amazon EC2 NVMe Instance Storage"

static void put(uint8_t *field, size_t length, const char *text, char padding)
{
	memset(field, padding, length);
	memcpy(field, text, strlen(text));
}

static void test_identify(void)
{
	static const struct {
		const char *name;
		uint16_t vendor;
		const char *model, *serial, *mapping;
		char padding; /* of the mapping */
		enum volume_kind kind;
		const char *is_mapping, *is_id;
	} vectors[] = {
		{"EBS, mapping with /dev/, spaces", 0x1d0f, EBS, "vol0123456789abcdef0", "/dev/sdf",
			' ', VOLUME_EBS, "sdf", "vol-0123456789abcdef0"},
		{"EBS, mapping without /dev/", 0x1d0f, EBS, "vol0123456789abcdef0", "sdf", ' ',
			VOLUME_EBS, "sdf", "vol-0123456789abcdef0"},
		{"EBS, mapping padded with NULs", 0x1d0f, EBS, "vol0123456789abcdef0", "/dev/xvdba",
			'\0', VOLUME_EBS, "xvdba", "vol-0123456789abcdef0"},
		{"EBS, old short ID", 0x1d0f, EBS, "vol01234567", "sda1", ' ', VOLUME_EBS, "sda1",
			"vol-01234567"},
		{"EBS, serial with a dash", 0x1d0f, EBS, "vol-01234567", "sdf", ' ', VOLUME_EBS,
			"sdf", "vol-01234567"},
		{"EBS without mapping", 0x1d0f, EBS, "vol01234567", "", ' ', VOLUME_EBS, "",
			"vol-01234567"},
		{"EBS, leading space", 0x1d0f, EBS, "vol01234567", " /dev/sdf", ' ', VOLUME_EBS,
			"sdf", "vol-01234567"},
		{"EBS, mapping is garbage", 0x1d0f, EBS, "vol01234567", "\xff\x01sdf", ' ',
			VOLUME_EBS, "", "vol-01234567"},
		{"EBS, mapping is a path", 0x1d0f, EBS, "vol01234567", "../sda", ' ', VOLUME_EBS,
			"", "vol-01234567"},
		{"EBS, mapping of two words", 0x1d0f, EBS, "vol01234567", "sdf sdg", ' ',
			VOLUME_EBS, "", "vol-01234567"},
		{"EBS, a byte that is not ASCII ends the mapping", 0x1d0f, EBS, "vol01234567",
			"sdf\xe9g", ' ', VOLUME_EBS, "sdf", "vol-01234567"},
		{"EBS, mapping without an end", 0x1d0f, EBS, "vol01234567",
			"abcdefghijklmnopqrstuvwxyzabcdef", ' ', VOLUME_EBS,
			"abcdefghijklmnopqrstuvwxyzabcdef", "vol-01234567"},
		{"EBS, serial is no ID", 0x1d0f, EBS, "volXYZ", "sdf", ' ', VOLUME_EBS, "sdf", ""},
		{"EBS, serial is \"vol\" alone", 0x1d0f, EBS, "vol", "sdf", ' ', VOLUME_EBS, "sdf",
			""},
		{"instance store with a name", 0x1d0f, STORE, "AWS01234567", "ephemeral0:sdh", '\0',
			VOLUME_INSTANCE_STORE, "sdh", ""},
		{"instance store with nothing but a name", 0x1d0f, STORE, "AWS01234567", "sdh",
			'\0', VOLUME_INSTANCE_STORE, "sdh", ""},
		{"instance store without a name", 0x1d0f, STORE, "AWS01234567", "ephemeral0:none",
			'\0', VOLUME_INSTANCE_STORE, "", ""},
		{"instance store, a serial like a volume's", 0x1d0f, STORE, "vol01234567",
			"ephemeral1:/dev/sdi", '\0', VOLUME_INSTANCE_STORE, "sdi", ""},
		{"not Amazon's", 0x144d, EBS, "vol01234567", "sdf", ' ', VOLUME_OTHER, "", ""},
		{"Amazon's, unknown model", 0x1d0f, "Amazon Something", "vol01234567", "sdf", ' ',
			VOLUME_OTHER, "", ""},
		{"nothing at all", 0, "", "", "", '\0', VOLUME_OTHER, "", ""},
	};

	FOREACH_ELEMENT (i, vectors) {
		uint8_t identify[NVME_IDENTIFY_SIZE] = {
			vectors[i].vendor & 0xff, vectors[i].vendor >> 8};
		struct volume volume = {.mapping = "old", .volume_id = "old", .kind = VOLUME_XEN};

		put(identify + 4, 20, vectors[i].serial, ' ');
		put(identify + 24, 40, vectors[i].model, ' ');
		put(identify + 3072, 32, vectors[i].mapping, vectors[i].padding);
		volume_parse_identify(&volume, identify);
		printf("# identify: %s\n", vectors[i].name);
		is_int(volume.kind, vectors[i].kind, "kind");
		is_str(volume.mapping, vectors[i].is_mapping, "mapping");
		is_str(volume.volume_id, vectors[i].is_id, "volume ID");
		is_str(volume.model, vectors[i].model, "model");
		is_str(volume.serial, vectors[i].serial, "serial");
	}
}

static void test_matches(void)
{
	static const struct volume f = {.node = "/dev/nvme1n1",
					   .kind = VOLUME_EBS,
					   .mapping = "sdf",
					   .volume_id = "vol-0123"},
				   silent = {.node = "/dev/nvme2n1", .kind = VOLUME_EBS},
				   store = {.node = "/dev/nvme3n1", .kind = VOLUME_INSTANCE_STORE},
				   xen = {.node = "/dev/xvdf", .kind = VOLUME_XEN},
				   told = {.node = "/dev/xvdf",
					   .kind = VOLUME_XEN,
					   .mapping = "sdg"},
				   odd = {.node = "/dev/nvme4n1",
					   .kind = VOLUME_EBS,
					   .mapping = "disk1"},
				   loop = {.node = "/dev/loop3"};
	static const struct {
		const char *name;
		const struct volume *volume;
		struct volume_selector selector;
		const char *canonical;
		enum volume_match is;
	} vectors[] = {
		{"mapping with /dev/", &f, {.device = "/dev/sdf"}, NULL, VOLUME_MATCH},
		{"mapping without /dev/", &f, {.device = "sdf"}, NULL, VOLUME_MATCH},
		{"mapping by its xvd name", &f, {.device = "/dev/xvdf"}, NULL, VOLUME_MATCH},
		{"mapping and link agree", &f, {.device = "/dev/sdf"}, "/dev/nvme1n1",
			VOLUME_MATCH},
		{"mapping wins over a link to another volume", &f, {.device = "/dev/sdf"},
			"/dev/nvme2n1", VOLUME_MATCH},
		{"a stale link to it is a conflict", &f, {.device = "/dev/sdg"}, "/dev/nvme1n1",
			VOLUME_CONFLICT},
		{"another mapping", &f, {.device = "/dev/sdg"}, NULL, VOLUME_NO_MATCH},
		{"a partition of its name", &f, {.device = "/dev/sdf1"}, NULL, VOLUME_NO_MATCH},
		{"a longer name", &f, {.device = "/dev/sdff"}, NULL, VOLUME_NO_MATCH},
		{"its node", &f, {.device = "/dev/nvme1n1"}, "/dev/nvme1n1", VOLUME_MATCH},
		{"a link by ID", &f, {.device = "/dev/disk/by-id/x"}, "/dev/nvme1n1", VOLUME_MATCH},
		{"another node", &f, {.device = "/dev/nvme2n1"}, "/dev/nvme2n1", VOLUME_NO_MATCH},
		{"its node's name, but no such node", &f, {.device = "/dev/nvme1n1"}, NULL,
			VOLUME_NO_MATCH},
		{"no mapping known: the link decides", &silent, {.device = "/dev/sdf"},
			"/dev/nvme2n1", VOLUME_MATCH},
		{"no mapping known and no link", &silent, {.device = "/dev/sdf"}, NULL,
			VOLUME_NO_MATCH},
		{"ID", &f, {.volume_id = "vol-0123"}, NULL, VOLUME_MATCH},
		{"ID without dash", &f, {.volume_id = "vol0123"}, NULL, VOLUME_MATCH},
		{"another ID", &f, {.volume_id = "vol-01234"}, NULL, VOLUME_NO_MATCH},
		{"an empty ID matches no volume without one", &silent, {.volume_id = ""}, NULL,
			VOLUME_NO_MATCH},
		{"no ID in the word", &silent, {.volume_id = "vol-"}, NULL, VOLUME_NO_MATCH},
		{"no ID in the word, of a volume that has one", &f, {.volume_id = "vol-"}, NULL,
			VOLUME_NO_MATCH},
		{"instance store", &store, {.instance_store = true}, NULL, VOLUME_MATCH},
		{"EBS is no instance store", &f, {.instance_store = true}, NULL, VOLUME_NO_MATCH},
		{"a loop device is no instance store", &loop, {.instance_store = true}, NULL,
			VOLUME_NO_MATCH},
		{"a selector of nothing", &store, {.device = NULL}, NULL, VOLUME_NO_MATCH},
		{"Xen by attachment name", &xen, {.device = "/dev/sdf"}, NULL, VOLUME_MATCH},
		{"Xen by node", &xen, {.device = "/dev/xvdf"}, "/dev/xvdf", VOLUME_MATCH},
		{"Xen, a stale link", &xen, {.device = "/dev/sdg"}, "/dev/xvdf", VOLUME_CONFLICT},
		{"Xen, another", &xen, {.device = "/dev/sdg"}, NULL, VOLUME_NO_MATCH},
		{"Xen, a volume that says its name", &told, {.device = "/dev/sdg"}, NULL,
			VOLUME_MATCH},
		{"and so is not that of its node", &told, {.device = "/dev/sdf"}, "/dev/xvdf",
			VOLUME_CONFLICT},
		{"a mapping that is no attachment name", &odd, {.device = "/dev/sdf"}, NULL,
			VOLUME_NO_MATCH},
		{"loop device", &loop, {.device = "/dev/loop3"}, "/dev/loop3", VOLUME_MATCH},
		{"another loop device", &loop, {.device = "/dev/loop4"}, "/dev/loop4",
			VOLUME_NO_MATCH},
	};

	FOREACH_ELEMENT (i, vectors)
		is_int(volume_matches(
			       vectors[i].volume, &vectors[i].selector, vectors[i].canonical),
			vectors[i].is, vectors[i].name);
}

static void test_xen_names(void)
{
	char names[2][VOLUME_NODE_MAX];

	is_int((long long)volume_xen_names("/dev/sdf", names), 2, "sdf has two names under Xen");
	is_str(names[0], "/dev/sdf", "its own first");
	is_str(names[1], "/dev/xvdf", "then xvdf");
	is_int((long long)volume_xen_names("xvdba", names), 2, "xvdba has two names under Xen");
	is_str(names[0], "/dev/xvdba", "its own first");
	is_str(names[1], "/dev/sdba", "then sdba");
	is_int((long long)volume_xen_names("/dev/nvme1n1", names), 0, "nvme1n1 has none");
	is_int((long long)volume_xen_names("sd", names), 0, "a name without a letter has none");
	is_int((long long)volume_xen_names("sdfoo", names), 0, "a word has none");
	is_int((long long)volume_xen_names("sdf1p", names), 0, "nor what goes on behind a number");
	is_int((long long)volume_xen_names(
		       "sdf000000000000000000000000000000000000000000000000000000"
		       "000000000000000000",
		       names),
		0, "nor what has no room");
}

static struct volume blank_volume(void)
{
	struct volume volume = {.node = "/dev/loop3",
		.size = VOLUME_SIZE_MIN,
		.probed = true,
		.proven = true,
		.n_evidence = VOLUME_RULES};

	for (size_t i = 0; i < VOLUME_RULES; i++)
		volume.evidence[i] = (struct evidence){volume_rule_names[i], true, "so it is"};
	return volume;
}

/* Everything that takes one thing away from a blank volume. */
static void test_blank(void)
{
	struct volume volume = blank_volume();
	const struct evidence *objection;

	ok(volume_is_blank(&volume), "a volume with the whole proof is blank");
	ok(!volume_objection(&volume), "and there is no objection");
	for (size_t i = 0; i < VOLUME_RULES; i++) {
		printf("# rule: %s\n", volume_rule_names[i]);
		volume = blank_volume();
		volume.evidence[i].holds = false;
		ok(!volume_is_blank(&volume), "not blank when the rule does not hold");
		objection = volume_objection(&volume);
		is_str(objection ? objection->rule : NULL, volume_rule_names[i], "it is named");
		volume = blank_volume();
		volume.evidence[i].rule = volume_rule_names[(i + 1) % VOLUME_RULES];
		ok(!volume_is_blank(&volume), "not blank when another was asked in its place");
		volume = blank_volume();
		volume.evidence[i].rule = NULL;
		ok(!volume_is_blank(&volume), "not blank when it was not asked");
		volume = blank_volume();
		volume.n_evidence = i;
		ok(!volume_is_blank(&volume), "not blank when the proof ended before it");
	}
}

static void test_contradictions(void)
{
	struct volume blank = blank_volume(), v;

#define SPOILED(what, change)                                                                      \
	do {                                                                                       \
		v = blank;                                                                         \
		change;                                                                            \
		ok(!volume_is_blank(&v) && volume_objection(&v), "not blank: " what);              \
	} while (0)

	SPOILED("not proven", v.proven = false);
	SPOILED("root disk", v.root_disk = true);
	SPOILED("read-only", v.read_only = true);
	SPOILED("mounted", strcpy(v.mount, "/data"));
	SPOILED("in use", strcpy(v.in_use, "swap"));
	SPOILED("not probed", v.probed = false);
	SPOILED("unread", strcpy(v.unread, "permission denied"));
	SPOILED("a type", strcpy(v.type, "xfs"));
	SPOILED("a label", strcpy(v.label, "data"));
	SPOILED("a UUID", strcpy(v.uuid, "0123"));
	SPOILED("too small", v.size = VOLUME_SIZE_MIN - 1);
	SPOILED("no size", v.size = 0);
	SPOILED("more evidence than rules", v.n_evidence = VOLUME_RULES + 1);
	SPOILED("more evidence than room", v.n_evidence = SIZE_MAX);
	SPOILED("nothing is known", v = (struct volume){.size = 0});
}

/* The places that a proof reads lie on the device, whatever its size, and there is room for them.
 */
static bool places_fit(uint64_t size, size_t (*places)(uint64_t size, struct zero_range *ret))
{
	static struct zero_range ranges[BLANK_RANGES_MAX];
	size_t n = places(size, ranges);

	for (size_t i = 0; i < n; i++)
		if (ranges[i].offset % ZERO_BLOCK || ranges[i].length > ZERO_CHUNK ||
			ranges[i].length == 0 || ranges[i].offset > size - ranges[i].length)
			return false;
	return n > 0 && n <= BLANK_RANGES_MAX;
}

static bool has_place(uint64_t size, uint64_t offset)
{
	static struct zero_range ranges[BLANK_RANGES_MAX];
	size_t n = blank_backups(size, ranges);

	for (size_t i = 0; i < n; i++)
		if (ranges[i].offset == offset)
			return true;
	return false;
}

static bool follow_each_other(const struct zero_range *ranges, size_t n, uint64_t size)
{
	uint64_t end = 0;

	for (size_t i = 0; i < n; i++) {
		if (ranges[i].offset != end)
			return false;
		end += ranges[i].length;
	}
	return end == size;
}

static void test_places(void)
{
	static const uint64_t sizes[] = {VOLUME_SIZE_MIN, VOLUME_SIZE_MIN + 512, BLANK_WHOLE_SIZE,
		BLANK_WHOLE_SIZE + 512, (1ull << 27) - 512, 1ull << 30, 100ull << 30, 1ull << 40,
		(1ull << 40) + 1536, 64ull << 40, 1ull << 54, (1ull << 62) - 512};
	static struct zero_range last[BLANK_RANGES_MAX];
	size_t n;

	FOREACH_ELEMENT (i, sizes) {
		printf("# size: %llu\n", (unsigned long long)sizes[i]);
		ok(places_fit(sizes[i], blank_first_mib), "the first MiB lies on the device");
		ok(places_fit(sizes[i], blank_last_mib), "the last MiB lies on the device");
		ok(places_fit(sizes[i], blank_backups), "the backup places lie on the device");
		ok(places_fit(sizes[i], blank_samples), "the samples lie on the device");
		n = blank_last_mib(sizes[i], last);
		ok(last[n - 1].offset + last[n - 1].length == sizes[i], "the last byte is read");
		n = blank_samples(sizes[i], last);
		if (sizes[i] <= BLANK_WHOLE_SIZE)
			ok(n <= BLANK_SAMPLES && follow_each_other(last, n, sizes[i]),
				"all of it is read");
		else
			is_int((long long)n, BLANK_SAMPLES, "1024 samples");
	}
	ok(has_place(100ull << 30, 64ull << 20), "btrfs mirror at 64 MiB");
	ok(has_place(300ull << 30, 256ull << 30), "btrfs mirror at 256 GiB");
	ok(has_place(100ull << 30, 128ull << 20), "ext4 group 1, 4 KiB blocks");
	ok(has_place(100ull << 30, 81 * (128ull << 20)), "ext4 group 81, 4 KiB blocks");
	ok(has_place(100ull << 30, 8192ull << 10), "ext4 group 1, 1 KiB blocks (at 8193 KiB)");
	ok(has_place(100ull << 30, 25ull << 30), "XFS group 1 of 4 of 100 GiB");
	ok(has_place(5ull << 40, 268435455ull * 4096), "XFS group 1 of 5 TiB");
	ok(has_place(100ull << 30, 25664 * 512), "FAT32's second table, clusters of 32 KiB");
	ok(has_place(8ull << 30, 16392 / 8 * 4096), "FAT32's second table, clusters of 4 KiB");
	ok(has_place(100ull << 30, 33632256), "the root node of reiserfs");
	ok(has_place(1ull << 30, 81920000), "what mkapfs writes");
	ok(has_place(1ull << 30, (1ull << 30) - 3088 * 512),
		"Promise RAID, 3087 sectors from the end");
}

static void test_size_text(void)
{
	char text[VOLUME_SIZE_TEXT_MAX];

	volume_size_text(100ull << 30, text);
	is_str(text, "100 GiB", "a size as a person reads it");
	volume_size_text(512, text);
	is_str(text, "512 B", "a small one");
	volume_size_text(UINT64_MAX, text);
	is_str(text, "1.638e+04 PiB", "the largest");
}

int main(void)
{
	test_size_text();
	test_identify();
	test_matches();
	test_xen_names();
	test_blank();
	test_contradictions();
	test_places();
	return done_testing();
}
