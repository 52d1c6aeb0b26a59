/* That the samples by which every op is tested are awkward enough: nothing at all, a single element, and
 * sizes that no vector and no tile divides. */
#include "support.h"

#include "graph/op.h"

typedef struct {
    bool any, empty, single, tail;
} seen;

/* No power of two from 4 on divides it: a vector of any instruction set is left with a tail. */
static bool leaves_tail(int64_t count)
{
    return count > 16 && count % 4 != 0;
}

static void look(void *context, const cj__sample *sample)
{
    seen *s = context;
    s->any = true;
    bool single = sample->inputs_count > 0;
    for (int i = 0; i < sample->inputs_count; i++) {
        int64_t count = cj_shape_count(sample->inputs[i].shape);
        s->empty |= count == 0;
        s->tail |= leaves_tail(count);
        single &= count == 1;
    }
    s->single |= single;
}

static void test_awkward_shapes(void **state)
{
    (void)state;
    int lacking = 0;
    for (int op = 0; op < CJ__OP_COUNT; op++) {
        seen s = {0};
        bool drawn = op == CJ__OP_random_uniform || op == CJ__OP_random_normal; /* inputs tell no shape */
        if (!cj__ops[op].samples || cj__ops[op].inputs == 0 || drawn) continue;
        cj__ops[op].samples(&(cj__samples){look, &s});
        if (s.any && s.empty && s.single && s.tail) continue;
        lacking++;
        print_error("%s lacks samples:%s%s%s\n", cj__ops[op].name, s.empty ? "" : " an empty one",
                    s.single ? "" : " one of a single element", s.tail ? "" : " one that leaves a tail");
    }
    assert_int_equal(lacking, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_awkward_shapes)};
    return cmocka_run_group_tests_name("op_samples", tests, NULL, NULL);
}
