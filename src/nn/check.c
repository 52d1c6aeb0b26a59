/* What is wrong with what a layer is given, said once for all of them. */
#include "nn/check.h"
#include "graph/graph.h"

bool cj__given(cj_scope s, const char *layer, const char *name, cj_value value)
{
    if (value.graph && value.graph == s.graph) return cj_value_ok(value);
    cj__graph_error(s.graph, CJ_INVALID_ARGUMENT, "%s at '%s' was given %s%s%s", layer, s.path,
                    value.graph ? "" : "no ", name, value.graph ? " of another graph" : "");
    return false;
}

bool cj__sized(cj_scope s, const char *layer, const char *name, int64_t size)
{
    if (size >= 1) return true;
    cj__graph_error(s.graph, CJ_SHAPE_ERROR, "%s at '%s' has %lld %s, expected 1 or more", layer, s.path,
                    (long long)size, name);
    return false;
}

bool cj__lengths_fit(cj_scope s, const char *layer, const char *name, cj_value lengths, int64_t rows)
{
    if (!lengths.graph) return true;
    if (!cj__given(s, layer, name, lengths)) return false;
    cj_dtype dtype = cj_value_dtype(lengths);
    if (cj_shape_equal(cj_value_shape(lengths), cj_shape(rows)) && (dtype == CJ_I32 || dtype == CJ_I64))
        return true;
    cj__graph_error(s.graph, CJ_SHAPE_ERROR, "%s at '%s': %s must be %lld integers (i32 or i64), one a row",
                    layer, s.path, name, (long long)rows);
    return false;
}

bool cj__rate_fits(cj_scope s, const char *layer, double rate)
{
    if (rate >= 0 && rate < 1) return true;
    cj__graph_error(s.graph, CJ_SHAPE_ERROR, "%s at '%s' has a dropout of %g, but a rate is from 0 up to 1",
                    layer, s.path, rate);
    return false;
}

double cj__epsilon(cj_scope s, const char *layer, double epsilon)
{
    if (!(epsilon >= 0))
        cj__graph_error(s.graph, CJ_INVALID_ARGUMENT, "%s at '%s': epsilon is %g, expected more than 0",
                        layer, s.path, epsilon);
    return epsilon == 0 ? 1e-5 : epsilon;
}
