/* Weights of one network into another that has been drawn: names mapped, some left out, and every difference
 * listed before anything is written. */
#include "base/bf16.h"
#include "base/shape.h"
#include "base/text.h"
#include "cajal/data.h"
#include "cajal/io.h"
#include "io/safetensors.h"
#include "model/model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LONGEST_PATH = 4096 };

/* The report, with what only this file sees of it; all of it lies in the arena. */
typedef struct {
    cj_weights_report public;
    cj__arena arena;
} full_report;

typedef struct {
    const char *name; /* as mapped */
    int64_t index;    /* in the file */
    bool used;
} source;

typedef struct {
    const cj_weights *o;
    cj_model *model;
    char path[LONGEST_PATH];
    cj_tensor_file *file;
    full_report *report;
    source *sources; /* [count], sorted by name */
    int64_t count;
    int64_t
        *places; /* [report->public.count] which source each entry of the report is loaded from; -1: none */
} loading;

/* --- names --------------------------------------------------------------------------------------------- */

/* "module." → "": what the name begins with is replaced. "net.*.w" → "*.weight": the whole name, and what the
 * star stood for is put in. */
static char *rename_one(cj__arena *arena, const cj_weight_rename *r, const char *name)
{
    const char *star = strchr(r->from, '*'), *put = strchr(r->to, '*');
    size_t before = star ? (size_t)(star - r->from) : strlen(r->from), size = strlen(name);
    if (strncmp(name, r->from, before) != 0) return cj__arena_string(arena, name);
    if (!star) return cj__arena_format(arena, "%s%s", r->to, name + before);
    size_t after = strlen(star + 1);
    if (size < before + after || strcmp(name + size - after, star + 1) != 0)
        return cj__arena_string(arena, name);
    if (!put) return cj__arena_string(arena, r->to);
    return cj__arena_format(arena, "%.*s%.*s%s", (int)(put - r->to), r->to, (int)(size - before - after),
                            name + before, put + 1);
}

static cj_status check_lists(const cj_weights *o)
{
    static const char call[] = "cj_load_weights";
    if (o->map_count > 0) CJ__TRY(cj__need(o->map, call, "a list .map"));
    if (o->skip_count > 0) CJ__TRY(cj__need(o->skip, call, "a list .skip"));
    if (o->transpose_count > 0) CJ__TRY(cj__need(o->transpose, call, "a list .transpose"));
    for (int64_t i = 0; i < o->map_count; i++) {
        const char *star = strchr(o->map[i].from, '*'), *put = strchr(o->map[i].to, '*');
        if ((star && strchr(star + 1, '*')) || (put && (!star || strchr(put + 1, '*'))))
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "weights: '%.100s' becomes '%.100s': each side may have one `*`, the right one "
                            "only if the left one has it",
                            o->map[i].from, o->map[i].to);
    }
    return CJ_OK;
}

static int compare_sources(const void *a, const void *b)
{
    return strcmp(((const source *)a)->name, ((const source *)b)->name);
}

/* The file's names as the model has them. */
static cj_status map_names(loading *l)
{
    l->count = cj_tensor_file_count(l->file);
    size_t bytes = (size_t)l->count * sizeof *l->sources;
    l->sources = cj__arena_allocate(&l->report->arena, bytes + 1);
    if (!l->sources) return cj__out_of_memory(bytes, l->path);
    for (int64_t i = 0; i < l->count; i++) {
        char *name = cj__arena_string(&l->report->arena, cj_tensor_file_name(l->file, i));
        for (int64_t k = 0; name && k < l->o->map_count; k++)
            name = rename_one(&l->report->arena, &l->o->map[k], name);
        if (!name) return cj__out_of_memory(0, "the name of a weight");
        l->sources[i] = (source){name, i, false};
    }
    qsort(l->sources, (size_t)l->count, sizeof *l->sources, compare_sources);
    for (int64_t i = 1; i < l->count; i++)
        if (strcmp(l->sources[i - 1].name, l->sources[i].name) == 0)
            return cj__fail(CJ_INVALID_ARGUMENT, "%s: '%.200s' and '%.200s' both become '%.200s'", l->path,
                            cj_tensor_file_name(l->file, l->sources[i - 1].index),
                            cj_tensor_file_name(l->file, l->sources[i].index), l->sources[i].name);
    return CJ_OK;
}

static source *source_of(const loading *l, const char *name)
{
    source key = {.name = name};
    return l->count ? bsearch(&key, l->sources, (size_t)l->count, sizeof key, compare_sources) : NULL;
}

static bool fits_any(const char *const *patterns, int64_t count, const char *name)
{
    for (int64_t i = 0; i < count; i++)
        if (cj__text_matches(patterns[i], name)) return true;
    return false;
}

