/* The model server: a version, once stored, never changes and never goes. */
#include "sim.h"

static void announce(struct world *w, const struct version *v)
{
    network_send(
        w, (struct event){.kind = EV_STORED, .round = v->round, .number = v->number, .version = v});
}

void server_publish(struct world *w, const struct event *e)
{
    struct server *s = &w->server;
    const struct version *v = e->version;
    if (!s->up)
        return;
    if (v->number >= VERSIONS_MAX) {
        violation(w, "too_many_versions", "version %llu", (unsigned long long)v->number);
        return;
    }
    const struct version *there = s->versions[v->number];
    if (there == NULL) {
        trace(w, "server stores v%llu of r-%d", (unsigned long long)v->number, v->round);
        s->versions[v->number] = v;
        check_stored(w, v);
    } else if (!digest_equal(&there->digest, &v->digest)) {
        violation(w, "version_changed", "v%llu of r-%d was to be replaced by r-%d's",
                  (unsigned long long)v->number, there->round, v->round);
        return;
    }
    announce(w, s->versions[v->number]);
}

void server_asked(struct world *w, const struct event *e)
{
    if (!w->server.up || e->number >= VERSIONS_MAX || w->server.versions[e->number] == NULL)
        return;
    network_send(w, (struct event){.kind = EV_BASE,
                                   .round = e->round,
                                   .version = w->server.versions[e->number]});
}
