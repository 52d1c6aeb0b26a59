/* Measured kernels on disk, as JSON, and as text for people. A file may have been edited, or be of another
 * version or machine: compile/choices.c takes of it what fits. */
#include "base/file.h"
#include "base/json.h"
#include "base/team.h"
#include "compile/choices.h"
#include "cpu/isa.h"

#include <string.h>

enum { LONGEST = 1 << 24, MOST_THREADS = 1 << 20 };

static cj_status kernels_new(cj_kernels **kernels)
{
    *kernels = cj__allocate_zeroed(sizeof **kernels);
    return *kernels ? CJ_OK : cj__out_of_memory(sizeof **kernels, "measured kernels");
}

cj_status cj_kernels_new(cj_kernels **kernels)
{
    cj__isa isa;
    *kernels = NULL;
    CJ__TRY(cj__isa_choose(&isa));
    CJ__TRY(kernels_new(kernels));
    (*kernels)->isa = cj__isa_name(isa);
    (*kernels)->threads = cj__team_size();
    return CJ_OK;
}

void cj_kernels_free(cj_kernels *kernels)
{
    if (!kernels) return;
    cj__arena_free(&kernels->arena);
    cj__free(kernels->choices);
    cj__free(kernels);
}

cj_kernels_facts cj_kernels_describe(const cj_kernels *kernels)
{
    return (cj_kernels_facts){kernels->isa, kernels->threads, kernels->count};
}

/* --- writing ------------------------------------------------------------------------------------------- */

static void put_choice(cj__text *t, const cj__choice *c)
{
    cj__text_put(t, "    {\"step\": ");
    cj__json_put_string(t, c->step);
    cj__text_put(t, ",\n     \"kernel\": ");
    cj__json_put_string(t, c->kernel);
    cj__text_put(t, ", \"seconds\": {");
    for (int i = 0; i < c->timed_count; i++) {
        cj__text_put(t, i ? ", " : "");
        cj__json_put_string(t, c->timed[i].kernel);
        cj__text_put(t, ": ");
        cj__text_number(t, c->timed[i].seconds);
    }
    cj__text_put(t, "}}");
}

cj_status cj_kernels_save(const cj_kernels *k, const char *path)
{
    cj__text t = {0};
    CJ__TRY(cj__folder_make_for(path));
    cj__text_put(&t, "{\n  \"format\": 1,\n  \"instruction_set\": ");
    cj__json_put_string(&t, k->isa);
    cj__text_print(&t, ",\n  \"threads\": %d,\n  \"steps\": [\n", k->threads);
    for (int64_t i = 0; i < k->count; i++) {
        put_choice(&t, &k->choices[i]);
        cj__text_put(&t, i + 1 < k->count ? ",\n" : "\n");
    }
    cj__text_put(&t, "  ]\n}\n");
    cj_status status = cj__text_check(&t, "measured kernels");
    if (status == CJ_OK) status = cj__file_replace(path, t.data, t.size);
    cj__text_free(&t);
    return status;
}

