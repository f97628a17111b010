/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rule-print.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "util.h"

static void print_ports(FILE *out, const struct match *match, uint32_t highest) {
        if (match->first_port == 0 && match->last_port == highest)
                fputc('*', out);
        else if (match->first_port == match->last_port)
                fprintf(out, "%u", match->first_port);
        else
                fprintf(out, "%u-%u", match->first_port, match->last_port);
}

static void print_ip(FILE *out, int family, const void *ip) {
        char text[INET6_ADDRSTRLEN];

        (void) inet_ntop(family, ip, text, sizeof(text));
        fprintf(out, family == AF_INET6 ? "[%s]" : "%s", text);
}

static void print_match(FILE *out, const struct match *match) {
        const char *protocol = protocol_name(match->protocol);
        unsigned full_length = match->kind == MATCH_IPV4 ? 32 : 128;

        if (protocol)
                fprintf(out, "%s:", protocol);

        switch (match->kind) {
        case MATCH_EVERYTHING:
                fputc('*', out);
                break;
        case MATCH_PORTS:
                if (!protocol)
                        fputc(':', out);
                print_ports(out, match, UINT16_MAX);
                break;
        case MATCH_IPV4:
        case MATCH_IPV6:
                print_ip(out, match->kind == MATCH_IPV4 ? AF_INET : AF_INET6, &match->ipv6);
                if (match->prefix_length != full_length)
                        fprintf(out, "/%u", match->prefix_length);
                if (match->first_port != 0 || match->last_port != UINT16_MAX) {
                        fputc(':', out);
                        print_ports(out, match, UINT16_MAX);
                }
                break;
        case MATCH_UNIX_PATH:
        case MATCH_UNIX_ABSTRACT:
                fprintf(out, "unix:%s%s%s", match->kind == MATCH_UNIX_ABSTRACT ? "@" : "", match->name,
                        match->name_is_prefix ? "*" : "");
                break;
        case MATCH_VSOCK:
                if (match->any_cid)
                        fputs("vsock:*:", out);
                else
                        fprintf(out, "vsock:%u:", match->cid);
                print_ports(out, match, UINT32_MAX);
                break;
        }
}

static void print_step(FILE *out, const struct step *step) {
        switch (step->kind) {
        case STEP_PASSED_INDEX:
                fprintf(out, "sd=%u", step->number);
                break;
        case STEP_PASSED_NAME:
                fprintf(out, "sd=%s", step->name);
                break;
        case STEP_INHERITED:
                fprintf(out, "fd=%u", step->number);
                break;
        case STEP_ADDRESS:
                if (step->has_ip)
                        print_ip(out, step->address.family, &step->address.ipv6);
                if (step->has_port)
                        fprintf(out, ":%u", step->address.port);
                break;
        case STEP_HOST:
                fprintf(out, "%s:%u", step->name, step->address.port);
                break;
        case STEP_UNIX:
                fprintf(out, "unix:%s%.*s", step->address.unix_name[0] == '\0' ? "@" : "",
                        (int) (step->address.unix_length - (step->address.unix_name[0] == '\0')),
                        step->address.unix_name + (step->address.unix_name[0] == '\0'));
                break;
        case STEP_ALLOW:
                fputs("allow", out);
                break;
        case STEP_DENY:
                if (step->error == EACCES)
                        fputs("deny", out);
                else if (strerrorname_np(step->error))
                        fprintf(out, "deny:%s", strerrorname_np(step->error));
                else
                        fprintf(out, "deny:%d", step->error);
                break;
        }
}

int rule_print(const struct rule *rule, char **ret) {
        struct text text;

        if (text_open(&text) >= 0) {
                print_match(text.out, &rule->match);
                for (size_t i = 0; i < rule->n_steps; i++) {
                        fputc(i == 0 ? '=' : '|', text.out);
                        print_step(text.out, &rule->steps[i]);
                }
        }
        return text_close(&text, ret);
}
