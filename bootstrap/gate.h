/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate: whether an app that was just started is well: its process stays, and its `health` URL
 * answers as it should, within `ready_timeout`. The URL is asked by a process of its own
 * (`instancectl probe`), because we may have no network.
 */
#pragma once

#include "config.h"
#include "err.h"
#include "host.h"

#define GATE_STEADY_HEALTHY (1 * 1000000ull) /* usec the process must stay, with `health` … */
#define GATE_STEADY         (2 * 1000000ull) /* … and without */
#define GATE_SLICE          (5 * 1000000ull) /* of asking, until the process is looked at again */
#define GATE_ENDS_MAX       4                /* an app that ends this often is not waited for */

/*
 * Blocks until the app is well: 0; or it is clear that it will not be: -ETIMEDOUT, -ECHILD (it ends
 * again and again), with words. Any other error: it could not be asked. An app without `run` is
 * well when its URL, if any, answers.
 */
int gate_pass(const struct host_app *app, struct err *err);
