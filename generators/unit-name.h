/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of units: foo.service is plain, foo@.service a template, foo@bar.service an instance of it
 * (systemd.unit(5)). Pure: no system calls here. */

#include <stdbool.h>

#define UNIT_NAME_MAX 255

enum unit_name_kind {
        UNIT_NAME_INVALID,
        UNIT_NAME_PLAIN,
        UNIT_NAME_TEMPLATE,
        UNIT_NAME_INSTANCE,
};

/* What kind of name this is, with this suffix (".service"). */
enum unit_name_kind unit_name_kind(const char *name, const char *suffix);

/* foo@.service of foo@bar.service. The name must be an instance's; ret has UNIT_NAME_MAX + 1 bytes. */
void unit_name_template(const char *name, char *ret);

/* The instance, "bar" of foo@bar.service; "" for every other name. As unit_name_template(). */
void unit_name_instance(const char *name, char *ret);

/* foo of foo.service, foo@.service and foo@bar.service. As unit_name_template(). */
void unit_name_prefix(const char *name, char *ret);

/* The same name with another suffix: foo@bar.socket of foo@bar.service, given ".socket". Returns false if it
 * would be too long. As unit_name_template(). */
bool unit_name_change_suffix(const char *name, const char *suffix, char *ret);

/* The next shorter name whose drop-ins also hold for name: foo-.service of foo-bar.service, foo-@i.service
 * of foo-bar@i.service. Returns false if there is none. As unit_name_template(). */
bool unit_name_chop(const char *name, char *ret);
