/* SPDX-License-Identifier: Apache-2.0 */
#include "random.h"

#include <sys/random.h>

uint32_t random_bits(void)
{
	uint32_t bits;

	return getrandom(&bits, sizeof bits, GRND_NONBLOCK) == sizeof bits ? bits : UINT32_MAX / 2;
}