cj_status cj_kernels_text(const cj_kernels *k, char **text)
{
    cj__text t = {0};
    for (int64_t i = 0; i < k->count; i++) {
        const cj__choice *c = &k->choices[i];
        cj__text_print(&t, "%s\n", c->step);
        for (int n = 0; n < c->timed_count; n++)
            cj__text_print(&t, "  %c %10.1f us  %s\n", strcmp(c->timed[n].kernel, c->kernel) == 0 ? '*' : ' ',
                           c->timed[n].seconds * 1e6, c->timed[n].kernel);
    }
    cj__text_print(&t, "%lld steps that several kernels can make, measured on %s with %d thread%s\n",
                   (long long)k->count, k->isa, k->threads, k->threads == 1 ? "" : "s");
    cj_status status = cj__text_check(&t, "measured kernels");
    if (status != CJ_OK) cj__text_free(&t);
    *text = t.data;
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------- */

typedef struct {
    cj__json json;
    cj_kernels *kernels;
    uint64_t format, threads;
    bool steps;
} reading;

static void read_times(reading *r, cj__choice *c)
{
    cj__json_enter(&r->json, '{');
    for (int64_t i = 0; cj__json_more(&r->json, i, '}'); i++) {
        const char *kernel = cj__json_key(&r->json, &r->kernels->arena);
        double seconds = cj__json_number(&r->json);
        if (kernel && c->timed_count < CJ__MOST_TIMED)
            c->timed[c->timed_count++] = (cj__timed_kernel){kernel, seconds};
    }
}

static cj_status read_choice(reading *r)
{
    cj__choice c = {0}, *made;
    const char *start = r->json.at;
    cj__json_enter(&r->json, '{');
    for (int64_t i = 0; cj__json_more(&r->json, i, '}'); i++) {
        const char *key = cj__json_key(&r->json, &r->kernels->arena);
        if (!key) break;
        if (strcmp(key, "step") == 0)
            c.step = cj__json_string(&r->json, &r->kernels->arena);
        else if (strcmp(key, "kernel") == 0)
            c.kernel = cj__json_string(&r->json, &r->kernels->arena);
        else if (strcmp(key, "seconds") == 0)
            read_times(r, &c);
        else
            cj__json_skip(&r->json);
    }
    if (!c.step || !c.kernel) cj__json_refuse(&r->json, start, "a step with its \"step\" and \"kernel\"");
    if (!c.step || !c.kernel) return CJ_OK;
    CJ__TRY(cj__choice_add(r->kernels, c.step, c.kernel, &made));
    memcpy(made->timed, c.timed, sizeof c.timed);
    made->timed_count = c.timed_count;
    return CJ_OK;
}

static cj_status read_steps(reading *r)
{
    r->steps = true;
    cj__json_enter(&r->json, '[');
    for (int64_t i = 0; cj__json_more(&r->json, i, ']'); i++) CJ__TRY(read_choice(r));
    return CJ_OK;
}

static cj_status check(const reading *r)
{
    if (r->format != 1)
        return cj__fail(CJ_UNSUPPORTED, "found format %llu, expected 1", (unsigned long long)r->format);
    if (!r->kernels->isa || !r->steps)
        return cj__fail(CJ_FORMAT_ERROR, "found no \"%s\", expected one",
                        r->steps ? "instruction_set" : "steps");
    if (r->threads < 1 || r->threads > MOST_THREADS)
        return cj__fail(CJ_FORMAT_ERROR, "found %llu \"threads\", expected 1 to %d",
                        (unsigned long long)r->threads, (int)MOST_THREADS);
    r->kernels->threads = (int)r->threads;
    return CJ_OK;
}

static cj_status read_all(reading *r)
{
    cj__json_enter(&r->json, '{');
    for (int64_t i = 0; cj__json_more(&r->json, i, '}'); i++) {
        const char *key = cj__json_key(&r->json, &r->kernels->arena);
        if (!key) break;
        if (strcmp(key, "format") == 0)
            r->format = cj__json_unsigned(&r->json);
        else if (strcmp(key, "instruction_set") == 0)
            r->kernels->isa = cj__json_string(&r->json, &r->kernels->arena);
        else if (strcmp(key, "threads") == 0)
            r->threads = cj__json_unsigned(&r->json);
        else if (strcmp(key, "steps") == 0)
            CJ__TRY(read_steps(r));
        else
            cj__json_skip(&r->json);
    }
    CJ__TRY(cj__json_finish(&r->json));
    return check(r);
}

cj_status cj_kernels_load(cj_kernels **kernels, const char *path)
{
    char *text;
    size_t size;
    *kernels = NULL;
    CJ__TRY(cj__file_read(path, LONGEST, &text, &size));
    reading r = {0};
    cj_status status = kernels_new(&r.kernels);
    if (status == CJ_OK) {
        cj__json_begin(&r.json, text, size);
        status = read_all(&r);
        if (status != CJ_OK) status = cj__fail_within(status, "%s", path);
    }
    cj__free(text);
    if (status == CJ_OK)
        *kernels = r.kernels;
    else
        cj_kernels_free(r.kernels);
    return status;
}
