/* The gates of RNN, LSTM and GRU, one row and up to CJ__UNITS_AT_ONCE units at a time: plain C over arrays
 * that stay in registers, which the compiler turns into vectors. Compiled once for each instruction set. */
#include "cpu/recurrence.h"
#include "cpu/kernels/functions.h"
#include "cpu/simd.h"

enum { MOST = CJ__UNITS_AT_ONCE };

/* e to the power of x, less 1, as e - 1 = p·2ⁿ + (2ⁿ - 1) for p near 0: good to 2 units in the last place on
 * both sides of 0, for x between -87 and 87. What lies beyond changes no gate. */
CJ__INLINE float expm1_within(float x)
{
    x = x > 87.0f ? 87.0f : x;
    x = x < -87.0f ? -87.0f : x;
    float shifted = times_plus(x, 1.44269504f, 12582912.0f); /* as in exp_of */
    float n = shifted - 12582912.0f;
    float r = times_plus(n, -1.42860677e-6f, times_plus(n, -0.693145752f, x));
    float scale = from_bits((to_bits(shifted) << 23) + (127u << 23));
    return times_plus(exp_series_minus_1(r), scale, scale - 1);
}

CJ__INLINE float sigmoid(float x)
{
    return 1 / (2 + expm1_within(-x));
}

CJ__INLINE float tanh_within(float x)
{
    x = x > 10.0f ? 10.0f : x; /* from there on it is 1 */
    float e = expm1_within(2 * x);
    return e / (e + 2);
}

#define EACH for (int u = 0; u < n; u++)

/* Calls `name` with a number of units that is known where it matters. */
#define CELL(name, type)                                                                                     \
    static void name##_units(const type *s)                                                                  \
    {                                                                                                        \
        if (s->units == MOST)                                                                                \
            name(MOST, s);                                                                                   \
        else                                                                                                 \
            name((int)s->units, s);                                                                          \
    }

CJ__INLINE void copy(int n, const float *from, float *to)
{
    memcpy(to, from, (size_t)n * sizeof *to);
}

/* --- forwards ------------------------------------------------------------------------------------------ */

/* x + weight·state of one gate */
CJ__INLINE void sum_gate(int n, const cj__cell_step *s, int gate, float *z)
{
    EACH z[u] = s->x[gate * s->gate_step + u] + s->product[gate * MOST + u];
}

CJ__INLINE void put_state(int n, const cj__cell_step *s, const float *h)
{
    copy(n, h, s->after);
    copy(n, h, s->state);
}

CJ__INLINE void lstm(int n, const cj__cell_step *s)
{
    float i[MOST], f[MOST], g[MOST], o[MOST], c[MOST], h[MOST];
    sum_gate(n, s, 0, i);
    sum_gate(n, s, 1, f);
    sum_gate(n, s, 2, g);
    sum_gate(n, s, 3, o);
    EACH i[u] = sigmoid(i[u]);
    EACH f[u] = sigmoid(f[u]);
    EACH g[u] = tanh_within(g[u]);
    EACH o[u] = sigmoid(o[u]);
    EACH c[u] = f[u] * s->cell[u] + i[u] * g[u];
    EACH h[u] = o[u] * tanh_within(c[u]);
    copy(n, c, s->cell);
    put_state(n, s, h);
    if (!s->gates) return;
    copy(n, i, s->gates);
    copy(n, f, s->gates + s->gate_step);
    copy(n, g, s->gates + 2 * s->gate_step);
    copy(n, o, s->gates + 3 * s->gate_step);
    copy(n, c, s->saved);
}
CELL(lstm, cj__cell_step)

CJ__INLINE void gru(int n, const cj__cell_step *s)
{
    float r[MOST], z[MOST], m[MOST], q[MOST], h[MOST];
    sum_gate(n, s, 0, r);
    sum_gate(n, s, 1, z);
    EACH r[u] = sigmoid(r[u]);
    EACH z[u] = sigmoid(z[u]);
    EACH q[u] = s->product[2 * MOST + u] + s->bias[u];
    EACH m[u] = tanh_within(s->x[2 * s->gate_step + u] + r[u] * q[u]);
    EACH h[u] = (1 - z[u]) * m[u] + z[u] * s->before[u];
    put_state(n, s, h);
    if (!s->gates) return;
    copy(n, r, s->gates);
    copy(n, z, s->gates + s->gate_step);
    copy(n, m, s->gates + 2 * s->gate_step);
    copy(n, q, s->saved);
}
CELL(gru, cj__cell_step)

CJ__INLINE void rnn_tanh(int n, const cj__cell_step *s)
{
    float h[MOST];
    sum_gate(n, s, 0, h);
    EACH h[u] = tanh_within(h[u]);
    put_state(n, s, h);
}
CELL(rnn_tanh, cj__cell_step)