static bool is_skipped(const cj_weights *o, const char *name)
{
    return fits_any(o->skip, o->skip_count, name);
}

/* Only matrices can lie transposed. */
static bool is_transposed(const cj_weights *o, const cj__variable *v)
{
    return v->shape.rank == 2 && fits_any(o->transpose, o->transpose_count, v->name);
}

/* --- the comparison ------------------------------------------------------------------------------------ */

static cj_shape_t wanted_shape(const cj_weights *o, const cj__variable *v)
{
    return is_transposed(o, v) ? cj_shape(v->shape.dims[1], v->shape.dims[0]) : cj__file_shape(v);
}

/* Floating point of any width is brought to the model's; anything else must be the same. */
static bool fits(const cj_weights *o, const cj_tensor *found, const cj__variable *v)
{
    bool convertible = cj__dtype_is_float(found->dtype) && v->dtype == CJ_F32;
    return cj_shape_equal(found->shape, wanted_shape(o, v)) && (found->dtype == v->dtype || convertible);
}

static cj_weight *add(loading *l, const char *name, cj_weight_fate fate, int64_t place)
{
    cj_weights_report *r = &l->report->public;
    cj_weight *w = &r->weights[r->count];
    *w = (cj_weight){.name = name, .fate = fate};
    l->places[r->count++] = place;
    r->counts[fate]++;
    return w;
}

static cj_status compare_one(loading *l, const cj__variable *v)
{
    cj_tensor found = {0};
    char *name = cj__arena_string(&l->report->arena, v->name);
    source *from = source_of(l, v->name);
    if (!name) return cj__out_of_memory(strlen(v->name), "the name of a weight");
    if (from) from->used = true;
    bool skipped = is_skipped(l->o, name);
    if (from && !skipped) CJ__TRY(cj_tensor_file_describe(l->file, from->index, &found));
    cj_weight_fate fate = skipped                 ? CJ_WEIGHT_SKIPPED
                          : !from                 ? CJ_WEIGHT_MISSING
                          : fits(l->o, &found, v) ? CJ_WEIGHT_LOADED
                                                  : CJ_WEIGHT_CLASHING;
    cj_weight *w = add(l, name, fate, fate == CJ_WEIGHT_LOADED ? from->index : -1);
    w->wanted = (cj_tensor){NULL, v->dtype, wanted_shape(l->o, v)};
    w->found = found;
    return CJ_OK;
}

/* Room for every weight of the model and every tensor of the file. */
static cj_status make_room(loading *l)
{
    size_t most = (size_t)(l->model->count + l->count) + 1;
    l->report->public.weights = cj__arena_allocate(&l->report->arena, most * sizeof(cj_weight));
    l->places = cj__arena_allocate(&l->report->arena, most * sizeof *l->places);
    return l->report->public.weights && l->places ? CJ_OK
                                                  : cj__out_of_memory(most * sizeof(cj_weight), l->path);
}

/* What PyTorch's normalisations count beside their statistics; no network here reads it. */
static bool is_counter(const char *name)
{
    return cj__text_matches("*num_batches_tracked", name);
}

static cj_status compare(loading *l)
{
    CJ__TRY(make_room(l));
    for (int64_t i = 0; i < l->model->count; i++)
        if (cj__is_weight(l->model->variables[i])) CJ__TRY(compare_one(l, l->model->variables[i]));
    for (int64_t i = 0; i < l->count; i++) {
        const source *s = &l->sources[i];
        if (s->used || is_counter(s->name)) continue;
        cj_weight *w =
            add(l, s->name, is_skipped(l->o, s->name) ? CJ_WEIGHT_SKIPPED : CJ_WEIGHT_UNEXPECTED, -1);
        if (cj_tensor_file_describe(l->file, s->index, &w->found) != CJ_OK) w->found = (cj_tensor){0};
    }
    return CJ_OK;
}

/* --- patterns ------------------------------------------------------------------------------------------ */

/* Some weight of the network fits, and, where `matrices`, is a matrix; else some tensor of the file does. */
static bool fits_some(const loading *l, const char *pattern, bool matrices)
{
    bool found = false;
    for (int64_t i = 0; i < l->model->count && !found; i++) {
        const cj__variable *v = l->model->variables[i];
        found = cj__is_weight(v) && (!matrices || v->shape.rank == 2) && cj__text_matches(pattern, v->name);
    }
    for (int64_t i = 0; i < l->count && !found && !matrices; i++)
        found = cj__text_matches(pattern, l->sources[i].name);
    return found;
}

