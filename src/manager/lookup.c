#include "manager/lookup.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#define NO_SLOT UINT32_MAX

struct entry {
    const char *key; /* NULL: the slot is not in the lookup */
    uint32_t bucket;
    uint32_t next; /* the next slot of the same bucket, or NO_SLOT */
};

struct lookup {
    uint8_t secret[crypto_shorthash_KEYBYTES];
    uint32_t slot_count;
    uint32_t bucket_mask;  /* buckets are a power of two, at least as many as slots */
    uint32_t *first;       /* (bucket_mask + 1,) */
    struct entry *entries; /* (slot_count,) */
};

enum status lookup_new(uint32_t slot_count, struct lookup **ret)
{
    assert(slot_count >= 1 && slot_count <= (uint32_t)1 << 24);
    struct lookup *l = calloc(1, sizeof *l);
    if (l == NULL)
        return ST_NOMEM;
    uint32_t buckets = 16;
    while (buckets < slot_count)
        buckets *= 2;
    l->slot_count = slot_count;
    l->bucket_mask = buckets - 1;
    l->first = malloc(buckets * sizeof *l->first);
    l->entries = calloc(slot_count, sizeof *l->entries);
    if (l->first == NULL || l->entries == NULL) {
        lookup_free(l);
        return ST_NOMEM;
    }
    for (uint32_t i = 0; i < buckets; i++)
        l->first[i] = NO_SLOT;
    randombytes_buf(l->secret, sizeof l->secret);
    *ret = l;
    return ST_OK;
}

static uint32_t bucket_of(const struct lookup *l, const char *key)
{
    uint8_t hash[crypto_shorthash_BYTES];
    (void)crypto_shorthash(hash, (const uint8_t *)key, strlen(key), l->secret);
    uint32_t low;
    memcpy(&low, hash, sizeof low);
    return low & l->bucket_mask;
}

bool lookup_find(const struct lookup *l, const char *key, uint32_t *ret_slot)
{
    for (uint32_t i = l->first[bucket_of(l, key)]; i != NO_SLOT; i = l->entries[i].next) {
        if (strcmp(l->entries[i].key, key) == 0) {
            *ret_slot = i;
            return true;
        }
    }
    return false;
}

void lookup_put(struct lookup *l, uint32_t slot, const char *key)
{
    uint32_t other;
    assert(slot < l->slot_count && l->entries[slot].key == NULL);
    assert(!lookup_find(l, key, &other));
    uint32_t bucket = bucket_of(l, key);
    l->entries[slot] = (struct entry){.key = key, .bucket = bucket, .next = l->first[bucket]};
    l->first[bucket] = slot;
}

void lookup_remove(struct lookup *l, uint32_t slot)
{
    assert(slot < l->slot_count);
    struct entry *entry = &l->entries[slot];
    if (entry->key == NULL)
        return;
    uint32_t *link = &l->first[entry->bucket];
    while (*link != slot)
        link = &l->entries[*link].next;
    *link = entry->next;
    *entry = (struct entry){0};
}

struct lookup *lookup_free(struct lookup *l)
{
    if (l == NULL)
        return NULL;
    free(l->first);
    free(l->entries);
    free(l);
    return NULL;
}
