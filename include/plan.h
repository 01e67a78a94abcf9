/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: from what is wanted (config), who we are (metadata) and what is there (inventory) to the
 * steps that lead from here to there. Pure: no I/O, so that `plan` can show what `apply` will walk.
 * A plan made after its steps were walked has only PLAN_KEEP left.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "cleanup.h"
#include "config.h"
#include "digest.h"
#include "drain.h"
#include "metadata.h"
#include "volume.h"

#define RELEASE_ID_MAX 64
#define PLAN_GROW_MIN  (16ull << 20) /* bytes that a file system may leave unused at its end */

/* What is there, for one [volume] of configuration. */
struct inventory_volume {
	char canonical[VOLUME_NODE_MAX]; /* the disk that `device` leads to; "" none */
	struct err no_disk; /* why the node that `device` names is no whole disk; "" it is, or is
			       not there */
	/* the mount point */
	bool mounted;       /* something is mounted there … */
	dev_t mounted_disk; /* … from this disk (0: not a disk we know) */
	char mounted_source[VOLUME_NODE_MAX], mounted_type[32];
	/* the top directory, if mounted */
	uid_t uid;
	gid_t gid;
	mode_t mode;
	/* what `owner` means on this machine */
	bool owner_known;
	uid_t owner_uid;
	gid_t owner_gid;
	bool mkfs_there;       /* the mkfs program is installed */
	uint64_t mounted_size; /* what the file system mounted there uses of its disk; 0 unknown */
};

struct inventory_index {
	char *content;     /* NULL: no such file */
	bool ours;         /* proven to be what instanced wrote last */
	struct err unread; /* why it cannot be read; "" it can */
};

struct inventory_app {
	char wanted[RELEASE_ID_MAX]; /* what the source holds now; "" unknown, see wanted_err */
	struct err wanted_err;
	uint64_t wanted_asked; /* when that was: usec, CLOCK_MONOTONIC; 0: it may be asked again */
	char current[RELEASE_ID_MAX]; /* "" none */
	bool running;
	char running_release[RELEASE_ID_MAX];
	bool running_as_configured;    /* with this run line, user, environment and limits */
	char version[DIGEST_HEX_SIZE]; /* of the current release: a commit, a digest; "" none */
	bool proven;                   /* the current release was well once */
	bool shaped;                   /* it was made with the files … that are configured now */
	char bad[256];                 /* why the wanted release is not tried again; "" it is */
	bool link_right;               /* `link` leads to the current release */
	char link_there[32];           /* what is in its place instead; "" nothing */
	char *files[CONFIG_LIST_MAX];  /* what `files` hold in the current release; NULL: none */
};

struct inventory_packages {
	const struct config *asked_for; /* whose; NULL: the machine was not asked. Borrowed */
	bool missing[CONFIG_LIST_MAX];  /* as config->packages.install */
	bool update_due;                /* not done yet since boot */
	struct err unknown;             /* why it is not known what is installed; "" it is */
	bool given_up;                  /* installing has failed: nothing waits for it */
};

struct inventory {
	bool root; /* taken with all rights: what was not seen is not there */
	struct volume *volumes;
	size_t n_volumes;
	struct inventory_volume for_volumes[CONFIG_VOLUMES_MAX]; /* as config->volumes */
	struct inventory_packages packages;
	struct inventory_index index;
	struct inventory_app apps[CONFIG_APPS_MAX]; /* as config->apps */
	struct err metadata_trouble; /* why there is no metadata; "" unknown or there is */
	struct drain drain;          /* while it holds, apps are left as they are */
};

enum plan_sign {
	PLAN_KEEP,   /* it is as wanted */
	PLAN_CREATE, /* it is not there, and will be made */
	PLAN_CHANGE, /* it is there, and will be made as wanted */
	PLAN_WAIT,   /* something it needs is not there yet */
	PLAN_REFUSE, /* it will not be done, and the reason is final until somebody acts */
};

enum plan_subject { PLAN_VOLUME, PLAN_PACKAGES, PLAN_INDEX, PLAN_APP };
enum plan_op {
	PLAN_OP_INSTALL,
	PLAN_OP_UPDATE,
	PLAN_OP_FORMAT,
	PLAN_OP_MOUNT,
	PLAN_OP_GROW,
	PLAN_OP_PAGE,
	PLAN_OP_RELEASE,
	PLAN_OP_FILES,
	PLAN_OP_LINK,
	PLAN_OP_RUN,
	PLAN_OP_PROVE
};

struct plan_step {
	enum plan_subject subject;
	size_t index; /* in config->volumes or config->apps */
	enum plan_op op;
	enum plan_sign sign;
	char what[320];   /* "/dev/nvme1n1 as xfs" */
	char reason[512]; /* why this sign */
	const struct volume
		*volume;          /* PLAN_VOLUME: the disk, borrowed from the inventory; or NULL */
	const char *clone_option; /* PLAN_OP_MOUNT: another disk here has the same UUID; or NULL */
	char *page;               /* PLAN_OP_PAGE: what will be written */
	const struct config_volume *after; /* only once this volume is mounted; NULL: now */
	bool after_packages;               /* only once they are installed, or cannot be */
};

#define PLAN_STEPS_MAX (3 * CONFIG_VOLUMES_MAX + 5 * CONFIG_APPS_MAX + 5)

struct plan {
	struct plan_step steps[PLAN_STEPS_MAX];
	size_t n;
	char *files[CONFIG_APPS_MAX][CONFIG_LIST_MAX]; /* what `files` of each app will hold */
};

/* `metadata` may be NULL: steps that need it wait. -ENOMEM is the only error. */
int plan_make(const struct config *config, const struct metadata *metadata,
	const struct inventory *inventory, struct plan **ret_plan);
struct plan *plan_free(struct plan *plan);

/* "keep", "create", … and the sign that stands for it on a terminal: "=", "+", "~", "…", "!". */
const char *plan_sign_name(enum plan_sign sign);
const char *plan_sign_mark(enum plan_sign sign);

/* "volume data", "packages", "index", "app web" into `buffer`. */
void plan_subject_name(
	const struct config *config, const struct plan_step *step, char *buffer, size_t size);
/* "install", "update", "format", "mount", "grow", "page", "release", "files", "link", "run",
 * "prove". */
const char *plan_op_name(enum plan_op op);

/* [{"subject", "op", "sign", "what", "reason", "evidence": […]}]; a new reference. */
json_t *plan_to_json(const struct config *config, const struct plan *plan);

/* [{"rule", "holds", "found"}]: the proof of one disk; a new reference. */
json_t *plan_evidence_to_json(const struct volume *volume);

CLEANUP_FOR(plan, plan_free);
