/* Preprocessing as JSON and back: it lies beside the weights, so that new rows are prepared as those of the
 * training were. */
#include "base/file.h"
#include "base/json.h"
#include "data/preprocessing.h"

#include <string.h>

enum { LONGEST = 1 << 26 };

/* --- writing ------------------------------------------------------------------------------------------- */

static void put_list(cj__text *t, const char *const *values, int64_t count)
{
    cj__text_put(t, "[");
    for (int64_t i = 0; i < count; i++) {
        cj__text_put(t, i ? ", " : "");
        cj__json_put_string(t, values[i]);
    }
    cj__text_put(t, "]");
}

static void put_number(cj__text *t, const char *key, double value)
{
    cj__text_print(t, ", \"%s\": ", key);
    cj__json_put_number(t, value);
}

static void put_plan(cj__text *t, const cj__plan *plan)
{
    cj__text_put(t, "    {\"name\": ");
    cj__json_put_string(t, plan->name);
    if (plan->categorical) {
        cj__text_put(t, ", \"values\": ");
        put_list(t, plan->values, plan->value_count);
    } else {
        put_number(t, "shift", plan->shift);
        put_number(t, "scale", plan->scale);
        put_number(t, "fill", plan->fill);
        cj__text_print(t, ", \"indicator\": %s", plan->indicator ? "true" : "false");
    }
    cj__text_put(t, "}");
}

cj_status cj_preprocessing_save(const cj_preprocessing *p, const char *path)
{
    cj__text t = {0};
    cj__text_put(&t, "{\n  \"format\": 1,\n  \"target\": ");
    cj__json_put_string(&t, p->target);
    if (p->classes) {
        cj__text_put(&t, ",\n  \"classes\": ");
        put_list(&t, p->classes, p->class_count);
    }
    cj__text_put(&t, ",\n  \"columns\": [\n");
    for (int64_t i = 0; i < p->plan_count; i++) {
        put_plan(&t, &p->plans[i]);
        cj__text_put(&t, i + 1 < p->plan_count ? ",\n" : "\n");
    }
    cj__text_put(&t, "  ]\n}\n");
    cj_status status = cj__text_check(&t, "preprocessing");
    if (status == CJ_OK) status = cj__file_replace(path, t.data, t.size);
    cj__text_free(&t);
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------- */

typedef struct {
    cj__json json;
    cj_preprocessing *p;
    uint64_t format;
} reading;

static cj_status read_list(reading *r, const char ***values, int64_t *count)
{
    int64_t room = 0;
    const char **list = NULL;
    cj_status status = CJ_OK;
    cj__json_enter(&r->json, '[');
    for (*count = 0; cj__json_more(&r->json, *count, ']'); ++*count) {
        const char *value = cj__json_string(&r->json, &r->p->arena);
        status = cj__grow(&list, &room, *count, sizeof *list);
        if (status != CJ_OK || !value) break;
        list[*count] = value;
    }
    *values = cj__arena_copy(&r->p->arena, list, (size_t)*count * sizeof *list);
    cj__free(list);
    return status == CJ_OK && !*values ? cj__out_of_memory(8, "preprocessing") : status;
}

static cj_status read_plan(reading *r, cj__plan *plan)
{
    const char *start = r->json.at;
    *plan = (cj__plan){.scale = 1};
    cj__json_enter(&r->json, '{');
    for (int64_t i = 0; cj__json_more(&r->json, i, '}'); i++) {
        const char *key = cj__json_key(&r->json, &r->p->arena);
        if (!key) break;
        if (strcmp(key, "name") == 0) {
            plan->name = cj__json_string(&r->json, &r->p->arena);
        } else if (strcmp(key, "values") == 0) {
            plan->categorical = true;
            CJ__TRY(read_list(r, &plan->values, &plan->value_count));
        } else if (strcmp(key, "shift") == 0) {
            plan->shift = cj__json_number(&r->json);
        } else if (strcmp(key, "scale") == 0) {
            plan->scale = cj__json_number(&r->json);
        } else if (strcmp(key, "fill") == 0) {
            plan->fill = cj__json_number(&r->json);
        } else if (strcmp(key, "indicator") == 0) {
            plan->indicator = cj__json_boolean(&r->json);
        } else {
            cj__json_skip(&r->json);
        }
    }
    if (!plan->name) cj__json_refuse(&r->json, start, "a column with a \"name\"");
    return CJ_OK;
}

static cj_status read_plans(reading *r)
{
    int64_t room = 0, count = 0;
    cj__plan *list = NULL;
    cj_status status = CJ_OK;
    cj__json_enter(&r->json, '[');
    for (; cj__json_more(&r->json, count, ']'); count++) {
        status = cj__grow(&list, &room, count, sizeof *list);
        if (status == CJ_OK) status = read_plan(r, &list[count]);
        if (status != CJ_OK) break;
    }
    r->p->plan_count = count;
    r->p->plans = cj__arena_allocate(&r->p->arena, (size_t)count * sizeof *list + 1);
    if (r->p->plans && count) memcpy(r->p->plans, list, (size_t)count * sizeof *list);
    cj__free(list);
    return status == CJ_OK && !r->p->plans ? cj__out_of_memory(8, "preprocessing") : status;
}

static cj_status read_all(reading *r)
{
    cj__json_enter(&r->json, '{');
    for (int64_t i = 0; cj__json_more(&r->json, i, '}'); i++) {
        const char *key = cj__json_key(&r->json, &r->p->arena);
        if (!key) break;
        if (strcmp(key, "format") == 0)
            r->format = cj__json_unsigned(&r->json);
        else if (strcmp(key, "target") == 0)
            r->p->target = cj__json_string(&r->json, &r->p->arena);
        else if (strcmp(key, "classes") == 0)
            CJ__TRY(read_list(r, &r->p->classes, &r->p->class_count));
        else if (strcmp(key, "columns") == 0)
            CJ__TRY(read_plans(r));
        else
            cj__json_skip(&r->json);
    }
    CJ__TRY(cj__json_finish(&r->json));
    if (r->format != 1)
        return cj__fail(CJ_UNSUPPORTED, "found format %llu, expected 1", (unsigned long long)r->format);
    return r->p->target && r->p->plans ? CJ_OK
                                       : cj__fail(CJ_FORMAT_ERROR, "found no \"%s\", expected one",
                                                  r->p->target ? "columns" : "target");
}

cj_status cj_preprocessing_load(cj_preprocessing **made, const char *path)
{
    char *text;
    size_t size;
    *made = NULL;
    CJ__TRY(cj__file_read(path, LONGEST, &text, &size));
    reading r = {.p = cj__allocate_zeroed(sizeof *r.p)};
    cj_status status = CJ_OK;
    if (r.p) {
        cj__json_begin(&r.json, text, size);
        status = read_all(&r);
        if (status != CJ_OK) status = cj__fail_within(status, "%s", path);
    } else {
        status = cj__out_of_memory(sizeof *r.p, "preprocessing");
    }
    cj__free(text);
    if (status == CJ_OK)
        *made = r.p;
    else
        cj_preprocessing_free(r.p);
    return status;
}
