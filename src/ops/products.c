/* The matrix product: a [...,M,K] · b [K,N] or [...,K,N] → [...,M,N], with either operand transposed. */
#include "ops/ops.h"

cj_value cj_matmul(cj_value a, cj_value b)
{
    return cj_matmul_transposed(a, b, false, false);
}

/* Leading dimensions broadcast as in NumPy; a [K,N] right operand is shared by all rows and is not copied. */
cj_value cj_matmul_transposed(cj_value a, cj_value b, bool transpose_a, bool transpose_b)
{
    cj__matmul_attributes attributes = {transpose_a, transpose_b};
    cj_shape_t x = cj_value_shape(a), y = cj_value_shape(b);
    bool shared = y.rank == 2 && !(transpose_a && x.rank > 2);
    if (cj_value_ok(a) && cj_value_ok(b) && x.rank >= 2 && y.rank >= 2 && !shared) {
        cj_shape_t lead = {.rank = x.rank > y.rank ? x.rank : y.rank};
        for (int64_t d = 0; d < lead.rank - 2; d++) {
            int64_t i = d - (lead.rank - x.rank), j = d - (lead.rank - y.rank);
            int64_t p = i < 0 ? 1 : x.dims[i], q = j < 0 ? 1 : y.dims[j];
            lead.dims[d] = p == 1 ? q : p;
        }
        cj_shape_t left = lead, right = lead;
        for (int64_t d = 1; d <= 2; d++) {
            left.dims[lead.rank - d] = x.dims[x.rank - d];
            right.dims[lead.rank - d] = y.dims[y.rank - d];
        }
        a = cj_broadcast(a, left);
        b = cj_broadcast(b, right);
    }
    return cj__draw2(CJ__OP_matmul, &attributes, a, b);
}

/* A stack of matrices [...,M,K] as one [rows,K]. */
static cj_value stacked(cj_value x)
{
    cj_shape_t shape = cj_value_shape(x);
    int64_t columns = shape.dims[shape.rank - 1], rows = 1;
    for (int64_t d = 0; d < shape.rank - 1; d++) rows *= shape.dims[d];
    return cj_reshape(x, cj_shape(rows, columns));
}

/* C = A·B: dA = G·Bᵀ, dB = Aᵀ·G; a transposed operand swaps the sides of its own product. */
void cj__matmul_vjp(cj__vjp *v)
{
    const cj__matmul_attributes *t = v->attributes;
    cj_value a = v->inputs[0], b = v->inputs[1], g = v->cotangents[0];
    if (v->wanted[0])
        v->gradients[0] = t->transpose_a ? cj_matmul_transposed(b, g, t->transpose_b, true)
                                         : cj_matmul_transposed(g, b, false, !t->transpose_b);
    if (!v->wanted[1]) return;
    if (cj_value_shape(b).rank == 2 && cj_value_shape(a).rank > 2) {
        a = stacked(a);
        g = stacked(g);
    }
    v->gradients[1] = t->transpose_b ? cj_matmul_transposed(g, a, true, t->transpose_a)
                                     : cj_matmul_transposed(a, g, !t->transpose_a, false);
}

void cj__matmul_reference(const cj__reference *r)
{
    const cj__matmul_attributes *t = r->attributes;
    cj_shape_t a = r->input_types[0].shape, b = r->input_types[1].shape, c = r->output_types[0].shape;
    int64_t m = c.dims[c.rank - 2], n = c.dims[c.rank - 1], k = a.dims[a.rank - (t->transpose_a ? 2 : 1)];
    int64_t batch = 1;
    for (int64_t d = 0; d < c.rank - 2; d++) batch *= c.dims[d];
    for (int64_t s = 0; s < batch; s++) {
        const double *x = r->inputs[0] + s * m * k, *y = r->inputs[1] + (b.rank == 2 ? 0 : s * k * n);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++) {
                double sum = 0;
                for (int64_t p = 0; p < k; p++)
                    sum += (t->transpose_a ? x[p * m + i] : x[i * k + p]) *
                           (t->transpose_b ? y[j * k + p] : y[p * n + j]);
                r->outputs[0][(s * m + i) * n + j] = sum;
            }
    }
}

void cj__matmul_samples(cj__samples *samples)
{
    static const int64_t sizes[][3] = {{5, 7, 11}, {1, 1, 1}, {4, 10, 64},
                                       {0, 3, 2},  {3, 2, 0}, {33, 17, 65}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int form = 0; form < 4; form++) {
            int64_t m = sizes[i][0], n = sizes[i][1], k = sizes[i][2];
            int ta = form & 1, tb = form >> 1;
            CJ__SAMPLE(samples, .attributes = &(cj__matmul_attributes){ta, tb}, .inputs_count = 2,
                       .inputs = {{CJ_F32, ta ? cj_shape(k, m) : cj_shape(m, k), 0, 0},
                                  {CJ_F32, tb ? cj_shape(n, k) : cj_shape(k, n), 0, 0}});
        }
    CJ__SAMPLE(samples, .attributes = &(cj__matmul_attributes){1, 0}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(2, 3, 5, 4), 0, 0}, {CJ_F32, cj_shape(2, 3, 5, 7), 0, 0}});
    CJ__SAMPLE(samples, .attributes = &(cj__matmul_attributes){0, 1}, .inputs_count = 2,
               .inputs = {{CJ_F32, cj_shape(2, 3, 5, 4), 0, 0}, {CJ_F32, cj_shape(7, 4), 0, 0}});
}

double cj__product_operations(cj__op op, const void *attributes, cj_shape_t x, cj_shape_t y, cj_shape_t z)
{
    const cj__matmul_attributes *matmul = attributes;
    double results = (double)cj_shape_count(z), weight = (double)cj_shape_count(y);
    switch (op) {
    case CJ__OP_matmul:
        return 2 * results * (double)x.dims[x.rank - (matmul->transpose_a ? 2 : 1)];
    case CJ__OP_convolution: /* each weight once for every place of the smaller map, but its channels out */
        return 2 * results * weight / (double)(z.dims[z.rank - 1] + (z.dims[z.rank - 1] == 0));
    case CJ__OP_convolution_input_gradient:
        return 2 * (double)cj_shape_count(x) * weight /
               (double)(x.dims[x.rank - 1] + (x.dims[x.rank - 1] == 0));
    case CJ__OP_convolution_weight_gradient:
        return 2 * weight * results / (double)(y.dims[y.rank - 1] + (y.dims[y.rank - 1] == 0));
    default:
        return 0;
    }
}
