/* Checkpoints: one safetensors file holds every variable of the model, the best epoch's weights, and as text
 * where the fit stands. It is written beside, synced and renamed, and carries its SHA-256, so that a kill at
 * any moment costs no earlier one. */
#include "base/file.h"
#include "base/json.h"
#include "compile/choices.h"
#include "cpu/isa.h"
#include "model/model.h"
#include "cajal/io.h"
#include "train/state.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FORMAT = 1 };

/* --- the best epoch's weights -------------------------------------------------------------------------- */

static size_t bytes_of(const cj__variable *v)
{
    return (size_t)cj_shape_count(v->shape) * cj_dtype_size(v->dtype);
}

static size_t weights_size(const cj_model *model)
{
    size_t size = 0;
    for (int64_t i = 0; i < model->count; i++)
        if (cj__is_weight(model->variables[i])) size += bytes_of(model->variables[i]);
    return size;
}

static cj_status have_room(cj__best_weights *best, const cj_model *model)
{
    size_t size = weights_size(model);
    if (best->data && best->size == size) return CJ_OK;
    char *data = cj__resize(best->data, size + 1);
    if (!data) return cj__out_of_memory(size, "the best epoch's weights");
    *best = (cj__best_weights){data, size};
    return CJ_OK;
}

cj_status cj__best_weights_keep(cj__best_weights *best, const cj_model *model)
{
    CJ__TRY(have_room(best, model));
    char *to = best->data;
    for (int64_t i = 0; i < model->count; i++) {
        const cj__variable *v = model->variables[i];
        if (!cj__is_weight(v)) continue;
        memcpy(to, v->data, bytes_of(v));
        to += bytes_of(v);
    }
    return CJ_OK;
}

void cj__best_weights_put_back(const cj__best_weights *best, cj_model *model)
{
    const char *from = best->data;
    for (int64_t i = 0; from && i < model->count; i++) {
        cj__variable *v = model->variables[i];
        if (!cj__is_weight(v)) continue;
        memcpy(v->data, from, bytes_of(v));
        v->version++;
        from += bytes_of(v);
    }
}

/* --- the state as text --------------------------------------------------------------------------------- */

/* The whole numbers and figures of a state, in the order in which they are written and read. */
enum { WHOLE = 10, FIGURES = 4, EPOCH_FIGURES = 8 };

static void list_fields(cj__fit_state *s, int64_t **whole, double **figures)
{
    cj_plateau *p = &s->plateau;
    int64_t *w[WHOLE] = {&s->epoch,      &s->step,   &s->updates,    &s->training.count, &s->best_epoch,
                         &s->bad_epochs, &p->epochs, &p->bad_epochs, &p->cooling,        &p->decays};
    double *f[FIGURES] = {&s->training.loss, &s->training.accuracy, &s->best, &p->best};
    memcpy(whole, w, sizeof w);
    memcpy(figures, f, sizeof f);
}
static void put_epoch(cj__text *t, const cj__epoch *e)
{
    const double figures[EPOCH_FIGURES] = {
        e->training.loss,       e->training.accuracy,        (double)e->training.count, e->validation.loss,
        e->validation.accuracy, (double)e->validation.count, e->learning_rate,          e->seconds};
    for (int i = 0; i < EPOCH_FIGURES; i++) {
        cj__text_put(t, i ? "," : "[");
        cj__json_put_number(t, figures[i]);
    }
    cj__text_put(t, "]");
}

static void put_state(cj__text *t, const cj__checkpointing *c)
{
    int64_t *whole[WHOLE];
    double *figures[FIGURES];
    cj__fit_state *s = c->state;
    cj__isa isa = CJ__ISA_SCALAR;
    if (cj__isa_choose(&isa) != CJ_OK) isa = cj__isa_best();
    list_fields(s, whole, figures);
    cj__text_print(
        t,
        "{\"format\":%d,\"isa\":\"%s\",\"kernels\":%llu,\"seed\":%llu,\"model_seed\":%llu,\"rows\":%lld,"
        "\"batch_size\":%lld,\"log_bytes\":%llu,\"event_bytes\":%llu",
        FORMAT, cj__isa_name(isa), (unsigned long long)cj__choices_digest(c->kernels),
        (unsigned long long)c->order.seed, (unsigned long long)c->model->seed, (long long)c->order.rows,
        (long long)c->order.batch_size, (unsigned long long)s->log_bytes, (unsigned long long)s->event_bytes);
    cj__text_put(t, ",\"whole\":[");
    for (int i = 0; i < WHOLE; i++) cj__text_print(t, i ? ",%lld" : "%lld", (long long)*whole[i]);
    cj__text_put(t, "],\"figures\":[");
    for (int i = 0; i < FIGURES; i++) {
        cj__text_put(t, i ? "," : "");
        cj__json_put_number(t, *figures[i]);
    }
    cj__text_put(t, "],\"history\":[");
    for (int64_t i = 0; i < s->epoch; i++) {
        cj__text_put(t, i ? "," : "");
        put_epoch(t, &s->history[i]);
    }
    cj__text_put(t, "]}");
}

