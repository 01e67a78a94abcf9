/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packages: what [packages] asks for, by the distribution's own package manager: apt-get, dnf or
 * yum, the first of them that is on the machine. Its sources, keys and settings are used as they
 * are; nothing is added to them. No package is removed, but those that dnf and yum hold obsolete.
 *
 * packages.c asks and reads what the managers print, packages-run.c has them install and update.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "err.h"

#define PACKAGES_NAME_MAX    128  /* of a package, with what follows its name, and a NUL */
#define PACKAGES_UPDATES_MAX 2048 /* security updates in one go */
#define PACKAGES_NOTE_MAX    300
/* STATE/…: what was updated since boot, as `update` in the configuration. A reboot clears it. */
#define PACKAGES_MARK "packages-updated"

/* By descending right: Debian can have dnf, too. */
enum packages_manager { PACKAGES_APT, PACKAGES_DNF, PACKAGES_YUM };

/* Of this machine. -ENOENT: it has none of them. */
int packages_manager(enum packages_manager *ret_manager, struct err *err);

/*
 * Which of packages->install, by its index, are not installed. Asks the database of the machine:
 * no network, no lock, no root, tens of milliseconds. A package is there when it is configured, and
 * so is a name that an installed package provides. -EINVAL: a name is none (packages_is_name()).
 */
int packages_missing(const struct config_packages *packages,
	bool ret_missing[static CONFIG_LIST_MAX], struct err *err);

/*
 * Installs those marked `missing`, and what they depend on. What cannot be had, or fails, keeps
 * none of the others out; 0 when all are there then. Waits for others who are at it, and for the
 * network, and sets right what an earlier run left behind when it was cut off. `ret_note` says what
 * was done. Errors have the manager's own words.
 */
int packages_install(const struct config_packages *packages,
	const bool missing[static CONFIG_LIST_MAX], char ret_note[static PACKAGES_NOTE_MAX],
	struct err *err);

/* Updates what is installed; likewise. */
int packages_update(
	enum config_update update, char ret_note[static PACKAGES_NOTE_MAX], struct err *err);

/* Whether this update was not done yet since boot; packages_updated() notes that it was. */
bool packages_update_is_due(enum config_update update, const char *state);
int packages_updated(enum config_update update, const char *state, struct err *err);

/* -- pure -- */

/*
 * Whether this may be given to a package manager: a letter or digit, then letters, digits and
 * "+._-:~", for apt also "=VERSION" or "/RELEASE"; not "-" at the end, by which apt-get(8) is told
 * to remove.
 */
bool packages_is_name(const char *name);

/* `listing`: a line for each package of dpkg's, as PACKAGES_DPKG_FORMAT makes it. */
#define PACKAGES_DPKG_FORMAT                                                                       \
	"${db:Status-Status}\t${Package}\t${Architecture}\t${Version}\t${Provides}\n"
void packages_read_dpkg(const struct config_list *wanted, const char *listing,
	bool ret_missing[static CONFIG_LIST_MAX]);

/*
 * `answer`: what `rpm -q --qf PACKAGES_RPM_FORMAT` says when it is asked for those marked in
 * `missing`, which then has those that it does not know. -EBADMSG, and nothing changed, if it does
 * not say of each.
 */
#define PACKAGES_RPM_FORMAT "+\n"
int packages_read_rpm(
	const struct config_list *wanted, const char *answer, bool missing[static CONFIG_LIST_MAX]);

/*
 * Whether this line of `apt-get -s upgrade` is the update of an installed package, and comes from a
 * source of security updates: labelled Debian-Security, or of a suite whose name ends in
 * "-security".
 */
bool packages_read_update(const char *line, char ret_name[static PACKAGES_NAME_MAX]);
