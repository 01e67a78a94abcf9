/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#define AGENT_USER "instanced" /* packaging/systemd/sysusers.d */

int identity_give_up(uid_t user, gid_t group)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if ((setgroups(0, NULL) < 0 || setresgid(group, group, group) < 0 ||
		    setresuid(user, user, user) < 0) &&
		errno != EPERM && errno != EINVAL)
		return -errno;
	return syscall(SYS_capset, &header, none) < 0 ? -errno : 0;
}

int identity_give_up_to_agent(void)
{
	const struct passwd *agent = getpwnam(AGENT_USER);

	return agent ? identity_give_up(agent->pw_uid, agent->pw_gid)
		     : identity_give_up(IDENTITY_NOBODY, IDENTITY_NOBODY);
}