/* null stands for what is not finite. */
static double number_or_nan(cj__json *j)
{
    if (cj__json_peek(j) != 'n') return cj__json_number(j);
    cj__json_skip(j);
    return (double)NAN;
}

/* Whether it is a count as put_state writes them. */
static bool is_count(double value)
{
    return value >= 0 && value < 9e15 && value == floor(value);
}

/* Reads up to `room` numbers of an array; what is beyond is counted only. */
static int64_t numbers(cj__json *j, double *to, int64_t room)
{
    int64_t count = 0;
    cj__json_enter(j, '[');
    for (; cj__json_more(j, count, ']'); count++) {
        double value = number_or_nan(j);
        if (count < room) to[count] = value;
    }
    return count;
}

static cj_status read_history(cj__json *j, cj__fit_state *s, int64_t *epochs)
{
    int64_t count = 0;
    cj__json_enter(j, '[');
    for (; cj__json_more(j, count, ']'); count++) {
        double v[EPOCH_FIGURES] = {0};
        const char *start = j->at;
        bool whole = numbers(j, v, EPOCH_FIGURES) == EPOCH_FIGURES && is_count(v[2]) && is_count(v[5]);
        if (!whole) cj__json_refuse(j, start, "8 figures an epoch, two of them counts");
        if (!whole) break;
        CJ__TRY(cj__grow(&s->history, &s->history_room, count, sizeof *s->history));
        s->history[count] = (cj__epoch){{v[0], v[1], (int64_t)v[2]}, {v[3], v[4], (int64_t)v[5]}, v[6], v[7]};
    }
    *epochs = count;
    return CJ_OK;
}

typedef struct {
    int64_t format, rows, batch_size;
    uint64_t seed, model_seed;
    uint64_t kernels; /* cj__choices_digest */
    char isa[32];
    int64_t epochs; /* in the history; as many must be finished */
} facts;

static void read_whole(cj__json *j, cj__fit_state *s)
{
    int64_t *whole[WHOLE];
    double *figures[FIGURES], v[WHOLE] = {0};
    list_fields(s, whole, figures);
    const char *start = j->at;
    bool good = numbers(j, v, WHOLE) == WHOLE;
    for (int i = 0; i < WHOLE; i++) good = good && is_count(v[i]);
    if (!good) cj__json_refuse(j, start, "10 whole numbers from 0 on");
    for (int i = 0; i < WHOLE && good; i++) *whole[i] = (int64_t)v[i];
}

static void read_figures(cj__json *j, cj__fit_state *s)
{
    int64_t *whole[WHOLE];
    double *figures[FIGURES], v[FIGURES] = {0};
    list_fields(s, whole, figures);
    const char *start = j->at;
    if (numbers(j, v, FIGURES) != FIGURES) cj__json_refuse(j, start, "4 figures");
    for (int i = 0; i < FIGURES; i++) *figures[i] = v[i];
}

static void read_isa(cj__json *j, cj__arena *arena, facts *f)
{
    const char *isa = cj__json_string(j, arena);
    if (isa) snprintf(f->isa, sizeof f->isa, "%s", isa);
}

static cj_status read_state(const char *text, cj__arena *arena, cj__fit_state *s, facts *f)
{
    cj__json j;
    cj__json_begin(&j, text, strlen(text));
    cj__json_enter(&j, '{');
    for (int64_t i = 0; cj__json_more(&j, i, '}'); i++) {
        const char *key = cj__json_key(&j, arena);
        if (!key) break;
        if (strcmp(key, "format") == 0)
            f->format = (int64_t)cj__json_unsigned(&j);
        else if (strcmp(key, "isa") == 0)
            read_isa(&j, arena, f);
        else if (strcmp(key, "kernels") == 0)
            f->kernels = cj__json_unsigned(&j);
        else if (strcmp(key, "seed") == 0)
            f->seed = cj__json_unsigned(&j);
        else if (strcmp(key, "model_seed") == 0)
            f->model_seed = cj__json_unsigned(&j);
        else if (strcmp(key, "rows") == 0)
            f->rows = (int64_t)cj__json_unsigned(&j);
        else if (strcmp(key, "batch_size") == 0)
            f->batch_size = (int64_t)cj__json_unsigned(&j);
        else if (strcmp(key, "log_bytes") == 0)
            s->log_bytes = cj__json_unsigned(&j);
        else if (strcmp(key, "event_bytes") == 0)
            s->event_bytes = cj__json_unsigned(&j);
        else if (strcmp(key, "whole") == 0)
            read_whole(&j, s);
        else if (strcmp(key, "figures") == 0)
            read_figures(&j, s);
        else if (strcmp(key, "history") == 0)
            CJ__TRY(read_history(&j, s, &f->epochs));
        else
            cj__json_skip(&j);
    }
    return cj__json_finish(&j);
}

