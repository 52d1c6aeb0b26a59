/* Attention of few queries, as when text is generated: keys and values are read once, where they lie. A task
 * is one head's queries, or the one query of all heads that share their keys. */
#include "cpu/attention.h"

#include <math.h>
#include <string.h>

/* Up to four rows that read the same keys: query `query` + r, or head `head` + r of the one query there is.
 */
typedef struct {
    cj__attention_head head;
    int64_t query, rows;
    bool by_head;
    float *scores, *sums; /* [CJ__FEW_ROWS][keys], [CJ__FEW_ROWS][width] */
    float *room;          /* [keys] */
} few;

static cj__attention_scratch scratch_of(const cj__attention_plan *p, few *f)
{
    cj__attention_scratch s = {.count = 0};
    cj__attention_reserve(&s, &f->scores, CJ__FEW_ROWS * p->n.keys);
    cj__attention_reserve(&s, &f->sums, CJ__FEW_ROWS * p->n.width);
    cj__attention_reserve(&s, &f->room, p->n.keys);
    return s;
}

static const char *refuse(const cj__launch *launch)
{
    if (launch->types[0].shape.dims[1] > CJ__FEW_ROWS) return "there are more queries than it takes";
    return cj__attention_refuse(launch, 0, 0);
}

static cj_status prepare(cj__launch *launch, cj__arena *arena)
{
    cj__attention_plan *p;
    few f;
    CJ__TRY(cj__attention_plan_make(&p, launch, CJ__ATTENTION_TENSORS, arena));
    launch->data = p;
    launch->tasks = p->n.queries == 0 ? 0 : p->n.examples * (p->n.queries == 1 ? p->n.key_heads : p->n.heads);
    cj__attention_scratch scratch = scratch_of(p, &f);
    launch->scratch_bytes = cj__attention_scratch_bytes(&scratch);
    return CJ_OK;
}

static cj__attention_head head_of(const few *f, int64_t r)
{
    cj__attention_head h = f->head;
    h.head += f->by_head ? r : 0;
    return h;
}

/* Row r's scores become probabilities but for `total`. */
static float weigh_row(const few *f, int64_t r, int64_t seen, float *scores, float *top)
{
    const cj__attention_plan *p = f->head.plan;
    cj__attention_head h = head_of(f, r);
    int64_t i = f->query + (f->by_head ? 0 : r);
    const float *bias = cj__attention_bias(&h, i, 0, seen, f->room);
    float total = p->rows->exponentials(seen, (float)p->a->scale, bias, scores, top);
    if (p->at.counter >= 0) cj__attention_drop(&h, i, 0, seen, f->room, scores);
    return total;
}

static void run_rows(const few *f)
{
    const cj__attention_plan *p = f->head.plan;
    const cj__attention_sizes *n = &p->n;
    float top[CJ__FEW_ROWS], total[CJ__FEW_ROWS] = {0};
    int64_t most = cj__attention_seen(&f->head, f->query + (f->by_head ? 0 : f->rows - 1), 0, n->keys);
    int64_t key_stride = n->key_heads * n->width;
    memset(f->sums, 0, (size_t)(f->rows * n->width) * sizeof *f->sums);
    if (most > 0)
        p->products->dots(&(cj__few_rows){.x = cj__attention_query(&f->head, 0, f->query),
                                          .x_row = f->by_head ? n->width : n->heads * n->width,
                                          .rows = f->rows,
                                          .k = n->width,
                                          .w = cj__attention_key(&f->head, 1, 0),
                                          .w_row = key_stride,
                                          .columns = most,
                                          .c = f->scores,
                                          .c_row = n->keys,
                                          .c_column = 1});
    for (int64_t r = 0; r < f->rows; r++) {
        int64_t seen = cj__attention_seen(&f->head, f->query + (f->by_head ? 0 : r), 0, n->keys);
        float *row = f->scores + r * n->keys;
        top[r] = -INFINITY;
        if (seen > 0) total[r] = weigh_row(f, r, seen, row, &top[r]);
        for (int64_t j = seen; j < most; j++) row[j] = 0;
    }
    if (most > 0)
        p->products->sums(&(cj__few_rows){.x = f->scores,
                                          .x_row = n->keys,
                                          .rows = f->rows,
                                          .k = most,
                                          .w = cj__attention_key(&f->head, 2, 0),
                                          .w_row = key_stride,
                                          .columns = n->width,
                                          .c = f->sums,
                                          .c_row = n->width,
                                          .c_column = 1});
    for (int64_t r = 0; r < f->rows; r++) {
        cj__attention_head h = head_of(f, r);
        cj__attention_finish(&h, f->query + (f->by_head ? 0 : r), f->sums + r * n->width, top[r], total[r]);
    }
}

static void run(const cj__launch *launch, void *const *operands, int64_t task, void *scratch)
{
    const cj__attention_plan *p = launch->data;
    few f = {.by_head = p->n.queries == 1};
    cj__attention_scratch pieces = scratch_of(p, &f);
    cj__attention_hand_out(&pieces, scratch);
    int64_t heads = f.by_head ? p->n.key_heads : p->n.heads, times = p->n.heads / p->n.key_heads;
    int64_t rows = f.by_head ? times : p->n.queries, head = task % heads * (f.by_head ? times : 1);
    for (int64_t r = 0; r < rows; r += CJ__FEW_ROWS) {
        f.head = cj__attention_head_at(p, operands, task / heads, head + (f.by_head ? r : 0));
        f.query = f.by_head ? 0 : r;
        f.rows = at_most(CJ__FEW_ROWS, rows - r);
        run_rows(&f);
    }
}

const cj__kernel cj__few_queries_kernel = {.name = "attention f32, few queries",
                                           .op = CJ__OP_attention,
                                           .refuse = refuse,
                                           .prepare = prepare,
                                           .run = run};