CJ__INLINE void rnn_relu(int n, const cj__cell_step *s)
{
    float h[MOST];
    sum_gate(n, s, 0, h);
    EACH h[u] = h[u] < 0 ? 0.0f : h[u];
    put_state(n, s, h);
}
CELL(rnn_relu, cj__cell_step)

/* --- back ---------------------------------------------------------------------------------------------- */

CJ__INLINE void put_gate(int n, const cj__cell_back *s, int gate, const float *d)
{
    copy(n, d, s->d + gate * s->gate_step);
    copy(n, d, s->by_gates + gate * s->gate_step);
}

CJ__INLINE void lstm_back(int n, const cj__cell_back *s)
{
    float i[MOST], f[MOST], g[MOST], o[MOST], t[MOST], dh[MOST], dc[MOST], d[MOST];
    copy(n, s->gates, i);
    copy(n, s->gates + s->gate_step, f);
    copy(n, s->gates + 2 * s->gate_step, g);
    copy(n, s->gates + 3 * s->gate_step, o);
    EACH t[u] = tanh_within(s->saved[u]);
    EACH dh[u] = s->dh[u] + s->dy[u];
    EACH dc[u] = s->dc[u] + dh[u] * o[u] * (1 - t[u] * t[u]);
    EACH d[u] = dc[u] * g[u] * (i[u] * (1 - i[u]));
    put_gate(n, s, 0, d);
    EACH d[u] = dc[u] * s->before[u] * (f[u] * (1 - f[u]));
    put_gate(n, s, 1, d);
    EACH d[u] = dc[u] * i[u] * (1 - g[u] * g[u]);
    put_gate(n, s, 2, d);
    EACH d[u] = dh[u] * t[u] * (o[u] * (1 - o[u]));
    put_gate(n, s, 3, d);
    EACH s->dc[u] = dc[u] * f[u];
}
CELL(lstm_back, cj__cell_back)

CJ__INLINE void gru_back(int n, const cj__cell_back *s)
{
    float r[MOST], z[MOST], m[MOST], dh[MOST], d[MOST], dn[MOST];
    copy(n, s->gates, r);
    copy(n, s->gates + s->gate_step, z);
    copy(n, s->gates + 2 * s->gate_step, m);
    EACH dh[u] = s->dh[u] + s->dy[u];
    EACH dn[u] = dh[u] * (1 - z[u]) * (1 - m[u] * m[u]);
    EACH d[u] = dn[u] * s->saved[u] * (r[u] * (1 - r[u]));
    put_gate(n, s, 0, d);
    copy(n, d, s->by_product);
    EACH d[u] = dh[u] * (s->before[u] - m[u]) * (z[u] * (1 - z[u]));
    put_gate(n, s, 1, d);
    copy(n, d, s->by_product + s->gate_step);
    put_gate(n, s, 2, dn);
    EACH d[u] = dn[u] * r[u];
    copy(n, d, s->d + 2 * s->gate_step);
    copy(n, d, s->by_product + 2 * s->gate_step);
    EACH s->dc[u] = dh[u] * z[u];
}
CELL(gru_back, cj__cell_back)

CJ__INLINE void rnn_tanh_back(int n, const cj__cell_back *s)
{
    float d[MOST];
    EACH d[u] = (s->dh[u] + s->dy[u]) * (1 - s->gates[u] * s->gates[u]);
    put_gate(n, s, 0, d);
}
CELL(rnn_tanh_back, cj__cell_back)

CJ__INLINE void rnn_relu_back(int n, const cj__cell_back *s)
{
    float d[MOST];
    EACH d[u] = s->gates[u] > 0 ? s->dh[u] + s->dy[u] : 0.0f;
    put_gate(n, s, 0, d);
}
CELL(rnn_relu_back, cj__cell_back)

static void add(int64_t n, const float *restrict x, float *restrict to)
{
    for (int64_t i = 0; i < n; i++) to[i] += x[i];
}

static uint32_t largest(int64_t n, const float *x)
{
    uint32_t most = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = to_bits(x[i]) & 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    return most;
}

const cj__recurrence_table CJ__NAME(cj__recurrence) = {
    .step = {[CJ__RNN_TANH] = rnn_tanh_units,
             [CJ__RNN_RELU] = rnn_relu_units,
             [CJ__LSTM] = lstm_units,
             [CJ__GRU] = gru_units},
    .back = {[CJ__RNN_TANH] = rnn_tanh_back_units,
             [CJ__RNN_RELU] = rnn_relu_back_units,
             [CJ__LSTM] = lstm_back_units,
             [CJ__GRU] = gru_back_units},
    .add = add,
    .largest = largest,
};