/* --- saving -------------------------------------------------------------------------------------------- */

/* Room for every variable and, again, for every weight. */
static int64_t list_tensors(const cj__checkpointing *c, cj__arena *arena, cj_named_tensor *list)
{
    int64_t count = 0;
    const char *best = c->best->data;
    for (int64_t i = 0; i < c->model->count; i++) {
        const cj__variable *v = c->model->variables[i];
        list[count++] = (cj_named_tensor){v->name, {v->data, v->dtype, v->shape}};
    }
    for (int64_t i = 0; best && i < c->model->count; i++) {
        const cj__variable *v = c->model->variables[i];
        if (!cj__is_weight(v)) continue;
        const char *name = cj__arena_format(arena, "best:%s", v->name);
        if (!name) return -1;
        list[count++] = (cj_named_tensor){name, {(void *)best, v->dtype, v->shape}};
        best += bytes_of(v);
    }
    return count;
}

static cj_status save_as(const cj__checkpointing *c, const char *path)
{
    cj__arena arena = {0};
    cj__text text = {0};
    size_t most = 2 * (size_t)c->model->count + 1;
    cj_named_tensor *list = cj__arena_allocate(&arena, most * sizeof *list);
    int64_t count = list ? list_tensors(c, &arena, list) : -1;
    put_state(&text, c);
    cj_status status = cj__text_check(&text, "a checkpoint");
    if (count < 0) status = cj__out_of_memory(most * sizeof *list, "a checkpoint");
    if (status == CJ_OK) {
        const cj_metadata metadata[] = {{"cajal.state", text.data},
                                        {"cajal.recipe", c->recipe ? c->recipe : ""}};
        cj_save_tensors_options options = {.size = sizeof options,
                                           .path = path,
                                           .tensors = list,
                                           .count = count,
                                           .metadata = metadata,
                                           .metadata_count = 2};
        status = (cj_save_tensors)(&options);
    }
    cj__text_free(&text);
    cj__arena_free(&arena);
    return status;
}

/* The numbers N of the folder's step-N.safetensors, falling; `*count` of them, to be freed with cj__free. */
static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static bool number_of(const char *name, int64_t *number)
{
    char *end;
    if (strncmp(name, "step-", 5) != 0 || name[5] < '0' || name[5] > '9') return false;
    errno = 0;
    *number = strtoll(name + 5, &end, 10);
    return errno == 0 && strcmp(end, ".safetensors") == 0;
}

static cj_status list_checkpoints(const char *folder, int64_t **list, int64_t *count)
{
    int64_t room = 0, number;
    cj_status status = CJ_OK;
    *list = NULL;
    *count = 0;
    DIR *dir = opendir(folder);
    if (!dir) return CJ_OK;
    for (const struct dirent *entry; status == CJ_OK && (entry = readdir(dir));) {
        if (!number_of(entry->d_name, &number)) continue;
        status = cj__grow(list, &room, *count, sizeof **list);
        if (status == CJ_OK) (*list)[(*count)++] = number;
    }
    closedir(dir);
    if (*count > 1) qsort(*list, (size_t)*count, sizeof **list, descending);
    if (status != CJ_OK) {
        cj__free(*list);
        *list = NULL;
    }
    return status;
}

static char *checkpoint_path(const cj__checkpointing *c, cj__arena *arena, int64_t number)
{
    return cj__arena_format(arena, "%s/checkpoints/step-%09lld.safetensors", c->folder, (long long)number);
}

/* Those with higher numbers than the one just written are of a course that was left (a run resumed from an
 * earlier place); they go first, then the oldest. */
