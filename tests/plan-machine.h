/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-machine: a machine to plan for. Plans are text: one line a step, "MARK SUBJECT OP: WHAT
 * (REASON)". Each vector starts with a machine on which nothing is attached and everything is
 * installed, and changes what it is about.
 */
#pragma once

#include "plan.h"

#define GIB       (1ull << 30)
#define DISKS_MAX 8

#define DATA            "[volume data]\ndevice = /dev/sdf\nmount = /data\n"
#define APP             "[app web]\nsource = file:///src/web\nrun = ./serve\n"
#define STORE(name, at) "[volume " name "]\ninstance_store = yes\nmount = " at "\n"
#define A               "[volume a]\ndevice = /dev/sdf\nmount = /a\n"
#define B               "[volume b]\ndevice = /dev/sdg\nmount = /a/b\n"
#define C               "[volume c]\ndevice = /dev/sdh\nmount = /a/b/c\n"

/* What a plan calls the first volume that is attached, as sdf. */
#define DISK "/dev/nvme1n1 vol-00000001 sdf (8 GiB)"
/* and its first step */
#define FORMAT                                                                                     \
	"+ volume data format: " DISK " as xfs, label data (is proven blank: all 12 rules hold)"

extern struct config *config;
extern struct inventory inventory;
extern struct volume disks[DISKS_MAX];
extern struct plan *plan; /* the latest */
extern struct metadata *metadata, identity;

/* Another machine, with this configuration. */
void machine(const char *text);
void machine_end(void);

/* Attaches a blank EBS volume of 8 GiB, proven, under this mapping name. */
struct volume *attach(const char *mapping);
struct volume *attach_store(void);

/* Puts a file system on the disk. */
void fill(struct volume *disk, const char *type, const char *label);

/* Mounts the disk where [volume i] wants it. */
void mounted(size_t i, struct volume *disk, const char *type);

/* What the source holds, what is deployed, what runs; "" and NULL for nothing. */
void web(const char *wanted, const char *current, const char *running);

const char *planned(void);
#define plans(expected, name) is_str(planned(), expected, name)

/*
 * Walks as apply does: what does not come after anything, then a new plan. Returns the rounds that
 * it took until nothing is left to do; 0 when it does not end.
 */
unsigned walk(void);

/* Whether a plan has nothing to do. */
bool all_kept(void);

extern bool hidden; /* something was put where a volume is mounted over it later */