/* A pattern that fits nothing is a name misspelt. */
static cj_status check_patterns(const loading *l)
{
    for (int64_t i = 0; i < l->o->skip_count; i++)
        if (!fits_some(l, l->o->skip[i], false))
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "weights.skip: '%.100s' fits no weight of the network, nor one of %.300s",
                            l->o->skip[i], l->path);
    for (int64_t i = 0; i < l->o->transpose_count; i++)
        if (!fits_some(l, l->o->transpose[i], true))
            return cj__fail(CJ_INVALID_ARGUMENT, "weights.transpose: '%.100s' fits no matrix of the network",
                            l->o->transpose[i]);
    return CJ_OK;
}

/* --- telling ------------------------------------------------------------------------------------------- */

static void put_weight(cj__text *t, const cj_weight *w)
{
    char wanted[CJ__SHAPE_TEXT], found[CJ__SHAPE_TEXT];
    cj__text_print(t, " '%s'", w->name);
    if (w->fate == CJ_WEIGHT_CLASHING)
        cj__text_print(t, " (%s %s there, %s %s here)", cj_dtype_name(w->found.dtype),
                       cj__shape_text(w->found.shape, found), cj_dtype_name(w->wanted.dtype),
                       cj__shape_text(w->wanted.shape, wanted));
}

static void put_list(cj__text *t, const cj_weights_report *r, cj_weight_fate fate, int most)
{
    int64_t told = 0;
    for (int64_t i = 0; i < r->count; i++) {
        if (r->weights[i].fate != fate || told++ >= most) continue;
        cj__text_put(t, told > 1 ? "," : "");
        put_weight(t, &r->weights[i]);
    }
    if (told > most) cj__text_print(t, " and %" PRId64 " more", told - most);
}

/* Of those that clash, whether one is a matrix the other way round. */
static bool has_turned(const cj_weights_report *r)
{
    for (int64_t i = 0; i < r->count; i++) {
        cj_shape_t a = r->weights[i].wanted.shape, b = r->weights[i].found.shape;
        if (r->weights[i].fate == CJ_WEIGHT_CLASHING && a.rank == 2 && b.rank == 2 &&
            a.dims[0] == b.dims[1] && a.dims[1] == b.dims[0] && a.dims[0] != a.dims[1])
            return true;
    }
    return false;
}

/* What is missing or clashes is an error: nothing has been written yet. */
static cj_status check_all_there(const loading *l)
{
    static const struct {
        cj_weight_fate fate;
        const char *what;
    } groups[] = {{CJ_WEIGHT_MISSING, "of the network's weights are not in it"},
                  {CJ_WEIGHT_CLASHING, "have another shape or type"},
                  {CJ_WEIGHT_UNEXPECTED, "are in it that the network has not"}};
    const cj_weights_report *r = &l->report->public;
    int64_t wrong = r->counts[CJ_WEIGHT_MISSING] + r->counts[CJ_WEIGHT_CLASHING];
    if (wrong + (l->o->strict ? r->counts[CJ_WEIGHT_UNEXPECTED] : 0) == 0) return CJ_OK;
    cj__text t = {0};
    cj__text_put(&t, l->path);
    for (int i = 0, told = 0; i < 3; i++) {
        int64_t count = r->counts[groups[i].fate];
        if (!count) continue;
        cj__text_print(&t, "%s %" PRId64 " %s:", told++ ? ";" : ":", count, groups[i].what);
        put_list(&t, r, groups[i].fate, 4);
    }
    cj__text_put(&t,
                 ": rename what has other names (weights.map), name what is to begin anew (weights.skip)");
    if (has_turned(r)) cj__text_put(&t, " or what lies transposed in the file (weights.transpose)");
    cj_status status = cj__text_check(&t, "a sentence");
    if (status == CJ_OK) status = cj__fail(CJ_INVALID_ARGUMENT, "%s", t.data);
    cj__text_free(&t);
    return status;
}

cj_status cj_weights_text(const cj_weights_report *r, char **text)
{
    static const struct {
        cj_weight_fate fate;
        const char *label;
    } lists[] = {{CJ_WEIGHT_SKIPPED, "left out:"},
                 {CJ_WEIGHT_UNEXPECTED, "not in the network:"},
                 {CJ_WEIGHT_MISSING, "missing:"},
                 {CJ_WEIGHT_CLASHING, "of another shape or type:"}};
    cj__text t = {0};
    cj__text_print(&t,
                   r->loaded ? "weights: %" PRId64 " loaded from %s\n"
                             : "weights: none loaded, though %" PRId64 " would fit, from %s\n",
                   r->counts[CJ_WEIGHT_LOADED], r->path);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (r->counts[lists[i].fate] == 0) continue;
        cj__text_print(&t, "  %" PRId64 " %s", r->counts[lists[i].fate], lists[i].label);
        put_list(&t, r, lists[i].fate, 12);
        cj__text_put(&t, "\n");
    }
    cj_status status = cj__text_check(&t, "a report on weights");
    if (status != CJ_OK) cj__text_free(&t);
    *text = t.data;
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------- */