static cj_status remove_surplus(const cj__checkpointing *c, cj__arena *arena)
{
    int64_t *list, count, kept = 0, keep = c->options->keep > 0 ? c->options->keep : 2;
    char *folder = cj__arena_format(arena, "%s/checkpoints", c->folder);
    if (!folder) return cj__out_of_memory(strlen(c->folder), "a checkpoint's name");
    CJ__TRY(list_checkpoints(folder, &list, &count));
    cj_status status = CJ_OK;
    for (int64_t i = 0; i < count && status == CJ_OK; i++) {
        if (list[i] <= c->state->updates && ++kept <= keep) continue;
        char *path = checkpoint_path(c, arena, list[i]);
        if (path)
            unlink(path);
        else
            status = cj__out_of_memory(strlen(c->folder), "a checkpoint's name");
    }
    cj__free(list);
    return status;
}

static cj_status begin_folder(const cj__checkpointing *c, cj__arena *arena)
{
    char *folder = cj__arena_format(arena, "%s/checkpoints", c->folder);
    return folder ? cj__folder_make(folder) : cj__out_of_memory(strlen(c->folder), "a checkpoint's name");
}

cj_status cj__checkpoint_save(const cj__checkpointing *c)
{
    cj__arena arena = {0};
    cj_status status = begin_folder(c, &arena);
    char *path = status == CJ_OK ? checkpoint_path(c, &arena, c->state->updates) : NULL;
    if (status == CJ_OK && !path) status = cj__out_of_memory(strlen(c->folder), "a checkpoint's name");
    if (status == CJ_OK) status = save_as(c, path);
    if (status == CJ_OK) status = remove_surplus(c, &arena);
    cj__arena_free(&arena);
    return status;
}

cj_status cj__checkpoint_save_best(const cj__checkpointing *c)
{
    cj__arena arena = {0};
    cj_status status = begin_folder(c, &arena);
    char *path = cj__arena_format(&arena, "%s/checkpoints/best.safetensors", c->folder);
    if (status == CJ_OK && !path) status = cj__out_of_memory(strlen(c->folder), "a checkpoint's name");
    if (status == CJ_OK) status = save_as(c, path);
    cj__arena_free(&arena);
    return status;
}

/* --- restoring ----------------------------------------------------------------------------------------- */

static cj_status same_type(cj_tensor_file *file, const char *path, int64_t index, const cj__variable *v)
{
    cj_tensor found;
    CJ__TRY(cj_tensor_file_describe(file, index, &found));
    if (found.dtype == v->dtype && cj_shape_equal(found.shape, v->shape)) return CJ_OK;
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "%s: '%s' has another shape or type than the network now has; resume with the recipe the "
                    "run was begun with",
                    path, v->name);
}

/* Every variable must be there before any is written: all or nothing. */
static cj_status check_variables(cj_tensor_file *file, const char *path, const cj_model *model)
{
    for (int64_t i = 0; i < model->count; i++) {
        const cj__variable *v = model->variables[i];
        int64_t index = cj_tensor_file_find(file, v->name);
        if (index < 0)
            return cj__fail(CJ_INVALID_ARGUMENT,
                            "%s: there is no '%s' in it; resume with the recipe the run was begun with", path,
                            v->name);
        CJ__TRY(same_type(file, path, index, v));
    }
    return CJ_OK;
}

static cj_status read_variables(cj_tensor_file *file, cj_model *model)
{
    for (int64_t i = 0; i < model->count; i++) {
        cj__variable *v = model->variables[i];
        CJ__TRY(cj_tensor_file_read(file, cj_tensor_file_find(file, v->name), v->data));
        v->version++;
    }
    return CJ_OK;
}

static cj_status read_best(cj_tensor_file *file, const char *path, const cj__checkpointing *c,
                           cj__arena *arena)
{
    char *to = NULL;
    for (int64_t i = 0; i < c->model->count; i++) {
        const cj__variable *v = c->model->variables[i];
        if (!cj__is_weight(v)) continue;
        const char *name = cj__arena_format(arena, "best:%s", v->name);
        if (!name) return cj__out_of_memory(strlen(v->name), "a checkpoint");
        int64_t index = cj_tensor_file_find(file, name);
        if (index < 0 && !to) return CJ_OK; /* none was kept */
        if (index < 0) return cj__fail(CJ_FORMAT_ERROR, "%s: there is no '%s' in it", path, name);
        CJ__TRY(same_type(file, path, index, v));
        if (!to) {
            CJ__TRY(have_room(c->best, c->model));
            to = c->best->data;
        }
        CJ__TRY(cj_tensor_file_read(file, index, to));
        to += bytes_of(v);
    }
    return CJ_OK;
}

