/* cajal score: how near translations come to their references, BLEU and chrF. */
#include "cli.h"
#include "lines.h"

#include <stdlib.h>

static void show(const options *o, int64_t count, const cj_bleu_score *b, double chrf)
{
    double ratio = b->reference_length ? (double)b->length / (double)b->reference_length : 0;
    if (o->json) {
        printf("{\"sentences\": %lld, ", (long long)count);
        json_number("bleu", b->score, ", \"precisions\": [");
        for (int n = 0; n < 4; n++) printf(n ? ", %.17g" : "%.17g", b->precisions[n]);
        printf("], ");
        json_number("brevity_penalty", b->brevity, ", ");
        printf("\"words\": %lld, \"reference_words\": %lld, ", (long long)b->length,
               (long long)b->reference_length);
        json_number("chrf2", chrf, "}\n");
        return;
    }
    printf("BLEU %.4f = %.1f/%.1f/%.1f/%.1f (brevity penalty %.3f, %lld words for %lld, ratio %.3f)\n",
           b->score, b->precisions[0], b->precisions[1], b->precisions[2], b->precisions[3], b->brevity,
           (long long)b->length, (long long)b->reference_length, ratio);
    printf("chrF2 %.4f\n%lld sentences\n", chrf, (long long)count);
}

static cj_status score(const options *o, const lines *references, const lines *said)
{
    cj_bleu_score b;
    double chrf;
    cj_score_options s = {.size = sizeof s,
                          .said = said->list,
                          .references = references->list,
                          .count = said->count,
                          .words = o->tokenised ? CJ_SCORE_TOKENISED : CJ_SCORE_13A,
                          .lower = o->lower};
    cj_status status = cj_bleu(&s, &b);
    if (status == CJ_OK) status = cj_chrf(&s, &chrf);
    if (status == CJ_OK) show(o, said->count, &b, chrf);
    return status;
}

int command_score(const options *o)
{
    lines references = {0}, said = {0};
    if (o->count < 1 || o->count > 2)
        return fprintf(stderr, "cajal: name the file of references, and the file of translations\n"),
               EXIT_USAGE;
    int code = read_lines(o->operands[0], &references);
    if (code == EXIT_OK) code = read_lines(o->count > 1 ? o->operands[1] : "-", &said);
    if (code == EXIT_OK && said.count != references.count) {
        fprintf(stderr, "cajal: %s: found %lld lines, expected %lld, as many as %s has\n", said.name,
                (long long)said.count, (long long)references.count, references.name);
        code = EXIT_FAILED;
    }
    if (code == EXIT_OK) {
        cj_status status = score(o, &references, &said);
        if (status != CJ_OK) code = failed(status);
    }
    free_lines(&references);
    free_lines(&said);
    return code;
}
