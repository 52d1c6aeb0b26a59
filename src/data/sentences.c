/* Sentences at hand, without labels, as a dataset's rows: what a network that was trained on a file of
 * sentences is asked about. */
#include "base/text.h"
#include "data/sequences.h"

#include <string.h>

static cj_status add_all(cj__sequences *s, const cj_sentences *o)
{
    for (int64_t i = 0; i < o->count; i++) {
        cj_status status = cj__sequences_add(s, o->tokenizer, o->sentences[i], strlen(o->sentences[i]));
        if (status == CJ_OUT_OF_MEMORY) return status;
        if (status != CJ_OK)
            return cj__fail_within(status, "line %lld", (long long)(i + (o->first ? o->first : 1)));
        CJ__TRY(cj_tokens_add(&s->y, 0));
        s->rows++;
    }
    return CJ_OK;
}

cj_status cj_dataset_of_sentences(cj_dataset **dataset, const cj_sentences *o)
{
    cj__sequences s = {.parts = 1, .labels = true};
    cj__arena names = {0};
    *dataset = NULL;
    if (!o->tokenizer || o->count < 1 || o->longest < 0)
        return cj__fail(CJ_INVALID_ARGUMENT, "sentences need a tokenizer, and a limit from 0 on");
    cj_status status = add_all(&s, o);
    if (status == CJ_OK) status = cj__sequences_finish(&s, o->longest, 0, &names, NULL, 0, dataset);
    cj__arena_free(&names);
    cj__sequences_free(&s);
    return status;
}