static cj_status check_place(const cj__checkpointing *c, const char *path)
{
    const cj__fit_state *s = c->state;
    int64_t steps = (c->order.rows + c->order.batch_size - 1) / c->order.batch_size;
    if (s->step <= steps && s->best_epoch <= s->epoch) return CJ_OK;
    return cj__fail(
        CJ_FORMAT_ERROR,
        "%s: found step %lld and best epoch %lld, expected a step up to %lld and an epoch up to %lld", path,
        (long long)s->step, (long long)s->best_epoch, (long long)steps, (long long)s->epoch);
}

static cj_status check_facts(const cj__checkpointing *c, const char *path, const facts *f)
{
    if (f->format != FORMAT)
        return cj__fail(CJ_UNSUPPORTED, "%s: a checkpoint of format %lld; this version reads format %d", path,
                        (long long)f->format, FORMAT);
    if (f->epochs != c->state->epoch)
        return cj__fail(CJ_FORMAT_ERROR, "%s: %lld epochs were finished, but there are figures of %lld", path,
                        (long long)c->state->epoch, (long long)f->epochs);
    if (f->rows == c->order.rows && f->batch_size == c->order.batch_size && f->seed == c->order.seed &&
        f->model_seed == c->model->seed)
        return check_place(c, path);
    return cj__fail(CJ_INVALID_ARGUMENT,
                    "%s: the run was of %lld rows in batches of %lld with seed %llu, now it is %lld rows in "
                    "batches of %lld with seed %llu: begin a new run for that",
                    path, (long long)f->rows, (long long)f->batch_size, (unsigned long long)f->seed,
                    (long long)c->order.rows, (long long)c->order.batch_size,
                    (unsigned long long)c->order.seed);
}

static cj_status restore_from(const cj__checkpointing *c, cj_tensor_file *file, const char *path,
                              cj__arena *arena, char *note)
{
    facts f = {0};
    const char *text = cj_tensor_file_metadata(file, "cajal.state");
    cj__isa isa;
    if (!text) return cj__fail(CJ_FORMAT_ERROR, "%s: a file of tensors, but no checkpoint", path);
    cj_status status = read_state(text, arena, c->state, &f);
    if (status != CJ_OK) return cj__fail_within(status, "%s: its state", path);
    CJ__TRY(check_facts(c, path, &f));
    CJ__TRY(c->prepare(c->context));
    CJ__TRY(check_variables(file, path, c->model));
    CJ__TRY(read_variables(file, c->model));
    CJ__TRY(read_best(file, path, c, arena));
    CJ__TRY(cj__isa_choose(&isa));
    if (strcmp(f.isa, cj__isa_name(isa)) != 0)
        snprintf(note, 256,
                 "the run was on %s so far and goes on with %s: its bits will differ from one on a "
                 "single instruction set",
                 f.isa, cj__isa_name(isa));
    else if (f.kernels != cj__choices_digest(c->kernels))
        snprintf(note, 256,
                 "the measured kernels are not those that the run had so far: its bits will differ from one "
                 "with a single choice");
    return CJ_OK;
}

cj_status cj__checkpoint_restore(const cj__checkpointing *c, char *note)
{
    cj__arena arena = {0};
    int64_t *list = NULL, count = 0;
    *note = 0;
    char *folder = cj__arena_format(&arena, "%s/checkpoints", c->folder);
    cj_status status = folder ? list_checkpoints(folder, &list, &count)
                              : cj__out_of_memory(strlen(c->folder), "a checkpoint's name");
    bool found = false;
    for (int64_t i = 0; i < count && status == CJ_OK && !found; i++) {
        cj_tensor_file *file = NULL;
        char *path = checkpoint_path(c, &arena, list[i]);
        cj_status one = path ? cj_tensor_file_open(&file, path) : cj__out_of_memory(0, "a checkpoint's name");
        if (one == CJ_OK) one = restore_from(c, file, path, &arena, note);
        cj_tensor_file_close(file);
        if (one == CJ_FORMAT_ERROR) {
            *c->state = (cj__fit_state){.history = c->state->history, .history_room = c->state->history_room};
            snprintf(note, 256, "passed over a damaged checkpoint: %.200s", cj_error_message());
        } else if (one == CJ_OK)
            found = true;
        else
            status = one;
    }
    cj__free(list);
    cj__arena_free(&arena);
    if (status == CJ_OK && !found) return cj__fail(CJ_NOT_FOUND, "%s: there is no checkpoint", c->folder);
    return status;
}