static void to_floats(const cj_tensor *from, float *to)
{
    for (int64_t i = 0; i < cj_shape_count(from->shape); i++)
        to[i] = from->dtype == CJ_F64 ? (float)((const double *)from->data)[i]
                                      : cj__bf16_to_float(((const uint16_t *)from->data)[i]);
}

static cj_status read_elements(loading *l, cj__variable *v, int64_t index)
{
    cj_tensor found;
    CJ__TRY(cj_tensor_file_describe(l->file, index, &found));
    if (found.dtype == v->dtype) return cj_tensor_file_read(l->file, index, v->data);
    found.data = cj__allocate(cj_tensor_bytes(&found) + 1);
    if (!found.data) return cj__out_of_memory(cj_tensor_bytes(&found), v->name);
    cj_status status = cj_tensor_file_read(l->file, index, found.data);
    if (status == CJ_OK) to_floats(&found, v->data);
    cj__free(found.data);
    return status;
}

/* Elements that were read as [columns,rows] become [rows,columns]. */
static cj_status transpose(cj__variable *v)
{
    int64_t rows = v->shape.dims[0], columns = v->shape.dims[1];
    size_t size = cj_dtype_size(v->dtype), bytes = (size_t)(rows * columns) * size;
    char *from = cj__allocate(bytes + 1);
    if (!from) return cj__out_of_memory(bytes, v->name);
    memcpy(from, v->data, bytes);
    cj__gather_elements(v->data, from, v->shape, (int64_t[]){1, rows}, size);
    cj__free(from);
    return CJ_OK;
}

static cj_status read_weight(loading *l, cj__variable *v, int64_t index)
{
    v->version++;
    CJ__TRY(read_elements(l, v, index));
    return is_transposed(l->o, v) ? transpose(v) : cj__from_file_layout(v);
}

static cj_status read_all(loading *l)
{
    const cj_weights_report *r = &l->report->public;
    for (int64_t i = 0; i < r->count; i++)
        if (l->places[i] >= 0)
            CJ__TRY(read_weight(l, cj__model_find(l->model, r->weights[i].name), l->places[i]));
    return CJ_OK;
}

/* A run's folder stands for the weights it ended with. */
static cj_status find_path(loading *l)
{
    struct stat facts;
    char inner[LONGEST_PATH + 32];
    CJ__TRY(cj_data_find(l->o->from, l->path, sizeof l->path));
    if (stat(l->path, &facts) != 0 || !S_ISDIR(facts.st_mode)) return CJ_OK;
    snprintf(inner, sizeof inner, "%s/model.safetensors", l->path);
    if (stat(inner, &facts) != 0 || strlen(inner) >= sizeof l->path)
        return cj__fail(
            CJ_NOT_FOUND,
            "%s: the folder has no model.safetensors: the run is not finished, or an ensemble, of "
            "which one member is to be named: %s/member-1",
            l->path, l->path);
    memcpy(l->path, inner, strlen(inner) + 1);
    return CJ_OK;
}

static cj_status load(loading *l)
{
    CJ__TRY(check_lists(l->o));
    CJ__TRY(find_path(l));
    l->report->public.path = cj__arena_string(&l->report->arena, l->path);
    if (!l->report->public.path) return cj__out_of_memory(strlen(l->path), "a report on weights");
    CJ__TRY(cj_tensor_file_open(&l->file, l->path));
    CJ__TRY(map_names(l));
    CJ__TRY(compare(l));
    CJ__TRY(check_patterns(l));
    CJ__TRY(check_all_there(l));
    CJ__TRY(read_all(l));
    l->report->public.loaded = true;
    return CJ_OK;
}

cj_status cj_load_weights(cj_model *model, const cj_weights *weights, cj_weights_report **report)
{
    static const char call[] = "cj_load_weights";
    if (report) *report = NULL;
    CJ__TRY(cj__need(model, call, "a model"));
    CJ__TRY(cj__need(weights, call, "options"));
    CJ__TRY(cj__need(weights->from, call, "a file .from"));
    loading l = {.o = weights, .model = model, .report = cj__allocate_zeroed(sizeof(full_report))};
    if (!l.report) return cj__out_of_memory(sizeof *l.report, "a report on weights");
    cj_status status = load(&l);
    cj_tensor_file_close(l.file);
    if (report && l.report->public.weights)
        *report = &l.report->public;
    else
        cj_weights_report_free(&l.report->public);
    return status;
}

/* The public part is the first of the whole. */
void cj_weights_report_free(cj_weights_report *report)
{
    full_report *whole = (full_report *)report;
    if (!report) return;
    cj__arena_free(&whole->arena);
    cj__free(whole);
}
