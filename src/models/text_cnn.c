/* TextCNN: Kim, "Convolutional Neural Networks for Sentence Classification", 2014. */
#include "models/sentences.h"

static const int64_t usual_widths[] = {3, 4, 5, 0};

/* x: [N,T,E] → [N,filters], the largest of each filter. Places that no word of the sentence reaches are 0,
 * and nothing is less: what stands behind a sentence changes nothing. */
static cj_value strongest(cj_scope s, cj_value x, cj_value lengths, int64_t width, int64_t filters)
{
    cj_conv_options window = {
        .size = sizeof window, .input = x, .filters = filters, .kernel = width, .pad = width - 1};
    cj_value y = cj_relu(cj_conv1d(s, &window));
    if (!cj_value_ok(y)) return y;
    y = cj_mul(y, cj__sentence_places(lengths, cj_value_shape(y).dims[1], width - 1));
    return cj_max(y, (cj_axes_t){1, {1}}, CJ_DROP_AXES);
}

cj_value cj_text_cnn(cj_scope s, const cj_text_cnn_options *o)
{
    const int64_t *widths = o->widths[0] ? o->widths : usual_widths;
    int64_t filters = o->filters ? o->filters : 100, width = o->width ? o->width : 300;
    int64_t sizes[4 + CJ_MOST_WIDTHS] = {o->vocabulary, o->classes, filters, width};
    cj_value parts[CJ_MOST_WIDTHS];
    int count = 0;
    for (; count < CJ_MOST_WIDTHS && widths[count]; count++) sizes[4 + count] = widths[count];
    if (!cj__sentences_check(s.graph, "textcnn", o->input, sizes, 4 + count)) return cj__poison(s.graph);
    cj_value lengths = cj__sentence_lengths(o->input);
    cj_value x = cj__sentence_words(s, o->input, o->vocabulary, width, o->word_dropout);
    for (int i = 0; i < count; i++)
        parts[i] = strongest(cj_at(s, "convs.%d", i), x, lengths, widths[i], filters);
    return cj__sentence_logits(s, cj_concatenate(count, parts, -1), o->classes, o->dropout);
}
