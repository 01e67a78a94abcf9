/* SPDX-License-Identifier: Apache-2.0 */
/*
 * volume: an attached block device as the rest of the house sees it: who it is (EC2's names), what
 * it is used for, what is on it, and the evidence whether it may be formatted. Facts are gathered
 * by bootstrap/ (device.c, blank.c); what follows from them is decided here, without I/O.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define VOLUME_NODE_MAX     64            /* "/dev/nvme1n1" */
#define VOLUME_TEXT_MAX     160           /* one reason, one piece of evidence */
#define VOLUME_EVIDENCE_MAX 20            /* more than there are rules */
#define VOLUME_SIZE_MIN     (16ull << 20) /* below this nothing is formatted */
#define NVME_IDENTIFY_SIZE  4096

/*
 * The rules of a proof, in the order of its evidence; blank.c has a function for each. Rule 1 of
 * README "Never lose a byte" (configuration names the volume) is the plan's, rule 5 is
 * blank_unchanged().
 */
enum volume_rule {
	VOLUME_RULE_WHOLE_DISK,
	VOLUME_RULE_SIZE,
	VOLUME_RULE_ROOT_DISK,
	VOLUME_RULE_WRITABLE,
	VOLUME_RULE_MOUNT,
	VOLUME_RULE_USE,
	VOLUME_RULE_SIGNATURE,
	VOLUME_RULE_FIRST_MIB,
	VOLUME_RULE_LAST_MIB,
	VOLUME_RULE_BACKUPS,
	VOLUME_RULE_SAMPLES,
	VOLUME_RULE_EXCLUSIVE,
	VOLUME_RULES
};

/* What a rule claims, for a person: "not mounted", "first MiB is zero". */
extern const char *const volume_rule_names[VOLUME_RULES];

#define VOLUME_NOT_ASKED "not asked" /* the text of a rule that one before it made needless */

/* One rule asked of one device. */
struct evidence {
	const char *rule;           /* of volume_rule_names */
	bool holds;                 /* false also when it could not be asked */
	char text[VOLUME_TEXT_MAX]; /* what was found, and where: "gpt at byte 512" */
};

enum volume_kind {
	VOLUME_OTHER,          /* loop, virtio, a disk that EC2 says nothing of */
	VOLUME_EBS,            /* NVMe, model "Amazon Elastic Block Store" */
	VOLUME_INSTANCE_STORE, /* NVMe, model "Amazon EC2 NVMe Instance Storage" */
	VOLUME_XEN,            /* xvd*, sd* under Xen */
};

struct volume {
	/* who */
	char node[VOLUME_NODE_MAX]; /* canonical device node */
	enum volume_kind kind;
	char mapping[33];   /* name given at attach-volume, without /dev/: "sdf"; "" unknown,
			       also under Xen, where the node is the name */
	char volume_id[32]; /* "vol-0123456789abcdef0"; "" unknown */
	char model[41], serial[21]; /* trimmed; "" unknown */
	dev_t number;
	uint64_t diskseq; /* 0 unknown (kernel < 5.15) */
	uint64_t size;    /* bytes */
	uint64_t written; /* sectors that this machine has written or discarded so far; 0 also
			     where the kernel does not count (queue/iostats) … */
#define VOLUME_WRITTEN_UNKNOWN UINT64_MAX /* … and this where its count cannot be read */

	/* use */
	bool root_disk, read_only;
	char mount[256];              /* where it is mounted, the first place; "" nowhere */
	char in_use[VOLUME_TEXT_MAX]; /* "partition nvme1n1p1", "swap", "held by dm-0"; "" not */

	/* content, by libblkid */
	bool probed;              /* false: could not be read (not root, I/O error); see unread */
	char type[32];            /* "xfs", "LVM2_member", "gpt", "ambivalent"; "" no signature */
	char label[64], uuid[40]; /* bytes that are not printable ASCII are "?" */
	char unread[VOLUME_TEXT_MAX]; /* why not probed: "permission denied" */

	/* Ours: an mkfs of this project was cut off while it made a file system of this type, and
	 * nothing else is there; every rule of the proof holds. See bootstrap/intent.h. */
	bool half_made;

	/* proof: complete only when every rule was asked; see volume_is_blank() */
	struct evidence evidence[VOLUME_EVIDENCE_MAX];
	size_t n_evidence;
	bool proven; /* blank_prove(): every rule was asked and holds */
};

#define VOLUME_SIZE_TEXT_MAX 16

/* "100 GiB". */
void volume_size_text(uint64_t bytes, char ret_text[static VOLUME_SIZE_TEXT_MAX]);

/* How configuration names a volume: exactly one of the three is set. */
struct volume_selector {
	const char *device;    /* "/dev/sdf", "sdf", "/dev/loop3", "/dev/disk/by-id/…" */
	const char *volume_id; /* "vol-…" */
	bool instance_store;
};

enum volume_match {
	VOLUME_NO_MATCH,
	VOLUME_MATCH,
	VOLUME_CONFLICT, /* the node answers to this name but says it is another volume */
};

/*
 * Whether this volume is the one that configuration names. `canonical` is the device node that
 * selector->device resolves to on this machine (realpath), or NULL if there is no such node.
 *
 * The name that the volume itself reports (its mapping, by NVMe identify; under Xen its node)
 * always wins over a node of that name: a stale /dev/sdf link to a volume which says "sdg" is
 * VOLUME_CONFLICT. "sdf", "xvdf", with and without /dev/, are one name. A path that is no
 * attachment name ("/dev/nvme1n1", "/dev/disk/by-id/…") is compared by its canonical node only.
 * An ID matches as "vol-0123" and as "vol0123".
 *
 * A match is no permission: if two volumes match one device or ID, the caller refuses both; and
 * only volume_is_blank() allows to format.
 */
enum volume_match volume_matches(
	const struct volume *volume, const struct volume_selector *selector, const char *canonical);

/*
 * Node names that an attachment name may have under Xen, best first: "/dev/sdf" -> "/dev/sdf",
 * "/dev/xvdf". Returns how many were written (0 when it is no such name). The shifted letters of
 * old RHEL kernels (sdf as xvdj) are not guessed: they could be another volume.
 */
size_t volume_xen_names(const char *device, char ret_names[static 2][VOLUME_NODE_MAX]);

/*
 * Reads an NVMe Identify Controller structure (NVM Express base specification, "Identify
 * Controller data structure": VID at 0, SN at 4, MN at 24) with Amazon's vendor area (offset 3072,
 * 32 bytes: the mapping name, with or without /dev/, padded with spaces or NULs; for instance store
 * "ephemeral0:sdh" or "ephemeral0:none"). Fills kind, mapping, volume_id, model, serial; bytes that
 * are not printable ASCII end a field, and a mapping that is not letters and digits is none. A
 * controller that is not Amazon's leaves kind VOLUME_OTHER with model and serial only.
 */
void volume_parse_identify(
	struct volume *volume, const uint8_t identify[static NVME_IDENTIFY_SIZE]);

/*
 * The first reason not to format: a rule of the proof that was not asked or does not hold, or a
 * fact that contradicts a proof ("no signature: gpt at byte 512"). NULL exactly when the proof
 * is complete, every rule holds, and no signature or use is known.
 */
const struct evidence *volume_objection(const struct volume *volume);

/* volume_objection() is NULL. Nothing else allows to format. */
bool volume_is_blank(const struct volume *volume);
